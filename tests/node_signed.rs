//! Nodes that sign what they register, and nodes that demand it.

#![cfg(feature = "testing")]

mod node_support;

use std::path::PathBuf;
use std::time::Duration;

use node_support::{BOUND, builder, eventually, instance, start, within};
use tidings::node::{KeyFileError, StartError};
use tidings::registry::RegistrarError;
use tidings::testing::Network;
use tidings::{Node, PublicKey, SigningKey, Trusted};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32])
}

async fn node(network: &Network, host: u8, signs: Option<u8>, trusted: Trusted) -> Node {
    let mut builder = Node::builder().cluster("shop").network(network);
    if let Some(byte) = signs {
        builder = builder.sign_with(key(byte));
    }
    builder
        .bind(format!("10.0.0.{host}:7946"))
        .seeds(["10.0.0.1:7946"])
        .trust(trusted)
        .start()
        .await
        .expect("starts")
}

fn payments_of(keys: &[u8]) -> Trusted {
    let keys = keys.iter().map(|byte| key(*byte).public_key());
    Trusted::open().service("payments", keys)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_demands_signatures_sees_what_is_signed_and_nothing_else() {
    let network = Network::new();
    let signer = node(&network, 1, Some(1), payments_of(&[1])).await;
    let other = node(&network, 2, Some(2), Trusted::open()).await;
    let strict = node(&network, 3, None, payments_of(&[1])).await;
    for (node, id) in [(&signer, "good"), (&other, "forged")] {
        node.register(instance("payments", id))
            .await
            .expect("registered");
    }
    let both = other.wait_for("payments", 2, BOUND);
    within("what demands nothing sees both", both)
        .await
        .expect("found");
    let one = strict.wait_for("payments", 1, BOUND);
    within("what is signed", one).await.expect("found");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let seen = strict.get_service("payments").await.expect("runs");
    assert_eq!(
        seen.iter().map(|seen| seen.id()).collect::<Vec<_>>(),
        ["good"]
    );
    assert!(strict.stats().gossip.records_untrusted > 0);
    signer.shutdown().await.expect("left");
    let payments = strict.service("payments");
    eventually("it has left", || payments.instances().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_does_not_register_what_it_would_refuse_of_others() {
    let network = Network::new();
    let node = node(&network, 1, Some(2), payments_of(&[1])).await;
    let refused = node.register(instance("payments", "a")).await;
    let error = refused.expect_err("its key is not listed");
    assert!(matches!(error, RegistrarError::Untrusted { .. }));
    let text = error.to_string();
    let public = key(2).public_key().to_string();
    for part in ["trusted", "payments", "10.0.0.1:7946", &public, "sign_with"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    node.register(instance("users", "a"))
        .await
        .expect("no rule names it");
}

fn file(name: &str, content: &str, mode: u32) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&path, permissions).expect("set");
    }
    path
}

#[tokio::test]
async fn a_key_to_sign_with_comes_from_a_file() {
    // Bytes 0 to 31; the public half is what others compute of them.
    let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    let public: PublicKey = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
        .parse()
        .expect("a key");
    let path = file("signing-key", text, 0o600);
    let trusted = Trusted::closed().service("users", [public]);
    let node = start(builder(&[]).signing_key_file(path).trust(trusted)).await;
    let registered = node.register(instance("users", "a")).await;
    registered.expect("it is signed by the key that is listed");
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_to_sign_with_that_others_may_read_is_refused() {
    let path = file("exposed-signing-key", "", 0o644);
    let starting = builder(&[]).signing_key_file(path).start();
    let error = within("start", starting).await.expect_err("refused");
    let exposed = matches!(error, StartError::KeyFile(KeyFileError::Exposed { .. }));
    assert!(exposed, "{error}");
}
