//! Hellos that cannot be used are rejected, and the caller knows why nobody answers.

use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::gossip::{
    Dropped, SeedState,
    security::{ClusterKey, Keyring, Rollout},
    wire::reject::{REJECT_BYTES, Reason, Reject},
};

fn keyed(config: &mut Config, key: u8) {
    config.security.keyring = Keyring::of([ClusterKey::from_bytes([key; 32])]).unwrap();
}

fn key(of: u8) -> impl Fn(&mut Config) {
    move |config| keyed(config, of)
}

fn clear(_: &mut Config) {}

fn named(name: &str) -> impl Fn(&mut Config) {
    move |config| config.cluster = name.to_owned()
}

/// What a joiner knows of its seed after 5 s, which belongs to a cluster of three.
fn known_of_seed(cluster: impl Fn(&mut Config), joiner: impl FnOnce(&mut Config)) -> SeedState {
    let mut world = World::cluster_with(1, 3, cluster);
    world.start_with(9, &[1], 0, joiner);
    world.run(secs(5));
    assert_eq!(
        world.engine(9).members().len(),
        1,
        "it must not have joined"
    );
    world.engine(9).seed_state(addr(1))
}

#[test]
fn a_joiner_knows_why_its_seed_does_not_let_it_in() {
    assert_eq!(known_of_seed(key(1), key(2)), SeedState::OtherKey);
    assert_eq!(known_of_seed(key(1), clear), SeedState::KeyMissing);
    assert_eq!(known_of_seed(clear, key(1)), SeedState::KeyUnexpected);
    assert_eq!(known_of_seed(clear, named("bank")), SeedState::OtherCluster);
    let both = |config: &mut Config| {
        config.cluster = "bank".into();
        keyed(config, 1);
    };
    assert_eq!(known_of_seed(key(1), both), SeedState::OtherCluster);
    assert_eq!(known_of_seed(clear, both), SeedState::OtherCluster);
    let limited = |config: &mut Config| config.max_members = 2;
    assert_eq!(known_of_seed(limited, clear), SeedState::NotAdmitted);
}

#[test]
fn a_key_of_the_same_name_is_another_key() {
    let name = ClusterKey::from_bytes([1; 32]).id();
    // One key in 255 has the same name.
    let of_pair = |of: u16| {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&of.to_be_bytes());
        ClusterKey::from_bytes(bytes)
    };
    let twin = (0..5_000).map(of_pair).find(|key| key.id() == name);
    let twin = twin.expect("among 5,000");
    let with_twin = move |config: &mut Config| {
        config.security.keyring = Keyring::of([twin.clone()]).unwrap();
    };
    assert_eq!(known_of_seed(key(1), with_twin), SeedState::OtherKey);
}

#[test]
fn a_silent_seed_and_a_closed_port_are_told_apart() {
    for (hosts_answer, known) in [(false, "silent"), (true, "port closed")] {
        let mut world = World::new(1);
        world.hosts_answer = hosts_answer;
        world.start(9, &[1]);
        world.run(secs(5));
        let text = world.engine(9).seed_state(addr(1)).to_string();
        assert!(text.starts_with(known), "{text}");
    }
}

#[test]
fn a_clock_that_differs_is_known_of_the_seed() {
    let mut world = World::cluster_with(1, 3, key(1));
    world.start_with(9, &[1], -3_600_000, key(1));
    world.run(secs(5));
    match world.engine(9).seed_state(addr(1)) {
        SeedState::ClockDiffers { ahead_ms } => {
            assert!(ahead_ms.abs_diff(3_600_000) < 1_000, "{ahead_ms}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_alias_of_the_node_is_known_as_itself() {
    let mut world = World::new(1);
    world.aliases.insert(addr(7), addr(1));
    world.start(1, &[7]);
    world.run(secs(5));
    assert_eq!(world.engine(1).seed_state(addr(7)), SeedState::Itself);
    assert_eq!(world.engine(1).seed_state(addr(1)), SeedState::Itself);
}

#[test]
fn a_seed_that_has_let_the_node_in_answers() {
    let world = World::cluster_with(1, 3, key(1));
    assert_eq!(world.engine(3).seed_state(addr(1)), SeedState::Answers);
    let stats = world.engine(1).stats();
    assert_eq!((stats.rejects_sent, stats.rejects_heard), (0, 0));
}

/// A hello of a node without a key, and the engine of a sealed node.
fn hello_and_sealed_node() -> (World, Bytes) {
    let mut world = World::cluster_with(1, 1, key(1));
    world.start_with(9, &[], 0, clear);
    let hello = world.with(9, |engine, now| {
        engine.say_hello(now, addr(1), 0);
        engine.poll_transmit().unwrap().payload
    });
    (world, hello)
}

/// What the node on `port` answers at once.
fn answers(world: &mut World, port: u16, from: SocketAddr, datagram: &[u8]) -> Vec<Transmit> {
    let now = world.time(0);
    let engine = &mut world.nodes.get_mut(&addr(port)).unwrap().engine;
    engine.handle_datagram(now, from, datagram);
    std::iter::from_fn(|| engine.poll_transmit()).collect()
}

#[test]
fn a_reject_is_small_and_comes_once_a_second_for_each_address() {
    let (mut world, hello) = hello_and_sealed_node();
    for second in 0..5 {
        for _ in 0..100 {
            world.run(ms(5));
            let sent = answers(&mut world, 1, addr(50), &hello);
            assert!(sent.iter().all(|sent| sent.payload.len() * 2 < hello.len()));
        }
        world.run(ms(500));
        let sent = world.engine(1).stats().rejects_sent;
        assert_eq!(sent, second + 1);
    }
}

#[test]
fn a_flood_of_forged_hellos_gets_a_bounded_number_of_rejects() {
    let (mut world, hello) = hello_and_sealed_node();
    for port in 1_000..11_000 {
        answers(&mut world, 1, addr(port), &hello);
    }
    let stats = world.engine(1).stats();
    assert_eq!(stats.rejects_sent, 100);
    assert_eq!(stats.at_limit.rejects, 9_900);
    assert!(world.engine(1).rejects.len() <= 200);
}

#[test]
fn nothing_smaller_than_a_hello_and_no_reject_is_rejected() {
    let (mut world, hello) = hello_and_sealed_node();
    let sent = answers(&mut world, 1, addr(50), &hello);
    let [reject] = &sent[..] else {
        panic!("{sent:?}");
    };
    let mut long = reject.payload.to_vec();
    long.resize(hello.len(), 0);
    // Also one of another cluster, which could go to and fro for ever.
    let mut foreign = long.clone();
    foreign[26..30].copy_from_slice(b"bank");
    for datagram in [
        &reject.payload[..],
        &long,
        &foreign,
        &hello[..hello.len() - 1],
    ] {
        let sent = answers(&mut world, 1, addr(51), datagram);
        assert_eq!(sent, [], "{} bytes", datagram.len());
    }
    assert!(Reject::read(&reject.payload).is_some_and(|read| read.reason == Reason::Unsealed));
}

#[test]
fn a_member_gets_no_reject() {
    let mut world = World::cluster_with(1, 2, key(1));
    world.start_with(9, &[], 0, clear);
    let hello = world.with(9, |engine, now| {
        engine.say_hello(now, addr(1), 0);
        engine.poll_transmit().unwrap().payload
    });
    assert_eq!(answers(&mut world, 1, addr(2), &hello), []);
}

#[test]
fn a_reject_that_answers_no_call_changes_nothing() {
    let mut world = World::new(1);
    world.start_with(9, &[1], 0, clear);
    let stolen = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&stolen);
    world.link = Box::new(move |_, _, datagram| {
        seen.borrow_mut().push(datagram.to_vec());
        Fate::Lose
    });
    world.run(secs(3));
    let hello = stolen.borrow().last().cloned().unwrap();
    let reject = Reject::answer(&hello, Reason::OtherCluster).unwrap();
    let silent = world.engine(9).seed_state(addr(1));
    for at in [5, 20, 27] {
        // Session, nonce and cluster.
        let mut forged = reject.clone();
        forged[at] ^= 1;
        assert_eq!(answers(&mut world, 9, addr(1), &forged), []);
        assert_eq!(world.engine(9).seed_state(addr(1)), silent);
    }
    assert_eq!(answers(&mut world, 9, addr(2), &reject), []);
    assert_eq!(
        world.engine(9).seed_state(addr(1)),
        silent,
        "from another address"
    );
    assert_eq!(world.engine(9).stats().rejects_heard, 0);
    answers(&mut world, 9, addr(1), &reject);
    assert_eq!(world.engine(9).seed_state(addr(1)), SeedState::OtherCluster);
    let expected = Dropped {
        unexpected: 4,
        ..Dropped::default()
    };
    assert_eq!(world.engine(9).stats().dropped, expected);
}

#[test]
fn a_joiner_joins_in_spite_of_forged_rejects() {
    let mut world = World::cluster_with(1, 3, key(1));
    let rejects = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&rejects);
    world.link = Box::new(move |from, _, datagram| {
        if from == addr(9)
            && let Some(reject) = Reject::answer(datagram, Reason::OtherKey)
        {
            seen.borrow_mut().push(reject);
        }
        Fate::Deliver
    });
    world.start_with(9, &[1], 0, key(1));
    let end = world.now + secs(2);
    while world.step(end) {
        for reject in std::mem::take(&mut *rejects.borrow_mut()) {
            for port in 1..=3 {
                answers_of(&mut world, 9, addr(port), &reject);
            }
        }
    }
    assert!(world.is_converged());
}

/// Hands a datagram in, and lets what comes of it go its way.
fn answers_of(world: &mut World, port: u16, from: SocketAddr, datagram: &[u8]) {
    world.with(port, |engine, now| {
        engine.handle_datagram(now, from, datagram);
    });
}

#[test]
fn a_step_of_a_rollout_is_rejected_by_nobody() {
    for rollout in [Rollout::AcceptBoth, Rollout::Seal] {
        let tune = |config: &mut Config| {
            keyed(config, 1);
            config.security.rollout = rollout;
        };
        let world = World::cluster_with(1, 3, tune);
        let sent = world
            .nodes
            .values()
            .map(|node| node.engine.stats().rejects_sent);
        assert_eq!(sent.sum::<u64>(), 0);
    }
}

#[test]
fn an_older_build_drops_a_reject_as_a_kind_that_it_does_not_know() {
    let (mut world, _) = hello_and_sealed_node();
    let mut datagram = world.with(9, |engine, now| engine.frame_payload(now, 64, &[3]));
    assert_eq!(datagram.len(), REJECT_BYTES);
    // Read as a message, which is all that an older build does with it.
    let (preamble, payload) = Preamble::read(&datagram, ClusterTag::of("test")).unwrap();
    let read = crate::gossip::wire::message::Message::read(preamble.kind, payload);
    assert_eq!(
        read,
        Err(crate::gossip::wire::message::Unusable::UnknownKind)
    );
    datagram[46] = 200;
    assert_eq!(answers(&mut world, 9, addr(1), &datagram), []);
    assert_eq!(world.engine(9).stats().unknown_kinds, 1);
}
