//! What a node writes to the log.

#![cfg(feature = "node")]

mod node_support;

use node_support::log::Lines;
use node_support::{builder, end_of, eventually, instance, offers, sees, start, within};
use tidings::SigningKey;

// On the current thread, so that its subscriber is in force.
#[tokio::test]
async fn each_change_is_one_line_with_stable_fields_and_no_packet_is_one() {
    let (lines, _guard) = Lines::collect();
    let key = SigningKey::from_bytes([1; 32]);
    let signs_as = format!("signs_as={}", key.public_key());
    let first = start(builder(&[]).on_current_runtime().sign_with(key)).await;
    let second = start(builder(&[first.advertised_addr()]).on_current_runtime()).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    offers(&second, &first).await;
    let moved = instance("users", "a")
        .to_builder()
        .version("2")
        .metadata("zone", "eu-1")
        .build()
        .expect("valid");
    second.register(moved).await.expect("registered");
    eventually("the update", || {
        !lines.of(first.advertised_addr(), "updated").is_empty()
    })
    .await;
    let mut events = first.events();
    within("shutdown", second.shutdown()).await.expect("left");
    end_of(second.advertised_addr(), &mut events).await;

    let (node, member) = (first.advertised_addr(), second.advertised_addr());
    for event in ["started", "joined", "registered", "left"] {
        let found = lines.of(node, event);
        assert_eq!(found.len(), 1, "{event}: {found:?}");
        assert!(found[0].contains("tidings::node"), "{found:?}");
    }
    assert!(lines.of(node, "started")[0].contains(&signs_as));
    let registered = &lines.of(node, "registered")[0];
    for field in [
        format!("member={member}"),
        "service=\"users\"".into(),
        "id=\"a\"".into(),
        "status=\"up\"".into(),
        "endpoints=\"http://127.0.0.1:8000\"".into(),
    ] {
        assert!(registered.contains(&field), "{field}: {registered}");
    }
    assert!(
        !registered.contains("version="),
        "it is empty: {registered}"
    );
    let updated = &lines.of(node, "updated")[0];
    for field in [
        "version=\"2\"",
        "endpoints=\"http://127.0.0.1:8000\"",
        "changed=\"version none -> 2, metadata zone\"",
    ] {
        assert!(updated.contains(field), "{field}: {updated}");
    }
    assert!(!updated.contains("eu-1"), "no value: {updated}");
    assert!(!lines.of(node, "joined")[0].contains("instances="));
    assert!(lines.of(node, "left")[0].contains("instances="));
    let started = &lines.of(node, "started")[0];
    assert!(
        !started.contains("rollout=") && !started.contains("keys="),
        "{started}"
    );
    assert_eq!(lines.of(member, "stopped").len(), 1);
    let packets = first.stats().gossip.datagrams_received;
    assert!(packets > 10, "packets went to and fro: {packets}");
    assert!(lines.count() < 20, "{} lines", lines.count());
}

// On the current thread, so that its subscriber is in force.
#[tokio::test]
async fn an_address_and_an_endpoint_that_others_cannot_reach_are_told_with_the_fix() {
    let (lines, _guard) = Lines::collect();
    let elsewhere = builder(&[]).advertise("192.0.2.9:7946");
    let elsewhere = start(elsewhere.on_current_runtime()).await;
    for id in ["a", "b"] {
        let registered = elsewhere.register(node_support::instance("users", id));
        within("register", registered)
            .await
            .expect("taken all the same");
    }
    let told = lines.of(elsewhere.advertised_addr(), "loopback_endpoint");
    assert_eq!(told.len(), 1, "{told:?}");
    for field in ["WARN", "service=\"users\"", "127.0.0.1:8000", "0.0.0.0"] {
        assert!(told[0].contains(field), "{field}: {told:?}");
    }
    let loopback = builder(&[]).bind("0.0.0.0:0").advertise("127.0.0.1:0");
    let loopback = start(loopback.plaintext().on_current_runtime()).await;
    let told = lines.of(loopback.advertised_addr(), "unreachable_address");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("WARN") && told[0].contains(".advertise("),
        "{told:?}"
    );
    let registered = loopback.register(node_support::instance("users", "c"));
    within("register", registered).await.expect("registered");
    let told = lines.of(loopback.advertised_addr(), "loopback_endpoint");
    assert!(told.is_empty(), "all of it is on this host: {told:?}");
}
