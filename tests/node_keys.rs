//! Keys from a file that is edited while nodes run.

#![cfg(all(feature = "node", unix))]

mod node_support;

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use node_support::{builder, offers, sees, start};
use tidings::gossip::security::KeyId;
use tidings::{ClusterKey, Node};

/// Two keys.
const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "fJ3qTqZ0c1nKZ8mVtq0Qe7v2mB0mTn8Zc0dT4m3kR1s=";

fn id(text: &str) -> KeyId {
    ClusterKey::from_base64(text).expect("a key").id()
}

/// A secret as Kubernetes mounts one: `cluster.key -> ..data/cluster.key`, where `..data` is a link to a directory
/// that is swapped as a whole.
struct Secret {
    folder: PathBuf,
    versions: u32,
}

impl Secret {
    fn new(name: &str, content: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("made");
        let mut secret = Self {
            folder,
            versions: 0,
        };
        secret.swap(content, 0o440);
        symlink("..data/cluster.key", secret.path()).expect("linked");
        secret
    }

    fn path(&self) -> PathBuf {
        self.folder.join("cluster.key")
    }

    /// Puts another version in the place of the present one, at once, and removes that.
    fn swap(&mut self, content: &str, mode: u32) {
        let before = self.folder.join(format!("..{}", self.versions));
        self.versions += 1;
        let version = format!("..{}", self.versions);
        let folder = self.folder.join(&version);
        std::fs::create_dir(&folder).expect("made");
        write(&folder.join("cluster.key"), content, mode);
        let fresh = self.folder.join("..data_tmp");
        symlink(&version, &fresh).expect("linked");
        std::fs::rename(&fresh, self.folder.join("..data")).expect("swapped");
        let _ = std::fs::remove_dir_all(before);
    }
}

fn write(path: &Path, content: &str, mode: u32) {
    std::fs::write(path, content).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

async fn ids(node: &Node) -> Vec<KeyId> {
    node.keyring().ids().await.expect("it runs")
}

/// Waits, by the clock, until a node's keys are these.
async fn has_keys(node: &Node, wanted: &[KeyId]) {
    let wait = async {
        while ids(node).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    node_support::within("the keys", wait).await;
}

#[tokio::test]
async fn a_key_is_changed_by_swapping_a_mounted_secret_while_nodes_run() {
    let mut secrets = [1, 2].map(|n| Secret::new(&format!("secret-{n}"), &format!("{OLD}\n")));
    let first = start(builder(&[]).key_file(secrets[0].path())).await;
    let seeds = [first.advertised_addr()];
    let second = start(builder(&seeds).key_file(secrets[1].path())).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    for secret in &mut secrets {
        secret.swap(&format!("\u{feff}{NEW}\r\n{OLD}\r\n"), 0o440);
    }
    // Both have read it, and have shown each other that they hold it.
    for node in [&first, &second] {
        has_keys(node, &[id(NEW), id(OLD)]).await;
    }
    offers(&second, &first).await;
    let third = start(builder(&seeds).key(ClusterKey::from_base64(NEW).expect("a key"))).await;
    sees(&third, &second).await;
    assert_eq!(first.stats().gossip.dropped.forged, 0);
}

#[cfg(feature = "testing")]
mod in_virtual_time {
    use std::time::Duration;

    use node_support::{eventually, instance};

    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Two nodes in memory, each with a file of its own that has the old key.
    async fn pair(name: &str) -> ([Node; 2], [Secret; 2]) {
        let network = tidings::testing::Network::new();
        let secrets = [1, 2].map(|n| Secret::new(&format!("{name}-{n}"), OLD));
        let on = |host: &str, secret: &Secret| {
            let builder = Node::builder().cluster("test").network(&network);
            builder.bind(host).key_file(secret.path())
        };
        let first = start(on("10.0.0.1:7946", &secrets[0])).await;
        let second = on("10.0.0.2:7946", &secrets[1]).seeds(["10.0.0.1:7946"]);
        let second = start(second).await;
        sees(&first, &second).await;
        sees(&second, &first).await;
        ([first, second], secrets)
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_see_a_new_key_two_minutes_apart_lose_nobody_and_nothing() {
        let ([first, second], mut secrets) = pair("apart").await;
        let mut events = first.events();
        secrets[0].swap(NEW, 0o440);
        pass(110).await;
        assert_eq!(
            ids(&first).await,
            [id(OLD), id(NEW)],
            "it opens, and seals later"
        );
        offers(&second, &first).await;
        secrets[1].swap(NEW, 0o440);
        pass(10).await;
        assert_eq!(ids(&first).await, [id(NEW), id(OLD)]);
        assert_eq!(ids(&second).await, [id(NEW), id(OLD)]);
        pass(125).await;
        assert_eq!(ids(&first).await, [id(NEW)]);
        assert_eq!(ids(&second).await, [id(NEW)]);
        first
            .register(instance("orders", "a"))
            .await
            .expect("registered");
        pass(1).await;
        assert_eq!(second.service("orders").instances().len(), 1);
        while let Some(event) = events.try_next().expect("not lagged") {
            assert!(!event.to_string().contains("failed"), "{event}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_used_changes_nothing_until_it_can() {
        let ([first, second], mut secrets) = pair("broken").await;
        let cut = &format!("{NEW}\n{OLD}")[..60];
        for (content, mode) in [("", 0o440), (cut, 0o440), ("no key", 0o440), (NEW, 0o444)] {
            secrets[0].swap(content, mode);
            pass(150).await;
            assert_eq!(ids(&first).await, [id(OLD)], "{content} {mode:o}");
        }
        std::fs::remove_file(secrets[0].path()).expect("removed");
        pass(10).await;
        assert_eq!(ids(&first).await, [id(OLD)]);
        symlink("..data/cluster.key", secrets[0].path()).expect("linked");
        secrets[0].swap(&format!("{OLD}\n{NEW}"), 0o440);
        pass(6).await;
        assert_eq!(ids(&first).await, [id(OLD), id(NEW)]);
        offers(&second, &first).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_datagram_under_an_unknown_key_makes_a_node_read_its_file_at_once() {
        let ([first, second], mut secrets) = pair("unknown").await;
        pass(2).await;
        let new = ClusterKey::from_base64(NEW).expect("a key");
        first.keyring().add(new.clone()).await.expect("added");
        secrets[1].swap(&format!("{OLD}\n{NEW}"), 0o440);
        assert_eq!(ids(&second).await, [id(OLD)]);
        first.keyring().promote(&new).await.expect("promoted");
        first
            .register(instance("orders", "a"))
            .await
            .expect("registered");
        let before = tokio::time::Instant::now();
        eventually("the key", || {
            second.service("orders").instances().len() == 1
        })
        .await;
        assert!(
            before.elapsed() < Duration::from_secs(4),
            "{:?}",
            before.elapsed()
        );
    }
}

#[tokio::test]
async fn a_file_that_everybody_may_read_wants_a_word_of_its_own() {
    let secret = Secret::new("docker", OLD);
    let path = secret.path();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).expect("set");
    let refused = builder(&[]).key_file(&path).start().await;
    let error = refused.expect_err("refused").to_string();
    assert!(
        error.contains("danger_accept_world_readable_key_files"),
        "{error}"
    );
    let accepting = builder(&[])
        .key_file(&path)
        .danger_accept_world_readable_key_files();
    start(accepting).await;
}
