//! A node that is flooded with garbage loses nobody, is lost by nobody, and still says and hears what is new.
//!
//! What it can stand is for `cargo bench --bench flood` to say; here nothing is timed.

#![cfg(feature = "node")]

mod node_support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use node_support::{BOUND, builder, eventually, instance, sees, start, within};
use tidings::gossip::Stats;
use tidings::node::{Events, EventsError};
use tidings::table::Event;
use tidings::{ClusterKey, Node};

const PER_SECOND: u32 = 20_000;
const FLOODED_FOR: Duration = Duration::from_secs(2);
/// Sent every so often, as many as are due then.
const STEP: Duration = Duration::from_millis(1);

fn key() -> ClusterKey {
    ClusterKey::from_bytes([7; 32])
}

/// What a node says to an address that is one of its seeds.
async fn said_to(sink: &tokio::net::UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 2_048];
    let length = within("a call", sink.recv(&mut buffer)).await;
    buffer.truncate(length.expect("received"));
    buffer
}

/// Of each kind one: no format, forged by a member, forged by nobody, said by a member, and in the clear.
fn garbage(sealed: Vec<u8>, clear: Vec<u8>) -> [Vec<u8>; 5] {
    let mut forged = sealed.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    // The nonce too, or it were refused as one that was received.
    forged[25] ^= 1;
    let mut of_nobody = forged.clone();
    of_nobody[2..18].fill(9);
    [vec![0xA5; 700], forged, of_nobody, sealed, clear]
}

/// How many datagrams left.
fn flood(to: SocketAddr, garbage: &[Vec<u8>; 5]) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let since = Instant::now();
    let mut sent = 0;
    while since.elapsed() < FLOODED_FOR {
        let due = since.elapsed().as_micros() * u128::from(PER_SECOND) / 1_000_000;
        while u128::from(sent) < due {
            for bytes in garbage {
                socket.send_to(bytes, to).expect("sent");
                sent += 1;
            }
        }
        std::thread::sleep(STEP);
    }
    sent
}

/// Fails if anybody was dropped since the events began.
async fn lost_nobody(node: &Node, mut events: Events) {
    node.shutdown().await.expect("left");
    loop {
        match events.next().await {
            Ok(event @ (Event::Failed { .. } | Event::AddressConflict { .. })) => {
                panic!("{}: {event:?}", node.advertised_addr())
            }
            Ok(_) => {}
            Err(EventsError::Lagged(events)) => panic!("{events} events were not seen"),
            Err(_) => return,
        }
    }
}

fn assert_counted(before: &Stats, after: &Stats, sent: u64) {
    let received = after.datagrams_received - before.datagrams_received;
    let dropped = after.dropped.total() - before.dropped.total();
    let causes = |stats: &Stats| {
        let by = &stats.dropped;
        [by.version, by.forged, by.replayed, by.plaintext]
    };
    let causes: Vec<_> = std::iter::zip(causes(after), causes(before))
        .map(|(after, before)| after - before)
        .collect();
    assert!(causes.iter().all(|&count| count > 0), "{causes:?}");
    let garbage = causes.iter().sum::<u64>();
    assert!(garbage <= dropped, "{garbage} of {dropped}: {causes:?}");
    assert!(dropped <= received, "{dropped} of {received}");
    assert!(garbage <= sent, "{garbage} of {sent}");
}

/// How many datagrams found no room in the buffer of the socket at an address.
#[cfg(target_os = "linux")]
fn without_room(address: SocketAddr) -> u64 {
    let port = format!(":{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/net/udp").expect("readable");
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let mut sockets = sockets.lines().map(fields);
    let socket: Vec<String> = sockets
        .find(|fields: &Vec<String>| fields[1].ends_with(&port))
        .expect("it is open");
    let drops = socket.last().expect("has fields");
    drops.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_garbage_costs_no_member_and_no_change() {
    let sink = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let unanswered = sink.local_addr().expect("bound");
    let stranger = start(builder(&[unanswered])).await;
    let clear = said_to(&sink).await;
    stranger.abort();
    stranger.stopped().await;

    let victim = start(builder(&[]).key(key())).await;
    let seed = victim.advertised_addr();
    let mut nodes = vec![victim];
    for _ in 0..3 {
        nodes.push(start(builder(&[seed]).key(key())).await);
    }
    for node in &nodes {
        for other in &nodes {
            sees(node, other).await;
        }
    }
    // A member says something to an address of which the victim knows nothing.
    let caller = start(builder(&[seed, unanswered]).key(key())).await;
    for node in &nodes {
        sees(node, &caller).await;
        sees(&caller, node).await;
    }
    nodes.push(caller);
    let mut sealed = said_to(&sink).await;
    while sealed[1] == 0 {
        sealed = said_to(&sink).await;
    }

    let victim = nodes[0].clone();
    let events: Vec<_> = nodes.iter().map(Node::events).collect();
    let before = victim.stats().gossip;
    let garbage = garbage(sealed, clear);
    let flood = tokio::task::spawn_blocking(move || flood(seed, &garbage));
    eventually("the flood", || {
        victim.stats().gossip.dropped.total() > before.dropped.total() + 1_000
    })
    .await;
    for (node, id) in [(&nodes[0], "victim's"), (&nodes[3], "other's")] {
        node.register(instance("users", id))
            .await
            .expect("registered");
    }
    for node in &nodes {
        within("both changes", node.wait_for("users", 2, BOUND))
            .await
            .expect("found");
    }
    let sent = within("the end of the flood", flood)
        .await
        .expect("no panic");
    let counted = || victim.stats().gossip;
    #[cfg(target_os = "linux")]
    eventually("each datagram counted, by the node or the kernel", || {
        let received = counted().datagrams_received - before.datagrams_received;
        received + without_room(seed) >= sent
    })
    .await;
    assert_counted(&before, &counted(), sent);
    for node in &nodes {
        assert_eq!(node.members().len(), nodes.len());
    }
    drop(victim);
    for (node, events) in std::iter::zip(nodes, events) {
        lost_nobody(&node, events).await;
    }
}
