//! A key from a file, which nobody else may read.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::gossip::security::KeyError;

/// The largest file that is read. A key takes 44 bytes of it.
const FILE_BYTES_MAX: usize = 1_024;

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
    /// Others than its owner may read or write it.
    #[error("the key file {} has the mode {mode:04o}, and others may use the key: `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is far larger than a key.
    #[error("the key file {} has more than {FILE_BYTES_MAX} bytes: it has to hold 32 bytes in base64 and nothing else", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What is in it is no key.
    #[error("the key file {}: {cause}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: KeyError,
    },
}

/// Reads what `parse` takes for a key: base64, with blanks around it or not.
pub(super) fn read<K>(
    path: &Path,
    parse: fn(&str) -> Result<K, KeyError>,
) -> Result<K, KeyFileError> {
    let failed = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    // Before it is opened: to open a pipe waits for its writer.
    is_usable(path, &fs::metadata(path).map_err(failed)?)?;
    let mut file = File::open(path).map_err(failed)?;
    // And then what was opened, which may be another one by now.
    is_usable(path, &file.metadata().map_err(failed)?)?;
    let mut content = Zeroizing::new([0; FILE_BYTES_MAX + 1]);
    let length = fill(&mut file, &mut *content).map_err(failed)?;
    if length > FILE_BYTES_MAX {
        let path = path.to_owned();
        return Err(KeyFileError::TooLarge { path });
    }
    std::str::from_utf8(&content[..length])
        .map_err(|_| KeyError::NotBase64)
        .and_then(parse)
        .map_err(|cause| KeyFileError::Key {
            path: path.to_owned(),
            cause,
        })
}

fn is_usable(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    if !metadata.is_file() {
        let path = path.to_owned();
        return Err(KeyFileError::NotAFile { path });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(KeyFileError::Exposed { path, mode });
        }
    }
    Ok(())
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
