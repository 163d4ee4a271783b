//! Writing over a file that nothing can be renamed over.
//!
//! A file that is mounted by itself (`docker run -v /data/shop.json:/shop.json`, a Kubernetes
//! `subPath`) is a mount point: to rename over it is refused as busy, or as a rename to another
//! device. Its directory may also be read-only where it is not. Then the file itself is written over.
//!
//! A crash can come at any point of that. So the file begins with a byte that no snapshot begins
//! with until all the rest is on the disk, and gets its first byte at last. In between it is
//! recognisably damaged, and never half of one snapshot and half of another.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// No JSON begins with it.
const DAMAGED: u8 = 0;

/// Whether an error of a step of replacing the file says that it can only be written over.
pub(super) fn is_called_for(step: &'static str, error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => step == "rename",
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            matches!(step, "create" | "rename")
        }
        _ => false,
    }
}

/// What is written to, step by step.
trait Place {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&mut self, length: u64) -> io::Result<()>;
    /// Waits until the disk has all of it.
    fn sync(&mut self) -> io::Result<()>;
}

impl Place for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Writes `bytes` over what is in the file at `path`, which has to exist.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    over(&mut OpenOptions::new().write(true).open(path)?, bytes)
}

fn over(place: &mut impl Place, bytes: &[u8]) -> io::Result<()> {
    let Some((first, rest)) = bytes.split_first() else {
        return Err(ErrorKind::InvalidInput.into());
    };
    place.write_at(0, &[DAMAGED])?;
    place.sync()?;
    place.write_at(1, rest)?;
    // Behind the end there may be more of the one before.
    place.set_len(u64::try_from(bytes.len()).map_err(io::Error::other)?)?;
    place.sync()?;
    place.write_at(0, &[*first])?;
    place.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> io::Error {
        kind.into()
    }

    #[test]
    fn a_mount_point_and_a_read_only_directory_are_written_in_place_and_a_full_disk_is_not() {
        for (step, kind) in [
            ("rename", ErrorKind::ResourceBusy),
            ("rename", ErrorKind::CrossesDevices),
            ("create", ErrorKind::ReadOnlyFilesystem),
            ("create", ErrorKind::PermissionDenied),
        ] {
            assert!(is_called_for(step, &error(kind)), "{step}: {kind}");
        }
        for (step, kind) in [
            ("create", ErrorKind::StorageFull),
            ("write", ErrorKind::StorageFull),
            ("fsync", ErrorKind::Other),
            ("create", ErrorKind::NotFound),
            ("rename", ErrorKind::NotFound),
        ] {
            assert!(!is_called_for(step, &error(kind)), "{step}: {kind}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernels_words_for_it_are_understood() {
        const EBUSY: i32 = 16;
        const EXDEV: i32 = 18;
        const EROFS: i32 = 30;
        for (step, code) in [("rename", EBUSY), ("rename", EXDEV), ("create", EROFS)] {
            assert!(is_called_for(step, &io::Error::from_raw_os_error(code)));
        }
    }

    /// A disk that has some of what was written since it was last waited for, and loses power.
    struct Disk {
        durable: Vec<u8>,
        pending: Vec<Op>,
        /// Steps until the power is lost.
        steps_left: usize,
    }

    #[derive(Clone)]
    enum Op {
        Write(usize, Vec<u8>),
        Length(usize),
    }

    fn apply(bytes: &mut Vec<u8>, op: &Op) {
        match op {
            Op::Write(offset, written) => {
                let end = bytes.len().max(offset + written.len());
                bytes.resize(end, 0);
                bytes[*offset..offset + written.len()].copy_from_slice(written);
            }
            Op::Length(length) => bytes.resize(*length, 0),
        }
    }

    impl Disk {
        fn step(&mut self) -> io::Result<()> {
            self.steps_left = self.steps_left.checked_sub(1).ok_or(ErrorKind::Other)?;
            Ok(())
        }

        /// All that may be on the disk: any part of what was not waited for.
        fn outcomes(&self) -> Vec<Vec<u8>> {
            let subsets = 0..1_usize << self.pending.len();
            let outcome = |subset: usize| {
                let mut bytes = self.durable.clone();
                for (index, op) in self.pending.iter().enumerate() {
                    if subset & (1 << index) != 0 {
                        apply(&mut bytes, op);
                    }
                }
                bytes
            };
            subsets.map(outcome).collect()
        }
    }

    impl Place for Disk {
        fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.step()?;
            let mut offset = usize::try_from(offset).expect("small");
            // A page may be on the disk and the next one not.
            for page in bytes.chunks(4) {
                self.pending.push(Op::Write(offset, page.to_vec()));
                offset += page.len();
            }
            Ok(())
        }

        fn set_len(&mut self, length: u64) -> io::Result<()> {
            self.step()?;
            let length = usize::try_from(length).expect("small");
            self.pending.push(Op::Length(length));
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.step()?;
            for op in std::mem::take(&mut self.pending) {
                apply(&mut self.durable, &op);
            }
            Ok(())
        }
    }

    #[test]
    fn power_that_is_lost_at_any_point_leaves_the_old_the_new_or_what_is_no_json() {
        let long = br#"{"a":[1,2,3],"b":[4,5,6]}"#;
        let short = br#"{"a":[9,8],"b":[]}"#;
        for (old, new) in [(&long[..], &short[..]), (short, long), (long, long)] {
            let (mut crashes, mut damaged) = (0, 0);
            for steps_left in 0.. {
                let mut disk = Disk {
                    durable: old.to_vec(),
                    pending: Vec::new(),
                    steps_left,
                };
                let ended = over(&mut disk, new);
                for bytes in disk.outcomes() {
                    crashes += 1;
                    if bytes != old && bytes != new {
                        damaged += 1;
                        let read = serde_json::from_slice::<serde_json::Value>(&bytes);
                        assert!(read.is_err(), "{:?}", String::from_utf8_lossy(&bytes));
                    }
                }
                if ended.is_ok() {
                    assert_eq!(disk.outcomes(), [new]);
                    break;
                }
            }
            assert!(
                crashes > 50 && damaged > 10,
                "{crashes} crashes, {damaged} damaged"
            );
        }
    }
}
