//! What a node writes to the log.

#![cfg(feature = "node")]

mod node_support;

use node_support::log::Lines;
use node_support::{builder, end_of, offers, sees, start, within};
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
    ] {
        assert!(registered.contains(&field), "{field}: {registered}");
    }
    assert_eq!(lines.of(member, "stopped").len(), 1);
    let packets = first.stats().gossip.datagrams_received;
    assert!(packets > 10, "packets went to and fro: {packets}");
    assert!(lines.count() < 20, "{} lines", lines.count());
}
