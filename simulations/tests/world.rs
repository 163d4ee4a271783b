//! What a world does, seen through whole runs.

use std::time::Duration;

use simulations::{
    run::{Options, Run, run},
    scenario::Scenario,
    world::{Happening, Life, World},
};

/// A scenario of `nodes` that begins settled and lasts ten seconds, with more of TOML in it.
fn scenario(nodes: usize, more: &str) -> Scenario {
    let text = format!(
        "name = \"test\"\nabout = \"A test.\"\nnodes = {nodes}\nduration = \"10s\"\n{more}\n\
         [expect]\nconverge_within = \"30s\"\nfalse_positives = -1\n"
    );
    Scenario::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn ran(scenario: &Scenario, seed: u64) -> Run {
    let run = run(scenario, seed, Options::default());
    assert_eq!(run.outcome.violations, [], "{scenario:?}");
    run
}

/// Runs a world for `seconds`, and gives it with all that happened.
fn watched(scenario: &Scenario, seconds: u64) -> (World, Vec<Happening>) {
    let mut world = World::new(scenario, 1);
    let end = World::instant(Duration::from_secs(seconds));
    let mut happened = world.take_happenings();
    while world.step(end) {
        happened.append(&mut world.take_happenings());
    }
    (world, happened)
}

const BUSY: &str = "[network]\nloss = 0.1\nduplicate = 0.05\nreorder = 0.1\n\
    [[work]]\nkind = \"churn\"\nrate = 20.0\n\
    [[fault]]\nat = \"2s\"\nfor = \"3s\"\nkind = \"partition\"\nbetween = [\"random 2\", \"others\"]\n\
    [[fault]]\nat = \"6s\"\nkind = \"crash\"\nnodes = \"random 1\"\n";

#[test]
fn one_seed_is_one_course_and_another_seed_another() {
    let scenario = scenario(6, BUSY);
    let [one, again, other] = [1, 1, 2].map(|seed| ran(&scenario, seed).outcome);
    assert_eq!(one, again);
    assert_ne!(one.trace_hash, other.trace_hash);
}

#[test]
fn watching_a_run_does_not_change_it() {
    let scenario = scenario(6, BUSY);
    let mut lines = 0;
    let mut count = |_: &str| lines += 1;
    let mut seen = Vec::new();
    let mut progress = |progress| seen.push(progress);
    let options = Options {
        record: true,
        trace: Some(&mut count),
        progress: Some(&mut progress),
    };
    let watched = run(&scenario, 1, options);
    assert_eq!(watched.outcome, ran(&scenario, 1).outcome);
    let recording = watched.recording.expect("asked for");
    assert_eq!((recording.believed.len(), recording.faults.len()), (6, 2));
    assert!(lines > 100 && seen.len() >= 10);
}

#[test]
fn a_stopped_process_says_nothing_and_finds_its_datagrams_when_it_goes_on() {
    let fault = "[[fault]]\nat = \"1s\"\nkind = \"pause\"\nnodes = \"0\"\nstop = \"700ms\"\n";
    let (world, happened) = watched(&scenario(3, fault), 10);
    let mut stopped = false;
    for happening in &happened {
        match happening {
            Happening::FaultBegan(_) => stopped = true,
            Happening::FaultEnded(_) => stopped = false,
            Happening::Sent { host: 0, .. } => assert!(!stopped, "it was stopped"),
            Happening::Event { event, .. } => panic!("so short a stop is no death: {event}"),
            _ => {}
        }
    }
    assert!(world.faults()[0].hits > 0, "others went on to speak to it");
    assert_eq!(world.receive_overflows(), 0);
}

#[test]
fn a_process_that_comes_back_elsewhere_has_an_address_that_nobody_had() {
    let fault = "[[fault]]\nat = \"1s\"\nkind = \"restart\"\nnodes = \"1\"\nafter = \"1s\"\naddress = \"new\"\n";
    let (world, _) = watched(&scenario(3, fault), 10);
    let lives = world.truth().lives().iter();
    let addrs: Vec<_> = lives.map(|life| life.owner.addr).collect();
    assert_eq!(addrs.len(), 4);
    assert_eq!(world.hosts()[1].addr, addrs[3]);
    assert!(!addrs[..3].contains(&addrs[3]));
    assert!(world.all_agree());
}

#[test]
fn another_process_on_a_dead_ones_address_offers_other_services() {
    let fault = "[[fault]]\nat = \"1s\"\nkind = \"replace\"\nnodes = \"1\"\nafter = \"1s\"\n";
    let (world, _) = watched(&scenario(3, fault), 10);
    let [before, after] = [1, 3].map(|life| world.truth().life(life));
    let services = |life: &Life| -> Vec<_> {
        let held = life.holds.keys();
        held.map(|(service, _)| service.clone()).collect()
    };
    assert_eq!(before.owner.addr, after.owner.addr);
    assert_eq!(services(before), ["service-1"]);
    assert_eq!(services(after), ["other-1"]);
    assert!(world.all_agree());
}

#[test]
fn when_the_duration_is_over_all_faults_end() {
    let faults = "[[fault]]\nat = \"1s\"\nkind = \"partition\"\nbetween = [\"0\", \"others\"]\n\
        [[fault]]\nat = \"2s\"\nkind = \"pause\"\nnodes = \"1\"\nstop = \"8s\"\n\
        [[fault]]\nat = \"3s\"\nkind = \"restart\"\nnodes = \"2\"\nafter = \"6s\"\n";
    let scenario = scenario(4, faults);
    let mut world = World::new(&scenario, 1);
    let half = World::instant(Duration::from_secs(5));
    while world.step(half) {}
    assert!(world.faults().iter().all(|fault| fault.ended.is_none()));
    world.end_faults();
    let now = Some(world.now());
    assert!(world.faults().iter().all(|fault| fault.ended == now));
    assert!(world.hosts().iter().all(|host| host.running().is_some()));
    let later = World::instant(Duration::from_secs(25));
    while world.step(later) {}
    assert!(world.all_agree());
}

#[test]
fn a_slow_process_takes_its_datagrams_one_after_the_other() {
    let fault =
        "[[fault]]\nat = \"0s\"\nkind = \"slow\"\nnodes = \"0\"\nper_datagram = \"700ms\"\n";
    let (world, _) = watched(&scenario(4, fault), 8);
    let guest = world.hosts()[0].guest.as_ref().expect("it runs");
    assert!(guest.waiting_bytes() > 0, "more comes than it can take");
    assert!(world.faults()[0].hits > 5);
}

#[test]
fn a_stopped_process_that_is_asked_to_leave_or_to_register_does_so_when_it_goes_on() {
    let both = "[[fault]]\nat = \"1s\"\nkind = \"pause\"\nnodes = \"0\"\nstop = \"2s\"\n\
        [[work]]\nat = \"1500ms\"\nkind = \"register\"\nnodes = \"0\"\nservice = \"late\"\n\
        [[fault]]\nat = \"2s\"\nkind = \"restart\"\nnodes = \"0\"\ngraceful = true\nafter = \"100ms\"\n";
    let (world, happened) = watched(&scenario(3, both), 10);
    let ends = |happening: &&Happening| matches!(happening, Happening::FaultEnded(0));
    let until = happened.iter().position(|happening| ends(&happening));
    let (stopped, later) = happened.split_at(until.expect("it goes on"));
    let begins = |happening: &Happening| matches!(happening, Happening::FaultBegan(0));
    let from = stopped.iter().position(begins).expect("it is stopped");
    for happening in &stopped[from..] {
        assert!(!matches!(
            happening,
            Happening::Sent { host: 0, .. } | Happening::Written(_)
        ));
    }
    assert!(
        later
            .iter()
            .any(|happening| matches!(happening, Happening::Ended(0)))
    );
    assert!(
        later
            .iter()
            .any(|happening| matches!(happening, Happening::Started(_)))
    );
    assert!(world.faults().iter().all(|fault| fault.hits > 0));
}

#[test]
fn a_process_is_slow_for_as_long_as_one_of_its_faults_and_no_longer() {
    let slow = "[[fault]]\nat = \"1s\"\nfor = \"7s\"\nkind = \"slow\"\nnodes = \"0\"\nper_datagram = \"30s\"\n\
        [[fault]]\nat = \"2s\"\nfor = \"1s\"\nkind = \"slow\"\nnodes = \"0\"\nper_datagram = \"5ms\"\n";
    let scenario = scenario(4, slow);
    let is_slow = |seconds| {
        let (world, _) = watched(&scenario, seconds);
        let guest = world.hosts()[0].guest.as_ref().expect("it runs");
        (guest.is_slow(), guest.waiting_bytes() > 0)
    };
    assert_eq!(is_slow(4), (true, true), "the longer one goes on");
    assert_eq!(
        is_slow(9),
        (false, false),
        "what waits is taken when it is over"
    );
}

#[test]
fn a_process_that_starts_on_a_slow_host_is_slow() {
    let faults = "[[fault]]\nkind = \"slow\"\nnodes = \"0\"\nper_datagram = \"50ms\"\n\
        [[fault]]\nat = \"1s\"\nkind = \"restart\"\nnodes = \"0\"\nafter = \"1s\"\n";
    let (world, _) = watched(&scenario(4, faults), 5);
    assert!(world.hosts()[0].guest.as_ref().expect("it runs").is_slow());
}

/// When each fault ended, in tenths of a second.
fn ended(world: &World) -> Vec<Option<f64>> {
    let ended = world.faults().iter().map(|fault| fault.ended);
    ended
        .map(|at| at.map(|at| (World::seconds(at) * 10.0).round() / 10.0))
        .collect()
}

#[test]
fn of_two_restarts_of_one_host_the_one_that_ended_its_process_says_how_it_comes_back() {
    let faults = "[[fault]]\nat = \"1s\"\nkind = \"restart\"\nnodes = \"0, 1\"\neach = \"2s\"\nafter = \"500ms\"\n\
        address = \"new\"\n\
        [[fault]]\nat = \"2s\"\nkind = \"restart\"\nnodes = \"1\"\nafter = \"3s\"\nclock = \"1h\"\n\
        [[fault]]\nat = \"2500ms\"\nkind = \"replace\"\nnodes = \"1, 2\"\nafter = \"1s\"\n";
    let (world, _) = watched(&scenario(4, faults), 9);
    let lives = world.truth().lives().iter();
    let second: Vec<_> = lives.filter(|life| life.host == 1).collect();
    assert_eq!(second.len(), 2);
    assert!((World::seconds(second[1].started) - 5.0).abs() < 0.001);
    assert_eq!(second[0].owner.addr, second[1].owner.addr);
    assert_eq!(world.hosts()[1].clock_ms, 3_600_000);
    let mut held = second[1].holds.keys();
    assert!(held.all(|(service, _)| service.starts_with("service")));
    assert_eq!(ended(&world), [Some(3.0), Some(5.0), Some(3.5)]);
}

#[test]
fn a_process_that_is_killed_while_it_is_to_leave_comes_back_as_the_later_fault_says() {
    let faults = "[[fault]]\nat = \"1s\"\nkind = \"pause\"\nnodes = \"1\"\nstop = \"3s\"\n\
        [[fault]]\nat = \"1500ms\"\nkind = \"restart\"\nnodes = \"0, 1\"\neach = \"1500ms\"\nafter = \"500ms\"\n\
        [[fault]]\nat = \"2s\"\nkind = \"restart\"\nnodes = \"1\"\ngraceful = true\nafter = \"5s\"\naddress = \"new\"\n";
    let (world, _) = watched(&scenario(4, faults), 9);
    let lives = world.truth().lives().iter();
    let second: Vec<_> = lives.filter(|life| life.host == 1).collect();
    assert_eq!(second.len(), 2);
    assert!((World::seconds(second[1].started) - 3.5).abs() < 0.001);
    assert_eq!(second[0].owner.addr, second[1].owner.addr);
    assert_eq!(ended(&world), [Some(4.0), Some(3.5), Some(3.0)]);
}

#[test]
fn a_clock_without_a_process_is_no_hit() {
    let faults = "[[fault]]\nat = \"1s\"\nkind = \"crash\"\nnodes = \"0\"\n\
        [[fault]]\nat = \"2s\"\nkind = \"clock\"\nnodes = \"0\"\nby = \"1h\"\n";
    let (world, _) = watched(&scenario(3, faults), 5);
    assert_eq!(world.faults()[1].hits, 0);
}

#[test]
fn a_goodbye_is_measured_from_its_first_word() {
    let fault = "[[fault]]\nat = \"1s\"\nkind = \"leave\"\nnodes = \"0\"\n";
    let outcome = ran(&scenario(4, fault), 1).outcome;
    assert_eq!(outcome.detection_ms.samples, 1);
    assert!(outcome.detection_ms.max > 0.0);
}

/// Above 64 nodes nobody is asked what it watches; one that was before must not be found behind for it.
#[test]
fn a_world_that_outgrows_its_watchers_is_judged_without_them() {
    let joins = "[[fault]]\nat = \"1s\"\nkind = \"join\"\ncount = 20\n[[work]]\nkind = \"churn\"\nrate = 20.0\n";
    ran(&scenario(50, joins), 1);
}

const LOCKED: &str =
    "[security]\nkeys = [\"old\"]\n[[work]]\nat = \"1s\"\nkind = \"churn\"\nrate = 20.0\n";

/// A step of a change of keys: at every node, one after the other.
fn change(at: u32, change: &str) -> String {
    format!(
        "[[fault]]\nat = \"{at}s\"\nkind = \"keys\"\nnodes = \"all\"\neach = \"50ms\"\nchange = {{ {change} }}\n"
    )
}

#[test]
fn a_cluster_changes_its_key_under_load_and_loses_nothing() {
    let steps = [
        change(2, "add = \"new\""),
        change(4, "promote = \"new\""),
        change(6, "remove = \"old\""),
    ];
    let mut scenario = scenario(16, &format!("{LOCKED}{}", steps.concat()));
    scenario.expect.false_positives = 0;
    let run = ran(&scenario, 1);
    assert!(run.outcome.converged && run.outcome.convergence_ms.max < 1_000.0);
}

#[test]
fn a_cluster_comes_to_seal_under_load_and_loses_nothing() {
    let steps = [
        change(2, "rollout = \"seal\""),
        change(5, "rollout = \"require\""),
    ];
    let mut scenario = scenario(16, &format!("{LOCKED}{}", steps.concat()));
    scenario.security.as_mut().expect("locked").rollout = simulations::scenario::Step::AcceptBoth;
    scenario.expect.false_positives = 0;
    let run = ran(&scenario, 1);
    assert!(run.outcome.converged && run.outcome.convergence_ms.max < 1_000.0);
}

fn attacked(old_key: &str) -> Scenario {
    let attacker = format!("[attacker]\nrate = 2000\nold_key = \"{old_key}\"\n");
    scenario(8, &format!("{LOCKED}{attacker}"))
}

#[test]
fn hostile_datagrams_change_nothing() {
    let run = ran(&attacked("former"), 1);
    assert_eq!(
        run.outcome.hostile.len(),
        11,
        "all ways: {:?}",
        run.outcome.hostile
    );
    assert!(run.outcome.hostile.values().all(|count| *count > 100));
}

/// The judgement would find it: whoever holds the key that is in use changes what it likes.
#[test]
fn a_member_gone_bad_is_found_to_change_what_others_hold() {
    let run = run(&attacked("old"), 1, Options::default());
    let mut violations = run.outcome.violations.iter();
    assert!(violations.any(|violation| violation.checker == "attacks"));
}
