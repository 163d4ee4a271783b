//! A node that has seeds and finds no peer says why; one that is well, or has nobody to join, says nothing.

#![cfg(feature = "node")]

mod node_support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use node_support::log::Lines;
use node_support::{builder, event, eventually, free_address, sees, start, within};
use tidings::gossip::SeedState;
use tidings::node::{JoinError, NodeBuilder};
use tidings::table::Event;
use tidings::{ClusterKey, Node, Registrar};

const SECOND: Duration = Duration::from_secs(1);

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

/// On the current thread, so that its log is collected.
async fn here(builder: NodeBuilder) -> Node {
    start(builder.on_current_runtime()).await
}

/// The warning of a node that is alone.
async fn warning(lines: &Lines, node: &Node) -> String {
    let node = node.advertised_addr();
    eventually("a warning", || !lines.of(node, "isolated").is_empty()).await;
    lines.of(node, "isolated").remove(0)
}

/// A joiner that its seed does not let in warns, with what is known and what to check, and is not joined.
async fn is_told(
    seed: impl FnOnce(NodeBuilder) -> NodeBuilder,
    joiner: impl FnOnce(NodeBuilder) -> NodeBuilder,
    known: &str,
    check: &str,
) {
    let (lines, _guard) = Lines::collect();
    let seed = here(seed(builder(&[]))).await;
    let addr = seed.advertised_addr();
    let node = here(joiner(builder(&[addr]))).await;
    is_told_of(&lines, &node, &format!("{addr}: {known}"), check).await;
    assert!(lines.of(addr, "isolated").is_empty(), "the seed is well");
}

async fn is_told_of(lines: &Lines, node: &Node, known: &str, check: &str) {
    let mut events = node.events();
    let line = warning(lines, node).await;
    assert!(line.contains("WARN tidings::node"), "{line}");
    assert!(line.contains(&format!("seeds=\"{known}")), "{line}");
    assert!(line.contains(check), "{line}");
    assert!(line.contains("alone_for_s="), "{line}");
    assert!(!node.stats().joined);
    let error = node.joined(Duration::ZERO).await.expect_err("alone");
    assert!(error.to_string().contains(known), "{error}");
    assert!(node.isolation().is_some());
    let told = event(&mut events, |event| matches!(event, Event::Isolated { .. })).await;
    let Event::Isolated { member } = told else {
        unreachable!("{told}");
    };
    assert_eq!(member.addr, node.advertised_addr());
    assert_eq!(lines.of(node.advertised_addr(), "joined_cluster").len(), 0);
}

#[tokio::test]
async fn a_wrong_key_is_told() {
    is_told(
        |seed| seed.key(key(1)),
        |node| node.key(key(2)),
        "answers under another key",
        "that the seed and this node have the same key",
    )
    .await;
}

#[tokio::test]
async fn another_clusters_name_is_told() {
    is_told(
        |seed| seed,
        |node| node.cluster("bank"),
        "answers for another cluster",
        "the same `.cluster(..)`",
    )
    .await;
}

#[tokio::test]
async fn another_clusters_name_is_told_where_both_seal() {
    is_told(
        |seed| seed.key(key(1)),
        |node| node.key(key(1)).cluster("bank"),
        "answers for another cluster",
        "the same `.cluster(..)`",
    )
    .await;
}

#[tokio::test]
async fn no_key_in_a_sealed_cluster_is_told() {
    is_told(
        |seed| seed.key(key(1)),
        |node| node,
        "hears only what is sealed, and this node does not seal",
        "`.key_file(..)`",
    )
    .await;
}

#[tokio::test]
async fn a_key_in_a_cluster_without_one_is_told() {
    is_told(
        |seed| seed,
        |node| node.key(key(1)),
        "speaks in the clear, and this node seals",
        "that the seed has the cluster's key",
    )
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_closed_port_is_told() {
    let (lines, _guard) = Lines::collect();
    // No other test binds anything there.
    let seed = SocketAddr::from(([127, 0, 0, 9], 7_946));
    let node = here(builder(&[seed])).await;
    let known = format!("{seed}: port closed, nothing listens there");
    is_told_of(&lines, &node, &known, "that the seed's process runs").await;
}

#[tokio::test]
async fn a_silent_seed_is_told() {
    let (lines, _guard) = Lines::collect();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let seed = silent.local_addr().expect("bound");
    let node = here(builder(&[seed])).await;
    let known = format!("{seed}: silent, no answer to ");
    is_told_of(&lines, &node, &known, "firewalls").await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    let (lines, _guard) = Lines::collect();
    // A label has at most 63 bytes, which every resolver knows by itself.
    let seed = format!("{}.invalid:7946", "a".repeat(64));
    let node = here(builder(&[]).seeds([&seed])).await;
    let known = format!("{seed}: name does not resolve: ");
    is_told_of(&lines, &node, &known, "the seed's name").await;
}

#[tokio::test]
async fn a_seed_of_another_family_is_told() {
    let (lines, _guard) = Lines::collect();
    let node = here(builder(&[]).seeds(["[::1]:9"])).await;
    let known = "[::1]:9: of another address family than this node's socket";
    is_told_of(&lines, &node, known, "`bind` and the seed").await;
}

#[tokio::test]
async fn every_seed_is_listed() {
    let (lines, _guard) = Lines::collect();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let silent = silent.local_addr().expect("bound");
    let other = here(builder(&[]).cluster("bank")).await;
    let node = here(builder(&[silent, other.advertised_addr()])).await;
    let line = warning(&lines, &node).await;
    let second = format!("; {}: answers for another cluster", other.advertised_addr());
    assert!(
        line.contains(&format!("{silent}: ")) && line.contains(&second),
        "{line}"
    );
    match node.joined(Duration::ZERO).await {
        Err(JoinError::Timeout { seeds, .. }) => {
            assert_eq!(seeds.len(), 2);
            assert_eq!(seeds[1].addr, Some(other.advertised_addr()));
            assert_eq!(seeds[1].state, SeedState::OtherCluster);
        }
        other => panic!("{other:?}"),
    }
}

/// Lets so much virtual time go by, in steps, so that sockets are looked at.
async fn pass(time: Duration) {
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_warning_comes_after_5_s_and_then_each_minute() {
    let (lines, _guard) = Lines::collect();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let node = here(builder(&[silent.local_addr().expect("bound")])).await;
    let told = || lines.of(node.advertised_addr(), "isolated").len();
    for (after, lines) in [(4, 0), (2, 1), (57, 1), (4, 2), (56, 2), (4, 3)] {
        pass(after * SECOND).await;
        assert_eq!(told(), lines);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_with_nobody_to_join_has_joined_and_says_nothing() {
    let (lines, _guard) = Lines::collect();
    let own = free_address();
    let nodes = [
        here(builder(&[])).await,
        here(builder(&[own]).bind(own)).await,
        here(
            builder(&[])
                .bind("0.0.0.0:0")
                .advertise("127.0.0.1:0")
                .plaintext(),
        )
        .await,
    ];
    for node in &nodes {
        within("joined", node.joined(Duration::ZERO))
            .await
            .expect("nobody to join");
        assert!(node.stats().joined && node.isolation().is_none());
    }
    pass(300 * SECOND).await;
    for node in &nodes {
        assert_eq!(lines.of(node.advertised_addr(), "isolated"), [""; 0]);
        assert!(node.stats().joined);
    }
}

#[tokio::test]
async fn a_name_of_the_node_itself_is_nobody_to_join() {
    let (lines, _guard) = Lines::collect();
    let own = free_address();
    let seed = format!("localhost:{}", own.port());
    let node = here(builder(&[]).bind(own).seeds([seed])).await;
    // `localhost` may have an IPv6 address too, which is of another family and is told.
    let resolves_alone = std::net::ToSocketAddrs::to_socket_addrs(&("localhost", 1));
    let resolves_alone = resolves_alone.expect("resolves").all(|addr| addr.is_ipv4());
    if resolves_alone {
        within("joined", node.joined(30 * SECOND))
            .await
            .expect("itself");
        tokio::time::sleep(6 * SECOND).await;
        assert_eq!(lines.of(own, "isolated"), [""; 0]);
    }
}

#[tokio::test]
async fn a_healthy_cluster_says_that_it_has_joined_and_no_more() {
    let (lines, _guard) = Lines::collect();
    let first = here(builder(&[]).key(key(1))).await;
    let second = here(builder(&[first.advertised_addr()]).key(key(1))).await;
    let mut events = second.events();
    within("joined", second.joined(30 * SECOND))
        .await
        .expect("joined");
    assert!(second.stats().joined && second.isolation().is_none());
    let own = second.advertised_addr();
    let is_own = |event: &Event| matches!(event, Event::Joined { member } if member.addr == own);
    event(&mut events, is_own).await;
    sees(&first, &second).await;
    tokio::time::sleep(7 * SECOND).await;
    for node in [&first, &second] {
        let node = node.advertised_addr();
        assert_eq!(lines.of(node, "isolated"), [""; 0]);
        assert_eq!(lines.of(node, "joined_cluster").len(), 1);
    }
}

#[tokio::test]
async fn a_node_that_is_left_alone_says_so_and_when_it_has_a_peer_again() {
    let (lines, _guard) = Lines::collect();
    let first = here(builder(&[])).await;
    let addr = first.advertised_addr();
    let second = here(builder(&[addr])).await;
    within("joined", second.joined(30 * SECOND))
        .await
        .expect("joined");
    sees(&first, &second).await;
    let mut events = second.events();
    first.abort();
    first.stopped().await;
    event(&mut events, |event| matches!(event, Event::Isolated { .. })).await;
    warning(&lines, &second).await;
    assert!(!second.stats().joined);
    let first = here(builder(&[]).bind(addr)).await;
    within("joined again", second.joined(30 * SECOND))
        .await
        .expect("joined");
    sees(&first, &second).await;
    assert_eq!(
        lines.of(second.advertised_addr(), "joined_cluster").len(),
        2
    );
}

#[tokio::test]
async fn joined_ends_with_the_node() {
    let seed: SocketAddr = free_address();
    let node = here(builder(&[seed])).await;
    let waiting = tokio::spawn({
        let node = node.clone();
        async move { node.joined(60 * SECOND).await }
    });
    node.shutdown().await.expect("left");
    let ended = within("joined", waiting).await.expect("no panic");
    assert_eq!(ended, Err(JoinError::Closed));
    assert_eq!(node.joined(SECOND).await, Err(JoinError::Closed));
}

#[cfg(feature = "health")]
#[tokio::test]
async fn the_check_passes_when_the_node_has_joined() {
    use tidings::ServiceInstance;
    use tidings::health::{Check, Monitor};
    use tidings::registry::Status;

    let seed = free_address();
    let node = start(builder(&[seed])).await;
    let me = ServiceInstance::builder("users")
        .id("a")
        .endpoint("http://127.0.0.1:8000");
    let registrar: Arc<dyn Registrar> = Arc::new(node.clone());
    let check = Check::joined(Arc::clone(&registrar)).interval(Duration::from_millis(50));
    let monitor = Monitor::builder(registrar, me.build().expect("valid"));
    let monitor = monitor.check(check).start().await.expect("starts");
    let status = || {
        node.service("users")
            .instances()
            .first()
            .map(|me| me.status())
    };
    eventually("unhealthy", || status() == Some(Status::Unhealthy)).await;
    let peer = start(builder(&[]).bind(seed)).await;
    within("joined", node.joined(30 * SECOND))
        .await
        .expect("joined");
    eventually("up", || status() == Some(Status::Up)).await;
    drop((monitor, peer));
}

#[cfg(feature = "app")]
#[tokio::test]
async fn an_app_that_starts_before_its_node_has_joined_says_so() {
    use tidings::app::App;

    let (lines, _guard) = Lines::collect();
    let node = here(builder(&[free_address()])).await;
    let well = here(builder(&[])).await;
    for (node, is_told, started) in [(&well, false, 1), (&node, true, 2)] {
        let registrar = Arc::new(node.clone());
        let app = App::builder().name("users").registrar(registrar).build();
        let app = app.expect("valid");
        let stop = app.stop_handle();
        let running = tokio::spawn(app.run());
        let told = |event: &str| {
            let text = format!("event=\"{event}\" service=\"users\"");
            lines.text().matches(&text).count()
        };
        eventually("started", || told("started") == started).await;
        stop.stop();
        within("stopped", running)
            .await
            .expect("no panic")
            .expect("stopped");
        assert_eq!(told("not_joined"), usize::from(is_told));
    }
}
