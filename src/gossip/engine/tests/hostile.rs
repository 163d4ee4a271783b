use proptest::prelude::*;

use super::*;
use crate::gossip::{
    foca_runtime::foca_config,
    wire::{
        content,
        message::{Item, Message, News, RecordKey},
        swim::SwimPacket,
    },
};

/// Real datagrams of every sort, with who sent them to whom.
fn real_datagrams() -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = seen.clone();
    let mut world = World::new(1);
    world.link = Box::new(move |from, to, datagram| {
        sink.borrow_mut().push((from, to, datagram.to_vec()));
        Fate::Deliver
    });
    for port in 1..=5 {
        world.start(port, &[1]);
        world.register(port, "users", &format!("{port}"));
    }
    world.run(secs(3));
    let big = ServiceInstance::builder("big")
        .id("b")
        .metadata("k", "v".repeat(1_000));
    for id in 0..3 {
        let instance = big
            .clone()
            .id(format!("{id}"))
            .endpoint("http://10.0.0.9:8000")
            .build();
        world
            .with(2, |engine, now| engine.register(now, instance.unwrap()))
            .unwrap();
    }
    world.losing(1, 0);
    world.run(secs(3));
    world.crash(5);
    world.run(secs(12));
    drop(world);
    let mut by_kind = BTreeMap::<u8, Vec<_>>::new();
    for datagram in seen.take() {
        by_kind
            .entry(kind_of(&datagram.2))
            .or_default()
            .push(datagram);
    }
    by_kind
        .into_values()
        .flat_map(|all| all.into_iter().take(40))
        .collect()
}

fn drops_counted(world: &World) -> u64 {
    world.engine(1).stats().dropped.total()
}

#[test]
fn each_kind_of_garbage_is_dropped_counted_by_cause_and_changes_nothing() {
    let mut world = World::cluster(1, 3);
    world.run(secs(5));
    let valid = world.with(2, |engine, now| {
        engine.say_hello(now, addr(1), 0);
        engine.poll_transmit().unwrap().payload.to_vec()
    });
    let before = (world.engine(1).fingerprint(), world.engine(1).members());
    let mut give = |datagram: &[u8]| {
        world.with(1, |engine, now| {
            engine.handle_datagram(now, addr(2), datagram);
        });
        world.engine(1).stats().dropped
    };
    assert_eq!(give(&[]).empty, 1);
    assert_eq!(give(&valid[..20]).truncated, 1);
    assert_eq!(give(&[99; 200]).version, 1);
    let mut other_cluster = valid.clone();
    other_cluster[26] ^= 1;
    assert_eq!(give(&other_cluster).other_cluster, 1);
    let mut sealed = valid.clone();
    sealed[1] = 1;
    assert_eq!(give(&sealed).sealed, 1);
    assert_eq!(give(&valid[..60]).malformed, 1);
    assert_eq!(give(&[1; 4_000]).oversized, 1);
    assert_eq!(give(&[1; 4_000]).total(), 8);
    assert_eq!(
        (world.engine(1).fingerprint(), world.engine(1).members()),
        before
    );
}

#[test]
fn mutated_and_random_datagrams_neither_panic_nor_grow_anything() {
    let datagrams = real_datagrams();
    assert!(datagrams.len() > 100);
    let strategy = (
        0..datagrams.len(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        prop_oneof![Just(None), any::<prop::sample::Index>().prop_map(Some)],
        any::<bool>(),
    );
    let world = std::cell::RefCell::new(World::cluster(2, 4));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        // The same cases in every run; a run with others is a change of this number.
        rng_seed: proptest::test_runner::RngSeed::Fixed(2026),
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&strategy, |(pick, flips, cut, from_member)| {
        let (_, _, mut datagram) = datagrams[pick].clone();
        for (at, value) in flips {
            let at = at.index(datagram.len());
            datagram[at] = value;
        }
        if let Some(cut) = cut {
            datagram.truncate(cut.index(datagram.len()));
        }
        let from = if from_member { addr(2) } else { addr(777) };
        let mut world = world.borrow_mut();
        world.with(1, |engine, now| {
            engine.handle_datagram(now, from, &datagram);
        });
        world.wire.clear();
        let engine = world.engine(1);
        prop_assert!(engine.stats().record_bytes <= engine.config.table.table_bytes);
        prop_assert!(engine.transmits.is_empty() && engine.events.is_empty());
        prop_assert!(engine.timers.len() < 5_000);
        prop_assert!(engine.members.len() < 5_000);
        Ok(())
    });
    outcome.unwrap();
    let mut world = world.into_inner();
    world.run(secs(120));
    assert!(drops_counted(&world) > 1_000);
}

#[test]
fn a_flood_of_strangers_by_word_of_mouth_makes_no_member() {
    let mut world = World::new(3);
    world.start(1, &[]);
    world.start(2, &[1]);
    world.until(secs(2), World::is_converged).unwrap();
    let to = world.engine(1).identity();
    for batch in 0..40_u16 {
        let gossip = world.with(2, |engine, now| {
            let strangers = (0..30).map(|n| {
                foca::Member::alive(PeerId::new(addr(10_000 + batch * 30 + n), now.unix_ms, 0))
            });
            engine.send_swim_of_ours(now, to, foca::Message::Gossip, strangers.collect());
            engine.poll_transmit().unwrap().payload
        });
        world.with(1, |engine, now| {
            engine.handle_datagram(now, addr(2), &gossip);
        });
        world.wire.clear();
    }
    assert_eq!(world.engine(1).members.len(), 1, "nobody has answered");
    assert!(world.engine(1).members.is_active(addr(2)));
    assert_eq!(world.engine(1).stats().sizes.candidates, 1_024);
    assert_eq!(world.engine(1).stats().at_limit.candidates, 1_200 - 1_024);
    world.run(secs(60));
    assert_eq!(world.engine(1).members.len(), 1);
    assert_eq!(world.engine(1).stats().sizes.candidates, 0);
}

#[test]
fn news_of_processes_that_follow_each_other_is_bounded() {
    let mut world = World::new(3);
    world.start_with(1, &[], 0, |config| config.max_members = 20);
    world.start(2, &[1]);
    world.until(secs(2), World::is_converged).unwrap();
    let to = world.engine(1).identity();
    let instance = std::sync::Arc::new(instance("users", "u"));
    let content = content::write([instance].iter());
    // As many as are let in at once on an address.
    for boot in 0..8 * 15 {
        let said = world.with(2, |engine, now| {
            let process = PeerId::new(addr(77 + boot % 15), now.unix_ms, u64::from(boot));
            let item = Item::Record {
                key: RecordKey::new(process.owner(), "users"),
                seq: 1,
                content: &content,
            };
            engine.send(now, to.addr, &Message::News(News { items: vec![item] }));
            (process, engine.poll_transmit().unwrap().payload)
        });
        world.with(1, |engine, now| {
            let (process, datagram) = &said;
            assert!(engine.may_boot(now, process));
            engine.learn(now, *process, 0, Health::Alive, true);
            engine.handle_datagram(now, addr(2), datagram);
        });
        world.wire.clear();
    }
    let stats = world.engine(1).stats();
    assert_eq!(stats.records, 15, "only the last processes'");
    assert!(
        (20..=2 * (15 + 20)).contains(&stats.news_pending),
        "{} pieces of news",
        stats.news_pending
    );
}

#[test]
fn trap_15_a_full_packet_of_focas_fits_a_datagram_with_its_seal_and_is_read_again() {
    let mut world = World::new(4);
    world.start_with(1, &[], 0, |config| config.bind = addr(11));
    let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
    let peer = PeerId {
        addr: longest.parse().unwrap(),
        boot: world.engine(1).identity().boot,
        renewal: u32::MAX,
    };
    let payload = world.with(1, |engine, now| {
        engine.learn(now, peer, 0, Health::Alive, false);
        for port in 100..400 {
            let other = PeerId {
                addr: addr(port),
                ..peer
            };
            engine.learn(now, other, 0, Health::Alive, true);
        }
        engine.transmits.clear();
        engine.swim.announce(peer, &mut engine.effects).unwrap();
        engine.swim.gossip(&mut engine.effects).unwrap();
        engine.run_effects(now);
        let sent = std::iter::from_fn(|| engine.poll_transmit());
        sent.map(|transmit| transmit.payload)
            .max_by_key(Bytes::len)
            .unwrap()
    });
    let room = 1_200 - crate::gossip::wire::frame::SEAL_BYTES;
    assert!(
        (1_000..=room).contains(&payload.len()),
        "{} of {room}",
        payload.len()
    );
    let (preamble, body) = Preamble::read(&payload, ClusterTag::of("test")).unwrap();
    let (message, _) = Message::read(preamble.kind, body).unwrap();
    let Message::Swim(_, packet) = message else {
        panic!("{message:?}")
    };
    let packet = SwimPacket::read(world.engine(1).identity(), peer, packet).unwrap();
    assert!(packet.updates.len() > 30);
    let mut for_foca = Vec::new();
    packet.write(&mut for_foca);
    let config = &world.engine(1).config;
    assert!(for_foca.len() <= foca_config(config, 1).max_packet_size.get());
}
