//! Most members fail at once, or this node hears none of them.

use super::{
    faults::{Tap, quiet, sound},
    *,
};
use crate::gossip::wire::message::kind;

/// How long until none of `survivors` sees any other member than those.
fn until_dropped(world: &mut World, survivors: &[u16]) -> Option<Duration> {
    let survivors: BTreeSet<_> = survivors.iter().map(|port| addr(*port)).collect();
    world.until(secs(60), |world| {
        survivors.iter().all(|survivor| {
            let members = world.nodes[survivor].engine.members();
            members
                .iter()
                .all(|member| survivors.contains(&member.addr))
        })
    })
}

/// Node 1 hears nothing that others send.
fn deafen_node_1(world: &mut World) {
    world.link = Box::new(|_, to, _| {
        if to == addr(1) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

#[test]
fn the_last_survivor_drops_all_and_declares_nobody_down() {
    for (n, closed, most) in [
        (2, true, 2),
        (3, true, 2),
        (10, true, 2),
        (3, false, 5),
        (10, false, 5),
    ] {
        let mut world = World::cluster(u64::from(n), n);
        world.register(2, "users", "a");
        world.run(secs(5));
        world.hosts_answer = closed;
        (2..=n).for_each(|port| world.crash(port));
        let took = until_dropped(&mut world, &[1]).expect("they are dropped");
        assert!(took <= secs(most), "{n} nodes, closed: {closed}: {took:?}");
        world.run(secs(60));
        assert_eq!(world.failures(1), usize::from(n) - 1, "each of them once");
        assert!(world.seen(1, "users").is_empty());
        let engine = world.engine(1);
        let down = engine.members.iter().filter(|peer| !peer.is_active());
        assert_eq!((down.count(), engine.stats().members), (0, 1));
        assert_eq!(engine.stats().sizes.local_verdicts, usize::from(n) - 1);
    }
}

#[test]
fn without_local_verdicts_the_last_survivor_declares_all_down() {
    let mut world = World::cluster_with(4, 4, |config| config.detection.local_verdicts = false);
    world.run(secs(5));
    (2..=4).for_each(|port| world.crash(port));
    until_dropped(&mut world, &[1]).expect("they are dropped");
    assert_eq!(world.engine(1).members.active_len(), 0);
}

#[test]
fn what_nobody_contradicts_for_ten_minutes_is_down() {
    let mut world = World::cluster(5, 3);
    world.run(secs(5));
    (2..=3).for_each(|port| world.crash(port));
    world.run(secs(620));
    let engine = world.engine(1);
    assert_eq!(engine.members.active_len(), 0);
    assert_eq!(engine.stats().sizes.local_verdicts, 0);
    assert_eq!(world.failures(1), 2);
}

#[test]
fn a_node_that_was_deaf_kills_nobody_and_sees_all_again_with_its_first_datagrams() {
    for (n, deaf) in [(3, 30), (10, 30), (10, 4), (32, 120)] {
        let mut world = World::cluster(10 + u64::from(n), n);
        (1..=n).for_each(|port| world.register(port, "users", &format!("{port}")));
        world.run(secs(5));
        deafen_node_1(&mut world);
        world.run(secs(deaf));
        assert!(deaf < 10 || world.failures(1) == usize::from(n) - 1);
        let failed = |world: &World| (2..=n).map(|port| world.failures(port)).sum::<usize>();
        let failed_before = failed(&world);
        assert!(failed_before < usize::from(n), "of node 1 only");
        world.heal();
        let took = world
            .until(secs(10), World::is_converged)
            .expect("all are back");
        assert!(took < secs(3), "{n} nodes, deaf for {deaf} s: {took:?}");
        let dropped = world.failures(1);
        world.run(secs(30));
        assert_eq!(failed(&world), failed_before, "nobody is declared failed");
        assert_eq!(world.failures(1), dropped);
        let rebirths = (2..=n).map(|port| world.engine(port).stats().rebirths);
        assert_eq!(rebirths.sum::<u64>(), 0, "nobody was told that it is dead");
        assert_eq!(world.seen(1, "users").len(), usize::from(n));
    }
}

#[test]
fn one_that_died_while_a_node_was_deaf_has_its_full_time_once_more_and_is_down() {
    let mut world = World::cluster(20, 10);
    world.run(secs(5));
    deafen_node_1(&mut world);
    world.run(secs(10));
    world.crash(10);
    world.run(secs(15));
    world.heal();
    world
        .until(secs(5), |world| world.knows(1, 9))
        .expect("it hears again");
    let gone = |world: &World| !world.knows(1, 10);
    world.until(secs(6), gone).expect("it is dropped once more");
    world.run(secs(30));
    assert!(gone(&world) && world.is_converged());
}

#[test]
fn both_sides_of_a_split_drop_the_other_one_in_time_and_find_each_other_again() {
    for (n, cut, most) in [(3, 1, 5), (4, 2, 5), (10, 3, 5), (32, 2, 7)] {
        let mut world = World::cluster(30 + u64::from(n), n);
        world.run(secs(5));
        let island: Vec<_> = (1..=cut).collect();
        world.partition(&island);
        let took = until_dropped(&mut world, &island).expect("the minority drops the others");
        assert!(took <= secs(most), "{cut} of {n}: {took:?}");
        world.run(secs(20));
        world.heal();
        let took = world
            .until(secs(10), World::is_converged)
            .expect("all are back");
        assert!(took < secs(3), "{cut} of {n}: {took:?}");
    }
}

#[test]
fn the_silence_of_witnesses_that_are_dead_themselves_does_not_count() {
    let mut world = World::cluster_with(40, 6, quiet);
    world.run(secs(2));
    let id = world.engine(2).me;
    (2..=6).for_each(|port| world.crash(port));
    world.with(1, |engine, now| engine.accuse(now, id));
    world.run(ms(450));
    assert_eq!(
        world.engine(1).stats().local_health,
        1,
        "nothing is known of them yet"
    );
    world.run(secs(1));
    let stats = world.engine(1).stats();
    assert_eq!((stats.local_health, stats.sweeps), (0, 1));
}

#[test]
fn after_a_sweep_only_those_that_answered_are_asked() {
    let mut world = World::cluster_with(41, 32, quiet);
    world.run(secs(2));
    (3..=32).for_each(|port| world.crash(port));
    let ids: Vec<_> = [3, 4]
        .map(|port| world.engine(1).members.get(addr(port)).unwrap().id)
        .into();
    world.with(1, |engine, now| {
        for id in ids {
            engine.accuse(now, id);
            engine.member_failed(now, id.addr);
        }
    });
    world.run(secs(1));
    let tap = Tap::on(&mut world, sound);
    world.run(secs(1));
    assert_eq!(world.engine(1).stats().suspects, 30);
    let asks = tap.count(1, 0, kind::ASK);
    assert_eq!(asks, tap.count(1, 2, kind::ASK), "node 2 alone lives");
}

#[test]
fn a_refusal_and_a_confirmation_make_doubt_of_ourselves_less() {
    for closed in [true, false] {
        let mut world = World::cluster(50, 4);
        world.run(secs(5));
        let engine = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
        (0..3).for_each(|_| engine.feel_worse());
        world.hosts_answer = closed;
        let id = world.engine(2).me;
        world.crash(2);
        world.with(1, |engine, now| engine.accuse(now, id));
        world.run(ms(450));
        assert!(world.engine(1).stats().local_health < 3, "closed: {closed}");
    }
}
