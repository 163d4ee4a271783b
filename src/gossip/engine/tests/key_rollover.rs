//! A key is changed by a list that hosts read for themselves, at times up to two minutes apart.

use super::*;
use crate::gossip::security::{ClusterKey, KeyId, Keyring};

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

fn id(byte: u8) -> KeyId {
    key(byte).id()
}

fn holding(bytes: &[u8]) -> impl Fn(&mut Config) {
    let ring = Keyring::of(bytes.iter().copied().map(key)).unwrap();
    move |config| config.security.keyring = ring.clone()
}

impl World {
    /// A cluster that follows a list of one key.
    fn following(seed: u64, n: u16) -> Self {
        let mut world = Self::cluster_with(seed, n, holding(&[1]));
        for port in 1..=n {
            world.reads(port, &[1]);
        }
        world
    }

    /// The host on `port` sees a list.
    fn reads(&mut self, port: u16, bytes: &[u8]) {
        let list = bytes.iter().copied().map(key);
        self.with(port, |engine, now| engine.follow_keys(now, list))
            .unwrap();
    }

    fn sealing(&self, port: u16) -> KeyId {
        self.engine(port).key_ids()[0]
    }

    fn all_hold(&self, bytes: &[u8]) -> bool {
        let ids: Vec<_> = bytes.iter().copied().map(id).collect();
        self.nodes.values().all(|node| node.engine.key_ids() == ids)
    }
}

/// Hosts see each of `lists` within `apart` after the first one of them, while one of them registers something new
/// every second. Everything is seen by all in time, and nobody is declared failed.
fn rotate_under_load(seed: u64, lists: &[(u64, &[u8])], apart: u64) {
    let n = 6;
    let mut world = World::following(seed, n);
    let mut readings = BTreeSet::new();
    for port in 1..=n {
        for (step, (at, _)) in lists.iter().enumerate() {
            // One host is first, another one last.
            let after = match port {
                1 => 0,
                2 => apart * 1_000,
                _ => world.rng.random_range(0..apart * 1_000),
            };
            readings.insert((at * 1_000 + after, step, port));
        }
    }
    let end = readings.last().expect("hosts").0 / 1_000 + 240 + 10;
    let mut pending: Vec<(Instant, String)> = Vec::new();
    let mut read = vec![0; usize::from(n) + 1];
    for second in 0..end {
        while let Some((_, step, port)) = readings
            .first()
            .copied()
            .filter(|(at, ..)| *at <= second * 1_000)
        {
            readings.pop_first();
            // A host that sees a later state does not see an earlier one again.
            if read[usize::from(port)] <= step {
                world.reads(port, lists[step].1);
                read[usize::from(port)] = step;
            }
        }
        let service = format!("service-{second}");
        let port = world.rng.random_range(1..=n);
        world.register(port, &service, "a");
        pending.push((world.now, service));
        world.run(secs(1));
        pending.retain(|(_, service)| !world.all_see(service, &["a"]));
        let late = pending
            .iter()
            .find(|(since, _)| world.now - *since > secs(2));
        assert_eq!(late, None, "in second {second}, seed {seed}");
    }
    let last = lists.last().expect("a list").1;
    assert!(world.all_hold(last), "seed {seed}");
    for port in 1..=n {
        assert_eq!(world.failures(port), 0, "port {port}, seed {seed}");
        assert_eq!(world.engine(port).stats().dropped.unknown_key, 0);
    }
}

#[test]
fn a_key_is_replaced_by_hosts_that_see_the_list_two_minutes_apart() {
    rotate_under_load(1, &[(1, &[2])], 119);
}

#[test]
fn a_key_is_added_and_another_removed_by_hosts_that_see_both_late() {
    rotate_under_load(3, &[(1, &[2, 1]), (20, &[2])], 119);
}

#[test]
fn a_list_that_all_see_at_once_seals_within_two_seconds_and_the_old_key_opens_for_120_s() {
    let mut world = World::following(4, 20);
    for port in 1..=20 {
        world.reads(port, &[2]);
    }
    let took = world.until(secs(10), |world| {
        (1..=20).all(|port| world.sealing(port) == id(2))
    });
    assert!(took.expect("all seal") < secs(2), "{took:?}");
    world.run(secs(118));
    assert!(world.all_hold(&[2, 1]));
    world.run(secs(4));
    assert!(world.all_hold(&[2]));
}

#[test]
fn one_host_that_does_not_see_the_list_holds_the_key_up_for_120_s() {
    let mut world = World::following(5, 4);
    for port in 1..=3 {
        world.reads(port, &[2, 1]);
    }
    world.run(secs(119));
    assert!((1..=4).all(|port| world.sealing(port) == id(1)));
    assert!((1..=4).all(|port| world.failures(port) == 0));
    world.run(secs(2));
    assert!((1..=3).all(|port| world.sealing(port) == id(2)));
    assert_eq!(world.sealing(4), id(1));
}

#[test]
fn a_process_that_starts_with_the_new_list_joins_those_that_have_the_old_key() {
    let mut world = World::following(6, 4);
    world.start_with(5, &[1], 0, holding(&[2, 1]));
    world.reads(5, &[2, 1]);
    world.until(secs(10), World::is_converged).expect("joined");
    assert_eq!(world.sealing(5), id(1), "the others hold no other one");
    world.run(secs(10));
    for port in 1..=4 {
        world.reads(port, &[2, 1]);
    }
    world.run(secs(3));
    assert!((1..=5).all(|port| world.sealing(port) == id(2)));
    assert!((1..=5).all(|port| world.failures(port) == 0));
}

#[test]
fn a_process_that_starts_with_the_old_key_first_joins_those_that_have_the_new_one() {
    let mut world = World::cluster_with(7, 3, holding(&[2]));
    for port in 1..=3 {
        world.reads(port, &[2]);
    }
    world.start_with(4, &[1], 0, holding(&[1, 2]));
    world.reads(4, &[1, 2]);
    world.until(secs(20), World::is_converged).expect("joined");
    assert_eq!(world.sealing(4), id(2));
}

#[test]
fn whether_a_key_is_held_is_said_to_members_alone_and_never_in_the_clear() {
    use crate::gossip::wire::message::{HeldKey, Message};
    let mut world = World::following(8, 2);
    world.run(secs(5));
    let name = world.with(1, |engine, now| {
        engine.follow_keys(now, [key(2), key(1)]).unwrap();
        let live: Vec<_> = engine.members.iter().map(|peer| peer.id).collect();
        engine
            .guard
            .ask_for_key(now.instant, live.iter())
            .unwrap()
            .0
    });
    let question = HeldKey {
        key: name,
        me: addr(2),
        asks: true,
    };
    let mut payload = Vec::new();
    let kind = Message::HeldKey(question).write(&mut payload);
    let preamble = Preamble {
        session: [9; 16],
        nonce: world.time(0).unix_ms << 20,
        boot: world.engine(2).identity().boot,
        fingerprint: 0,
        kind,
    };
    let mut datagram = Vec::new();
    preamble.write(ClusterTag::of("test"), &mut datagram);
    datagram.extend_from_slice(&payload);
    let before = world.engine(1).stats();
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &datagram);
        // Another process in the member's name.
        let stranger = Preamble {
            boot: 7,
            ..preamble
        };
        let heard = engine.held_key_received(now, &stranger, true, question);
        assert!(heard.is_err());
        let clear = engine.held_key_received(now, &preamble, false, question);
        assert!(clear.is_err());
    });
    let after = world.engine(1).stats();
    assert_eq!(after.dropped.plaintext, before.dropped.plaintext + 1);
    world.run(secs(20));
    assert_eq!(
        world.sealing(1),
        id(1),
        "only the member itself can show it"
    );
}
