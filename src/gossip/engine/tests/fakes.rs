//! Members that somebody makes up.

use super::*;
use crate::gossip::{
    engine::standing::Life,
    wire::{
        swim::{HEAD_BYTES, SwimPacket, with_words},
        word::SessionTag,
    },
};

const INSIDER: u16 = 9;

/// The identity that an insider makes up for a number.
fn fake(number: u16) -> PeerId {
    PeerId::new(addr(10_000 + number), EPOCH_MS, 7)
}

/// What the insider sends to `to`: gossip that these are alive, all of them vouched for.
fn tell(world: &mut World, to: u16, ids: impl IntoIterator<Item = PeerId>) {
    let ids: Vec<_> = ids.into_iter().collect();
    let dst = world.engine(to).identity();
    let now = world.time(0);
    let insider = &mut world.nodes.get_mut(&addr(INSIDER)).unwrap().engine;
    for some in ids.chunks(30) {
        let header = foca::Header {
            src: insider.me,
            src_incarnation: insider.incarnation,
            dst,
            message: foca::Message::Gossip,
        };
        let updates = some.iter().copied().map(foca::Member::alive).collect();
        let mut packet = Vec::new();
        SwimPacket {
            header,
            updates,
            unknown_extensions: 0,
        }
        .write(&mut packet);
        let said = Word {
            vouch: Some(SessionTag::of(&[7; 16])),
            ..Word::default()
        };
        for packet in with_words(&packet[HEAD_BYTES..], 1_000, |_| said).unwrap() {
            insider.send_swim(now, dst, &packet);
        }
    }
    world.drain(addr(INSIDER));
}

fn sealed(config: &mut Config) {
    let key = crate::gossip::security::ClusterKey::from_bytes([7; 32]);
    config.security.keyring = crate::gossip::security::Keyring::of([key]).unwrap();
}

/// Eight nodes and an insider, which is a member as any other until it begins.
fn attacked(seed: u64, tune: impl Fn(&mut Config)) -> World {
    let mut world = World::cluster_with(seed, INSIDER, tune);
    world.run(secs(20));
    world
}

/// Whether anybody but the insider knows of a member that is made up.
fn believed(world: &World) -> usize {
    let nodes = (1..INSIDER).filter(|port| world.nodes.contains_key(&addr(*port)));
    let members = nodes.flat_map(|port| world.engine(port).members());
    members.filter(|m| m.addr.port() >= 10_000).count()
}

fn five_thousand_fakes_cost_nothing(seed: u64, tune: impl Fn(&mut Config)) {
    let mut world = attacked(seed, tune);
    let mut told = 0;
    for tenth in 0..100 {
        for to in 1..INSIDER {
            if world.nodes.contains_key(&addr(to)) {
                tell(&mut world, to, (told..told + 50).map(fake));
            }
        }
        told += 50;
        if tenth == 30 {
            world.crash(8);
        }
        if tenth % 10 == 5 {
            let id = format!("at-{tenth}");
            world.register(2, "users", &id);
            let start = world.now;
            let all = |world: &World| {
                (1..INSIDER)
                    .filter(|port| *port != 8)
                    .all(|port| world.seen(port, "users").contains(&id))
            };
            // A push that misses a node is made up for by the next fingerprint.
            let took = world.until(ms(500), all);
            assert!(took.is_some(), "an update at {tenth} tenths is late");
            world.run(ms(100).saturating_sub(world.now - start));
        } else {
            world.run(ms(100));
        }
        assert_eq!(believed(&world), 0, "at {tenth} tenths");
        if tenth == 90 {
            let knows = (1..8).filter(|port| world.engine(*port).members.is_active(addr(8)));
            assert_eq!(knows.count(), 0, "the crash at 3 s is seen within 6 s");
        }
    }
    assert_eq!(told, 5_000);
    let failures: usize = (1..8).map(|port| world.failures(port)).sum();
    assert_eq!(failures, 7, "each has seen that one crash and no other");
    assert!((1..8).all(|port| world.engine(port).stats().at_limit.members == 0));
    world.crash(INSIDER);
    world.run(secs(60));
    for port in 1..8 {
        let stats = world.engine(port).stats();
        assert_eq!((stats.members, stats.sizes.candidates), (7, 0));
    }
    world.start(INSIDER + 1, &[1]);
    let joined = |world: &World| world.is_converged();
    assert!(world.until(secs(2), joined).is_some(), "newcomers get in");
}

#[test]
fn five_thousand_fakes_of_one_insider_cost_nobody_anything() {
    five_thousand_fakes_cost_nothing(1, |_| {});
}

#[test]
fn five_thousand_fakes_of_one_insider_cost_a_sealed_cluster_nothing() {
    let mut world = attacked(2, sealed);
    for to in 1..INSIDER {
        tell(&mut world, to, (0..5_000).map(fake));
    }
    world.run(secs(2));
    assert_eq!(believed(&world), 0);
}

#[test]
fn a_newcomer_gets_in_while_an_insider_makes_up_others() {
    let mut world = attacked(3, |_| {});
    for tenth in 0..50 {
        for to in 1..INSIDER {
            tell(&mut world, to, (tenth * 50..tenth * 50 + 50).map(fake));
        }
        world.run(ms(100));
    }
    world.start(20, &[1]);
    world.register(20, "users", "new");
    for to in 1..INSIDER {
        tell(&mut world, to, (2_500..3_500).map(fake));
    }
    let all = |world: &World| (1..=8).all(|port| world.seen(port, "users") == ["new"]);
    let took = world.until(secs(1), all).expect("it gets in");
    // It calls its seed some 110 ms after it has started.
    assert!(took < ms(200), "{took:?}");
}

#[test]
fn a_higher_boot_for_everybody_replaces_nobody() {
    let mut world = attacked(4, |_| {});
    let ids: Vec<_> = (1..INSIDER)
        .map(|port| world.engine(port).identity())
        .collect();
    for to in 1..INSIDER {
        let others = ids.iter().filter(|id| id.addr != addr(to));
        let higher: Vec<_> = others
            .map(|id| PeerId {
                boot: id.boot + (60_000 << 20),
                ..*id
            })
            .collect();
        tell(&mut world, to, higher);
    }
    world.run(secs(30));
    for port in 1..INSIDER {
        let engine = world.engine(port);
        assert_eq!(engine.life, Life::Running);
        assert_eq!(engine.stats().rebirths, 0);
        let present = |id: &&PeerId| id.addr == engine.me.addr || engine.is_member(id);
        assert_eq!(ids.iter().filter(present).count(), 8);
    }
    assert!((1..INSIDER).all(|port| world.failures(port) == 0));
}

#[test]
fn a_packet_in_the_name_of_a_later_process_replaces_nobody() {
    let mut world = attacked(5, |_| {});
    let id = world.engine(2).identity();
    let later = PeerId {
        boot: id.boot + (60_000 << 20),
        ..id
    };
    let dst = world.engine(1).identity();
    let now = world.time(0);
    // In the clear anybody can write such a packet, and the address over it.
    let mut stranger = Engine::new(
        Config::lan("test", addr(2)),
        Entropy {
            session: [6; 16],
            seed: [6; 32],
        },
        now,
    )
    .unwrap();
    stranger.me = later;
    stranger.send_swim_of_ours(now, dst, foca::Message::Gossip, Vec::new());
    let forged = stranger.poll_transmit().unwrap().payload;
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &forged);
    });
    assert!(world.engine(1).is_member(&id));
    world.run(secs(30));
    assert!(world.engine(1).is_member(&id));
    assert!((1..INSIDER).all(|port| world.failures(port) == 0));
}

#[test]
fn two_members_that_vouch_make_a_member_of_one_that_cannot_be_reached() {
    let mut world = World::cluster(6, 5);
    world.run(secs(10));
    world.start(6, &[1]);
    let hears = |to: SocketAddr| [1, 2].map(addr).contains(&to);
    world.link = Box::new(move |from, to, _| {
        if from == addr(6) && !hears(to) || to == addr(6) && !hears(from) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let known = |world: &World| (1..=5).all(|port| world.engine(port).members.is_active(addr(6)));
    let took = world.until(secs(2), known);
    assert!(took.is_some());
}

#[test]
fn what_a_build_can_do_is_known_to_all_by_relay() {
    let mut world = World::cluster(7, 5);
    world.run(secs(5));
    world.start(6, &[1]);
    world.until(secs(2), World::is_converged).unwrap();
    world.run(secs(30));
    let id = world.engine(6).identity();
    let knows = (1..=5).filter(|port| {
        let said = world.engine(*port).verified.word(&id);
        !said.capabilities.is_empty()
    });
    assert_eq!(knows.count(), 5);
}
