//! The file on the disk: read with a bound, replaced as a whole, or [written over](in_place) where it
//! cannot be. Everything here may block.

mod in_place;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{SNAPSHOT_BYTES_MAX, SnapshotError};

/// A temporary file that nobody has touched for so long is left over from a crash. A write takes far less.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(3_600);

/// Where snapshots are kept.
pub(super) trait Store: Send + Sync + 'static {
    /// What was written last; nothing if there never was anything.
    fn read(&self) -> Result<Option<Vec<u8>>, SnapshotError>;

    /// Puts `bytes` in the place of what was written last, or leaves that as it is.
    fn write(&self, bytes: &[u8]) -> Result<Written, SnapshotError>;
}

/// How a snapshot came into its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// A file that was whole was renamed over it.
    Replaced,
    /// It was written over, since no file can be put in its place: a crash meanwhile damages it.
    InPlace,
}

/// A file that is replaced by renaming.
#[derive(Debug)]
pub(super) struct SnapshotFile {
    path: PathBuf,
    /// Whether it was found that no other file can be put in its place.
    is_fixed: AtomicBool,
}

impl SnapshotFile {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self {
            path,
            is_fixed: AtomicBool::new(false),
        }
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// How the names of its temporary files begin: `.name.`
    fn temporary_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(self.path.file_name().unwrap_or_default());
        prefix.push(".");
        prefix
    }

    /// A name that no other process has at this moment: containers share process ids, but hardly the nanosecond.
    fn temporary(&self) -> PathBuf {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since_epoch.unwrap_or_default().as_nanos();
        let mut name = self.temporary_prefix();
        name.push(format!("{}-{nanos}.tmp", std::process::id()));
        self.directory().join(name)
    }

    /// Puts what `fill` makes of a new file in the place of the old one.
    fn replace(
        &self,
        fill: impl FnOnce(File) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        // A rename would replace a device as it would a file.
        if fs::metadata(&self.path).is_ok_and(|there| !there.is_file()) {
            return Err(SnapshotError::NotAFile);
        }
        let temporary = self.temporary();
        let replaced = create(&temporary)
            .and_then(fill)
            .and_then(|()| step("rename", fs::rename(&temporary, &self.path)));
        if replaced.is_err() {
            // A full disk does not get emptier by these. If it was never made, there is nothing to remove.
            let _ = fs::remove_file(&temporary);
        }
        replaced?;
        sync_directory(self.directory())
    }

    /// Removes what a crash left behind, this process's or another's. What cannot be removed does no harm.
    fn tidy_up(&self) {
        let Ok(entries) = fs::read_dir(self.directory()) else {
            return;
        };
        let prefix = self.temporary_prefix();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            let is_temporary =
                name.starts_with(prefix.as_encoded_bytes()) && name.ends_with(b".tmp");
            if is_temporary && entry.metadata().is_ok_and(|metadata| is_old(&metadata)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Store for SnapshotFile {
    fn read(&self) -> Result<Option<Vec<u8>>, SnapshotError> {
        self.tidy_up();
        // Before it is opened: to open a pipe waits for its writer.
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => is_usable(&metadata.map_err(SnapshotError::Read)?)?,
        }
        let file = File::open(&self.path).map_err(SnapshotError::Read)?;
        // And then what was opened, which may be another one by now.
        is_usable(&file.metadata().map_err(SnapshotError::Read)?)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(SNAPSHOT_BYTES_MAX).expect("64 MiB") + 1;
        let read = file.take(most).read_to_end(&mut bytes);
        read.map_err(SnapshotError::Read)?;
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        Ok(Some(bytes))
    }

    fn write(&self, bytes: &[u8]) -> Result<Written, SnapshotError> {
        if !self.is_fixed.load(Ordering::Relaxed) {
            let refused = match self.replace(|file| fill(file, bytes)) {
                Ok(()) => return Ok(Written::Replaced),
                Err(error) => error,
            };
            let is_fixed = matches!(
                &refused,
                SnapshotError::Write { step, source } if in_place::is_called_for(step, source)
            );
            if !is_fixed || !fs::metadata(&self.path).is_ok_and(|there| there.is_file()) {
                return Err(refused);
            }
            self.is_fixed.store(true, Ordering::Relaxed);
        }
        step("write in place", in_place::write(&self.path, bytes))?;
        Ok(Written::InPlace)
    }
}

fn create(path: &Path) -> Result<File, SnapshotError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    step("create", options.open(path))
}

/// Writes all, and waits until the disk has it: a file that is renamed before may be empty after a crash.
fn fill(mut file: File, bytes: &[u8]) -> Result<(), SnapshotError> {
    step("write", file.write_all(bytes))?;
    step("fsync", file.sync_all())
}

/// Waits until the disk has the new name.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<(), SnapshotError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    step("fsync of the directory", synced)
}

/// Elsewhere a directory cannot be opened as a file.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> Result<(), SnapshotError> {
    Ok(())
}

fn step<T>(step: &'static str, done: io::Result<T>) -> Result<T, SnapshotError> {
    done.map_err(|source| SnapshotError::Write { step, source })
}

fn is_usable(metadata: &Metadata) -> Result<(), SnapshotError> {
    if !metadata.is_file() {
        return Err(SnapshotError::NotAFile);
    }
    if usize::try_from(metadata.len()).map_or(true, |length| length > SNAPSHOT_BYTES_MAX) {
        return Err(SnapshotError::TooLarge);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(SnapshotError::Exposed { mode });
        }
    }
    Ok(())
}

fn is_old(metadata: &Metadata) -> bool {
    let untouched = metadata.modified().map(|at| at.elapsed());
    matches!(untouched, Ok(Ok(untouched)) if untouched > LEFT_OVER_AFTER)
}
