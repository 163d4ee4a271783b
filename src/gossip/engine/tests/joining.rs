use super::*;
use crate::gossip::wire::message::kind;

#[test]
fn a_cluster_comes_together_from_one_seed() {
    let mut world = World::new(1);
    for port in 1..=12 {
        world.start(port, &[1]);
    }
    let took = world
        .until(secs(2), World::is_converged)
        .expect("converged");
    assert!(took < ms(500), "{took:?}");
}

#[test]
fn trap_7_a_seed_is_joined_through_an_address_that_it_does_not_advertise() {
    let mut world = World::new(2);
    world.start(1, &[]);
    world.aliases.insert(addr(9), addr(1));
    assert!(world.until(secs(1), World::is_converged).is_some());
}

#[test]
fn trap_8_an_unproven_sender_gets_no_packet_of_focas_and_nothing_larger_than_it_sent() {
    let mut world = World::cluster(3, 5);
    world.register(1, "users", "a");
    world.run(secs(1));
    let to = world.engine(1).identity();
    let announce = world.with(2, |engine, now| {
        engine.send_swim_of_ours(now, to, foca::Message::Announce, Vec::new());
        engine.send_swim_of_ours(now, to, foca::Message::Ping(1), Vec::new());
        [
            engine.poll_transmit().unwrap(),
            engine.poll_transmit().unwrap(),
        ]
    });
    let members = world.engine(1).members();
    for Transmit { payload, .. } in announce {
        let answers = world.with(1, |engine, now| {
            engine.handle_datagram(now, addr(666), &payload);
            std::iter::from_fn(|| engine.poll_transmit()).collect::<Vec<_>>()
        });
        let to_stranger: Vec<_> = answers.iter().filter(|t| t.to == addr(666)).collect();
        assert!(
            to_stranger
                .iter()
                .all(|t| kind_of(&t.payload) == kind::COOKIE)
        );
        assert!(to_stranger.iter().map(|t| t.payload.len()).sum::<usize>() <= payload.len());
    }
    assert_eq!(world.engine(1).members(), members);
    assert_eq!(world.engine(1).stats().dropped.unproven, 2);
}

#[test]
fn a_welcome_is_never_larger_than_the_hello() {
    let mut world = World::new(4);
    world.start(1, &[]);
    world.start(2, &[1]);
    let sizes = std::rc::Rc::new(std::cell::RefCell::new(
        BTreeMap::<u8, (usize, usize)>::new(),
    ));
    let seen = sizes.clone();
    world.link = Box::new(move |_, _, datagram| {
        let mut seen = seen.borrow_mut();
        let (least, most) = seen.entry(kind_of(datagram)).or_insert((usize::MAX, 0));
        *least = (*least).min(datagram.len());
        *most = (*most).max(datagram.len());
        Fate::Deliver
    });
    world.until(secs(1), World::is_converged).expect("joined");
    let sizes = sizes.borrow();
    assert!(
        sizes[&kind::HELLO].0 >= sizes[&kind::WELCOME].1,
        "{sizes:?}"
    );
}

#[test]
fn a_stranger_whose_first_word_was_parked_loses_nothing() {
    let mut world = World::cluster(5, 2);
    world.start(3, &[1]);
    // Node 2 hears of node 3 only from node 3 itself.
    world.link = Box::new(|from, to, _| {
        if from == addr(1) && to == addr(2) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let took = world.until(secs(1), |world| world.engine(2).members().len() == 3);
    assert!(
        took.is_some(),
        "its burst reached node 2, was parked, and counted once proven"
    );
}

#[test]
fn trap_9_a_joiners_existence_is_passed_on_by_two_that_hear_it() {
    let mut world = World::cluster(6, 8);
    world.run(secs(5));
    world.start(9, &[1]);
    // The seed and one other hear the joiner. One alone may have made it up.
    world.link = Box::new(|from, to, _| {
        if from == addr(9) && to != addr(1) && to != addr(2) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let all_know = |world: &World| {
        (1..=8).all(|port| {
            world
                .engine(port)
                .members()
                .iter()
                .any(|m| m.addr == addr(9))
        })
    };
    assert!(world.until(secs(1), all_know).is_some());
}

#[test]
fn trap_19_a_joiner_whose_first_words_are_lost_tries_until_it_has_joined() {
    let mut world = World::new(7);
    world.start(1, &[]);
    world.start(2, &[1]);
    let mut spared = 0;
    world.link = Box::new(move |_, _, _| {
        spared += 1;
        if spared > 7 {
            Fate::Deliver
        } else {
            Fate::Lose
        }
    });
    assert!(world.until(secs(60), World::is_converged).is_some());
    assert_eq!(world.lost, 7);
}

#[test]
fn seeds_are_tried_for_ever() {
    let mut world = World::new(8);
    world.start(2, &[1]);
    world.run(secs(3_600));
    world.start(1, &[]);
    assert!(world.until(secs(45), World::is_converged).is_some());
}

#[test]
fn a_seed_that_is_this_node_is_recognised() {
    let mut world = World::new(9);
    world.start(1, &[1, 9]);
    world.aliases.insert(addr(9), addr(1));
    world.run(secs(1));
    let calls = world.engine(1).stats().datagrams_sent;
    assert_eq!(world.engine(1).stats().dropped.own, 1);
    world.run(secs(25));
    assert_eq!(
        world.engine(1).stats().datagrams_sent,
        calls,
        "it is not called again"
    );
    world.run(secs(300));
    let again = world.engine(1).stats().datagrams_sent - calls;
    assert!(again <= 10, "but for once in half a minute: {again}");
    assert_eq!(world.engine(1).members().len(), 1);
}

/// Whoever sees a call can send it back, and the caller takes the seed for itself then.
#[test]
fn a_call_that_was_sent_back_loses_no_seed_for_good() {
    let mut world = World::new(43);
    world.start(1, &[9]);
    world.aliases.insert(addr(9), addr(1));
    world.run(secs(1));
    assert_eq!(world.engine(1).stats().dropped.own, 1);
    world.aliases.clear();
    world.start(9, &[]);
    let joined = |world: &World| world.engine(1).members().len() == 2;
    world.until(secs(70), joined).expect("it was called again");
}

#[test]
fn a_latecomer_gets_the_whole_table_at_once() {
    let mut world = World::cluster(10, 10);
    for port in 1..=10 {
        for service in 0..20 {
            world.register(port, &format!("service-{service}"), &format!("{port:02}"));
        }
    }
    world
        .until(secs(10), World::is_converged)
        .expect("all registered");
    world.start(11, &[3]);
    let holds_all =
        |world: &World| (0..20).all(|s| world.seen(11, &format!("service-{s}")).len() == 10);
    let took = world.until(secs(1), holds_all).expect("it has all");
    assert!(took < ms(20), "{took:?}");
}

#[test]
fn a_latecomer_gets_the_whole_table_over_a_lossy_network() {
    let mut world = World::cluster(11, 10);
    for port in 1..=10 {
        for service in 0..20 {
            world.register(port, &format!("service-{service}"), &format!("{port:02}"));
        }
    }
    world
        .until(secs(10), World::is_converged)
        .expect("all registered");
    world.losing(1, 30);
    world.start(11, &[3]);
    let holds_all =
        |world: &World| (0..20).all(|s| world.seen(11, &format!("service-{s}")).len() == 10);
    assert!(world.until(secs(20), holds_all).is_some());
    assert!(world.lost > 0);
}

/// Replayed, the changes of the membership give the membership.
#[test]
fn what_is_told_of_members_one_by_one_is_what_the_members_are() {
    let mut world = World::cluster(31, 6);
    let mut kept = BTreeMap::new();
    let mut follow = |world: &mut World| {
        world.with(1, |engine, _| {
            let mut changes = 0;
            while let Some((addr, member)) = engine.poll_member() {
                changes += 1;
                match member {
                    Some(member) => kept.insert(addr, member),
                    None => kept.remove(&addr),
                };
            }
            assert_eq!(kept.values().copied().collect::<Vec<_>>(), engine.members());
            changes
        })
    };
    assert_eq!(follow(&mut world), 6);
    assert_eq!(follow(&mut world), 0);
    world.crash(3);
    world
        .until(secs(30), |world| world.engine(1).members().len() == 5)
        .expect("it is noticed");
    assert!(follow(&mut world) >= 1);
    let me = world.engine(1).identity();
    world.with(1, |engine, now| {
        engine.reborn_as(now, me.reborn());
    });
    assert_ne!(world.engine(1).identity(), me);
    assert!(follow(&mut world) >= 1);
}
