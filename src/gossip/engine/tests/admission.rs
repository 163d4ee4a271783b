//! What is not let in, or not heard, takes nobody's turn and changes nothing about a live member.

use super::*;
use crate::gossip::{
    boots::New,
    engine::proving::Trust,
    wire::message::{Ask, Hello, Inventory, MemberItem, Message, News, Part, kind},
};

/// Hands the node on `to` what `say` makes the node on `from` send.
fn say(world: &mut World, from: u16, to: u16, say: impl FnOnce(&mut Engine, Now)) {
    let said = world.with(from, |engine, now| {
        say(engine, now);
        std::mem::take(&mut engine.transmits)
    });
    for datagram in said {
        world.with(to, |engine, now| {
            engine.handle_datagram(now, addr(from), &datagram.payload);
        });
    }
}

/// As many identities on the address of `id` as are let in in a row.
fn many_after(id: PeerId) -> Vec<foca::Member<PeerId>> {
    let ids = (1..=8).map(|n| PeerId {
        boot: id.boot + n,
        ..id
    });
    ids.map(foca::Member::alive).collect()
}

/// Starts the process on port 2 anew, and says whether the node on port 1 lets it in at once.
fn a_restart_is_let_in(world: &mut World) -> bool {
    world.crash(2);
    world.run(ms(50));
    world.start(2, &[1]);
    let known = |world: &World| {
        let peer = world.engine(1).members.get(addr(2)).copied();
        peer.is_some_and(|peer| peer.id == world.engine(2).identity())
    };
    world.until(secs(1), known).is_some() && world.engine(1).stats().at_limit.boots == 0
}

#[test]
fn what_one_that_is_held_dead_says_of_others_takes_nobodys_turn() {
    let mut world = World::cluster(1, 4);
    world.run(secs(5));
    let mut dead = world.nodes.remove(&addr(4)).unwrap().engine;
    let gone = |world: &World| !world.engine(1).members.is_active(addr(4));
    world.until(secs(60), gone).unwrap();
    let (to, victim) = (world.engine(1).me, world.engine(2).me);
    let now = world.time(0);
    dead.transmits.clear();
    dead.send_swim_of_ours(now, to, foca::Message::Gossip, many_after(victim));
    let gossip = dead.transmits.pop_back().unwrap();
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(4), &gossip.payload);
    });
    assert_eq!(world.engine(1).members.get(addr(2)).unwrap().id, victim);
    assert!(a_restart_is_let_in(&mut world));
}

/// Three nodes that know as many as they may, and the one on port 4, which says hello to the first.
fn full_cluster(seed: u64) -> World {
    let mut world = World::cluster_with(seed, 3, |config| config.max_members = 2);
    world.run(secs(5));
    world.start(4, &[1]);
    world.run(secs(3));
    assert!(world.engine(1).stats().at_limit.members > 0, "it has tried");
    assert!(!world.engine(1).members.is_active(addr(4)));
    world
}

/// How far the node on port 1 knows the one on port 4.
fn trust_in_4(world: &mut World) -> Trust {
    let stranger = world.engine(4);
    let preamble = Preamble {
        session: stranger.session,
        nonce: 1,
        boot: stranger.me.boot,
        fingerprint: 0,
        kind: kind::NEWS,
    };
    world.with(1, |engine, now| engine.trust(now, addr(4), &preamble))
}

#[test]
fn one_that_is_not_let_in_is_trusted_with_nothing() {
    let mut world = full_cluster(3);
    assert_eq!(trust_in_4(&mut world), Trust::Unknown);
    let victim = world.engine(2).me;
    for token in 0..300 {
        say(&mut world, 4, 1, |engine, now| {
            let about = victim.into();
            engine.send(now, addr(1), &Message::Ask(Ask { token, about }));
        });
    }
    assert_eq!(world.engine(1).stats().sizes.inquiries, 0);
    let is_left = world.with(1, |engine, now| {
        engine.answer_budget.take_many(now.instant, 200)
    });
    assert!(is_left, "the budget of answers is for members");
}

#[test]
fn one_that_is_not_let_in_makes_nobody_suspected_by_what_it_lists() {
    let mut world = full_cluster(4);
    let victim = world.engine(2).me;
    say(&mut world, 4, 1, |engine, now| {
        engine.send(now, addr(1), &Message::News(News { items: Vec::new() }));
    });
    let asked = |world: &World| world.engine(1).sync.peer().is_some();
    world.until(secs(2), asked);
    let session = world.engine(1).sync.request().unwrap_or(1);
    say(&mut world, 4, 1, |engine, now| {
        let part = Part {
            session,
            index: 0,
            count: 1,
            next: None,
        };
        let death = MemberItem {
            id: victim.into(),
            incarnation: 0,
            health: Health::Down,
        };
        let inventory = Inventory {
            part,
            members: vec![death],
            records: Vec::new(),
        };
        engine.send(now, addr(1), &Message::Inventory(inventory));
    });
    assert_eq!(world.engine(1).members.suspects(), 0);
}

#[test]
fn an_earlier_identity_on_a_members_address_proves_no_address_of_a_stranger() {
    let mut world = full_cluster(5);
    let member = world.engine(2).me;
    let own = world.engine(1).me;
    for claimed in [member, own] {
        let stranger = addr(666);
        let caller = PeerId {
            boot: claimed.boot - 1,
            ..claimed
        };
        let cookie = world.engine(1).proofs.cookie(world.now, stranger);
        let hello = Hello {
            token: 1,
            cookie,
            me: caller.into(),
            to: addr(1),
            known: None,
            joining: false,
            padding: vec![0; 96],
        };
        let mut payload = Vec::new();
        let kind = Message::Hello(hello).write(&mut payload);
        let preamble = Preamble {
            session: [6; 16],
            nonce: 1,
            boot: caller.boot,
            fingerprint: 0,
            kind,
        };
        let mut datagram = Vec::new();
        preamble.write(ClusterTag::of("test"), &mut datagram);
        datagram.extend_from_slice(&payload);
        world.with(1, |engine, now| {
            engine.handle_datagram(now, stranger, &datagram);
        });
        let trust = world.with(1, |engine, now| engine.trust(now, stranger, &preamble));
        assert_eq!(trust, Trust::Unknown);
    }
}

#[test]
fn a_seed_for_which_there_is_no_room_is_trusted_with_nothing() {
    let mut world = World::cluster_with(6, 3, |config| config.max_members = 2);
    world.start(4, &[]);
    world.with(1, |engine, now| engine.handle_seeds(now, [addr(4)]));
    world.run(secs(1));
    assert!(world.engine(4).members.is_active(addr(1)), "it was called");
    assert_eq!(trust_in_4(&mut world), Trust::Unknown);
}

/// A node is no member of its own list, and no stranger either.
#[test]
fn a_node_that_knows_as_many_as_it_may_hears_that_it_is_suspected() {
    let mut world = World::cluster_with(7, 3, |config| config.max_members = 2);
    world.run(secs(5));
    let victim = world.engine(2).me;
    world.with(1, |engine, now| engine.accuse(now, victim));
    assert_eq!(world.engine(1).members.suspects(), 1);
    world.run(secs(30));
    assert_eq!(world.failures(1) + world.failures(3), 0);
    assert_eq!(world.engine(2).me, victim);
    assert!(world.engine(2).stats().refutations > 0);
}

#[test]
fn a_node_hears_that_it_is_suspected_however_many_strangers_come() {
    let mut world = World::cluster(8, 3);
    world.run(secs(5));
    let victim = world.engine(2).me;
    world.with(2, |engine, now| {
        let mut ports = 10_000..60_000;
        while ports
            .next()
            .is_some_and(|port| engine.boots.admit(now.instant, addr(port), New::Stranger))
        {
        }
    });
    say(&mut world, 1, 2, |engine, now| {
        let suspicion = foca::Member::new(victim, 0, foca::State::Suspect);
        engine.send_swim_of_ours(now, victim, foca::Message::Gossip, vec![suspicion]);
    });
    assert_eq!(world.engine(2).stats().refutations, 1);
    assert_eq!(world.engine(2).stats().at_limit.boots, 0);
}

#[test]
fn many_suspicions_of_a_node_in_one_packet_are_refuted_once() {
    let mut world = World::cluster(9, 8);
    world.run(secs(5));
    let victim = world.engine(2).me;
    let sent = world.engine(2).stats().datagrams_sent;
    say(&mut world, 1, 2, |engine, now| {
        let suspicions = (0..20).map(|n| foca::Member::new(victim, n, foca::State::Suspect));
        let message = foca::Message::Gossip;
        engine.send_swim_of_ours(now, victim, message, suspicions.collect());
    });
    let stats = world.engine(2).stats();
    assert_eq!(stats.refutations, 1);
    assert!(stats.datagrams_sent - sent <= 6, "{stats:?}");
    assert_eq!(world.engine(2).incarnation, 20);
}

#[test]
fn a_member_makes_no_node_send_to_whom_it_does_not_know() {
    let mut world = World::cluster(10, 3);
    world.run(secs(5));
    let to = world.engine(1).me;
    let target = PeerId {
        addr: addr(999),
        ..to
    };
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = asked.clone();
    world.link = Box::new(move |_, to, _| {
        count.set(count.get() + u32::from(to == addr(999)));
        Fate::Deliver
    });
    let probe_number = 7;
    for message in [
        foca::Message::PingReq {
            target,
            probe_number,
        },
        foca::Message::IndirectAck {
            target,
            probe_number,
        },
    ] {
        say(&mut world, 2, 1, |engine, now| {
            let victim = foca::Member::new(engine.me, 3, foca::State::Alive);
            engine.send_swim_of_ours(now, to, message.clone(), vec![victim]);
        });
    }
    assert_eq!(asked.get(), 0);
    assert_eq!(world.engine(1).stats().updates_refused, 2);
}
