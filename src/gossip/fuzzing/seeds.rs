//! Where a fuzzer begins.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use super::{
    CLUSTER,
    cluster::{Cluster, PEERS, SUBJECT, addr, instance},
};
use crate::gossip::wire::{
    frame::{ClusterTag, HEADER_BYTES, Header, PREAMBLE_BYTES, Preamble},
    message::{Item, Message},
};

/// How many datagrams of one kind there are at most: the first ones, and of those that differ much in length.
const OF_ONE_KIND: usize = 6;
/// Two of one kind whose lengths differ by less are taken for alike.
const ALIKE_BYTES: usize = 12;

/// Real datagrams of every kind, not sealed: of a cluster in which one joins, one is known to nobody, one is silent, and
/// somebody registers what takes many datagrams. The same in every run of one build.
pub fn datagrams() -> &'static [Vec<u8>] {
    static DATAGRAMS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    DATAGRAMS.get_or_init(|| {
        let mut by_kind = BTreeMap::<u8, Vec<Vec<u8>>>::new();
        for datagram in everything_said() {
            let kind = by_kind.entry(kind_of(&datagram)).or_default();
            let is_alike = |other: &Vec<u8>| other.len().abs_diff(datagram.len()) < ALIKE_BYTES;
            if kind.len() < OF_ONE_KIND && (kind.is_empty() || !kind.iter().any(is_alike)) {
                kind.push(datagram);
            }
        }
        by_kind.into_values().flatten().collect()
    })
}

fn everything_said() -> Vec<Vec<u8>> {
    let mut cluster = Cluster::new(false);
    cluster.seen = Some(Vec::new());
    let run = |cluster: &mut Cluster| cluster.run(Duration::from_secs(2));
    run(&mut cluster);
    // One that joins, and one that knows the others while they do not know it.
    let (joiner, unknown) = (5, 6);
    cluster.start(joiner);
    cluster.start(unknown);
    let members: Vec<_> = PEERS
        .map(|port| cluster.engine(port).identity())
        .into_iter()
        .collect();
    cluster.with(unknown, |engine, now| engine.assume(now, &members, &[]));
    run(&mut cluster);
    let registered = [("orders", 0), ("orders", 200), ("files", 3_000)];
    for (port, (service, size)) in [SUBJECT, PEERS[0], joiner].into_iter().zip(registered) {
        cluster
            .with(port, |engine, now| {
                engine.register(now, instance(service, "a", size))
            })
            .expect("it is within all limits");
        run(&mut cluster);
    }
    // What is lost has to be asked for.
    for port in [SUBJECT, PEERS[1]] {
        let lost = instance("lost", &format!("{port}"), 100);
        cluster
            .with(port, |engine, now| engine.register(now, lost))
            .expect("it is within all limits");
        cluster.wire.clear();
    }
    // A host says that nobody listens where somebody does.
    cluster.with(SUBJECT, |engine, now| {
        engine.handle_unreachable(now, addr(PEERS[0]));
    });
    for _ in 0..10 {
        run(&mut cluster);
    }
    let seen = cluster.seen.take().unwrap_or_default();
    seen.iter().map(|datagram| datagram.to_vec()).collect()
}

/// The number of a real datagram's kind.
pub fn kind_of(datagram: &[u8]) -> u8 {
    datagram[HEADER_BYTES + PREAMBLE_BYTES - 1]
}

/// A real datagram's packet of the membership, and the contents of its records: where they are there.
pub fn parts_of(datagram: &[u8]) -> (Option<Vec<u8>>, Vec<Vec<u8>>) {
    let cluster = ClusterTag::of(CLUSTER);
    let message = Header::read(datagram, cluster)
        .and_then(|(header, body)| Preamble::of(&header, body))
        .ok()
        .and_then(|(preamble, payload)| Message::read(preamble.kind, payload).ok());
    let contents = |items: &[Item<'_>]| {
        let content = |item: &Item<'_>| match item {
            Item::Record { content, .. } => Some(content.to_vec()),
            Item::Notice { .. } => None,
        };
        items.iter().filter_map(content).collect()
    };
    match message {
        Some((Message::Swim(_, packet), _)) => (Some(packet.to_vec()), Vec::new()),
        Some((Message::News(news), _)) => (None, contents(&news.items)),
        Some((Message::Page(page), _)) => (None, contents(&page.items)),
        _ => (None, Vec::new()),
    }
}

/// A real datagram, sealed as a cluster with a key would have sent it.
pub fn sealed(datagram: &[u8]) -> Vec<u8> {
    let mut datagram = datagram.to_vec();
    crate::gossip::security::Forger::new(super::key(), CLUSTER).seal(&mut datagram);
    datagram
}
