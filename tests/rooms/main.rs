//! The rooms of the crate keep their rules: which one uses which, which foreign crate is named
//! where, and that the core takes time, chance and datagrams as parameters.
//!
//! The sources are read as text, so that a rule is broken where it is written and not only where it
//! is built. It is no compiler: what it has to understand of Rust is in [`source`].

mod rules;
mod source;

use std::{fs, path::Path};

use rules::check;
use source::Source;

fn read(directory: &Path, root: &Path, sources: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name: Vec<_> = path.strip_prefix(root).unwrap().iter().collect();
            let name = name.join("/".as_ref()).into_string().unwrap();
            sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn the_rooms_keep_their_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    read(&root.join("src"), root, &mut sources);
    for room in [
        "registry",
        "table",
        "select",
        "balance",
        "gossip",
        "health",
        "fixed",
        "node",
        "app",
        "integrations",
    ] {
        let path = format!("src/{room}/mod.rs");
        assert!(
            sources.iter().any(|s| s.path == path),
            "{path} is not there"
        );
    }
    let broken: Vec<_> = check(&sources).iter().map(ToString::to_string).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// What the rules say of one file.
fn said_of(path: &str, text: &str) -> Vec<String> {
    check(&[Source::new(path, text)])
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Path, text, the line where a rule is broken, and what is said of it.
const BREAKING: &[(&str, &str, usize, &str)] = &[
    // Rooms.
    (
        "src/registry/a.rs",
        "\nuse crate::table::Owner;",
        2,
        "`registry` may not use `crate::table`",
    ),
    (
        "src/table/a.rs",
        "use crate::{registry::Status, gossip::Now};",
        1,
        "`table` may not use `crate::gossip`",
    ),
    (
        "src/table/a.rs",
        "fn f(_: crate::node::Node) {}",
        1,
        "`table` may not use `crate::node`",
    ),
    (
        "src/gossip/a.rs",
        "use crate::Node;",
        1,
        "`gossip` may not use `crate::Node`",
    ),
    (
        "src/table/a.rs",
        "use super::super::gossip::Now;",
        1,
        "leaves its room by `super`",
    ),
    (
        "src/table/mod.rs",
        "use super::gossip::Now;",
        1,
        "leaves its room by `super`",
    ),
    ("src/extras/mod.rs", "", 1, "add the room"),
    (
        "src/lib.rs",
        "pub mod registry;\n\npub fn helper() {}",
        3,
        "re-exports, and nothing else",
    ),
    // Crates.
    (
        "src/table/a.rs",
        "use foca::Identity;",
        1,
        "`foca` is named only in src/gossip/",
    ),
    (
        "src/node/a.rs",
        "type T = ::foca::State;",
        1,
        "`foca` is named only in src/gossip/",
    ),
    (
        "src/gossip/wire/a.rs",
        "#[derive(bincode::Encode)] struct A;",
        1,
        "`bincode` is named only in",
    ),
    (
        "src/gossip/a.rs",
        "use tokio::time;",
        1,
        "`tokio` is named only in src/node/",
    ),
    (
        "src/gossip/a.rs",
        "use {socket2::Socket, std::fmt};",
        1,
        "`socket2` is named only in src/node/",
    ),
    (
        "src/gossip/a.rs",
        "pub use foca::State;",
        1,
        "the types of `foca` never leave",
    ),
    (
        "src/gossip/engine/a.rs",
        "use aes_gcm::AesGcm;",
        1,
        "`aes_gcm` is named only in src/gossip/security/cipher.rs",
    ),
    // Time.
    (
        "src/gossip/a.rs",
        "\n\nuse std::time::{Duration, Instant};",
        3,
        "reads no clock",
    ),
    (
        "src/table/a.rs",
        "use std::time::Instant as Clock;",
        1,
        "reads no clock",
    ),
    (
        "src/registry/a.rs",
        "fn f() { time::SystemTime::now(); }",
        1,
        "reads no clock",
    ),
    ("src/gossip/a.rs", "use std::time::*;", 1, "reads no clock"),
    (
        "src/gossip/a.rs",
        "fn f() { let x = Instant::now(); }",
        1,
        "reads no clock",
    ),
    // The world.
    (
        "src/gossip/a.rs",
        "use std::net::{SocketAddr, UdpSocket};",
        1,
        "opens no socket",
    ),
    (
        "src/gossip/a.rs",
        "fn f() { std::fs::read(\"x\"); }",
        1,
        "opens no socket",
    ),
    (
        "src/table/a.rs",
        "fn f() { std::thread::spawn(|| {}); }",
        1,
        "no task or thread",
    ),
    (
        "src/table/a.rs",
        "fn f(pool: Pool) {\n    pool\n        .spawn(1);\n}",
        3,
        "no task or thread",
    ),
    // Chance and order.
    (
        "src/gossip/a.rs",
        "fn f() { let r = rand::rng(); }",
        1,
        "no random source",
    ),
    (
        "src/gossip/a.rs",
        "fn f() -> u8 { rand::random::<u8>() }",
        1,
        "no random source",
    ),
    (
        "src/gossip/a.rs",
        "fn f() { StdRng::from_os_rng(); }",
        1,
        "no random source",
    ),
    (
        "src/registry/a.rs",
        "fn f() { Uuid::new_v4(); }",
        1,
        "no random source",
    ),
    (
        "src/gossip/a.rs",
        "use std::collections::{BTreeMap, HashMap};",
        1,
        "no map of random order",
    ),
    (
        "src/table/a.rs",
        "type T = rpds::HashTrieMapSync<u8, u8>;",
        1,
        "no map of random order",
    ),
    (
        "src/health/state.rs",
        "use tokio::time::Instant;",
        1,
        "`tokio` is named only in src/node/, src/health/checks/",
    ),
    (
        "src/health/state.rs",
        "use std::time::Instant;",
        1,
        "reads no clock",
    ),
    // Leftovers, in tests too.
    (
        "src/node/a.rs",
        "fn f() { todo!() }",
        1,
        "`todo!` is left behind",
    ),
    (
        "src/node/a.rs",
        "#[cfg(test)]\nmod tests {\n    fn f() { dbg!(1); }\n}",
        3,
        "`dbg!` is left behind",
    ),
    (
        "src/node/a.rs",
        "fn f() { unimplemented!(\"later\") }",
        1,
        "`unimplemented!` is left behind",
    ),
    (
        "src/node/a.rs",
        "fn f() {}\n// #[ignore]\nfn g() {}",
        2,
        "a test that is not run",
    ),
];

#[test]
fn each_broken_rule_is_found_where_it_is_broken() {
    for (path, text, line, rule) in BREAKING {
        let said = said_of(path, text);
        let place = format!("{path}:{line}: ");
        let found = said
            .iter()
            .filter(|s| s.starts_with(&place) && s.contains(rule));
        assert_eq!(found.count(), 1, "{text}\n{said:?}");
    }
}

const KEEPING: &[(&str, &str)] = &[
    (
        "src/registry/a.rs",
        "use super::Status;\nuse crate::registry::Endpoint;",
    ),
    (
        "src/table/a.rs",
        "use crate::registry::Status;\npub(in crate::table) struct A;",
    ),
    ("src/table/a/b.rs", "use super::super::Owner;"),
    (
        "src/gossip/a.rs",
        "use crate::{registry, table::{self, Owner}};\nuse foca::Identity;",
    ),
    (
        "src/gossip/a.rs",
        "/// `std::time::Instant` cannot be made up.\nuse crate::table::Instant;",
    ),
    (
        "src/gossip/a.rs",
        "/* a /* nested */ HashMap */ fn f() { let s = \"std::time::Instant\"; }",
    ),
    (
        "src/gossip/a.rs",
        "fn f() -> &'static str { r#\"a \"HashMap\" todo!()\"# }",
    ),
    (
        "src/gossip/a.rs",
        "fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' } // HashMap",
    ),
    (
        "src/gossip/a.rs",
        "use rand::{RngExt, rngs::StdRng};\nfn f(r: &mut StdRng) -> u64 { r.random() }",
    ),
    (
        "src/gossip/a.rs",
        "#[cfg(test)]\nmod tests {\n    use std::time::Instant;\n}",
    ),
    (
        "src/gossip/a.rs",
        "#[cfg(test)]\nuse std::collections::HashMap;\nuse std::fmt;",
    ),
    (
        "src/gossip/wire/codec.rs",
        "pub(in crate::gossip) use bincode::{Decode, Encode};",
    ),
    (
        "src/registry/builder.rs",
        "fn id() -> Uuid { Uuid::new_v4() }",
    ),
    ("src/table/directory.rs", "use rpds::HashTrieMapSync;"),
    (
        "src/node/a.rs",
        "use crate::{gossip, registry, table};\nuse std::time::Instant;",
    ),
    ("src/node/a.rs", "fn f(foca: u8) -> u8 { foca }"),
    (
        "src/health/checks/a.rs",
        "use tokio::{net::TcpStream, time::Instant};",
    ),
    (
        "src/lib.rs",
        "pub mod registry;\npub use registry::Status;\n#[cfg(all(doctest, feature = \"node\"))]\nstruct Readme;",
    ),
];

#[test]
fn what_keeps_the_rules_is_left_alone() {
    for (path, text) in KEEPING {
        assert_eq!(said_of(path, text), [""; 0], "{text}");
    }
}

#[test]
fn a_file_is_as_long_as_its_code() {
    let code = "fn f() {}\n".repeat(400);
    let docs = "// why\n\n".repeat(400);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{code}\n}}");
    let text = format!("{docs}{code}{tests}");
    assert_eq!(said_of("src/node/a.rs", &text), [""; 0]);
    let said = said_of("src/node/a.rs", &format!("{text}\nfn g() {{}}"));
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("401 lines of code"), "{said:?}");
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_left_alone() {
    let parent = Source::new("src/table/a.rs", "#[cfg(test)]\nmod proofs;\nmod b;");
    let test = "use std::collections::HashMap;";
    let sources = [
        parent,
        Source::new("src/table/a/proofs.rs", test),
        Source::new("src/table/a/proofs/more.rs", test),
        Source::new("src/table/a/b.rs", test),
    ];
    let broken = check(&sources);
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0].path, "src/table/a/b.rs");
}
