//! Nodes on loopback, and waits that have a bound.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod log;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use tidings::Node;
use tidings::node::{Events, NodeBuilder};
use tidings::registry::ServiceInstance;
use tidings::table::Event;

/// How long anything may take that must happen: far above what it takes, so that only a hang reaches it.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// Awaits what must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(BOUND, future).await;
    output.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

/// A builder for a node on a free loopback port.
pub(crate) fn builder(seeds: &[SocketAddr]) -> NodeBuilder {
    Node::builder()
        .cluster("test")
        .bind("127.0.0.1:0")
        .seeds(seeds)
}

pub(crate) async fn start(builder: NodeBuilder) -> Node {
    within("start", builder.start()).await.expect("starts")
}

/// A node that joins through `others`.
pub(crate) async fn join<const N: usize>(others: [&Node; N]) -> Node {
    start(builder(&others.map(Node::advertised_addr))).await
}

/// Two nodes that know each other.
pub(crate) async fn pair() -> [Node; 2] {
    let first = join([]).await;
    let second = join([&first]).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    [first, second]
}

pub(crate) fn instance(service: &str, id: &str) -> ServiceInstance {
    let builder = ServiceInstance::builder(service)
        .id(id)
        .endpoint("http://127.0.0.1:8000");
    builder.build().expect("a valid instance")
}

/// Registers `users-a` at `node`, and waits until `other` sees it.
pub(crate) async fn offers(node: &Node, other: &Node) {
    node.register(instance("users", "a"))
        .await
        .expect("registered");
    within("the service", other.wait_for("users", 1, BOUND))
        .await
        .expect("found");
}

/// Waits until `node` holds `other` to be a member.
pub(crate) async fn sees(node: &Node, other: &Node) {
    let addr = other.advertised_addr();
    let is_there = || node.members().iter().any(|member| member.addr == addr);
    // (By events it cannot be told where a machine stands still: one that was taken for dead for some milliseconds is back
    // without any.)
    eventually("a member", is_there).await;
}

/// The next event that is `wanted`; those before it are dropped.
pub(crate) async fn event(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    let search = async {
        loop {
            let event = events.next().await.expect("the node runs");
            if wanted(&event) {
                return event;
            }
        }
    };
    within("an event", search).await
}

/// The next event that says how `node` went: `Left` or `Failed`.
pub(crate) async fn end_of(node: SocketAddr, events: &mut Events) -> Event {
    let end = |event: &Event| match event {
        Event::Left { member, .. } | Event::Failed { member, .. } => member.addr == node,
        _ => false,
    };
    event(events, end).await
}

/// Waits for a condition of which no event tells.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(what, poll).await;
}

/// A loopback address whose port was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.local_addr().expect("bound")
}
