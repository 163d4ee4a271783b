//! Hostile and odd datagrams of the kinds that ask for members, and the bounds of what they begin.

use super::{
    faults::{Tap, quiet, sound},
    *,
};
use crate::gossip::wire::message::{
    Ask, Finding, Message, Outcome, Ping, Pong, WirePeer, addressee, kind,
};

/// Tokens of the questions that node 1 sends, by whom it asks.
fn questions(world: &mut World) -> std::rc::Rc<std::cell::RefCell<BTreeMap<SocketAddr, u32>>> {
    let seen = std::rc::Rc::new(std::cell::RefCell::new(BTreeMap::new()));
    let sink = seen.clone();
    world.link = Box::new(move |from, to, datagram| {
        let (preamble, payload) = Preamble::read(datagram, ClusterTag::of("test")).unwrap();
        let token = match Message::read(preamble.kind, payload).unwrap().0 {
            Message::Ask(ask) => ask.token,
            Message::Ping(ping) => ping.token,
            _ => return Fate::Deliver,
        };
        if from == addr(1) {
            sink.borrow_mut().insert(to, token);
        }
        Fate::Deliver
    });
    seen
}

fn unexpected(world: &World, port: u16) -> u64 {
    world.engine(port).stats().dropped.unexpected
}

#[test]
fn a_question_about_the_asked_or_about_no_member_is_dropped_and_costs_nothing() {
    let mut world = World::cluster_with(1, 4, quiet);
    world.run(secs(2));
    let id = |world: &World, port| world.engine(port).me;
    let older = PeerId {
        boot: id(&world, 4).boot - 1,
        ..id(&world, 4)
    };
    let stranger = PeerId {
        addr: addr(99),
        ..older
    };
    let asked: Vec<WirePeer> = [id(&world, 3), older, stranger].map(Into::into).into();
    let tap = Tap::on(&mut world, sound);
    for about in asked {
        world.say(1, 3, &Message::Ask(Ask { token: 7, about }));
    }
    world.run(secs(1));
    assert_eq!(unexpected(&world, 3), 3);
    assert_eq!(tap.all(), []);
    assert!(world.engine(3).inquiries.is_empty());
}

#[test]
fn a_flood_of_questions_costs_less_than_it_takes_to_send() {
    for crashed in [false, true] {
        let mut world = World::cluster_with(2, 4, quiet);
        world.run(secs(2));
        let about = world.engine(2).me.into();
        if crashed {
            world.crash(2);
        }
        let tap = Tap::on(&mut world, sound);
        for token in 0..10_000 {
            world.say(1, 3, &Message::Ask(Ask { token, about }));
            if token % 10 == 0 {
                world.run(ms(1));
            }
        }
        world.run(secs(5));
        let pings = tap.count(3, 2, kind::PING);
        let findings = tap.count(3, 1, kind::FINDING);
        assert!(pings > 0 && findings > 0);
        // Of each 256 at once, and 200 a second.
        let most = 256 + 200 * 6;
        assert!(
            pings <= most && findings <= most,
            "{pings} pings, {findings} findings"
        );
        assert!(!crashed || findings <= 16 * 4, "{findings} findings");
        assert!(world.engine(3).inquiries.is_empty());
        assert_eq!(world.all_failures(), 0);
    }
}

#[test]
fn only_those_who_were_asked_are_heard_once_each_while_the_case_is_open() {
    let mut world = World::cluster_with(3, 9, quiet);
    world.run(secs(2));
    let id = world.engine(2).me;
    world.crash(2);
    let asked = questions(&mut world);
    world.with(1, |engine, now| engine.accuse(now, id));
    let asked = asked.borrow().clone();
    assert_eq!(asked.len(), 4);
    let token = *asked.values().next().unwrap();
    assert!(asked.values().all(|other| *other == token));
    let (some, others): (Vec<_>, Vec<_>) =
        (3..=9).partition(|port| asked.contains_key(&addr(*port)));
    let confirmed = |world: &World| {
        let suspicion = world.engine(1).suspicions.get(&addr(2));
        suspicion.map(|suspicion| suspicion.confirmed_by.len())
    };
    let silent = |token| {
        Message::Finding(Finding {
            token,
            outcome: Outcome::Silent,
        })
    };
    for port in &others {
        world.say(*port, 1, &silent(token));
    }
    world.say(some[0], 1, &silent(token.wrapping_add(1)));
    assert_eq!((confirmed(&world), unexpected(&world, 1)), (Some(0), 4));
    for _ in 0..5 {
        world.say(some[0], 1, &silent(token));
    }
    assert_eq!((confirmed(&world), unexpected(&world, 1)), (Some(1), 4));
    world.until(secs(30), |world| !world.knows(1, 2)).unwrap();
    let before = unexpected(&world, 1);
    world.say(some[1], 1, &silent(token));
    assert_eq!(unexpected(&world, 1), before + 1, "the case is closed");
}

#[test]
fn findings_alone_drop_nobody_whatever_they_say() {
    let mut world = World::cluster_with(4, 6, quiet);
    world.run(secs(2));
    let asked = questions(&mut world);
    world.with(1, |engine, now| engine.handle_unreachable(now, addr(2)));
    let asked = asked.borrow().clone();
    let token = asked
        .iter()
        .find(|(to, _)| **to != addr(2))
        .map(|(_, token)| *token);
    for to in asked.keys().filter(|to| **to != addr(2)) {
        let token = token.unwrap();
        let refused = Finding {
            token,
            outcome: Outcome::Refused,
        };
        world.say(to.port(), 1, &Message::Finding(refused));
    }
    world.run(secs(5));
    assert!(world.knows(1, 2));
    assert_eq!(
        world.engine(1).stats().refused,
        0,
        "our own pings were answered"
    );
}

#[test]
fn a_pong_counts_only_with_its_token_and_from_the_process_that_was_meant() {
    let mut world = World::cluster_with(5, 4, quiet);
    world.run(secs(2));
    let asked = questions(&mut world);
    world.stop(2);
    world.with(1, |engine, now| engine.handle_unreachable(now, addr(2)));
    let token = asked.borrow()[&addr(2)];
    // The right token, from another process; another token, from the right one.
    world.say(3, 1, &Message::Pong(Pong { token }));
    world.say(2, 1, &Message::Pong(Pong { token: token ^ 1 }));
    assert_eq!(unexpected(&world, 1), 2);
    assert_eq!(world.engine(1).inquiries.len(), 1);
    world.say(2, 1, &Message::Pong(Pong { token }));
    assert!(world.engine(1).inquiries.is_empty());
    world.say(2, 1, &Message::Pong(Pong { token }));
    assert_eq!(unexpected(&world, 1), 3);
}

#[test]
fn tokens_are_not_to_be_guessed_from_each_other() {
    let mut world = World::cluster_with(6, 4, quiet);
    let tokens: BTreeSet<_> = world.with(1, |engine, _| {
        (0..100).map(|_| engine.new_token()).collect()
    });
    assert_eq!(tokens.len(), 100);
    let tokens: Vec<_> = tokens.into_iter().collect();
    assert!(tokens.windows(2).all(|two| two[1] - two[0] > 1));
}

#[test]
fn a_ping_for_another_identity_is_answered_with_the_present_one_and_with_no_pong() {
    let mut world = World::cluster_with(7, 3, quiet);
    world.run(secs(2));
    let older = PeerId {
        renewal: 5,
        ..world.engine(2).me
    };
    let tap = Tap::on(&mut world, sound);
    let ping = Ping {
        token: 1,
        to: addressee(&older),
    };
    world.say(1, 2, &Message::Ping(ping));
    world.run(ms(10));
    assert_eq!(
        (tap.count(2, 1, kind::PONG), tap.count(2, 1, kind::SWIM)),
        (0, 1)
    );
}

/// Node 1 of two, with `count` members besides that nobody has ever started.
fn with_ghosts(seed: u64, count: u16) -> (World, Vec<PeerId>) {
    let mut world = World::cluster_with(seed, 2, |config| {
        quiet(config);
        // It would suspect them all.
        config.detection.sweep = false;
    });
    world.run(secs(2));
    let boot = world.engine(1).me.boot;
    let ghosts: Vec<_> = (0..count)
        .map(|n| PeerId {
            addr: addr(1_000 + n),
            boot,
            renewal: 0,
        })
        .collect();
    world.with(1, |engine, now| {
        for ghost in &ghosts {
            engine.learn(now, *ghost, 0, Health::Alive, false);
        }
    });
    (world, ghosts)
}

#[test]
fn evidence_about_hundreds_of_members_opens_a_bounded_number_of_cases_and_all_end() {
    let (mut world, ghosts) = with_ghosts(8, 400);
    world.run(secs(60));
    let timers = world.engine(1).timers.len();
    let before = world.engine(1).stats().datagrams_sent;
    world.with(1, |engine, now| {
        for ghost in &ghosts {
            engine.handle_unreachable(now, ghost.addr);
        }
    });
    let engine = world.engine(1);
    assert_eq!((engine.cases.len(), engine.inquiries.len()), (256, 256));
    assert!(engine.timers.len() <= timers + 512 + 2);
    world.run(secs(12));
    let engine = world.engine(1);
    assert_eq!((engine.cases.len(), engine.inquiries.len()), (0, 0));
    let sent = engine.stats().datagrams_sent - before;
    // Pings, four rounds of questions, and words to the suspect.
    assert!(sent <= 256 * (4 + 4 * 3 + 4), "{sent} datagrams");
    assert_eq!(engine.members.active_len(), 401, "nobody was dropped");
}

#[test]
fn hundreds_of_suspects_are_dropped_with_and_without_a_case() {
    let (mut world, ghosts) = with_ghosts(9, 400);
    world.with(1, |engine, now| {
        for ghost in &ghosts {
            engine.accuse(now, *ghost);
        }
    });
    assert_eq!(world.engine(1).suspicions.len(), 400);
    assert_eq!(world.engine(1).cases.len(), 256);
    let alone = |world: &World| world.engine(1).members().len() == 2;
    assert!(world.until(secs(120), alone).is_some());
    let engine = world.engine(1);
    assert!(engine.cases.is_empty() && engine.suspicions.is_empty());
}

#[test]
fn what_is_under_way_about_a_member_ends_when_another_takes_its_address() {
    let mut world = World::cluster_with(10, 4, quiet);
    world.run(secs(2));
    let (about, older) = (world.engine(2).me.into(), world.engine(2).me);
    world.crash(2);
    world.with(1, |engine, now| {
        engine.accuse(now, older);
        engine.handle_unreachable(now, addr(2));
    });
    world.say(3, 1, &Message::Ask(Ask { token: 1, about }));
    let newer = PeerId {
        boot: older.boot + (1 << 20),
        ..older
    };
    world.with(1, |engine, now| {
        engine.learn(now, newer, 0, Health::Suspect, false);
    });
    world.with(1, |engine, now| engine.accuse(now, newer));
    world.with(1, |engine, now| engine.handle_unreachable(now, addr(2)));
    assert_eq!(world.engine(1).cases[&addr(2)].about, newer);
    world.with(1, |engine, now| {
        let newest = PeerId {
            renewal: 1,
            ..newer
        };
        engine.learn(now, newest, 0, Health::Alive, false);
    });
    assert!(world.engine(1).cases.is_empty() && world.engine(1).suspicions.is_empty());
    world.run(secs(2));
    assert!(world.engine(1).inquiries.is_empty());
    assert!(world.knows(1, 2));
}

/// A node whose datagrams come from port 22 and that is reached at port 2.
fn with_one_that_sends_from_elsewhere(seed: u64) -> World {
    let mut world = World::new(seed);
    for port in [1, 3, 4] {
        world.start_with(port, &[1], 0, quiet);
    }
    world.aliases.insert(addr(2), addr(22));
    world.start_with(22, &[1], 0, |config| {
        quiet(config);
        config.advertise = addr(2);
        config.bind = addr(22);
    });
    let known = |world: &World| {
        [1, 3, 4].iter().all(|port| world.knows(*port, 2)) && world.engine(22).members().len() == 4
    };
    world.until(secs(30), known).expect("it has joined");
    world.run(secs(2));
    world
}

#[test]
fn one_that_sends_from_another_address_than_it_advertises_is_found_to_answer() {
    // Its address is proven for two minutes.
    for after in [0, 300] {
        let mut world = with_one_that_sends_from_elsewhere(11);
        world.run(secs(after));
        let tap = Tap::on(&mut world, sound);
        world.with(1, |engine, now| {
            engine.handle_unreachable(now, addr(2));
        });
        world.run(ms(30));
        assert!(tap.count(22, 0, kind::PONG) > 0);
        assert!(
            world.engine(1).inquiries.is_empty(),
            "its answer was taken, {after} s later"
        );
        let others = [3, 4].map(|port| world.engine(port).inquiries.len());
        assert_eq!(others, [0, 0]);
    }
}

#[test]
fn one_that_sends_from_another_address_than_it_advertises_is_heard_when_it_was_asked() {
    for after in [0, 300] {
        let mut world = with_one_that_sends_from_elsewhere(12);
        world.run(secs(after));
        world.crash(4);
        let id = world.engine(1).members.get(addr(4)).unwrap().id;
        world.with(1, |engine, now| engine.accuse(now, id));
        world.run(ms(500));
        let confirmed = &world.engine(1).suspicions[&addr(4)].confirmed_by;
        assert_eq!(*confirmed, [addr(2), addr(3)].into(), "{after} s later");
    }
}
