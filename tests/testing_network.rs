//! Nodes on a network in memory, in virtual time.
#![cfg(feature = "testing")]

use std::time::Duration;

use tidings::{
    Node, ServiceInstance,
    gossip::{Detection, Profile},
    table::Event,
    testing::Network,
};

async fn node(network: &Network, host: u8) -> Node {
    node_with(network, host, Profile::Lan, Detection::default()).await
}

async fn node_with(network: &Network, host: u8, profile: Profile, detection: Detection) -> Node {
    Node::builder()
        .cluster("shop")
        .network(network)
        .profile(profile)
        .detection(detection)
        .bind(format!("10.0.0.{host}:7946"))
        .seeds(["10.0.0.1:7946", "10.0.0.2:7946"])
        .start()
        .await
        .expect("starts")
}

fn instance(id: &str) -> ServiceInstance {
    ServiceInstance::builder("payments")
        .id(id)
        .build()
        .expect("sound")
}

/// Three nodes that see each other's service.
async fn three(network: &Network) -> [Node; 3] {
    let nodes = [
        node(network, 1).await,
        node(network, 2).await,
        node(network, 3).await,
    ];
    for (node, id) in nodes.iter().zip(["a", "b", "c"]) {
        node.register(instance(id)).await.expect("registers");
    }
    for node in &nodes {
        sees(node, 3, secs(5)).await;
    }
    nodes
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// How often these were told that nobody listens where they sent to.
fn refusals(nodes: [&Node; 2]) -> u64 {
    nodes
        .iter()
        .map(|node| node.stats().socket.unreachable)
        .sum()
}

/// Waits until the node sees so many payments, and no other number.
async fn sees(node: &Node, count: usize, within: Duration) {
    let seen = async {
        let mut watcher = node.watch("payments").await.expect("watches");
        while watcher.next().await.expect("runs").len() != count {}
    };
    if node.get_service("payments").await.expect("runs").len() != count {
        tokio::time::timeout(within, seen).await.expect("in time");
    }
}

#[tokio::test(start_paused = true)]
async fn each_side_of_a_partition_goes_on_alone_and_both_find_each_other_again() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    network.partition([&a], [&b, &c]);
    sees(&a, 1, secs(30)).await;
    sees(&b, 2, secs(30)).await;
    assert!(network.stats().cut > 0);
    network.heal();
    for node in [&a, &b, &c] {
        sees(node, 3, secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_way_cuts_what_goes_there_and_not_what_comes_back() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    network.one_way([&a], [&b, &c]);
    sees(&b, 2, secs(30)).await;
    let before = network.stats();
    tokio::time::sleep(secs(3)).await;
    let after = network.stats();
    assert!(after.cut > before.cut && after.carried > before.carried);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_paused_fails_and_recovers_when_it_goes_on() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    let mut events = a.events();
    network.pause(&b, secs(30));
    sees(&c, 2, secs(30)).await;
    sees(&c, 3, secs(40)).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        match events.next().await.expect("runs") {
            Event::Failed { member, .. } => told.push(("failed", member.addr)),
            Event::Recovered { member, .. } => told.push(("recovered", member.addr)),
            _ => {}
        }
    }
    assert_eq!(
        told,
        [("failed", b.local_addr()), ("recovered", b.local_addr())]
    );
    assert_eq!(b.get_service("payments").await.expect("runs").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_crashed_fails_and_its_address_can_be_bound_again() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    let before = refusals([&a, &c]);
    network.crash(&b);
    b.stopped().await;
    sees(&a, 2, secs(30)).await;
    assert!(refusals([&a, &c]) > before, "its host says so");
    let again = node(&network, 2).await;
    again.register(instance("b")).await.expect("registers");
    sees(&a, 3, secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lossy_slow_network_delays_changes_and_loses_none() {
    let network = Network::with_seed(7);
    network.latency(Duration::from_millis(20)..Duration::from_millis(40));
    network.loss(0.3);
    let [a, ..] = three(&network).await;
    a.register(instance("d")).await.expect("registers");
    sees(&a, 4, secs(1)).await;
    assert!(network.stats().lost > 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_cut_off_answers_nobody() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    let before = refusals([&a, &c]);
    network.partition([&a, &c], [&b]);
    network.crash(&b);
    sees(&a, 2, secs(30)).await;
    assert_eq!(refusals([&a, &c]), before);
}

/// What a node was told, and when, while its cluster split.
async fn story(seed: u64) -> Vec<(Duration, String)> {
    let network = Network::with_seed(seed);
    let start = tokio::time::Instant::now();
    let [a, b, c] = three(&network).await;
    let mut events = a.events();
    network.loss(0.1);
    network.partition([&a, &c], [&b]);
    tokio::time::sleep(secs(20)).await;
    network.heal();
    let mut told = Vec::new();
    while let Ok(Ok(event)) = tokio::time::timeout(secs(5), events.next()).await {
        told.push((start.elapsed(), event.to_string()));
    }
    assert!(told.len() >= 2, "{told:?}");
    told
}

#[test]
fn one_seed_tells_one_story() {
    let told = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }
            .enable_all()
            .start_paused(true)
            .build()
            .expect("builds");
        runtime.block_on(story(seed))
    };
    assert_eq!(told(3), told(3));
}

#[tokio::test(start_paused = true)]
async fn an_address_is_bound_once_and_port_0_is_any_that_is_free() {
    let network = Network::new();
    let a = node(&network, 1).await;
    let again = Node::builder()
        .cluster("shop")
        .network(&network)
        .bind("10.0.0.1:7946");
    let error = again.start().await.expect_err("it is taken").to_string();
    assert!(error.contains("10.0.0.1:7946"), "{error}");
    let any = || {
        Node::builder()
            .cluster("shop")
            .network(&network)
            .bind("10.0.0.1:0")
    };
    let (one, other) = (
        any().start().await.expect("starts"),
        any().start().await.expect("starts"),
    );
    assert_ne!(one.local_addr(), other.local_addr());
    let named = any()
        .seeds(["seed.shop.internal:7946"])
        .start()
        .await
        .expect_err("no names");
    assert!(named.to_string().contains("resolves no names"), "{named}");
    drop(a);
}

#[tokio::test(start_paused = true)]
#[should_panic(
    expected = "crash: nobody is bound to 10.9.9.9:1 on this network; these are: 10.0.0.1:7946"
)]
async fn a_fault_of_nobody_is_a_mistake_of_the_test() {
    let network = Network::new();
    let _a = node(&network, 1).await;
    network.crash(std::net::SocketAddr::from(([10, 9, 9, 9], 1)));
}

/// The README shows the example's test word by word.
#[test]
fn the_readme_shows_the_example_as_it_is() {
    let [readme, example] = [
        include_str!("../README.md"),
        include_str!("../examples/partition_test.rs"),
    ];
    let from = example.find("#[tokio::test").expect("a test");
    let to = example.find("fn main()").expect("a main");
    assert!(readme.contains(example[from..to].trim_end()));
}

#[tokio::test(start_paused = true)]
async fn a_second_pause_does_not_shorten_the_first() {
    let network = Network::new();
    let [a, b, _c] = three(&network).await;
    network.pause(&b, secs(30));
    network.pause(&b, secs(1));
    sees(&a, 2, secs(20)).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_for_ever_and_then_a_crash_end_the_node() {
    let network = Network::new();
    let [a, b, _c] = three(&network).await;
    network.pause(&b, Duration::MAX);
    sees(&a, 2, secs(30)).await;
    network.crash(&b);
    b.stopped().await;
    assert!(b.register(instance("late")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_latency_without_end_carries_nothing_and_panics_nobody() {
    let network = Network::new();
    let [a, b, _c] = three(&network).await;
    network.latency(Duration::from_secs(u64::MAX - 1)..Duration::MAX);
    sees(&a, 1, secs(30)).await;
    network.heal();
    network.heal();
    sees(&b, 3, secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_on_both_sides_of_a_partition_hears_nobody() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    network.partition([&a, &b], [&b, &c]);
    sees(&b, 1, secs(30)).await;
    sees(&a, 1, secs(30)).await;
    network.heal();
    sees(&a, 3, secs(10)).await;
}

#[tokio::test]
async fn real_time_does_as_well() {
    let network = Network::new();
    let [a, b, c] = three(&network).await;
    network.partition([&a], [&b, &c]);
    a.register(instance("d")).await.expect("registers");
    let cut = async {
        while network.stats().cut == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(secs(5), cut).await.expect("in time");
    let seen = b.get_service("payments").await.expect("runs");
    assert!(seen.iter().all(|payment| payment.id() != "d"), "it was cut");
    network.heal();
    sees(&b, 4, secs(5)).await;
}

/// How long it takes two nodes to believe that a third one, which nothing reaches any more, is gone.
async fn believed_dead_after(profile: Profile, detection: Detection) -> Duration {
    let network = Network::new();
    let mut nodes = Vec::new();
    for host in 1..=3 {
        let node = node_with(&network, host, profile, detection).await;
        node.register(instance(&host.to_string()))
            .await
            .expect("registers");
        nodes.push(node);
    }
    for node in &nodes {
        sees(node, 3, secs(60)).await;
    }
    network.partition([&nodes[0], &nodes[1]], [&nodes[2]]);
    let since = tokio::time::Instant::now();
    for node in &nodes[..2] {
        sees(node, 2, secs(120)).await;
    }
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_profile_says_how_long_a_member_may_be_silent() {
    let lan = believed_dead_after(Profile::Lan, Detection::default()).await;
    let wan = believed_dead_after(Profile::Wan, Detection::default()).await;
    assert!(lan < secs(4), "{lan:?}");
    assert!(wan > lan * 2, "{wan:?} after {lan:?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_detection_can_be_switched_off() {
    let all = believed_dead_after(Profile::Lan, Detection::default()).await;
    let none = believed_dead_after(Profile::Lan, Detection::none()).await;
    assert!(none > all, "{none:?} with SWIM alone, {all:?} with all");
}
