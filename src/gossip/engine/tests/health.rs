//! A node's doubt of itself: what raises it, what it stretches, what takes it away.

use super::{
    faults::{Tap, quiet, sound},
    *,
};
use crate::gossip::wire::message::{Ask, Message, kind};

fn score(world: &World, port: u16) -> u8 {
    world.engine(port).stats().local_health
}

#[test]
fn a_pause_of_its_own_raises_it() {
    let mut world = World::cluster(1, 3);
    world.run(secs(5));
    // It is stopped just before a timer, so that nobody suspects it before it is back.
    let mut next = world.engine(1).poll_timeout().unwrap();
    while next - world.now > ms(20) {
        world.run(ms(10));
        next = world.engine(1).poll_timeout().unwrap();
    }
    world.stop(1);
    world.run(next - world.now + ms(200));
    world.resume(1);
    assert_eq!((world.engine(1).stats().pauses, score(&world, 1)), (1, 1));
}

#[test]
fn a_suspicion_of_itself_raises_it_once_however_many_pass_it_on() {
    let mut world = World::cluster_with(2, 20, quiet);
    world.run(secs(2));
    let victim = world.engine(2).me;
    // All hear of it, and tell each other and the suspect, before any of them hears it refute.
    for port in (3..=20).chain([1]) {
        world.with(port, |engine, now| {
            engine.learn(now, victim, 0, Health::Suspect, true);
        });
    }
    world.run(secs(5));
    assert!(world.nodes.values().all(|n| n.engine.suspicions.is_empty()));
    assert_eq!(world.engine(2).stats().refutations, 1);
    assert_eq!(score(&world, 2), 1);
}

#[test]
fn that_nobody_answers_who_was_asked_raises_it_and_that_somebody_does_will_not() {
    for (lost, expected) in [(true, 1), (false, 0)] {
        let mut world = World::cluster_with(3, 6, quiet);
        world.run(secs(2));
        let id = world.engine(2).me;
        world.crash(2);
        let tap = Tap::on(&mut world, move |_, _, kind| {
            if lost && kind == kind::FINDING {
                Fate::Lose
            } else {
                Fate::Deliver
            }
        });
        world.with(1, |engine, now| engine.accuse(now, id));
        world.run(ms(450));
        assert_eq!(tap.count(0, 1, kind::FINDING), 4);
        assert_eq!(score(&world, 1), expected);
    }
}

#[test]
fn a_failed_probe_raises_it_where_nobody_is_asked() {
    let mut world = World::cluster_with(4, 3, |config| config.detection.confirm = false);
    world.run(secs(2));
    world.crash(2);
    let failed = |world: &World| world.engine(1).stats().probes_failed == 1;
    world.until(secs(10), failed).unwrap();
    assert_eq!(score(&world, 1), 1);
}

#[test]
fn it_stretches_the_probe_and_the_suspicion_unless_it_is_off() {
    for (on, deadline, suspicion) in [(true, ms(1_500), ms(5_400)), (false, ms(500), ms(1_800))] {
        let mut world = World::cluster_with(5, 2, |config| config.detection.local_health = on);
        world.run(secs(5));
        // A probe that is under way was paced by what was known when it began.
        world
            .until(secs(2), |world| world.engine(1).probe.is_none())
            .unwrap();
        let engine = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
        for _ in 0..2 {
            engine.feel_worse();
        }
        world
            .until(secs(2), |world| world.engine(1).probe.is_some())
            .unwrap();
        world.crash(2);
        let suspected = |world: &World| world.health(1, 2) == Some(Health::Suspect);
        assert_eq!(world.until(secs(10), suspected), Some(deadline));
        let took = world.until(secs(30), |world| !world.knows(1, 2)).unwrap();
        assert_eq!(took, suspicion);
    }
}

#[test]
fn it_stretches_the_period_and_falls_with_each_probe_that_is_answered() {
    let mut world = World::cluster(6, 4);
    world.run(secs(5));
    let engine = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
    for _ in 0..20 {
        engine.feel_worse();
    }
    assert_eq!(score(&world, 1), 8);
    let mut fell = Vec::new();
    let well = world.until(secs(120), |world| {
        if fell.last() != Some(&score(world, 1)) {
            fell.push(score(world, 1));
        }
        score(world, 1) == 0
    });
    assert_eq!(fell, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    // Each period is as long as the score at its beginning makes it: 9 + 8 + .. + 3 s, and the first.
    let well = well.unwrap();
    assert!((secs(40)..secs(46)).contains(&well), "{well:?}");
    assert_eq!(world.all_failures(), 0);
}

#[test]
fn who_doubts_itself_tells_nobody_that_somebody_is_silent() {
    for (doubt, findings) in [(2, 1), (3, 0)] {
        let mut world = World::cluster_with(7, 3, quiet);
        world.run(secs(2));
        let about = world.engine(2).me.into();
        world.crash(2);
        let engine = &mut world.nodes.get_mut(&addr(3)).unwrap().engine;
        for _ in 0..doubt {
            engine.feel_worse();
        }
        let tap = Tap::on(&mut world, sound);
        world.say(1, 3, &Message::Ask(Ask { token: 1, about }));
        world.run(secs(1));
        assert!(tap.count(3, 2, kind::PING) >= 4, "it has looked");
        assert_eq!(tap.count(3, 1, kind::FINDING), findings);
    }
}
