//! A process that was stopped.

use super::*;
use crate::gossip::wire::message::kind;

#[test]
fn who_was_stopped_for_long_blames_nobody_says_hello_and_is_back_within_two_seconds() {
    for seed in 0..8 {
        let mut world = World::cluster(seed, 8);
        for port in 1..=8 {
            world.register(port, "users", &format!("{port}"));
        }
        world.run(secs(5));
        world.stop(3);
        world.run(secs(30));
        let others = [1, 2, 4, 5, 6, 7, 8];
        assert!(
            others.iter().all(|port| !world.knows(*port, 3)),
            "it was missed"
        );
        let hellos = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = hellos.clone();
        world.link = Box::new(move |from, _, datagram| {
            if from == addr(3) && kind_of(datagram) == kind::HELLO {
                count.set(count.get() + 1);
            }
            Fate::Deliver
        });
        world.resume(3);
        assert_eq!(world.engine(3).stats().pauses, 1);
        assert!(hellos.get() >= 3, "{} hellos", hellos.get());
        let ids: Vec<_> = (1..=8).map(|port| port.to_string()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let back = |world: &World| world.is_converged() && world.all_see("users", &ids);
        let took = world.until(secs(30), back).expect("it comes back");
        assert!(took < secs(2), "seed {seed}: {took:?}");
        world.run(secs(60));
        assert_eq!(world.failures(3), 0, "seed {seed}: it blames nobody");
        assert!(others.iter().all(|port| world.failures(*port) == 1));
        assert!(back(&world) && world.engine(3).stats().local_health == 0);
    }
}

#[test]
fn who_was_idle_when_it_was_stopped_says_hello_after_a_pause_that_may_have_been_long() {
    let mut world = World::cluster(9, 3);
    world.run(secs(10));
    let idle = |world: &World| {
        let next = world.engine(1).poll_timeout();
        next.is_some_and(|next| next - world.now > ms(800))
    };
    world.until(secs(10), idle).unwrap();
    let tap = faults::Tap::on(&mut world, faults::sound);
    world.stop(1);
    // A second of it may have passed before anything was due.
    world.run(ms(1_350));
    world.resume(1);
    assert_eq!(world.engine(1).stats().pauses, 1);
    assert_eq!(tap.count(1, 0, kind::HELLO), 2, "both others are asked");
}

#[test]
fn a_pause_clears_the_probe_that_spans_it_without_blame() {
    let mut world = World::cluster(10, 4);
    world.run(secs(5));
    let probing = |world: &World| {
        let probe = world.engine(1).probe;
        probe.is_some_and(|probe| probe.since == world.now)
    };
    world.until(secs(2), probing).unwrap();
    // The answer is lost while it is stopped, and nobody comes to its help.
    world.link = Box::new(|_, to, _| {
        if to == addr(1) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.stop(1);
    world.run(ms(700));
    assert!(world.lost > 0);
    world.heal();
    world.resume(1);
    assert!(world.engine(1).probe.is_none());
    world.run(secs(10));
    assert_eq!(world.engine(1).stats().probes_failed, 0);
    assert_eq!(
        (2..=4)
            .map(|port| world.engine(port).stats().refutations)
            .sum::<u64>(),
        0
    );
    assert!(world.engine(1).probe.is_some() || world.engine(1).next_probe.is_some());
}

#[test]
fn a_pause_gives_back_the_time_that_a_suspect_had_left() {
    let mut world = World::cluster_with(11, 4, |config| {
        faults::quiet(config);
        config.detection.local_health = false;
    });
    world.run(secs(2));
    let victim = world.engine(2).me;
    world.crash(2);
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
    });
    world.run(secs(1));
    let deadline = |world: &World| {
        world
            .engine(1)
            .timers
            .deadline(&TimerKey::Suspicion(addr(2)))
    };
    let left = deadline(&world).unwrap() - world.now;
    let others = world
        .nodes
        .keys()
        .map(SocketAddr::port)
        .filter(|port| *port != 1);
    for port in others.collect::<Vec<_>>() {
        world.stop(port);
    }
    world.stop(1);
    world.run(secs(30));
    world.resume(1);
    assert_eq!(world.health(1, 2), Some(Health::Suspect));
    let now_left = deadline(&world).unwrap() - world.now;
    // It had been idle for a second before it was stopped.
    assert!(
        left <= now_left && now_left <= left + secs(1),
        "{left:?}, {now_left:?}"
    );
}

#[test]
fn without_pauses_a_late_node_is_one_that_blames() {
    let mut world = World::cluster_with(12, 4, |config| config.detection.pauses = false);
    world.run(secs(5));
    world.stop(1);
    world.run(secs(30));
    world.resume(1);
    assert_eq!(world.engine(1).stats().pauses, 0);
    assert!(world.until(secs(60), World::is_converged).is_some());
}

#[test]
fn a_pause_while_saying_goodbye_brings_nobody_back() {
    let mut world = World::cluster(13, 4);
    world.run(secs(5));
    let probing = |world: &World| {
        let probe = world.engine(1).probe;
        probe.is_some_and(|probe| probe.since == world.now)
    };
    world.until(secs(2), probing).unwrap();
    world.with(1, Engine::leave);
    world.run(ms(70));
    assert!(!world.engine(1).has_left());
    world.stop(1);
    world.run(secs(1));
    world.resume(1);
    world.run(secs(1));
    assert!(world.engine(1).has_left());
    world.crash(1);
    world.run(secs(5));
    assert!((2..=4).all(|port| !world.knows(port, 1)));
    assert_eq!(world.all_failures(), 0);
}
