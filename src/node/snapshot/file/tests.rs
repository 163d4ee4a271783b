use super::*;

/// A directory of its own that is gone after the test.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let name = format!("tidings-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self) -> SnapshotFile {
        SnapshotFile::at(self.0.join("table.json"))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let names = entries.map(name);
        let mut names: Vec<_> = names.map(|n| n.into_string().expect("UTF-8")).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(file: &SnapshotFile) -> Option<Vec<u8>> {
    file.read().expect("readable")
}

#[test]
fn what_was_written_last_is_read_and_nothing_else_is_left() {
    let directory = Directory::new("last");
    let file = directory.file();
    assert_eq!(read(&file), None);
    file.write(b"old").expect("written");
    file.write(b"new").expect("written");
    assert_eq!(read(&file), Some(b"new".to_vec()));
    assert_eq!(directory.names(), ["table.json"]);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::MetadataExt as _;
    let directory = Directory::new("mode");
    directory.file().write(b"{}").expect("written");
    let metadata = fs::metadata(directory.0.join("table.json")).expect("there");
    assert_eq!(metadata.mode() & 0o7777, 0o600);
}

#[cfg(unix)]
#[test]
fn one_that_others_may_write_is_refused_and_replaced_by_one_that_they_may_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new("exposed");
    let file = directory.file();
    file.write(b"{}").expect("written");
    let exposed = fs::Permissions::from_mode(0o622);
    fs::set_permissions(&file.path, exposed).expect("ours");
    assert!(matches!(
        file.read(),
        Err(SnapshotError::Exposed { mode: 0o622 })
    ));
    file.write(b"[]").expect("written");
    assert_eq!(read(&file), Some(b"[]".to_vec()));
}

#[test]
fn a_write_that_was_killed_leaves_the_old_file_and_is_tidied_up_in_time() {
    let directory = Directory::new("killed");
    let file = directory.file();
    file.write(b"old").expect("written");
    // As far as a write had come when the process was killed, twice.
    let temporary = |n: u8| directory.0.join(format!(".table.json.{n}-1.tmp"));
    for n in 1..=2 {
        fs::write(temporary(n), b"ne").expect("written");
    }
    let long_ago = SystemTime::now() - 2 * LEFT_OVER_AFTER;
    let first = File::options().write(true).open(temporary(1));
    first
        .expect("there")
        .set_modified(long_ago)
        .expect("settable");
    assert_eq!(read(&file), Some(b"old".to_vec()));
    // The younger one may be another process's, at this moment.
    assert_eq!(directory.names(), [".table.json.2-1.tmp", "table.json"]);
    file.write(b"new").expect("written");
    assert_eq!(read(&file), Some(b"new".to_vec()));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_the_old_file_stays_and_nothing_is_left_beside_it() {
    let directory = Directory::new("full");
    let file = directory.file();
    file.write(b"old").expect("written");
    let error = file.replace(|made| {
        drop(made);
        let full = File::options().write(true).open("/dev/full");
        fill(full.expect("there"), b"new")
    });
    let Err(SnapshotError::Write { step, source }) = error else {
        panic!("{error:?}");
    };
    let kind = source.kind();
    assert_eq!((step, kind), ("write", io::ErrorKind::StorageFull));
    assert_eq!(read(&file), Some(b"old".to_vec()));
    assert_eq!(directory.names(), ["table.json"]);
}

#[test]
fn a_directory_that_is_not_there_is_told_of() {
    let directory = Directory::new("gone");
    let gone = SnapshotFile::at(directory.0.join("gone").join("table.json"));
    assert_eq!(read(&gone), None);
    let written = gone.write(b"new");
    assert!(matches!(
        written,
        Err(SnapshotError::Write { step: "create", .. })
    ));
}

#[test]
fn what_is_no_file_is_neither_read_nor_replaced() {
    let directory = Directory::new("directory");
    let file = directory.file();
    fs::create_dir(&file.path).expect("made");
    assert!(matches!(file.read(), Err(SnapshotError::NotAFile)));
    assert!(matches!(file.write(b"{}"), Err(SnapshotError::NotAFile)));
    assert_eq!(directory.names(), ["table.json"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_neither_read_nor_replaced() {
    let file = SnapshotFile::at("/dev/full".into());
    assert!(matches!(file.read(), Err(SnapshotError::NotAFile)));
    assert!(matches!(file.write(b"{}"), Err(SnapshotError::NotAFile)));
}

#[test]
fn one_that_is_too_large_is_not_taken_into_memory() {
    let directory = Directory::new("large");
    let file = directory.file();
    let large = File::create(&file.path).expect("made");
    large
        .set_len(SNAPSHOT_BYTES_MAX as u64 + 1)
        .expect("sparse");
    assert!(matches!(file.read(), Err(SnapshotError::TooLarge)));
}

#[test]
fn two_that_write_one_file_leave_one_of_both_whole() {
    let directory = Directory::new("two");
    let written = |byte: u8| vec![byte; 100_000];
    std::thread::scope(|scope| {
        for byte in *b"ab" {
            let file = directory.file();
            scope.spawn(move || {
                for _ in 0..20 {
                    file.write(&written(byte)).expect("written");
                }
            });
        }
        for _ in 0..50 {
            if let Some(seen) = read(&directory.file()) {
                assert!(seen == written(b'a') || seen == written(b'b'));
            }
        }
    });
    assert_eq!(directory.names(), ["table.json"]);
}

#[test]
fn a_file_that_nothing_can_be_renamed_over_is_written_over() {
    let directory = Directory::new("in-place");
    let file = directory.file();
    assert_eq!(
        file.write(b"a longer one").expect("written"),
        Written::Replaced
    );
    file.is_fixed.store(true, Ordering::Relaxed);
    assert_eq!(file.write(b"short").expect("written"), Written::InPlace);
    assert_eq!(read(&file), Some(b"short".to_vec()));
    assert_eq!(directory.names(), ["table.json"]);
}

/// Where this process may make mount namespaces, as root does.
#[cfg(target_os = "linux")]
#[test]
fn a_snapshot_that_is_mounted_by_itself_is_written_and_read() {
    const INSIDE: &str = "TIDINGS_TEST_MOUNTED_FILE";
    if let Ok(path) = std::env::var(INSIDE) {
        let file = SnapshotFile::at(path.into());
        assert_eq!(read(&file), Some(Vec::new()), "it is empty");
        for snapshot in [&b"a longer one"[..], b"short"] {
            assert_eq!(file.write(snapshot).expect("written"), Written::InPlace);
            assert_eq!(read(&file), Some(snapshot.to_vec()));
        }
        return;
    }
    let may_mount = std::process::Command::new("unshare")
        .args(["--mount", "true"])
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this process may not make mount namespaces");
        return;
    }
    let directory = Directory::new("mounted");
    let (outside, inside) = (directory.0.join("outside"), directory.0.join("table.json"));
    for path in [&outside, &inside] {
        create(path).expect("made");
    }
    let test = std::env::current_exe().expect("this test");
    let script = format!(
        "mount --bind {outside} {inside} && exec {test} --exact {name}",
        outside = outside.display(),
        inside = inside.display(),
        test = test.display(),
        name = "node::snapshot::file::tests::\
                a_snapshot_that_is_mounted_by_itself_is_written_and_read",
    );
    let status = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env(INSIDE, &inside)
        .status();
    assert!(status.expect("unshare runs").success());
    assert_eq!(fs::read(&outside).expect("readable"), b"short");
    assert_eq!(
        directory.names(),
        ["outside", "table.json"],
        "no temporary file is left"
    );
}
