//! Nodes with keys: what they refuse before they start, and how they change them.

#![cfg(feature = "node")]

mod node_support;

use std::path::PathBuf;

use node_support::{builder, eventually, instance, join, offers, sees, start, within};
use tidings::gossip::security::{KeyError, KeyringError};
use tidings::node::{KeyChangeError, KeyFileError, NodeBuilder, StartError};
use tidings::{ClusterKey, Node, Rollout};

/// 32 bytes in base64.
const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

async fn refused(builder: NodeBuilder) -> StartError {
    within("start", builder.start()).await.expect_err("refused")
}

/// A file in the directory for tests' files, that only its owner may use.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("written");
    set_mode(&path, 0o600);
    path
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("set");
}

#[cfg(not(unix))]
fn set_mode(_: &std::path::Path, _: u32) {}

#[tokio::test]
async fn nodes_with_the_same_key_find_each_other_and_others_do_not() {
    let first = start(builder(&[]).key(key(1))).await;
    let seed = [first.advertised_addr()];
    let second = start(builder(&seed).key(key(1))).await;
    let stranger = start(builder(&seed).key(key(2))).await;
    let naked = start(builder(&seed)).await;
    sees(&first, &second).await;
    offers(&first, &second).await;
    let dropped = || first.stats().gossip.dropped;
    eventually("a stranger's call", || dropped().unknown_key > 0).await;
    eventually("a call in the clear", || dropped().plaintext > 0).await;
    assert_eq!(first.members().len(), 2);
    assert_eq!([stranger.members().len(), naked.members().len()], [1, 1]);
}

#[tokio::test]
async fn a_running_cluster_changes_its_key() {
    let first = start(builder(&[]).key(key(1))).await;
    let second = start(builder(&[first.advertised_addr()]).key(key(1))).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    let nodes = [&first, &second];
    for node in nodes {
        node.keyring().add(key(2)).await.expect("added");
    }
    for node in nodes {
        node.keyring().promote(&key(2)).await.expect("promoted");
    }
    offers(&first, &second).await;
    for node in nodes {
        let refused = node.keyring().remove(&key(2)).await;
        let id = key(2).id();
        assert_eq!(
            refused,
            Err(KeyChangeError::Refused(KeyringError::Seals { id }))
        );
        node.keyring().remove(&key(1)).await.expect("removed");
        assert_eq!(node.keyring().ids().await, Ok(vec![id]));
    }
    second
        .register(instance("orders", "b"))
        .await
        .expect("registered");
    let found = first.wait_for("orders", 1, node_support::BOUND);
    within("an instance", found).await.expect("found");
    first.shutdown().await.expect("left");
    let closed = first.keyring().ids().await;
    assert_eq!(closed, Err(KeyChangeError::Closed));
}

#[tokio::test]
async fn a_node_without_a_key_says_so_when_its_keys_are_changed() {
    let node = join([]).await;
    let refused = node.keyring().add(key(1)).await;
    assert_eq!(refused, Err(KeyChangeError::Refused(KeyringError::Empty)));
    assert_eq!(node.keyring().ids().await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_rollout_is_changed_while_the_nodes_run() {
    let both = |seeds: &[_]| builder(seeds).key(key(1)).rollout(Rollout::AcceptBoth);
    let first = start(both(&[])).await;
    let second = start(both(&[first.advertised_addr()])).await;
    let without_a_key = join([&first]).await;
    sees(&first, &second).await;
    sees(&first, &without_a_key).await;
    without_a_key.shutdown().await.expect("left");
    for rollout in [Rollout::Seal, Rollout::Require] {
        for node in [&first, &second] {
            node.keyring().set_rollout(rollout).await.expect("set");
        }
    }
    offers(&first, &second).await;
}

#[tokio::test]
async fn a_key_opens_every_address_unless_the_clear_is_heard() {
    let any = || {
        Node::builder()
            .cluster("test")
            .bind("0.0.0.0:0")
            .advertise("127.0.0.1:0")
    };
    start(any().key(key(1))).await;
    for rollout in [Rollout::AcceptBoth, Rollout::Seal] {
        let hears = || any().key(key(1)).rollout(rollout);
        let error = refused(hears()).await;
        assert!(
            matches!(error, StartError::HearsPlaintext { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(".plaintext()"), "{error}");
        start(hears().plaintext()).await;
    }
}

#[tokio::test]
async fn what_would_be_in_the_clear_against_the_word_of_its_user_does_not_start() {
    let error = refused(builder(&[]).rollout(Rollout::Require)).await;
    assert!(matches!(error, StartError::KeyMissing { .. }), "{error}");
    let many = (0..9).map(key);
    let error = refused(builder(&[]).keys(many)).await;
    assert!(
        matches!(error, StartError::Keys(KeyringError::Full)),
        "{error}"
    );
    let skew = std::time::Duration::from_secs(86_400);
    let error = refused(builder(&[]).key(key(1)).clock_skew(skew)).await;
    assert!(
        error.to_string().contains("clock_skew is 86400s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_comes_from_a_file() {
    let path = file("sound.key", &format!("{TEXT}\n"));
    let node = start(builder(&[]).key_file(&path).key(key(1))).await;
    let of_file = ClusterKey::from_base64(TEXT).expect("a key");
    let ids = node.keyring().ids().await;
    assert_eq!(ids, Ok(vec![of_file.id(), key(1).id()]), "the first seals");
}

#[tokio::test]
async fn a_file_that_holds_no_key_is_refused_and_not_shown() {
    let of_file = |path: PathBuf| async {
        match refused(builder(&[]).key_file(path)).await {
            StartError::KeyFile(error) => error,
            other => panic!("{other}"),
        }
    };
    let error = of_file(file("secret.key", "c2VjcmV0IHNlY3JldA==")).await;
    assert!(matches!(
        error,
        KeyFileError::Key {
            cause: KeyError::Length { bytes: 13 },
            ..
        }
    ));
    assert!(
        error
            .to_string()
            .contains("secret.key: the key has 13 bytes"),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("c2Vj"));
    let error = of_file(file("empty.key", "\n")).await;
    assert!(
        error.to_string().contains("openssl rand -base64 32"),
        "{error}"
    );
    let error = of_file(file("large.key", &"A".repeat(1_025))).await;
    assert!(matches!(error, KeyFileError::TooLarge { .. }), "{error}");
    let error = of_file(env!("CARGO_TARGET_TMPDIR").into()).await;
    assert!(matches!(error, KeyFileError::NotAFile { .. }), "{error}");
    let error = of_file("/no/such/file.key".into()).await;
    assert!(matches!(error, KeyFileError::Read { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_others_may_use_is_refused_with_the_mend() {
    for mode in [0o644, 0o660, 0o602, 0o601] {
        let path = file(&format!("exposed-{mode:o}.key"), TEXT);
        set_mode(&path, mode);
        let error = refused(builder(&[]).key_file(&path)).await.to_string();
        let expected = format!("mode {mode:04o}");
        assert!(
            error.contains(&expected) && error.contains("chmod 600 "),
            "{error}"
        );
    }
    let path = file("read-only.key", TEXT);
    set_mode(&path, 0o400);
    start(builder(&[]).key_file(&path)).await;
}

#[test]
fn a_builder_shows_no_key() {
    let shown = format!("{:?}", Node::builder().key(key(0xAB)));
    assert!(shown.contains("ClusterKey(id"), "{shown}");
    assert!(!shown.contains("171, 171"), "{shown}");
}

#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn a_network_in_memory_carries_what_is_sealed() {
    let network = tidings::testing::Network::new();
    let on = |address: &str| {
        let builder = Node::builder().cluster("test").network(&network);
        builder.bind(address).key(key(1))
    };
    let first = start(on("10.0.0.1:7946")).await;
    let second = start(on("10.0.0.2:7946").seeds(["10.0.0.1:7946"])).await;
    offers(&second, &first).await;
    assert!(first.stats().gossip.sessions > 0);
}
