//! The failure detection, line by line of what it promises. What hosts say is in `evidence`, pauses are in
//! `pausing`, a node's doubt of itself in `health`.

use super::{
    faults::{Tap, quiet, sound},
    *,
};
use crate::gossip::wire::message::kind;

/// Has the node on `port` find that the one on `suspect` is silent.
fn accuse(world: &mut World, port: u16, suspect: u16) {
    let id = world.engine(port).members.get(addr(suspect)).unwrap().id;
    world.with(port, |engine, now| engine.accuse(now, id));
    assert_eq!(world.health(port, suspect), Some(Health::Suspect));
}

fn probes(world: &World, port: u16, target: u16) -> bool {
    let probe = world.engine(port).probe;
    probe.is_some_and(|probe| probe.target.addr == addr(target) && probe.since == world.now)
}

#[test]
fn an_unanswered_ping_is_sent_again_until_the_deadline_and_only_then_is_anybody_blamed() {
    for (resend, pings, blamed_after) in [(true, 5, ms(500)), (false, 1, secs(1))] {
        let mut world = World::cluster_with(1, 2, |config| config.detection.resend = resend);
        world.run(secs(5));
        world.crash(2);
        world.until(secs(2), |world| probes(world, 1, 2)).unwrap();
        // The first one has left already.
        let tap = Tap::on(&mut world, sound);
        world.run(blamed_after.saturating_sub(ms(1)));
        assert_eq!(world.health(1, 2), Some(Health::Alive));
        assert_eq!(1 + tap.count(1, 2, kind::SWIM), pings, "resend: {resend}");
        world.run(ms(1));
        assert_eq!(
            world.health(1, 2),
            Some(Health::Suspect),
            "resend: {resend}"
        );
        assert_eq!(world.engine(1).stats().probes_failed, 1);
    }
}

/// Loses the first of each two SWIM datagrams from node 1 to node 2.
fn lose_every_first(world: &mut World) {
    let mut odd = false;
    world.link = Box::new(move |from, to, datagram| {
        let counts = (from, to) == (addr(1), addr(2)) && kind_of(datagram) == kind::SWIM;
        odd ^= counts;
        if counts && odd {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

#[test]
fn a_lost_first_ping_blames_nobody() {
    let blamed = |resend| {
        let mut world = World::cluster_with(2, 2, |config| config.detection.resend = resend);
        world.run(secs(5));
        lose_every_first(&mut world);
        world.run(secs(60));
        assert!(world.lost > 20, "{} lost", world.lost);
        let stats = [1, 2].map(|port| world.engine(port).stats());
        assert_eq!(world.all_failures(), 0);
        stats.iter().map(|s| s.probes_failed).sum::<u64>()
    };
    assert_eq!(
        blamed(true),
        0,
        "an answer to the second ping is one to the first"
    );
    assert!(blamed(false) > 10, "the fault is one that resending mends");
}

/// How long node 1 of six holds a crashed member for suspect, when `silent` others find it so and tell.
fn time_to_down(silent: usize, tune: impl Fn(&mut Config)) -> Duration {
    let mut world = World::cluster_with(3, 6, |config| {
        quiet(config);
        tune(config);
    });
    world.run(secs(2));
    world.crash(2);
    let mut heard = BTreeSet::new();
    Tap::on(&mut world, move |from, _, kind| {
        let is_finding = kind == kind::FINDING;
        if is_finding && heard.len() < silent {
            heard.insert(from);
        }
        if is_finding && !heard.contains(&from) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    accuse(&mut world, 1, 2);
    let gone = |world: &World| !world.knows(1, 2);
    let took = world.until(secs(30), gone).unwrap();
    let others = [3, 4, 5, 6].map(|port| world.engine(port).stats().probes_failed);
    assert_eq!(others, [0; 4], "the verdict is node 1's own");
    took
}

fn assert_about(took: Duration, expected: Duration) {
    let late = took.checked_sub(expected);
    assert!(
        late.is_some_and(|late| late < ms(2)),
        "{took:?}, not {expected:?}"
    );
}

#[test]
fn the_time_to_down_shrinks_with_the_confirmations_from_the_longest_to_the_shortest() {
    let calm = |config: &mut Config| config.detection.local_health = false;
    // max - (max - min) * ln(C + 1) / ln(4), of 3.6 s and 0.6 s.
    for (silent, expected_ms) in [(0, 3_600), (1, 2_100), (2, 1_222), (3, 600), (4, 600)] {
        assert_about(time_to_down(silent, calm), ms(expected_ms));
    }
}

#[test]
fn where_nobody_whom_we_asked_answers_the_doubt_is_of_ourselves_and_the_time_is_longer() {
    assert_about(time_to_down(0, |_| {}), ms(7_200));
}

#[test]
fn where_nobody_can_confirm_the_time_to_down_is_half_of_the_longest() {
    let mut world = World::cluster_with(4, 2, quiet);
    world.crash(2);
    accuse(&mut world, 1, 2);
    let took = world.until(secs(30), |world| !world.knows(1, 2)).unwrap();
    assert_about(took, ms(1_800));
}

#[test]
fn where_nobody_is_asked_the_time_to_down_is_half_of_the_longest() {
    assert_about(
        time_to_down(4, |config| config.detection.confirm = false),
        ms(1_800),
    );
}

#[test]
fn as_long_as_others_reach_the_suspect_there_is_no_verdict() {
    let mut world = World::cluster_with(5, 6, quiet);
    // It lives, and answers those who look; but its refutation reaches nobody.
    let tap = Tap::on(&mut world, |from, to, kind| {
        let cut = [from, to].contains(&addr(1)) && [from, to].contains(&addr(2));
        if cut || (from == addr(2) && kind == kind::SWIM) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    accuse(&mut world, 1, 2);
    world.run(secs(60));
    assert!(world.lost > 0 && tap.count(0, 1, kind::FINDING) >= 3);
    assert_eq!(world.health(1, 2), Some(Health::Suspect));
    world.crash(2);
    let took = world.until(secs(30), |world| !world.knows(1, 2)).unwrap();
    assert!(took < secs(6), "{took:?} after it really died");
}

#[test]
fn the_suspect_is_told_first_and_directly_and_is_cleared_within_milliseconds() {
    let mut world = World::cluster_with(6, 8, quiet);
    world.run(secs(2));
    let tap = Tap::on(&mut world, sound);
    accuse(&mut world, 1, 2);
    let first = tap.all()[0];
    assert_eq!(first, (addr(1), addr(2), kind::SWIM));
    let cleared = |world: &World| world.health(1, 2) == Some(Health::Alive);
    let took = world.until(secs(1), cleared).expect("it refutes");
    assert!(took < ms(2), "{took:?}");
    assert_eq!(world.engine(2).stats().refutations, 1);
    let all_clear = |world: &World| world.nodes.values().all(|n| n.engine.suspicions.is_empty());
    world.run(ms(100));
    assert!(all_clear(&world));
    let incarnations =
        |world: &World, port| world.engine(port).members.get(addr(2)).unwrap().incarnation;
    assert!(
        [1, 3, 4, 5, 6, 7, 8]
            .into_iter()
            .all(|port| incarnations(&world, port) == 1)
    );
}

#[test]
fn without_buddy_the_suspect_hears_of_it_from_others_and_refutes_too() {
    let mut world = World::cluster_with(7, 8, |config| {
        quiet(config);
        config.detection.buddy = false;
    });
    world.run(secs(2));
    let tap = Tap::on(&mut world, sound);
    accuse(&mut world, 1, 2);
    assert_eq!(tap.count(1, 2, kind::SWIM), 0, "not told");
    let cleared = |world: &World| world.health(1, 2) == Some(Health::Alive);
    assert!(world.until(secs(1), cleared).is_some());
    assert_eq!(world.engine(2).stats().refutations, 1);
}

#[test]
fn a_suspicion_that_was_only_heard_is_looked_into_before_the_verdict() {
    let mut world = World::cluster_with(8, 4, quiet);
    world.run(secs(2));
    let victim = world.engine(2).me;
    // Nobody tells the suspect: its refutation of this has passed node 1 by.
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
    });
    let tap = Tap::on(&mut world, sound);
    let cleared = |world: &World| world.health(1, 2) == Some(Health::Alive);
    let took = world
        .until(secs(10), cleared)
        .expect("it is asked, and refutes");
    assert_about(took, ms(3_600));
    assert!(tap.count(1, 2, kind::SWIM) > 0 && tap.count(1, 0, kind::ASK) == 2);
    world.run(secs(30));
    assert_eq!(world.all_failures(), 0);
}

#[test]
fn a_heard_suspicion_of_a_dead_member_has_the_least_time_once_more_and_ends_in_its_death() {
    let mut world = World::cluster_with(9, 4, quiet);
    world.run(secs(2));
    let victim = world.engine(2).me;
    world.crash(2);
    world.with(1, |engine, now| {
        engine.learn(now, victim, 0, Health::Suspect, false);
    });
    let took = world.until(secs(30), |world| !world.knows(1, 2)).unwrap();
    assert_about(took, ms(3_600 + 600));
}

#[test]
fn what_confirmed_a_suspicion_does_not_confirm_the_next_one() {
    let mut world = World::cluster_with(10, 6, quiet);
    let victim = world.engine(2).me;
    world.crash(2);
    accuse(&mut world, 1, 2);
    world.run(ms(500));
    let confirmed = |world: &World| world.engine(1).suspicions[&addr(2)].confirmed_by.len();
    assert!(confirmed(&world) >= 3);
    // Somebody has heard a refutation, and suspects it anew.
    world.with(1, |engine, now| {
        engine.learn(now, victim, 1, Health::Suspect, false);
    });
    assert_eq!(confirmed(&world), 0);
}

/// When each probe of node 1 began.
fn probes_of_1(world: &mut World, time: Duration) -> Vec<Instant> {
    let mut begun = Vec::new();
    let end = world.now + time;
    let _ = world.until(time, |world| {
        let since = world.engine(1).probe.map(|probe| probe.since);
        if let Some(since) = since
            && begun.last() != Some(&since)
        {
            begun.push(since);
        }
        world.now >= end
    });
    begun
}

#[test]
fn a_death_makes_a_node_probe_faster_for_some_seconds_and_no_faster_than_four_times() {
    let mut world = World::cluster(11, 8);
    world.run(secs(5));
    world.crash(8);
    world.until(secs(10), |world| !world.knows(1, 8)).unwrap();
    let begun = probes_of_1(&mut world, secs(5));
    assert!((17..=21).contains(&begun.len()), "{} probes", begun.len());
    let least = begun.windows(2).map(|two| two[1] - two[0]).min().unwrap();
    assert!(least >= ms(250), "{least:?}");
    let after = probes_of_1(&mut world, secs(10));
    assert!(after.len() <= 12, "{} probes", after.len());
}

#[test]
fn without_hurry_a_death_changes_no_pace() {
    let mut world = World::cluster_with(12, 8, |config| config.detection.hurry = false);
    world.run(secs(5));
    world.crash(8);
    world.until(secs(10), |world| !world.knows(1, 8)).unwrap();
    assert!(probes_of_1(&mut world, secs(5)).len() <= 6);
}

#[test]
fn however_many_die_a_haste_ends_after_fifteen_seconds_and_rests_for_thirty() {
    let mut world = World::cluster(13, 8);
    world.run(secs(5));
    let mut paces = Vec::new();
    for _ in 0..45 {
        world.with(1, Engine::hurry);
        paces.push(probes_of_1(&mut world, secs(1)).len());
    }
    // It begins with the next answer.
    assert!(paces[1..15].iter().all(|n| *n >= 3), "{paces:?}");
    assert!(paces[16..44].iter().all(|n| *n <= 2), "{paces:?}");
    world.run(secs(1));
    world.with(1, Engine::hurry);
    assert!(probes_of_1(&mut world, secs(3)).len() >= 9);
}

#[test]
fn deaths_that_come_just_after_a_haste_has_ended_do_not_make_it_last() {
    let mut world = World::cluster(15, 8);
    world.run(secs(5));
    let mut probes = 0;
    for _ in 0..12 {
        world.with(1, Engine::hurry);
        probes += probes_of_1(&mut world, ms(5_100)).len();
    }
    // 15 s of four a second, 30 s of one, and once more 15 s of four.
    assert!((100..=160).contains(&probes), "{probes} probes in a minute");
}

#[test]
fn a_leave_makes_nobody_hurry() {
    let mut world = World::cluster(14, 8);
    world.run(secs(5));
    world.with(8, Engine::leave);
    world.run(secs(1));
    world.crash(8);
    assert!(!world.knows(1, 8));
    assert!(probes_of_1(&mut world, secs(10)).len() <= 11);
    assert_eq!(world.all_failures(), 0);
}

#[test]
fn nodes_that_started_together_probe_at_times_spread_over_the_period() {
    let n = 100;
    let mut world = World::cluster(60, n);
    let period = Config::lan("test", addr(1)).probe_period;
    world.run(secs(10));
    let start = world.now;
    let mut phases: BTreeMap<SocketAddr, Duration> = BTreeMap::new();
    while phases.len() < usize::from(n) && world.step(start + period * 2) {
        for (addr, node) in &world.nodes {
            if let Some(probe) = node.engine.probe.filter(|probe| probe.since >= start) {
                phases.entry(*addr).or_insert(probe.since - start);
            }
        }
    }
    assert_eq!(
        phases.len(),
        usize::from(n),
        "each probes within two periods"
    );
    let mut tenths = [0; 10];
    for phase in phases.values() {
        let tenth = phase.as_nanos() * 10 / period.as_nanos() % 10;
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    // Ten on average; by chance outside of this once in ten thousand seeds.
    assert!(
        tenths.iter().all(|count| (1..=22).contains(count)),
        "{tenths:?}"
    );
}

#[test]
fn the_first_probe_is_at_most_a_period_after_the_first_member() {
    let mut firsts = BTreeSet::new();
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.start(1, &[]);
        world.start(2, &[1]);
        let joined = |world: &World| world.engine(1).members().len() == 2;
        world.until(secs(2), joined).expect("joined");
        let took = world
            .until(secs(5), |world| world.engine(1).probe.is_some())
            .expect("it probes");
        assert!(
            took <= Config::lan("test", addr(1)).probe_period,
            "{took:?}"
        );
        firsts.insert(took);
    }
    assert_eq!(firsts.len(), 20, "each at a time of its own");
}
