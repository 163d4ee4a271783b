//! Clusters that seal, that begin to, and that change their key.

use std::{cell::RefCell, rc::Rc};

use super::{super::standing::Life, *};
use crate::gossip::{
    security::{ClusterKey, Keyring, KeyringError, Rollout, Security},
    wire::message::{Health, Message, Standing, kind},
};

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

fn security(keys: &[u8], rollout: Rollout) -> Security {
    Security {
        keyring: Keyring::of(keys.iter().map(|byte| key(*byte))).unwrap(),
        rollout,
        ..Security::default()
    }
}

fn sealed(config: &mut Config) {
    config.security = security(&[1], Rollout::Require);
}

type Captured = Rc<RefCell<Vec<(SocketAddr, SocketAddr, Vec<u8>)>>>;

/// Everything that is on the wire from now on.
fn capture(world: &mut World) -> Captured {
    let captured = Captured::default();
    let sink = captured.clone();
    world.link = Box::new(move |from, to, datagram| {
        sink.borrow_mut().push((from, to, datagram.to_vec()));
        Fate::Deliver
    });
    captured
}

#[test]
fn a_cluster_with_a_key_says_nothing_in_the_clear_and_works_as_one_without() {
    let mut world = World::new(1);
    let captured = capture(&mut world);
    for port in 1..=8 {
        world.start_with(port, &[1], 0, sealed);
        world.register(port, "users-of-the-shop", &format!("{port}"));
    }
    let took = world.until(secs(2), World::is_converged);
    assert!(took.expect("converged") < ms(500), "{took:?}");
    world.run(secs(5));
    world.crash(8);
    let noticed = |world: &World| world.failures(1) == 1;
    world.until(secs(10), noticed).expect("a crash is noticed");
    for (_, _, datagram) in captured.borrow().iter() {
        assert_eq!(datagram[1], key(1).id().value());
        let readable = datagram.windows(5).any(|part| part == b"users");
        assert!(!readable);
    }
    for port in 1..=7 {
        let stats = world.engine(port).stats();
        assert_eq!(stats.sessions, 7, "one for each that was heard");
        assert_eq!(stats.dropped.forged + stats.dropped.replayed, 0);
    }
}

#[test]
fn the_largest_datagrams_fit_with_their_seals() {
    let mut world = World::cluster_with(2, 3, sealed);
    for n in 0..60 {
        let builder = ServiceInstance::builder(format!("service-{n}"))
            .id("x")
            .metadata("k", "v".repeat(400 + n * 10));
        let instance = builder.endpoint("http://10.0.0.9:8000").build().unwrap();
        world
            .with(1, |engine, now| engine.register(now, instance))
            .unwrap();
    }
    let captured = capture(&mut world);
    world.start_with(4, &[1], 0, sealed);
    // The harness checks the size of each.
    world.until(secs(20), World::is_converged).expect("joined");
    let largest = captured.borrow().iter().map(|(.., d)| d.len()).max();
    assert!(largest > Some(1_100), "{largest:?}");
}

#[test]
fn who_has_another_key_or_none_stays_outside() {
    let mut world = World::cluster_with(3, 3, sealed);
    world.start_with(8, &[1], 0, |config| {
        config.security = security(&[9], Rollout::Require);
    });
    world.start(9, &[1]);
    world.run(secs(20));
    for port in [1, 8, 9] {
        let members = world.engine(port).members().len();
        assert_eq!(members, if port == 1 { 3 } else { 1 });
    }
    let dropped = world.engine(1).stats().dropped;
    assert!(dropped.unknown_key > 0 && dropped.plaintext > 0);
    assert_eq!(world.engine(9).stats().dropped.sealed, 0, "not answered");
}

/// What an engine shows, but for what it has counted.
fn shown(engine: &Engine) -> (u64, Vec<Member>, Vec<String>, usize, usize, usize) {
    let stats = engine.stats();
    (
        engine.fingerprint(),
        engine.members(),
        engine.directory().services(),
        stats.sessions,
        stats.known_members,
        stats.timers,
    )
}

#[test]
fn whatever_was_captured_changes_nothing_when_it_is_said_again() {
    let mut world = World::new(4);
    let captured = capture(&mut world);
    for port in 1..=4 {
        world.start_with(port, &[1], 0, sealed);
        world.register(port, "users", &format!("{port}"));
    }
    world.run(secs(5));
    world.with(2, |engine, now| {
        engine.deregister(now, "users", "2").unwrap();
    });
    world.run(secs(5));
    world.link = Box::new(|_, _, _| Fate::Deliver);
    world.run(secs(2));
    world.wire.clear();
    let captured = captured.take();
    assert!(captured.len() > 200);
    let mut said_again = 0;
    for (from, to, datagram) in &captured {
        let before = shown(world.engine(to.port()));
        let dropped = world.engine(to.port()).stats().dropped.replayed;
        world.with(to.port(), |engine, now| {
            engine.handle_datagram(now, *from, datagram);
            assert!(engine.poll_transmit().is_none(), "no answer");
        });
        assert_eq!(shown(world.engine(to.port())), before);
        said_again += world.engine(to.port()).stats().dropped.replayed - dropped;
    }
    assert_eq!(said_again, captured.len() as u64, "each as a replay");
    // From another address too.
    for (_, to, datagram) in captured.iter().take(50) {
        world.with(to.port(), |engine, now| {
            engine.handle_datagram(now, addr(666), datagram);
            assert!(engine.poll_transmit().is_none());
        });
    }
}

#[test]
fn what_was_said_earlier_to_others_makes_nobody_reconcile() {
    let mut world = World::cluster_with(1, 8, sealed);
    let captured = capture(&mut world);
    for n in 0..30 {
        world.register(1, "users", &format!("{n}"));
        world.run(ms(100));
    }
    // Longer than a node knows what its own table was.
    world.run(secs(10));
    assert!(world.is_converged());
    let said = captured.take();
    world.link = Box::new(|_, _, _| Fate::Deliver);
    let syncs = |world: &World| world.engine(8).stats().syncs;
    let before = (syncs(&world), world.engine(8).stats().dropped.replayed);
    let elsewhere = said
        .iter()
        .filter(|(from, to, _)| *from != addr(8) && *to != addr(8));
    let mut heard = 0;
    for (from, _, datagram) in elsewhere {
        world.with(8, |engine, now| {
            engine.handle_datagram(now, *from, datagram);
        });
        heard += 1;
        if heard % 20 == 0 {
            world.run(ms(20));
        }
    }
    let replayed = world.engine(8).stats().dropped.replayed - before.1;
    assert!(
        heard - replayed > 100,
        "{heard}, of these {replayed} replayed"
    );
    world.run(secs(1));
    assert_eq!(syncs(&world), before.0);
    assert!(world.is_converged());
}

#[test]
fn what_a_call_to_somebody_else_knows_of_it_is_not_taken_for_ones_own() {
    let mut world = World::cluster_with(1, 3, sealed);
    let other = addr(3);
    // A cookie that was made to come from elsewhere is sent back there; from there it can be brought home.
    let cookie = world.with(1, |engine, now| engine.proofs.cookie(now.instant, addr(2)));
    world.wire.clear();
    let before = world.engine(1).identity();
    // The other one was started in the same millisecond.
    let known = Standing {
        boot: before.boot + 1,
        renewal: 0,
        health: Health::Alive,
    };
    let call = world.with(2, |engine, now| {
        engine.call(now, other, cookie, Some(known));
        engine.poll_transmit().unwrap().payload
    });
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &call);
    });
    assert_eq!(world.engine(1).life, Life::Running);
    world.run(secs(1));
    assert_eq!(world.engine(1).identity(), before);
    assert!(world.is_converged());
}

#[test]
fn what_waited_for_the_proof_of_its_sender_counts_though_it_was_opened_before() {
    let mut world = World::cluster_with(5, 2, sealed);
    world.start_with(3, &[1], 0, sealed);
    // Node 2 hears of node 3 only from node 3 itself.
    world.link = Box::new(|from, to, _| {
        if from == addr(1) && to == addr(2) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let took = world.until(secs(1), |world| world.engine(2).members().len() == 3);
    assert!(took.is_some());
}

type Step = fn(&mut Engine) -> Result<(), KeyringError>;

#[test]
fn a_cluster_changes_its_key_without_losing_anything() {
    let mut world = World::cluster_with(6, 6, sealed);
    world.losing(6, 5);
    let mut registered = 0;
    let mut change = |world: &mut World| {
        for port in 1..=6 {
            world.register(port, "load", &format!("{registered:04}"));
            registered += 1;
            world.run(ms(40));
        }
        registered
    };
    let steps: [Step; 3] = [
        |engine| engine.add_key(key(2)),
        |engine| engine.promote_key(&key(2)),
        |engine| engine.remove_key(&key(1)),
    ];
    for step in steps {
        for port in 1..=6 {
            world.with(port, |engine, _| step(engine)).unwrap();
            change(&mut world);
        }
    }
    let registered = change(&mut world);
    world.heal();
    world
        .until(secs(10), World::is_converged)
        .expect("converged");
    let ids: Vec<_> = (0..registered).map(|n| format!("{n:04}")).collect();
    for port in 1..=6 {
        assert_eq!(world.seen(port, "load"), ids);
        assert_eq!(world.failures(port), 0);
        assert_eq!(world.engine(port).key_ids(), [key(2).id()]);
        let dropped = world.engine(port).stats().dropped;
        assert_eq!((dropped.unknown_key, dropped.forged), (0, 0));
    }
    assert!(world.lost > 0, "and the network lost some");
}

#[test]
fn a_cluster_comes_from_plaintext_to_sealing_by_restarts_one_at_a_time() {
    let steps = [
        security(&[], Rollout::Require),
        security(&[1], Rollout::AcceptBoth),
        security(&[1], Rollout::Seal),
        security(&[1], Rollout::Require),
    ];
    let mut world = World::cluster(7, 5);
    let mut everybody_sees = 0;
    for step in &steps[1..] {
        for port in 1..=5 {
            world.with(port, Engine::leave);
            world.run(ms(300));
            world.crash(port);
            world.run(secs(1));
            let seed = if port == 1 { 2 } else { 1 };
            world.start_with(port, &[seed], 0, |config| config.security = step.clone());
            let took = world.until(secs(5), World::is_converged);
            assert!(took.is_some(), "{step:?} on node {port}");
            everybody_sees += 1;
        }
    }
    assert_eq!(everybody_sees, 15);
    assert_eq!((1..=5).map(|port| world.failures(port)).sum::<usize>(), 0);
    let captured = capture(&mut world);
    world.run(secs(5));
    assert!(captured.borrow().iter().all(|(.., d)| d[1] != 0));
}

#[test]
fn a_rollout_can_be_changed_while_the_nodes_run() {
    let both = |config: &mut Config| config.security = security(&[1], Rollout::AcceptBoth);
    let mut world = World::cluster_with(8, 4, both);
    for rollout in [Rollout::Seal, Rollout::Require] {
        for port in 1..=4 {
            world.with(port, |engine, _| engine.set_rollout(rollout));
            world.register(port, "users", &format!("{rollout:?}-{port}"));
            world.run(secs(3));
            assert!(world.is_converged(), "{rollout:?} on {port}");
        }
    }
    assert_eq!((1..=4).map(|port| world.failures(port)).sum::<usize>(), 0);
}

#[test]
fn nobody_in_a_mixed_cluster_answers_a_stranger_with_more_than_it_sent() {
    for (server, client) in [
        (Rollout::Seal, Rollout::AcceptBoth),
        (Rollout::AcceptBoth, Rollout::Seal),
        (Rollout::Require, Rollout::Seal),
        (Rollout::Seal, Rollout::Seal),
    ] {
        let mut world = World::new(9);
        let longest = "[2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        let wide = longest.parse::<SocketAddr>().unwrap();
        world.start_with(1, &[], 0, |config| config.security = security(&[1], server));
        let mut config = Config::lan("test", wide);
        config.security = security(&[1], client);
        let entropy = Entropy {
            session: [7; 16],
            seed: [8; 32],
        };
        let mut stranger = Engine::new(config, entropy, world.time(0)).unwrap();
        // The largest welcome: to a long address that is known under another identity.
        let known = PeerId {
            renewal: u32::MAX,
            ..stranger.identity()
        };
        world.with(1, |engine, now| {
            engine.learn(now, known, 0, Health::Alive, false);
            engine.transmits.clear();
        });
        let now = world.time(0);
        let to = world.engine(1).identity();
        stranger.call(now, addr(1), 0, None);
        stranger.send_swim_of_ours(now, to, foca::Message::Gossip, Vec::new());
        stranger.send_swim_of_ours(now, to, foca::Message::Ping(1), Vec::new());
        for sent in std::iter::from_fn(|| stranger.poll_transmit()) {
            let from = addr(666);
            let answers = world.with(1, |engine, now| {
                engine.handle_datagram(now, from, &sent.payload);
                std::iter::from_fn(|| engine.poll_transmit())
                    .filter(|answer| answer.to == from)
                    .map(|answer| answer.payload.len())
                    .collect::<Vec<_>>()
            });
            let all: usize = answers.iter().sum();
            assert!(
                all <= sent.payload.len(),
                "{server:?} {client:?} {answers:?}"
            );
        }
        let unproven = world.engine(1).stats().dropped.unproven;
        assert_eq!(unproven, 2);
    }
}

#[test]
fn the_largest_welcome_fits_what_its_hello_leaves_room_for() {
    let longest = "[2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
    let wide = longest.parse::<SocketAddr>().unwrap();
    for client in [Rollout::AcceptBoth, Rollout::Seal, Rollout::Require] {
        let engine = |session, advertise, rollout| {
            let mut config = Config::lan("test", advertise);
            config.security = security(&[1], rollout);
            let entropy = Entropy {
                session: [session; 16],
                seed: [session; 32],
            };
            Engine::new(config, entropy, World::new(0).time(0)).unwrap()
        };
        let mut server = engine(1, wide, Rollout::Seal);
        let mut caller = engine(2, addr(2), client);
        let now = World::new(0).time(0);
        caller.call(now, addr(1), 0, None);
        let hello = caller.poll_transmit().unwrap();
        let welcome = crate::gossip::wire::message::Welcome {
            token: u64::MAX,
            cookie: u64::MAX,
            me: PeerId {
                renewal: u32::MAX,
                boot: u64::MAX,
                ..server.identity()
            }
            .into(),
            observed: wide,
            known: Some(crate::gossip::wire::message::Standing {
                boot: u64::MAX,
                renewal: u32::MAX,
                health: Health::Down,
            }),
            accepted: false,
        };
        server.send(now, addr(2), &Message::Welcome(welcome));
        let welcome = server.poll_transmit().unwrap();
        assert!(welcome.payload.len() <= hello.payload.len(), "{client:?}");
    }
}

#[test]
fn a_host_whose_clock_is_wrong_stays_alone_and_both_sides_can_tell() {
    for clock_ms in [3_600_000, -3_600_000] {
        let mut world = World::cluster_with(10, 4, sealed);
        world.start_with(9, &[1, 2, 3, 4], clock_ms, sealed);
        world.run(secs(20));
        assert_eq!(world.engine(9).members().len(), 1);
        assert_eq!(world.engine(1).members().len(), 4);
        let stats = [1, 9].map(|port| world.engine(port).stats());
        assert!(stats.iter().all(|stats| stats.dropped.clock_skew > 0));
        assert_eq!(stats[0].clocks_off, 1, "that of node 9");
        assert!(stats[1].clocks_off >= 3, "those of its peers");
        assert_eq!(stats[1].sessions, 0);
        assert!(world.engine(9).stats().datagrams_sent < 400);
        // The clock is set right.
        world.nodes.get_mut(&addr(9)).unwrap().clock_ms = 0;
        let took = world.until(secs(60), World::is_converged);
        assert!(took.is_some(), "{clock_ms}");
        world.run(secs(5));
        let off = [1, 9].map(|port| world.engine(port).stats().clocks_off);
        assert_eq!(off, [0, 0]);
    }
}

#[test]
fn members_that_know_each_other_go_on_whatever_a_clock_does() {
    let mut world = World::cluster_with(11, 4, sealed);
    world.run(secs(2));
    for clock_ms in [3_600_000, -3_600_000, 0] {
        world.nodes.get_mut(&addr(2)).unwrap().clock_ms = clock_ms;
        world.register(2, "users", &format!("{clock_ms}"));
        world.run(secs(20));
        assert!(world.is_converged(), "{clock_ms}");
    }
    assert_eq!((1..=4).map(|port| world.failures(port)).sum::<usize>(), 0);
}

#[test]
fn after_a_clock_was_set_back_a_node_is_heard_by_those_who_do_not_know_it() {
    let mut world = World::cluster_with(12, 3, sealed);
    let session = world.engine(2).session;
    world.nodes.get_mut(&addr(2)).unwrap().clock_ms = 3_600_000;
    world.run(secs(5));
    assert_eq!(world.engine(2).session, session);
    world.nodes.get_mut(&addr(2)).unwrap().clock_ms = 0;
    world.run(secs(5));
    assert_ne!(world.engine(2).session, session);
    world.start_with(4, &[2], 0, sealed);
    assert!(world.until(secs(5), World::is_converged).is_some());
}

#[test]
fn a_sealed_word_of_our_own_that_comes_back_is_recognised() {
    let mut world = World::new(13);
    world.start_with(1, &[1, 9], 0, sealed);
    world.aliases.insert(addr(9), addr(1));
    world.run(secs(25));
    assert_eq!(world.engine(1).stats().dropped.own, 1);
    assert_eq!(world.engine(1).members().len(), 1);
}

#[test]
fn the_number_of_sessions_is_bounded_by_that_of_members() {
    let mut world = World::new(14);
    world.start_with(1, &[], 0, |config| {
        sealed(config);
        config.max_members = 10;
    });
    for n in 0..100_u8 {
        let mut config = Config::lan("test", addr(1_000 + u16::from(n)));
        sealed(&mut config);
        let entropy = Entropy {
            session: [n; 16],
            seed: [n; 32],
        };
        let mut insider = Engine::new(config, entropy, world.time(0)).unwrap();
        let now = world.time(0);
        insider.say_hello(now, addr(1), 0);
        let hello = insider.poll_transmit().unwrap();
        world.deliver(addr(1_000), addr(1), &hello.payload);
    }
    let stats = world.engine(1).stats();
    assert_eq!((stats.sessions, stats.dropped.sessions_full), (20, 80));
}

#[test]
fn the_same_inputs_and_keys_give_the_same_bytes() {
    let trace = || {
        let mut world = World::new(15);
        let captured = capture(&mut world);
        for port in 1..=4 {
            world.start_with(port, &[1], 0, sealed);
            world.register(port, "users", &format!("{port}"));
        }
        world.run(secs(5));
        captured.take()
    };
    assert!(trace() == trace());
}

#[test]
fn a_node_without_a_key_takes_none_while_it_runs() {
    let mut world = World::cluster(16, 2);
    let refused = world.with(1, |engine, _| engine.add_key(key(1)));
    assert_eq!(refused, Err(KeyringError::Empty));
    assert!(world.engine(1).key_ids().is_empty());
    let captured = capture(&mut world);
    world.run(secs(2));
    let hellos_and_others = captured.borrow();
    assert!(hellos_and_others.iter().all(|(.., d)| d[1] == 0));
    assert!(
        hellos_and_others
            .iter()
            .any(|(.., d)| kind_of(d) == kind::SWIM)
    );
}

/// Where no address was in the packet, the sender's was read off the datagram, which nothing authenticates: a process
/// that started later, heard from a member's address, would have taken that member's place.
#[test]
fn a_packet_that_comes_from_another_members_address_speaks_for_its_sender_alone() {
    let mut world = World::new(31);
    for port in [3, 1, 2] {
        world.start_with(port, &[1], 0, sealed);
        world.register(port, "users", &format!("{port}"));
        world.run(secs(1));
    }
    assert!(world.engine(2).me.boot > world.engine(3).me.boot);
    let held_back = Captured::default();
    let sink = held_back.clone();
    world.link = Box::new(move |from, to, datagram| {
        if from == addr(2) && to == addr(1) {
            sink.borrow_mut().push((from, to, datagram.to_vec()));
            return Fate::Lose;
        }
        Fate::Deliver
    });
    world.run(secs(2));
    let held_back = held_back.take();
    assert!(!held_back.is_empty());
    let before = world.engine(1).members();
    for (_, _, datagram) in &held_back {
        world.with(1, |engine, now| {
            engine.handle_datagram(now, addr(3), datagram);
        });
        assert_eq!(world.engine(1).members(), before);
    }
    assert!(world.all_see("users", &["1", "2", "3"]));
    assert_eq!(world.failures(1), 0);
}
