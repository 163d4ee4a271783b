use super::*;

/// Bytes 0 to 31, and 32 zeros.
const COUNTED: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A directory of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("tidings-keys-{name}-{process}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn all(path: &Path) -> Result<Vec<ClusterKey>, KeyFileError> {
    read_all(path, &Rules::default())
}

#[test]
fn keys_stand_one_a_line_with_blanks_and_a_byte_order_mark_or_without() {
    let folder = Folder::new("lines");
    let keys = [COUNTED, ZEROS].map(|text| ClusterKey::from_base64(text).unwrap());
    for text in [
        format!("{COUNTED}\n{ZEROS}"),
        format!("\u{feff}{COUNTED} \r\n\r\n\t{ZEROS}\r\n \n"),
        format!("\n{COUNTED}\n\n{ZEROS}\n\n\n"),
    ] {
        assert_eq!(all(&folder.file("two.key", text)).unwrap(), keys);
    }
    let marked = folder.file("one.key", format!("\u{feff}{COUNTED}\n"));
    let one = read(&marked, &Rules::default(), ClusterKey::from_base64);
    assert_eq!(one.unwrap(), keys[0]);
}

#[test]
fn a_file_that_is_empty_or_half_written_gives_no_key_and_shows_nothing() {
    let folder = Folder::new("partial");
    for text in ["", "\n \n", "\u{feff}"] {
        let error = all(&folder.file("empty.key", text)).unwrap_err();
        let cause = KeyError::Empty;
        assert!(matches!(error, KeyFileError::Key { cause: found, .. } if found == cause));
    }
    let whole = format!("{COUNTED}\n{ZEROS}\n");
    // From the second key's first character to its last but one.
    for length in 46..whole.len() - 2 {
        let error = all(&folder.file("cut.key", &whole[..length])).unwrap_err();
        assert!(
            matches!(error, KeyFileError::Key { .. }),
            "{length}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("AAAA"));
    }
    assert_eq!(
        all(&folder.file("whole.key", &whole[..whole.len() - 1]))
            .unwrap()
            .len(),
        2
    );
    let error = all(&folder.file("binary.key", [0xFF, 0xFE, 0x00])).unwrap_err();
    assert!(matches!(error, KeyFileError::Key { .. }), "{error}");
}

#[test]
fn a_file_has_at_most_eight_keys() {
    let folder = Folder::new("many");
    let many = |count: usize| format!("{COUNTED}\n").repeat(count);
    assert_eq!(all(&folder.file("8.key", many(8))).unwrap().len(), 8);
    let error = all(&folder.file("9.key", many(9))).unwrap_err();
    assert!(matches!(error, KeyFileError::TooMany { .. }), "{error}");
    let error = all(&folder.file("large.key", "A".repeat(1_025))).unwrap_err();
    assert!(matches!(error, KeyFileError::TooLarge { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn owner_group_and_mode_decide_who_may_use_a_file() {
    let process = Process {
        uid: Some(1_000),
        groups: vec![1_000, 2_000],
    };
    let strict = Rules::default();
    let open = Rules {
        world_readable: true,
    };
    let may = |rules: &Rules, uid, gid, mode| {
        process.may_use(Path::new("cluster.key"), uid, gid, 0o100_000 | mode, rules)
    };
    for uid in [0, 1_000] {
        for (gid, mode) in [
            (1_000, 0o600),
            (9, 0o400),
            (2_000, 0o440),
            (1_000, 0o640),
            (9, 0o600),
        ] {
            may(&strict, uid, gid, mode).expect("it is nobody else's");
        }
        for (gid, mode) in [
            (2_000, 0o660),
            (2_000, 0o650),
            (9, 0o440),
            (9, 0o640),
            (1_000, 0o444),
            (1_000, 0o604),
            (1_000, 0o602),
            (1_000, 0o601),
            (1_000, 0o700),
            (1_000, 0o4600),
        ] {
            let error = may(&strict, uid, gid, mode).unwrap_err();
            let exposed = matches!(error, KeyFileError::Exposed { mode: m, .. } if m == mode);
            assert!(exposed, "{mode:o}: {error}");
        }
        for mode in [0o444, 0o644, 0o400] {
            may(&open, uid, 9, mode).expect("accepted");
        }
        for mode in [0o646, 0o664, 0o666, 0o645] {
            may(&open, uid, 9, mode).expect_err("others may write or run it");
        }
    }
    for rules in [&strict, &open] {
        let error = may(rules, 1_001, 1_000, 0o600).unwrap_err();
        assert!(
            matches!(error, KeyFileError::Owner { uid: 1_001, .. }),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn the_process_is_known_by_its_effective_user_and_all_its_groups() {
    let status =
        "Name:\tshop\nUid:\t1\t1000\t1\t1\nGid:\t2\t3000\t2\t2\nGroups:\t4 2000 \nPid:\t9\n";
    let process = Process {
        uid: Some(1_000),
        groups: vec![4, 2_000, 3_000],
    };
    assert_eq!(Process::of(status), process);
    #[cfg(target_os = "linux")]
    assert!(Process::this().uid.is_some());
    // Where that is not said, nobody else may read the file, and whose it is does not count.
    let unknown = Process::of("");
    assert_eq!(unknown, Process::default());
    let may = |mode| unknown.may_use(Path::new("a.key"), 7, 7, mode, &Rules::default());
    may(0o600).expect("as private as can be told");
    may(0o640).expect_err("a group that is not known");
}

#[cfg(unix)]
#[test]
fn each_refusal_names_the_way_out_of_a_read_only_mount() {
    let process = Process {
        uid: Some(1_000),
        groups: vec![],
    };
    for (uid, mode) in [(7, 0o600), (0, 0o444)] {
        let error = process.may_use(Path::new("a.key"), uid, 0, mode, &Rules::default());
        let error = error.unwrap_err().to_string();
        for hint in [
            "defaultMode",
            "fsGroup",
            "danger_accept_world_readable_key_files",
        ] {
            assert!(error.contains(hint), "{hint}: {error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_followed_and_the_file_behind_them_counts() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = Folder::new("links");
    let file = folder.file("..data.key", COUNTED);
    let link = folder.0.join("link.key");
    symlink("..data.key", &link).unwrap();
    assert_eq!(all(&link).unwrap().len(), 1);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).unwrap();
    let error = all(&link).unwrap_err();
    assert!(
        matches!(error, KeyFileError::Exposed { mode: 0o604, .. }),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new("pipe");
    let path = folder.0.join("pipe.key");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo is there").success());
    let error = all(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
    let error = all(Path::new("/dev/null")).unwrap_err();
    assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
}
