//! One node: what it answers, what it survives, and how it ends.

#![cfg(feature = "node")]

mod node_support;

use std::net::UdpSocket;
use std::time::Duration;

use node_support::{BOUND, builder, eventually, free_address, instance, join, start, within};
use tidings::node::EventsError;
use tidings::registry::{DiscoveryError, RegistrarError, WaitError, WatchError};

#[tokio::test]
async fn a_register_can_be_read_in_the_own_table_when_it_returns() {
    let node = join([]).await;
    let users = node.service("users");
    for id in ["a", "b"] {
        node.register(instance("users", id))
            .await
            .expect("registered");
        let there = |list: &[std::sync::Arc<tidings::registry::ServiceInstance>]| {
            list.iter().any(|instance| instance.id() == id)
        };
        assert!(there(&node.get_service("users").await.expect("open")));
        assert!(there(&users.instances()));
    }
    assert_eq!(node.services(), ["users"]);
    node.deregister(&instance("users", "a"))
        .await
        .expect("deregistered");
    node.deregister(&instance("users", "b"))
        .await
        .expect("deregistered");
    assert!(users.instances().is_empty());
    assert!(node.services().is_empty());
}

#[tokio::test]
async fn an_unspecified_endpoint_host_becomes_the_advertised_one() {
    let node = join([]).await;
    let listening =
        tidings::registry::ServiceInstance::builder("users").endpoint("http://0.0.0.0:8000");
    node.register(listening.build().expect("valid"))
        .await
        .expect("registered");
    let users = node.get_service("users").await.expect("open");
    assert_eq!(users[0].endpoints()[0].as_str(), "http://127.0.0.1:8000");
}

#[tokio::test]
async fn after_a_shutdown_every_call_says_so_on_every_clone_and_the_port_is_free() {
    let node = join([]).await;
    let (clone, mut events) = (node.clone(), node.events());
    node.register(instance("users", "a"))
        .await
        .expect("registered");
    let mut watcher = node.watch("users").await.expect("open");
    within("shutdown", node.shutdown()).await.expect("left");
    within("a second shutdown", clone.shutdown())
        .await
        .expect("left already");

    assert_eq!(
        clone.register(instance("users", "b")).await,
        Err(RegistrarError::Closed)
    );
    assert_eq!(
        clone.deregister(&instance("users", "a")).await,
        Err(RegistrarError::Closed)
    );
    assert_eq!(
        clone.get_service("users").await.expect_err("closed"),
        DiscoveryError::Closed
    );
    assert_eq!(
        clone.watch("users").await.map(drop).expect_err("closed"),
        DiscoveryError::Closed
    );
    assert_eq!(
        clone.wait_for("users", 1, BOUND).await.expect_err("closed"),
        WaitError::Closed
    );
    assert!(clone.members().is_empty());
    while watcher.next().await.is_ok() {}
    assert_eq!(
        watcher.next().await.expect_err("closed"),
        WatchError::Closed
    );
    while events.next().await.is_ok() {}
    assert_eq!(
        events.next().await.expect_err("closed"),
        EventsError::Closed
    );
    assert_eq!(
        clone.events().next().await.expect_err("closed"),
        EventsError::Closed
    );
    UdpSocket::bind(node.local_addr()).expect("the port is free");
}

#[tokio::test]
async fn after_an_abort_every_call_says_so_at_once_and_the_port_becomes_free() {
    let node = join([]).await;
    node.abort();
    assert_eq!(
        node.register(instance("users", "a")).await,
        Err(RegistrarError::Closed)
    );
    assert_eq!(
        node.get_service("users").await.expect_err("closed"),
        DiscoveryError::Closed
    );
    within("the end", node.stopped()).await;
    UdpSocket::bind(node.local_addr()).expect("the port is free");
    within("a shutdown after it", node.shutdown())
        .await
        .expect("nothing to do");
}

#[tokio::test]
async fn dropping_the_last_clone_stops_the_node() {
    let node = join([]).await;
    let mut watcher = node.watch("users").await.expect("open");
    let clone = node.clone();
    drop(node);
    clone
        .register(instance("users", "a"))
        .await
        .expect("a clone keeps it running");
    assert_eq!(watcher.next().await.expect("registered").len(), 1);
    drop(clone);
    let end = async { while watcher.next().await.is_ok() {} };
    within("the end", end).await;
}

#[tokio::test]
async fn a_seed_that_does_not_resolve_is_no_error_and_delays_nothing() {
    let seeds = ["does-not-exist.invalid:7946", "nor.does.this.invalid:1"];
    let node = start(builder(&[]).seeds(seeds)).await;
    node.register(instance("users", "a"))
        .await
        .expect("registered");
    within("shutdown", node.shutdown()).await.expect("left");
}

#[tokio::test]
async fn a_seed_that_is_the_node_itself_is_skipped() {
    let (own, other) = (
        free_address(),
        UdpSocket::bind("127.0.0.1:0").expect("binds"),
    );
    other.set_read_timeout(Some(BOUND)).expect("set");
    let seeds = [own, other.local_addr().expect("bound")];
    let node = start(builder(&seeds).bind(own)).await;
    // Three tries: the other seed is called each time.
    let heard = tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            let (_, from) = other.recv_from(&mut [0; 2_000]).expect("a hello");
            assert_eq!(from, own);
        }
    });
    within("three hellos", heard).await.expect("heard");
    assert_eq!(
        node.stats().gossip.datagrams_received,
        0,
        "it called itself"
    );
}

#[tokio::test]
async fn a_send_that_the_system_refuses_is_counted_and_ends_nothing() {
    // From a socket on loopback no packet leaves for another network.
    let node = start(builder(&["192.0.2.1:7946".parse().expect("an address")])).await;
    eventually("two errors", || node.stats().socket.send_errors >= 2).await;
    node.register(instance("users", "a"))
        .await
        .expect("it goes on");
}

#[tokio::test]
async fn a_closed_port_ends_nothing_and_is_tried_again_until_somebody_is_there() {
    let later = free_address();
    let node = start(builder(&[later])).await;
    eventually("three tries", || node.stats().gossip.datagrams_sent >= 3).await;
    node.register(instance("users", "a"))
        .await
        .expect("it goes on");
    let peer = start(builder(&[]).bind(later)).await;
    let found = within("the peer", peer.wait_for("users", 1, BOUND))
        .await
        .expect("found");
    assert_eq!(found[0].id(), "a");
}

#[tokio::test]
async fn bad_datagrams_are_counted_by_cause_and_change_nothing() {
    let node = join([]).await;
    node.register(instance("users", "a"))
        .await
        .expect("registered");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let other_version = [9; 100];
    let mut truncated = [0; 20];
    truncated[0] = 1;
    let mut other_cluster = [0; 100];
    other_cluster[0] = 1;
    for datagram in [
        &[][..],
        &other_version,
        &truncated,
        &other_cluster,
        &[1; 1_201],
        &vec![1; 65_507],
    ] {
        socket.send_to(datagram, node.local_addr()).expect("sent");
    }
    eventually("all of them", || node.stats().gossip.dropped.total() == 6).await;
    let dropped = node.stats().gossip.dropped;
    assert_eq!(
        (dropped.empty, dropped.version, dropped.truncated),
        (1, 1, 1),
        "{dropped:?}"
    );
    assert_eq!(
        (dropped.other_cluster, dropped.oversized),
        (1, 2),
        "{dropped:?}"
    );
    assert_eq!(node.get_service("users").await.expect("open").len(), 1);
    assert_eq!(node.stats().gossip.datagrams_sent, 0, "nobody was answered");
}

#[tokio::test]
async fn a_subscriber_that_is_too_slow_is_told_how_much_it_missed() {
    let node = start(builder(&[]).event_capacity(1)).await;
    let mut events = node.events();
    for id in ["a", "b", "c"] {
        node.register(instance("users", id))
            .await
            .expect("registered");
    }
    assert_eq!(
        events.next().await.expect_err("lagged"),
        EventsError::Lagged(2)
    );
    events.next().await.expect("the newest one");
    assert_eq!(events.try_next().expect("open"), None);
}

#[tokio::test]
async fn dropping_a_wait_is_no_harm_and_a_shutdown_ends_one() {
    let node = join([]).await;
    let dropped = tokio::time::timeout(Duration::from_millis(5), node.wait_for("users", 1, BOUND));
    dropped.await.expect_err("nobody registered");
    let waiter = node.clone();
    let waiting = tokio::spawn(async move { waiter.wait_for("users", 1, BOUND).await });
    within("shutdown", node.shutdown()).await.expect("left");
    let ended = within("the waiter", waiting).await.expect("no panic");
    assert_eq!(ended.expect_err("closed"), WaitError::Closed);
}

#[tokio::test]
async fn a_listener_that_hears_ipv4_alone_is_not_offered_under_an_ipv6_address() {
    let builder = builder(&[]).bind("[::1]:0");
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        // A host without IPv6 has no such node either.
        builder.start().await.expect_err("no IPv6");
        return;
    }
    let node = start(builder).await;
    let listening = |endpoint: &str| {
        let instance = tidings::ServiceInstance::builder("users").endpoint(endpoint);
        instance.build().expect("an instance")
    };
    let error = node.register(listening("http://0.0.0.0:8000")).await;
    let said = error.expect_err("nobody could call it").to_string();
    assert!(said.contains("`http://0.0.0.0:8000`"), "{said}");
    assert!(said.contains("advertise_host"), "{said}");
    assert!(node.get_service("users").await.expect("open").is_empty());
    node.register(listening("http://[::]:8000"))
        .await
        .expect("one on `[::]` hears both");
    let found = node.get_service("users").await.expect("open");
    assert_eq!(found[0].endpoints()[0].as_str(), "http://[::1]:8000");
}
