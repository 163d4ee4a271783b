//! Each checker finds what it is there for, in a world with one broken process, and is silent in a sound one.

mod flawed;

use std::collections::BTreeSet;

use self::flawed::{Flaw, spawn};
use crate::{
    run::{Options, watch},
    scenario::Scenario,
    world::World,
};

fn scenario(more: &str) -> Scenario {
    let text = format!(
        "name = \"flawed\"\nabout = \"One process is broken.\"\nnodes = 4\nstart = \"bootstrap\"\nduration = \"20s\"\n{more}\n\
         [[work]]\nat = \"1s\"\nkind = \"update\"\nrate = 2.0\n\
         [expect]\nconverge_within = \"5s\"\n"
    );
    Scenario::parse(&text, "flawed").unwrap_or_else(|error| panic!("{error}"))
}

/// The checkers that found something in a world with that flaw.
fn found(world: World) -> BTreeSet<String> {
    let run = watch(world, Options::default());
    let violations = run.outcome.violations.into_iter();
    violations.map(|violation| violation.checker).collect()
}

fn with(flaw: Flaw) -> BTreeSet<String> {
    found(World::with_processes(&scenario(""), 1, spawn(flaw)))
}

fn names(checkers: &[&str]) -> BTreeSet<String> {
    checkers.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_sound_world_is_found_sound() {
    assert_eq!(found(World::new(&scenario(""), 1)), names(&[]));
}

#[test]
fn a_process_that_keeps_ever_more_is_found_where_nothing_may_grow() {
    let more = "[engine]\nremember_down = \"8s\"\n";
    let text = toml::to_string(&scenario(more)).unwrap();
    let text = text.replace("[expect]\n", "[expect]\nbounded_growth = true\n");
    let scenario = Scenario::parse(&text, "flawed").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found(World::new(&scenario, 1)), names(&[]));
    let leaky = World::with_processes(&scenario, 1, spawn(Flaw::Leaks));
    // The process of the second host starts with the world, as the window does.
    assert_eq!(found(leaky), names(&["bounded-growth"]));
}

#[test]
fn a_member_that_is_forgotten_is_found_when_tables_are_compared() {
    assert_eq!(with(Flaw::ForgetsAMember), names(&["convergence"]));
}

#[test]
fn a_node_that_goes_back_to_an_older_state_is_found() {
    assert!(with(Flaw::GoesBackToWhatItSaw).contains("dead-stays-dead"));
}

#[test]
fn a_healthy_member_that_is_declared_failed_is_found() {
    let found = with(Flaw::DeclaresALiveOneFailed);
    assert!(found.contains("nothing-live-lost"), "{found:?}");
    assert!(
        found.contains("liveness"),
        "and its instances do not come back: {found:?}"
    );
}

#[test]
fn a_live_member_that_is_said_to_have_left_is_found() {
    assert!(with(Flaw::SaysThatALiveOneLeft).contains("nothing-live-lost"));
}

#[test]
fn a_goodbye_that_is_told_as_a_failure_is_found_where_nothing_excuses_it() {
    let leave = "[[fault]]\nat = \"10s\"\nkind = \"leave\"\nnodes = \"3\"\n";
    let with = |more: &str| {
        let scenario = scenario(&format!("{more}{leave}"));
        let flaw = spawn(Flaw::TellsOfAGoodbyeAsOfAFailure);
        found(World::with_processes(&scenario, 1, flaw))
    };
    assert_eq!(with(""), names(&["goodbyes"]));
    let fault = |rest: &str| with(&format!("[[fault]]\nat = \"9900ms\"\n{rest}\n"));
    let stopped = |node: &str| format!("kind = \"pause\"\nnodes = \"{node}\"\nstop = \"300ms\"");
    assert_eq!(fault(&stopped("0")), names(&["goodbyes"]));
    assert_eq!(fault(&stopped("1")), names(&[]), "it heard it late");
    assert_eq!(fault(&stopped("3")), names(&[]), "it said it late");
    let degraded = "kind = \"degrade\"\nduplicate = 0.5";
    assert_eq!(fault(degraded), names(&[]), "a network with a fault");
}

#[test]
fn a_taking_back_that_comes_after_the_registration_that_followed_it_is_found() {
    let again = "nodes = \"0\"\nservice = \"service-0\"\nid = \"again\"\n";
    let work = format!(
        "[[work]]\nat = \"1s\"\nkind = \"register\"\n{again}\
         [[work]]\nat = \"2s\"\nkind = \"deregister\"\nnodes = \"0\"\n\
         [[work]]\nat = \"3s\"\nkind = \"register\"\n{again}"
    );
    let flaw = spawn(Flaw::TakesBackWhatIsRegisteredAnew);
    let found = found(World::with_processes(&scenario(&work), 1, flaw));
    assert!(found.contains("dead-stays-dead"), "{found:?}");
}

#[test]
fn an_owner_that_writes_twice_under_one_number_is_found_by_its_own_word() {
    let run = watch(
        World::with_processes(&scenario(""), 1, spawn(Flaw::WritesTwiceUnderOneNumber)),
        Options::default(),
    );
    let twice = |violation: &crate::outcome::Violation| violation.what.contains("twice under seq");
    assert!(run.outcome.violations.iter().any(twice));
}

#[test]
fn an_event_that_does_not_follow_from_those_before_is_found() {
    assert_eq!(
        with(Flaw::TellsAnEventTwice),
        names(&["dead-stays-dead", "watchers"])
    );
}

#[test]
fn a_record_that_its_owner_did_not_write_is_found() {
    assert_eq!(with(Flaw::HoldsAForgedRecord), names(&["single-writer"]));
}

#[test]
fn a_datagram_over_the_limit_and_ever_more_timers_are_found() {
    assert_eq!(with(Flaw::SendsTooMuch), names(&["bounds"]));
    assert_eq!(with(Flaw::SetsEverMoreTimers), names(&["bounds"]));
}

#[test]
fn a_process_that_never_finds_anybody_is_found() {
    let found = with(Flaw::HearsNothing);
    assert!(
        found.contains("liveness") && found.contains("convergence"),
        "{found:?}"
    );
}

#[test]
fn a_world_that_agrees_after_its_time_is_found_though_it_does_in_the_end() {
    let crash = "[[fault]]\nat = \"19990ms\"\nkind = \"crash\"\nnodes = \"3\"\n";
    let mut scenario = scenario(crash);
    assert_eq!(found(World::new(&scenario, 1)), names(&[]));
    scenario.expect.converge_within = "10ms".parse().unwrap();
    assert_eq!(found(World::new(&scenario, 1)), names(&["liveness"]));
}

#[test]
fn a_fault_that_hits_nothing_is_found() {
    let cut =
        "[[fault]]\nat = \"2s\"\nfor = \"1s\"\nkind = \"partition\"\nbetween = [\"0\", \"0\"]\n";
    assert_eq!(
        found(World::new(&scenario(cut), 1)),
        names(&["fault-happened"])
    );
}

#[test]
fn instances_that_are_refused_at_the_start_are_found() {
    let services = "[services]\nnames = 1\nper_node = 3\nbytes = 40000\n";
    let run = watch(World::new(&scenario(services), 1), Options::default());
    let violations = run.outcome.violations.iter();
    let refused: Vec<_> = violations
        .filter(|violation| violation.checker == "fault-happened")
        .collect();
    assert_eq!(refused.len(), 1, "{:?}", run.outcome.violations);
    assert_eq!(refused[0].nodes, [0, 1, 2, 3]);
    let said = "8 instances of the start were refused: node 0 service-0 (";
    assert!(refused[0].what.starts_with(said), "{refused:?}");
}

#[test]
fn a_world_in_which_nobody_is_left_is_found_vacuous() {
    let crash = "[[fault]]\nat = \"5s\"\nkind = \"crash\"\nnodes = \"all\"\n";
    let found = found(World::new(&scenario(crash), 1));
    assert_eq!(found, names(&["fault-happened"]));
}

#[test]
fn a_time_that_is_stated_and_not_kept_is_found() {
    let mut scenario = scenario("");
    scenario.expect.change_within = Some("1us".parse().unwrap());
    assert_eq!(found(World::new(&scenario, 1)), names(&["expectations"]));
}

#[test]
fn a_time_that_is_stated_of_what_never_happens_is_found() {
    let within = Some("10s".parse().unwrap());
    let mut changing = scenario("");
    changing.expect.change_within = within;
    changing.expect.heal_within = within;
    assert_eq!(found(World::new(&changing, 1)), names(&[]));
    let mut quiet = scenario("start_within = \"1s\"\nseeds = 4\n");
    quiet.expect.detect_within = within;
    quiet.work.clear();
    let run = watch(World::new(&quiet, 1), Options::default());
    let what: Vec<_> = run
        .outcome
        .violations
        .iter()
        .map(|violation| &*violation.what)
        .collect();
    assert_eq!(
        what,
        ["vacuous: detect_within is stated, and there was nothing to judge"]
    );
    quiet.expect.may_miss = true;
    assert_eq!(found(World::new(&quiet, 1)), names(&[]));
    // Each change is overlapped by a fault: none is judged.
    let cut = "[[fault]]\nkind = \"partition\"\nbetween = [\"0\", \"others\"]\n";
    let mut disturbed = scenario(cut);
    disturbed.expect.change_within = within;
    assert_eq!(found(World::new(&disturbed, 1)), names(&["expectations"]));
}

#[test]
fn a_world_that_never_heals_is_later_than_any_time_that_is_stated() {
    let mut scenario = scenario("");
    scenario.expect.heal_within = Some("2s".parse().unwrap());
    let world = World::with_processes(&scenario, 1, spawn(Flaw::HearsNothing));
    assert!(found(world).contains("expectations"));
}

#[test]
fn a_panic_is_found_with_its_time_its_node_and_what_happened_there() {
    let world = World::with_processes(&scenario(""), 7, spawn(Flaw::Panics));
    let mut lines = Vec::new();
    let mut trace = |line: &str| lines.push(line.to_owned());
    let options = Options {
        record: true,
        trace: Some(&mut trace),
        progress: None,
    };
    let run = watch(world, options);
    assert_eq!(run.outcome.seed, 7);
    let [panicked] = &run.outcome.violations[..] else {
        panic!("{:?}", run.outcome.violations);
    };
    assert_eq!(panicked.checker, "panic");
    assert_eq!(panicked.what, "panicked: this process is broken");
    assert_eq!(panicked.nodes, [1]);
    assert!((5.0..7.0).contains(&panicked.at_s), "{}", panicked.at_s);
    assert!(panicked.last_events[0].contains("node 1 starts"));
    let last = panicked.last_events.last().expect("some");
    assert!(lines.contains(last), "it was traced up to there");
    let verdicts = run.recording.expect("it was asked for").verdicts;
    assert!(
        verdicts
            .iter()
            .any(|verdict| verdict.checker == "panic" && verdict.violations == 1)
    );
}
