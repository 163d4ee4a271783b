//! What the hosts of processes say of them, and what others say in the name of hosts.

use super::{
    faults::{Tap, quiet, sound},
    *,
};
use crate::gossip::wire::message::kind;

/// Has everybody on `ports` believe at once that the host of node `about` said that nobody listens.
fn forge(world: &mut World, ports: &[u16], about: u16, times: usize) {
    for _ in 0..times {
        for port in ports {
            world.with(*port, |engine, now| {
                engine.handle_unreachable(now, addr(about));
            });
        }
    }
}

/// How long after the first datagram to a crashed member all have dropped it, with hosts that answer.
fn time_to_drop(n: u16, tune: impl Fn(&mut Config)) -> Duration {
    let mut world = World::cluster_with(u64::from(n), n, tune);
    world.run(secs(5));
    world.hosts_answer = true;
    world.crash(n);
    let tap = Tap::on(&mut world, sound);
    let is_tried = |_: &World| tap.count(0, n, kind::SWIM) > 0;
    world.until(secs(10), is_tried).unwrap();
    let gone = |world: &World| (1..n).all(|port| !world.knows(port, n));
    let took = world.until(secs(30), gone).expect("it is dropped");
    let evidence = (1..n).map(|port| world.engine(port).stats().evidence);
    assert!(evidence.sum::<u64>() > 0, "a host has said so");
    world.run(secs(30));
    assert_eq!(world.all_failures(), usize::from(n) - 1);
    took
}

#[test]
fn a_crash_is_dropped_by_all_within_a_tenth_of_a_second_of_the_first_ping() {
    for n in [2, 3, 8] {
        let took = time_to_drop(n, |_| {});
        assert!(took < ms(100), "{n} nodes: {took:?}");
    }
}

#[test]
fn a_crash_is_dropped_as_quickly_over_a_network_that_loses_some() {
    let mut world = World::cluster(9, 8);
    world.run(secs(5));
    world.hosts_answer = true;
    world.crash(8);
    world.losing(9, 10);
    let gone = |world: &World| (1..8).all(|port| !world.knows(port, 8));
    let took = world.until(secs(30), gone).expect("it is dropped");
    assert!(world.lost > 0);
    assert!(took < ms(1_300), "{took:?}");
}

#[test]
fn without_evidence_or_confirmation_the_word_of_a_host_makes_nothing_quicker() {
    let took = time_to_drop(8, |config| config.detection.confirm = false);
    assert!(took > ms(1_800), "{took:?}");
    let mut world = World::cluster_with(10, 3, |config| config.detection.evidence = false);
    world.run(secs(5));
    world.hosts_answer = true;
    world.crash(3);
    world.until(secs(30), |world| !world.knows(1, 3)).unwrap();
    assert_eq!(world.engine(1).stats().evidence, 0);
    assert_eq!(world.engine(1).stats().refused, 0);
}

#[test]
fn forged_words_of_a_host_at_one_node_drop_nobody_and_cost_little() {
    for n in [2, 3, 8] {
        for times in [1, 1_000] {
            let mut world = World::cluster_with(20 + u64::from(n), n, quiet);
            world.run(secs(2));
            let tap = Tap::on(&mut world, sound);
            forge(&mut world, &[1], 2, times);
            assert_eq!(world.engine(1).stats().evidence, times as u64);
            world.run(secs(5));
            // Each of four others is asked, pings, is answered, and tells.
            let sent = tap.all().len();
            assert!((2..=2 + 4 * 4).contains(&sent), "{sent} datagrams");
            assert_eq!(world.all_failures(), 0, "{n} nodes, {times} times");
            assert!(world.is_converged());
            let engine = world.engine(1);
            assert_eq!((engine.cases.len(), engine.inquiries.len()), (0, 0));
        }
    }
}

#[test]
fn words_forged_without_end_cost_a_bounded_rate() {
    let mut world = World::cluster_with(30, 8, quiet);
    world.run(secs(2));
    let tap = Tap::on(&mut world, sound);
    for _ in 0..10_000 {
        forge(&mut world, &[1], 2, 1);
        world.run(ms(1));
    }
    let sent = tap.all().len();
    assert!(sent <= 10 * 20, "{sent} datagrams in ten seconds");
    assert_eq!(world.all_failures(), 0);
}

#[test]
fn words_forged_at_all_nodes_for_a_living_member_drop_nobody() {
    for n in [2, 3, 8] {
        let mut world = World::cluster_with(40 + u64::from(n), n, quiet);
        world.run(secs(2));
        let others: Vec<_> = (1..=n).filter(|port| *port != 2).collect();
        for _ in 0..2_000 {
            forge(&mut world, &others, 2, 3);
            world.run(Duration::from_micros(500));
        }
        assert!(world.engine(1).stats().evidence >= 6_000);
        world.run(secs(5));
        assert_eq!(world.all_failures(), 0, "{n} nodes");
        assert_eq!(world.engine(1).stats().refused, 0);
        assert!(world.is_converged());
    }
}

#[test]
fn words_forged_over_a_wide_area_drop_nobody_either() {
    let wide = |config: &mut Config| {
        *config = Config::wan("test", config.advertise);
        quiet(config);
    };
    let mut world = World::cluster_with(50, 4, wide);
    world.run(secs(5));
    world.latency = ms(140);
    for _ in 0..1_000 {
        forge(&mut world, &[1, 3, 4], 2, 3);
        world.run(ms(5));
    }
    world.run(secs(20));
    assert_eq!(world.all_failures(), 0);
    assert_eq!(
        world.engine(1).stats().local_health,
        0,
        "all who were asked have answered"
    );
}

#[test]
fn over_a_wide_area_those_who_are_asked_have_time_to_find_somebody_silent() {
    let wide = |config: &mut Config| {
        *config = Config::wan("test", config.advertise);
        quiet(config);
    };
    let mut world = World::cluster_with(51, 6, wide);
    world.run(secs(5));
    let id = world.engine(2).me;
    world.latency = ms(120);
    world.crash(2);
    world.with(1, |engine, now| engine.accuse(now, id));
    world.run(secs(3));
    assert_eq!(world.engine(1).suspicions[&addr(2)].confirmed_by.len(), 4);
    assert_eq!(world.engine(1).stats().local_health, 0);
}

#[test]
fn evidence_about_an_address_on_which_a_new_process_has_just_started_drops_nobody() {
    for seed in 60..68 {
        let mut world = World::cluster(seed, 5);
        world.run(secs(5));
        world.hosts_answer = true;
        world.crash(2);
        let tried = |world: &World| !world.refusals.is_empty();
        world.until(secs(10), tried).unwrap();
        world.start(2, &[1]);
        world.register(2, "users", "new");
        let back = |world: &World| world.is_converged() && world.all_see("users", &["new"]);
        let took = world.until(secs(5), back).expect("it has joined");
        let failed: Vec<_> = [1, 3, 4, 5].map(|port| world.failures(port)).into();
        // Late words about the old process meet the new one.
        forge(&mut world, &[1, 3, 4, 5], 2, 3);
        world.run(secs(10));
        assert!(back(&world), "seed {seed}, {took:?}");
        let after: Vec<_> = [1, 3, 4, 5].map(|port| world.failures(port)).into();
        assert_eq!(failed, after, "seed {seed}: nobody drops the new one");
    }
}

#[test]
fn evidence_about_one_that_is_no_live_member_is_ignored() {
    let mut world = World::cluster_with(70, 4, quiet);
    world.run(secs(2));
    let id = world.engine(4).me;
    world.crash(4);
    world.with(1, |engine, now| engine.accuse(now, id));
    world.until(secs(10), |world| !world.knows(1, 4)).unwrap();
    let before = world.engine(1).stats();
    for port in [1, 4, 99] {
        forge(&mut world, &[1], port, 5);
    }
    let after = world.engine(1).stats();
    assert_eq!(
        (before.evidence, before.datagrams_sent),
        (after.evidence, after.datagrams_sent)
    );
    assert!(world.engine(1).cases.is_empty() && world.engine(1).inquiries.is_empty());
}

#[test]
fn what_was_found_for_evidence_is_asked_again_when_the_member_is_suspected() {
    let mut world = World::cluster_with(80, 6, quiet);
    world.run(secs(2));
    let id = world.engine(2).me;
    forge(&mut world, &[1], 2, 1);
    world.run(ms(100));
    assert_eq!(world.engine(1).cases.len(), 1, "all have reached it");
    world.crash(2);
    world.with(1, |engine, now| engine.accuse(now, id));
    let took = world.until(secs(10), |world| !world.knows(1, 2)).unwrap();
    assert!(took < ms(610), "{took:?}");
}
