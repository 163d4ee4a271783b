//! Keys from a file that nobody else may use.
//!
//! The path is walked anew each time, because Kubernetes changes a secret by swapping a symbolic link
//! on the way. What counts is the file that was opened: its kind, owner and mode are asked of the open file, never
//! of the path.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::gossip::security::{ClusterKey, KEYS_MAX, KeyError};

/// The largest file that is read. A key takes 44 bytes of it, and a line break.
const FILE_BYTES_MAX: usize = 1_024;
/// What some editors write at the start of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file gave no key. None of these shows any of what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It could not be read.
    #[error("the key file {} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("the key file {} is no regular file", path.display())]
    NotAFile {
        /// What it was said to be.
        path: PathBuf,
    },
    /// It belongs to another user, who could change the key.
    #[error("the key file {} belongs to user {uid}: it has to belong to root or to this process's user, `chown {expected} {}`{MOUNT_HINT}", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
        /// This process's effective user.
        expected: u32,
    },
    /// Others than its owner, and the process's own groups, may read it, or others than its owner may write it.
    #[error("the key file {} has the mode {mode:04o} and the group {gid}, and others may use the key: `chmod 600 {}`, or 640 with a group of this process{MOUNT_HINT}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its group.
        gid: u32,
    },
    /// It is far larger than the keys that a node may have.
    #[error("the key file {} has more than {FILE_BYTES_MAX} bytes: it has to hold keys of 32 bytes in base64, one a line, and nothing else", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It has more keys than a node may have.
    #[error("the key file {} holds more than {KEYS_MAX} keys: the first seals, and a change of the key needs one more", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// What is in it is no key.
    #[error("the key file {}: {cause}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, or with the first line that is no key.
        cause: KeyError,
    },
}

/// For a file whose mode cannot be changed where it is.
const MOUNT_HINT: &str = ". On a read-only mount set this where the secret is mounted: in Kubernetes `defaultMode: 0400` \
                          with `fsGroup` (the file is 0440 then), in Docker `mode: 0400` and `uid`. Where nothing else can \
                          read the file, `.danger_accept_world_readable_key_files()` accepts 0444";

/// Whose files are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Whether every user may read them.
    pub(super) world_readable: bool,
}

/// Reads the key that is all of a file: base64, with blanks around it or not.
pub(super) fn read<K>(
    path: &Path,
    rules: &Rules,
    parse: fn(&str) -> Result<K, KeyError>,
) -> Result<K, KeyFileError> {
    with_text(path, rules, |text| parse(text).map_err(Unusable::Key))
}

/// Reads a file of keys: one a line, the first first. Lines that are blank do not count.
pub(super) fn read_all(path: &Path, rules: &Rules) -> Result<Vec<ClusterKey>, KeyFileError> {
    with_text(path, rules, |text| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.clone().count() > KEYS_MAX {
            return Err(Unusable::TooMany);
        }
        let keys: Result<Vec<_>, _> = lines.map(ClusterKey::from_base64).collect();
        match keys.map_err(Unusable::Key)? {
            keys if keys.is_empty() => Err(Unusable::Key(KeyError::Empty)),
            keys => Ok(keys),
        }
    })
}

/// Why a text gave nothing.
enum Unusable {
    Key(KeyError),
    TooMany,
}

fn with_text<T>(
    path: &Path,
    rules: &Rules,
    parse: impl FnOnce(&str) -> Result<T, Unusable>,
) -> Result<T, KeyFileError> {
    let path = || path.to_owned();
    let failed = |source| KeyFileError::Read {
        path: path(),
        source,
    };
    let Some(mut file) = open(&path()).map_err(failed)? else {
        return Err(KeyFileError::NotAFile { path: path() });
    };
    is_usable(&path(), &file.metadata().map_err(failed)?, rules)?;
    let mut content = Zeroizing::new([0; FILE_BYTES_MAX + 1]);
    let length = fill(&mut file, &mut *content).map_err(failed)?;
    if length > FILE_BYTES_MAX {
        return Err(KeyFileError::TooLarge { path: path() });
    }
    let text = std::str::from_utf8(&content[..length]);
    let text = text.map_err(|_| Unusable::Key(KeyError::NotBase64));
    let parsed = text.and_then(|text| parse(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)));
    parsed.map_err(|unusable| match unusable {
        Unusable::Key(cause) => KeyFileError::Key {
            path: path(),
            cause,
        },
        Unusable::TooMany => KeyFileError::TooMany { path: path() },
    })
}

/// Opens a file and nothing else: to open a pipe waits for its writer.
fn open(path: &Path) -> io::Result<Option<File>> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path).map(Some)
    } else {
        Ok(None)
    }
}

fn is_usable(path: &Path, metadata: &Metadata, rules: &Rules) -> Result<(), KeyFileError> {
    if !metadata.is_file() {
        let path = path.to_owned();
        return Err(KeyFileError::NotAFile { path });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        Process::this().may_use(path, metadata.uid(), metadata.gid(), metadata.mode(), rules)
    }
    #[cfg(not(unix))]
    {
        let _ = rules;
        Ok(())
    }
}

/// As whom this process opens files.
#[cfg(unix)]
#[derive(Debug, Default, PartialEq, Eq)]
struct Process {
    /// Its effective user. Nothing where the operating system does not say: then any owner will do, and no group.
    uid: Option<u32>,
    groups: Vec<u32>,
}

#[cfg(unix)]
impl Process {
    /// What Linux says of this process.
    fn this() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::of(&status)
    }

    /// From the text of `/proc/self/status` (proc(5)): real, effective, saved and file system ids, then the other groups.
    fn of(status: &str) -> Self {
        let ids = |field: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let ids = line.unwrap_or_default().split_whitespace();
            ids.filter_map(|id| id.parse().ok()).collect()
        };
        let mut groups = ids("Groups:");
        groups.extend(ids("Gid:").get(1));
        Self {
            uid: ids("Uid:").get(1).copied(),
            groups,
        }
    }

    /// Whether a file of that owner, group and mode is taken.
    fn may_use(
        &self,
        path: &Path,
        uid: u32,
        gid: u32,
        mode: u32,
        rules: &Rules,
    ) -> Result<(), KeyFileError> {
        let path = || path.to_owned();
        if let Some(expected) = self.uid.filter(|own| uid != 0 && uid != *own) {
            return Err(KeyFileError::Owner {
                path: path(),
                uid,
                expected,
            });
        }
        let mode = mode & 0o7777;
        let allowed = match (rules.world_readable, self.groups.contains(&gid)) {
            (true, _) => 0o644,
            (false, true) => 0o640,
            (false, false) => 0o600,
        };
        if mode & !allowed != 0 {
            return Err(KeyFileError::Exposed {
                path: path(),
                mode,
                gid,
            });
        }
        Ok(())
    }
}

/// Reads until the file or the place ends, into the place alone: no copy is left elsewhere.
fn fill(file: &mut File, place: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < place.len() {
        match file.read(&mut place[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
