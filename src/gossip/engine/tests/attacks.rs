//! What a hostile review found, each as the attack or the accident that showed it.

use std::sync::Arc;

use super::*;
use crate::{
    gossip::{
        foca_runtime::foca_config,
        wire::{
            content,
            message::{
                Hello, Item, Message, News, Page, Part, RecordKey, SwimHead, addressee, kind,
            },
            swim::{HEAD_BYTES, SwimPacket},
        },
    },
    table::Record,
};

/// Hands the node on `to` a datagram of news, from the node on `from`.
fn tell(world: &mut World, from: u16, to: u16, item: Item<'_>) {
    let datagram = world.with(from, |engine, now| {
        engine.send(now, addr(to), &Message::News(News { items: vec![item] }));
        engine.transmits.pop_back().unwrap()
    });
    world.with(to, |engine, now| {
        engine.handle_datagram(now, addr(from), &datagram.payload);
    });
}

/// Three records of strangers, of which the second is none.
fn items_with_one_that_is_malformed(now: Now) -> [(RecordKey, Vec<u8>); 3] {
    let good = content::write([Arc::new(instance("users", "u"))].iter());
    [(21, good.clone()), (22, vec![255; 9]), (23, good)].map(|(port, content)| {
        let owner = PeerId::new(addr(port), now.unix_ms, 0).owner();
        (RecordKey::new(owner, "users"), content)
    })
}

fn records_of(items: &[(RecordKey, Vec<u8>)]) -> Vec<Item<'_>> {
    let items = items.iter().map(|(key, content)| Item::Record {
        key: key.clone(),
        seq: 1,
        content,
    });
    items.collect()
}

#[test]
fn a_malformed_record_among_news_is_left_out_and_counted_and_the_others_are_taken() {
    let mut world = World::cluster(14, 3);
    let items = items_with_one_that_is_malformed(world.time(0));
    let datagram = world.with(2, |engine, now| {
        let items = records_of(&items);
        engine.send(now, addr(1), &Message::News(News { items }));
        engine.transmits.pop_back().unwrap()
    });
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &datagram.payload);
    });
    let stats = world.engine(1).stats();
    assert_eq!((stats.records, stats.records_malformed), (2, 1));
    assert_eq!(stats.dropped.malformed, 0, "the datagram was used");
}

#[test]
fn a_malformed_record_in_a_page_is_left_out_and_counted_and_the_reconciliation_goes_on() {
    let mut world = World::cluster(15, 3);
    world.run(secs(15));
    let items = items_with_one_that_is_malformed(world.time(0));
    // Its own request is lost, and so nobody else answers.
    world.link = Box::new(|from, _, datagram| {
        if from == addr(2) && kind_of(datagram) == kind::DIGEST {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let preamble = Preamble {
        session: world.engine(1).session,
        nonce: u64::MAX,
        boot: world.engine(1).me.boot,
        fingerprint: 77,
        kind: kind::NEWS,
    };
    world.with(2, |engine, now| {
        engine.compare_fingerprint(now, addr(1), &preamble);
    });
    let asks = |world: &World| world.engine(2).sync.peer() == Some(addr(1));
    world.until(secs(3), asks).expect("it asks");
    let part = Part {
        session: world.engine(2).sync.request().unwrap(),
        index: 0,
        count: 1,
        next: None,
    };
    let page = Page {
        part,
        members: Vec::new(),
        items: records_of(&items),
    };
    world
        .with(2, |engine, now| {
            engine.page_received(
                now,
                addr(1),
                page,
                (verifying::Teller::unproven(addr(1)), &[]),
            )
        })
        .unwrap();
    let stats = world.engine(2).stats();
    assert_eq!((stats.records, stats.records_malformed), (2, 1));
    assert_eq!(world.engine(2).sync.peer(), None, "it is over");
}

#[test]
fn news_ends_where_everybody_else_has_it_already() {
    let mut world = World::cluster(1, 2);
    world.register(1, "users", "a");
    world.run(secs(60));
    assert_eq!(
        [1, 2].map(|port| world.engine(port).stats().news_pending),
        [0, 0]
    );
}

#[test]
fn news_ends_when_the_cluster_shrinks_and_fewer_copies_are_due() {
    let mut world = World::cluster(2, 12);
    world.register(1, "users", "a");
    world.run(ms(60));
    assert!(
        world.engine(1).stats().news_pending > 0,
        "six of eight copies"
    );
    for port in 4..=12 {
        world.crash(port);
    }
    let alone = |world: &World| world.engine(1).copies == 4;
    world.link = Box::new(|_, _, datagram| {
        if kind_of(datagram) == kind::NEWS {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.until(secs(60), alone).expect("it has noticed");
    world.run(secs(60));
    assert_eq!(world.engine(1).stats().news_pending, 0);
}

#[test]
fn a_page_with_a_long_cursor_and_large_items_fits_a_datagram() {
    let mut world = World::cluster(3, 2);
    for service in 0..40 {
        let name = format!("{service:02}{}", "n".repeat(100));
        let builder = ServiceInstance::builder(name)
            .id("x")
            .metadata("k", "v".repeat(880));
        let instance = builder.endpoint("http://10.0.0.9:8000").build().unwrap();
        world
            .with(1, |engine, now| engine.register(now, instance))
            .unwrap();
    }
    world.run(secs(30));
    world.start(3, &[1]);
    assert!(world.until(secs(10), World::is_converged).is_some());
}

#[test]
fn a_reconciliation_ends_when_the_record_it_wants_is_gone() {
    let mut world = World::cluster(4, 4);
    world.run(secs(5));
    world.link = Box::new(move |from, to, datagram| {
        let kind = kind_of(datagram);
        let lost = (to == addr(1) && kind == kind::NEWS) || (from == addr(1) && kind == kind::PULL);
        if lost { Fate::Lose } else { Fate::Deliver }
    });
    world.register(4, "users", "a");
    let wants =
        |world: &World| format!("{:?}", world.engine(1).sync).contains("service: \"users\"");
    world.until(secs(4), wants).expect("it asks for the record");
    world.crash(4);
    world.start(4, &[2]);
    world.run(ms(300));
    world.heal();
    world.run(secs(30));
    assert_eq!(world.engine(1).sync.peer(), None);
    assert!(world.is_converged());
}

#[test]
fn one_that_stepped_back_returns_when_others_hold_its_own_identity_dead() {
    let mut world = World::cluster(5, 4);
    world.register(2, "users", "a");
    world.run(secs(5));
    world.with(2, Engine::step_back);
    assert_eq!(world.engine(2).life, Life::SteppedBack);
    let back = |world: &World| {
        world.is_converged()
            && world.engine(2).life == Life::Running
            && world.all_see("users", &["a"])
    };
    world.run(ms(1));
    assert!(world.until(secs(120), back).is_some());
}

#[test]
fn one_that_stepped_back_leaves_in_silence() {
    let mut world = World::cluster(6, 3);
    world.with(2, Engine::step_back);
    world.run(secs(1));
    world.with(2, Engine::leave);
    assert!(world.engine(2).has_left());
    let sent = world.engine(2).stats().datagrams_sent;
    world.run(secs(300));
    assert_eq!(world.engine(2).stats().datagrams_sent, sent);
    assert_eq!(world.engine(2).poll_timeout(), None);
}

#[test]
fn leaving_twice_is_leaving_once() {
    let mut world = World::cluster(7, 3);
    world.run(secs(2));
    world.with(2, Engine::leave);
    world.run(ms(1));
    world.with(2, Engine::leave);
    assert!(
        !world.engine(2).has_left(),
        "the goodbye is still on its way"
    );
    world.run(ms(200));
    world.crash(2);
    world.run(secs(30));
    assert_eq!(world.failures(1) + world.failures(3), 0);
}

#[test]
fn a_packet_with_word_of_a_rival_changes_our_books_only_as_it_changes_focas() {
    let mut world = World::cluster(8, 4);
    let (me, other) = (world.engine(1).me, world.engine(3).me);
    let rival = PeerId {
        boot: me.boot + (5 << 20),
        ..me
    };
    let gossip = world.with(2, |engine, now| {
        let accusation = foca::Member::new(other, 0, foca::State::Suspect);
        let updates = vec![foca::Member::alive(rival), accusation];
        engine.send_swim_of_ours(now, me, foca::Message::Gossip, updates);
        engine.transmits.pop_back().unwrap()
    });
    // The harness compares the books after every step.
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &gossip.payload);
    });
    assert_eq!(world.engine(1).me, me, "a claim changes nothing");
}

#[test]
fn a_packet_larger_than_foca_takes_is_malformed_and_changes_nothing() {
    let mut world = World::cluster(9, 4);
    let me = world.engine(1).me;
    let datagram = |world: &mut World, count: u16| {
        world.with(2, |engine, now| {
            let strangers = (0..count).map(|n| PeerId {
                addr: addr(5_000 + n),
                ..me
            });
            let updates = strangers.map(foca::Member::alive).collect();
            let message = foca::Message::Gossip;
            let header = foca::Header {
                src: engine.me,
                src_incarnation: 0,
                dst: me,
                message,
            };
            let mut packet = Vec::new();
            SwimPacket {
                header,
                updates,
                unknown_extensions: 0,
            }
            .write(&mut packet);
            let head = SwimHead {
                renewal: 0,
                advertised: None,
                to: addressee(&me),
            };
            let mut payload = Vec::new();
            Message::Swim(head, &packet[HEAD_BYTES..]).write(&mut payload);
            let mut datagram = Vec::new();
            let preamble = Preamble {
                session: engine.session,
                nonce: engine.nonces.next(now.unix_ms),
                boot: engine.me.boot,
                fingerprint: 0,
                kind: kind::SWIM,
            };
            preamble.write(ClusterTag::of("test"), &mut datagram);
            datagram.extend_from_slice(&payload);
            (datagram, packet.len())
        })
    };
    let room = foca_config(&world.engine(1).config, 4)
        .max_packet_size
        .get();
    let (datagram, packet) = (0..100)
        .rev()
        .map(|count| datagram(&mut world, count))
        .find(|(datagram, _)| datagram.len() <= 1_200)
        .unwrap();
    assert!(packet > room, "{packet} of {room}");
    let books = |world: &World| {
        let engine = world.engine(1);
        (engine.members(), format!("{:?}", engine.boots))
    };
    let before = books(&world);
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &datagram);
    });
    assert_eq!(books(&world), before);
    assert_eq!(world.engine(1).stats().dropped.malformed, 1);
}

#[test]
fn a_large_record_of_ours_that_others_hold_differently_is_written_again() {
    for theirs_is_higher in [false, true] {
        let mut world = World::cluster(10, 3);
        let large = |id: String, fill: &str| {
            let builder = ServiceInstance::builder("users")
                .id(id)
                .metadata("k", fill.repeat(900));
            builder.endpoint("http://10.0.0.9:8000").build().unwrap()
        };
        for n in 0..5 {
            let instance = large(format!("new-{n}"), "v");
            world
                .with(1, |engine, now| engine.register(now, instance))
                .unwrap();
        }
        world.run(secs(5));
        let owner = world.engine(1).me.owner();
        let ours = world
            .engine(1)
            .replica
            .record(owner, "users")
            .unwrap()
            .clone();
        // What the others hold has the same number and another content, as after a rollback.
        let theirs = (0..100)
            .map(|n| {
                let old = (0..5)
                    .map(|i| Arc::new(large(format!("old-{n}-{i}"), "w")))
                    .collect::<Vec<_>>();
                let content = content::write(old.iter()).into();
                Record::new(owner, "users".into(), ours.seq(), content, old)
            })
            .find(|theirs| (theirs.hash().hash > ours.hash().hash) == theirs_is_higher)
            .unwrap();
        for port in [2, 3] {
            let now = world.now;
            let replica = &mut world.nodes.get_mut(&addr(port)).unwrap().engine.replica;
            replica.owner_replaced(owner);
            replica.owner_up(owner);
            replica.apply(now, theirs.clone());
        }
        assert!(
            world.until(secs(60), World::is_converged).is_some(),
            "{theirs_is_higher}"
        );
        assert!(
            world
                .seen(2, "users")
                .iter()
                .all(|id| id.starts_with("new"))
        );
    }
}

#[test]
fn a_stranger_cannot_make_a_node_forget_its_seed() {
    let mut world = World::cluster(11, 3);
    world.crash(1);
    world.run(secs(60));
    for port in [2, 3] {
        let engine = world.engine(port);
        // The session id stands in clear in every datagram that the node sends.
        let hello = Hello {
            token: 1,
            cookie: 0,
            me: engine.me.into(),
            to: addr(1),
            known: None,
            joining: false,
            padding: Vec::new(),
        };
        let mut payload = Vec::new();
        let kind = Message::Hello(hello).write(&mut payload);
        let preamble = Preamble {
            session: engine.session,
            nonce: 1,
            boot: 5,
            fingerprint: 0,
            kind,
        };
        let mut datagram = Vec::new();
        preamble.write(ClusterTag::of("test"), &mut datagram);
        datagram.extend_from_slice(&payload);
        world.with(port, |engine, now| {
            engine.handle_datagram(now, addr(666), &datagram);
        });
    }
    world.start(1, &[]);
    assert!(world.until(secs(45), World::is_converged).is_some());
}

#[test]
fn the_address_of_a_dead_member_proves_nothing_for_anybody_else() {
    let mut world = World::cluster(12, 4);
    world.crash(4);
    world.run(secs(160));
    let (to, victim) = (world.engine(1).me, world.engine(3).me);
    let entropy = Entropy {
        session: [3; 16],
        seed: [4; 32],
    };
    let mut forger = Engine::new(Config::lan("test", addr(4)), entropy, world.time(0)).unwrap();
    let death = foca::Member::new(victim, 0, foca::State::Down);
    forger.send_swim_of_ours(world.time(0), to, foca::Message::Gossip, vec![death]);
    let packet = forger.poll_transmit().unwrap();
    let before = world.engine(1).members();
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(4), &packet.payload);
    });
    assert_eq!(world.engine(1).members(), before);
    assert_eq!(world.engine(1).stats().dropped.unproven, 1);
}

#[test]
fn a_goodbye_that_comes_late_ends_the_calls() {
    let mut world = World::cluster(13, 3);
    let owner = world.engine(2).me.owner();
    world.crash(2);
    let dead = |world: &World| !world.engine(1).members.is_active(addr(2));
    world.until(secs(60), dead).unwrap();
    assert!(world.engine(1).contacts.contains(addr(2)));
    let key = RecordKey::new(owner, crate::table::LEAVING);
    let content = content::write([].iter());
    tell(
        &mut world,
        3,
        1,
        Item::Record {
            key,
            seq: 5,
            content: &content,
        },
    );
    assert!(!world.engine(1).contacts.contains(addr(2)));
}

#[test]
fn a_leave_is_heard_as_one_by_all_of_a_larger_cluster() {
    for seed in 0..4 {
        let mut world = World::cluster(100 + seed, 64);
        world.run(secs(2));
        world.with(7, Engine::leave);
        world.run(secs(1));
        world.crash(7);
        world.run(secs(15));
        let failures: usize = world
            .nodes
            .keys()
            .map(|addr| world.failures(addr.port()))
            .sum();
        assert_eq!(failures, 0, "seed {seed}");
    }
}

#[test]
fn a_welcome_from_elsewhere_than_was_called_proves_no_address() {
    let mut world = World::cluster_with(1, 2, |_| {});
    world.wire.clear();
    for (claimed, is_proven) in [(addr(99), false), (addr(2), true)] {
        let hello = world.with(1, |engine, now| {
            engine.say_hello(now, addr(2), 0);
            engine.poll_transmit().unwrap().payload
        });
        let welcome = world.with(2, |engine, now| {
            engine.handle_datagram(now, addr(1), &hello);
            engine.poll_transmit().unwrap().payload
        });
        let proven = world.with(1, |engine, now| {
            engine.handle_datagram(now, claimed, &welcome);
            engine.has_proof(now, claimed)
        });
        assert_eq!(proven, is_proven, "{claimed}");
        world.wire.clear();
    }
}
