use super::*;
use crate::gossip::wire::message::kind;

fn knows(world: &World, port: u16, other: u16) -> bool {
    world
        .engine(port)
        .members()
        .iter()
        .any(|member| member.addr == addr(other))
}

#[test]
fn a_crashed_member_and_its_instances_are_dropped_by_all() {
    let mut world = World::cluster(1, 8);
    world.register(3, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    world.crash(3);
    let gone = |world: &World| world.all_see("users", &[]) && world.is_converged();
    assert!(world.until(secs(30), gone).is_some());
    for port in [1, 2, 4, 5, 6, 7, 8] {
        assert_eq!(world.failures(port), 1);
        assert!(
            !world
                .events(port)
                .iter()
                .any(|event| matches!(event, Event::Left { .. }))
        );
    }
}

#[test]
fn a_member_that_is_believed_dead_is_listed_until_its_failure_is_told() {
    let mut world = World::cluster(9, 3);
    world.crash(3);
    let is_down = |world: &World| !world.engine(1).members.is_active(addr(3));
    world.until(secs(30), is_down).expect("it is noticed");
    assert!(knows(&world, 1, 3));
    assert_eq!(world.failures(1), 0);
    let took = world.until(secs(1), |world| !knows(world, 1, 3));
    assert_eq!(took, Some(ms(50)));
    assert_eq!(world.failures(1), 1);
    let changed = world.with(1, |engine, _| {
        let changes = std::iter::from_fn(|| engine.poll_member());
        changes.filter(|(of, _)| *of == addr(3)).last()
    });
    assert_eq!(changed, Some((addr(3), None)));
}

#[test]
fn a_sound_cluster_blames_nobody() {
    let mut world = World::cluster(2, 16);
    world.run(secs(120));
    for port in 1..=16 {
        assert_eq!(world.failures(port), 0);
        assert_eq!(world.engine(port).stats().refutations, 0);
    }
    assert!(world.is_converged());
}

#[test]
fn an_idle_cluster_sends_probes_and_answers_and_nothing_else() {
    let mut world = World::cluster(3, 16);
    world.run(secs(20));
    let sent = |world: &World| -> (u64, u64) {
        let stats = (1..=16).map(|port| world.engine(port).stats());
        stats.fold((0, 0), |sum, s| {
            (sum.0 + s.datagrams_sent, sum.1 + s.bytes_sent)
        })
    };
    let before = sent(&world);
    world.run(secs(100));
    let after = sent(&world);
    let (packets, bytes) = (after.0 - before.0, after.1 - before.1);
    assert!(packets <= 16 * 100 * 2 + 32, "{packets} packets");
    assert!(bytes / packets <= 57, "{} bytes a packet", bytes / packets);
}

/// Loses what foca's probes need, between the two ports, both ways.
fn cut(world: &mut World, one: u16, other: u16) {
    world.link = Box::new(move |from, to, _| {
        let pair = [from, to];
        if pair.contains(&addr(one)) && pair.contains(&addr(other)) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

#[test]
fn two_that_cannot_reach_each_other_directly_blame_nobody() {
    let mut world = World::cluster(4, 6);
    cut(&mut world, 2, 3);
    world.run(secs(60));
    assert!(world.lost > 0);
    for port in 1..=6 {
        assert_eq!(world.failures(port), 0);
    }
}

#[test]
fn trap_1_a_refuted_suspicion_declares_nobody_down() {
    let mut world = World::cluster(5, 4);
    let victim = world.engine(2).identity();
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, true);
    });
    assert!(world.engine(1).suspicions.contains_key(&addr(2)));
    world.run(secs(60));
    for port in 1..=4 {
        assert_eq!(world.failures(port), 0);
        assert_eq!(
            world.engine(port).stats().rebirths,
            0,
            "nobody was told that it is dead"
        );
    }
    assert!(world.engine(2).stats().refutations > 0);
    assert!(world.engine(1).suspicions.is_empty());
}

#[test]
fn trap_1_a_timer_for_an_older_incarnation_is_not_handed_to_foca() {
    let mut world = World::cluster(6, 3);
    let victim = world.engine(2).identity();
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
        engine.learn(now, victim, 1, Health::Alive, false);
        // The timer fires all the same, as foca's own would.
        engine
            .suspicions
            .insert(addr(2), Suspicion::new(victim, 0, now.instant));
        engine.suspicion_due(now, addr(2));
    });
    assert!(knows(&world, 1, 2));
    world.run(secs(1));
    assert_eq!(world.engine(2).stats().rebirths, 0);
}

#[test]
fn trap_4_and_5_a_suspicion_that_was_only_heard_ends_in_death_when_the_suspect_is_dead() {
    let mut world = World::cluster(7, 3);
    let victim = world.engine(3).identity();
    world.crash(3);
    // Node 1 hears of a suspicion. Whoever raised it is gone, and node 1's own probes say nothing.
    world.link = Box::new(|_, _, _| Fate::Deliver);
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
        let later = now.instant + secs(1_000);
        engine.timers.set(TimerKey::Foca(0), later);
    });
    let timeout = world.engine(1).config.suspicion_timeout_max(3);
    assert!(
        world
            .until(timeout + ms(10), |world| !knows(world, 1, 3))
            .is_some()
    );
}

#[test]
fn trap_3_a_member_that_was_declared_down_by_mistake_is_reborn_and_back_at_once() {
    let mut world = World::cluster(8, 8);
    world.register(2, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    let victim = world.engine(2).identity();
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
        engine.declare_down(now, victim, 0);
    });
    assert!(!world.engine(1).is_member(&victim));
    assert!(knows(&world, 1, 2), "until its failure is told");
    let back = |world: &World| world.is_converged() && world.engine(2).stats().rebirths == 1;
    assert!(world.until(secs(2), back).is_some());
    assert!(world.engine(2).connected, "it probes again");
    assert!(world.all_see("users", &["a"]));
    for port in 1..=8 {
        assert_eq!(
            world.failures(port),
            0,
            "the grace of a failure covers a rebirth"
        );
    }
    world.run(secs(30));
    assert_eq!(world.engine(2).stats().rebirths, 1);
}

#[test]
fn a_packet_for_an_older_identity_is_answered_with_the_present_one() {
    let mut world = World::cluster(9, 3);
    let before = world.engine(2).identity();
    // Node 3 misses the rebirth of node 2.
    cut(&mut world, 2, 3);
    world.with(1, |engine, now| {
        engine.learn(now, before, 0, Health::Suspect, false);
        engine.declare_down(now, before, 0);
    });
    world.run(ms(1));
    world.link = Box::new(|from, to, datagram| {
        let gossip = kind_of(datagram) != kind::SWIM || from == addr(1);
        if gossip && to == addr(3) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.with(3, |engine, now| {
        engine.send_swim_of_ours(now, before, foca::Message::Ping(0), Vec::new());
    });
    world.run(ms(5));
    let known = world.engine(3).members.get(addr(2)).unwrap().id;
    assert_eq!(known, world.engine(2).identity());
    assert!(known.supersedes(&before));
}

#[test]
fn trap_6_with_nobody_left_the_lost_are_still_called() {
    let mut world = World::cluster(10, 2);
    world.register(1, "users", "a");
    world.partition(&[1]);
    let alone = |world: &World| (1..=2).all(|port| world.engine(port).members().len() == 1);
    world
        .until(secs(30), alone)
        .expect("each has lost the other");
    world.run(secs(500));
    world.heal();
    let took = world
        .until(secs(600), World::is_converged)
        .expect("together again");
    assert!(took < secs(3), "{took:?}");
    assert_eq!(world.seen(2, "users"), ["a"]);
    world.partition(&[1]);
    world.run(secs(36_000));
    world.heal();
    let took = world
        .until(secs(600), World::is_converged)
        .expect("together again");
    assert!(took < secs(60), "slower after hours, and yet: {took:?}");
}

#[test]
fn halves_of_a_split_find_each_other_within_seconds() {
    let mut world = World::cluster(11, 20);
    for port in 1..=20 {
        world.register(port, "users", &format!("{port:02}"));
    }
    world.run(secs(1));
    world.partition(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let split = |world: &World| (1..=20).all(|port| world.engine(port).members().len() == 10);
    world
        .until(secs(60), split)
        .expect("each half has lost the other");
    world.register(3, "orders", "x");
    world.run(secs(5));
    world.heal();
    let took = world
        .until(secs(60), World::is_converged)
        .expect("together again");
    assert!(took < secs(5), "{took:?}");
    assert!(world.all_see("orders", &["x"]));
    world.run(ms(100));
    assert_eq!(world.seen(1, "users").len(), 20);
}

#[test]
fn trap_16_and_17_copies_follow_the_size_and_the_dead_are_forgotten_after_ten_minutes() {
    let mut world = World::cluster(12, 12);
    assert_eq!(world.engine(1).copies, 8);
    for port in 5..=12 {
        world.crash(port);
    }
    world
        .until(secs(60), |world| world.engine(1).members().len() == 4)
        .unwrap();
    assert_eq!(world.engine(1).copies, 4);
    assert_eq!(
        world.engine(1).remove_down.len(),
        8,
        "one timer for each address"
    );
    world.run(secs(630));
    assert_eq!(
        (
            world.engine(1).remove_down.len(),
            world.engine(1).members.len()
        ),
        (0, 3)
    );
}

#[test]
fn a_word_of_death_in_an_inventory_is_a_suspicion_that_the_living_refute() {
    let mut world = World::cluster(13, 4);
    let victim = world.engine(2).identity();
    world.with(1, |engine, now| {
        let listed = crate::gossip::wire::message::MemberItem {
            id: victim.into(),
            incarnation: 0,
            health: Health::Down,
        };
        let teller = verifying::Teller::unproven(addr(3));
        engine.member_listed(now, &teller, listed, Word::default());
    });
    let suspected = world.engine(1).members.get(addr(2)).unwrap().health;
    assert_eq!(suspected, Health::Suspect);
    let refuted =
        |world: &World| world.engine(1).members.get(addr(2)).unwrap().health == Health::Alive;
    let took = world
        .until(secs(1), refuted)
        .expect("asked at once, it refutes at once");
    assert!(took < ms(5), "{took:?}");
    world.run(secs(30));
    assert!((1..=4).all(|port| world.failures(port) == 0));
}

/// Confirmed late, a suspicion's time is up at once. That lies in the past, and is no pause of this process.
#[test]
fn a_late_confirmation_is_not_taken_for_a_pause() {
    let mut world = World::cluster(12, 8);
    let victim = world.engine(3).identity();
    world.crash(3);
    world.with(1, |engine, now| engine.accuse(now, victim));
    world.run(secs(3));
    if world.engine(1).suspicions.contains_key(&addr(3)) {
        world.with(1, |engine, now| {
            for port in 4..=6 {
                engine.confirm_suspicion(now, addr(3), addr(port));
            }
        });
    }
    world.run(secs(1));
    assert!(!knows(&world, 1, 3));
    assert_eq!(world.engine(1).stats().pauses, 0);
}

#[test]
fn two_that_hold_each_other_dead_find_back_and_send_little() {
    let mut world = World::cluster(31, 3);
    // Both were reborn a moment ago, several times, so the next rebirth has to wait.
    for rest in [7_000, 7_000, 7_000, 7_000, 7_000, 1_500] {
        for port in [1, 2] {
            world.with(port, Engine::declared_dead);
        }
        world.run(ms(rest));
    }
    assert!(world.is_converged());
    for (by, about) in [(1, 2), (2, 1)] {
        let id = world.engine(about).me;
        world.with(by, |engine, now| {
            let incarnation = engine.members.get(id.addr).expect("a member").incarnation;
            engine.learn(now, id, incarnation, Health::Suspect, false);
            engine.declare_down(now, id, incarnation);
        });
    }
    let sent = |world: &World| [1, 2].map(|port| world.engine(port).stats().datagrams_sent);
    let before = sent(&world);
    let to = world.engine(2).me;
    world.with(1, |engine, now| {
        engine.send_swim_of_ours(now, to, foca::Message::TurnUndead, Vec::new());
    });
    world.run(ms(500));
    let after = sent(&world);
    assert!(after[0] - before[0] < 100, "{before:?} {after:?}");
    let both = |world: &World| {
        world.is_converged()
            && [(1, 2), (2, 1)].iter().all(|(by, about)| {
                let peer = world.engine(*by).members.get(addr(*about));
                peer.is_some_and(|peer| peer.is_active() && peer.id == world.engine(*about).me)
            })
    };
    assert!(world.until(secs(20), both).is_some());
}
