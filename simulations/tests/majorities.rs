//! Majorities that die at once: how soon the last survivor has dropped the last of them.
//!
//! The bounds hold for the worst of twenty seeds (`simulations/scenarios/README.md` has the command); here a few
//! seeds of each size and share are run.

use simulations::{
    run::{Options, run},
    scenario::{Scenario, Subject},
    swarm::detect_within,
};

fn killed(nodes: usize, gone: usize, is_silent: bool) -> Scenario {
    let within = detect_within(nodes, is_silent);
    let seeds = nodes.min(3);
    let text = format!(
        "name = \"test\"\nabout = \"A test.\"\nnodes = {nodes}\nseeds = {seeds}\nduration = \"20s\"\n\
         [[fault]]\nat = \"5s\"\nkind = \"crash\"\nnodes = \"random {gone}\"\nsilent = {is_silent}\n\
         [expect]\nconverge_within = \"10s\"\ndetect_within = \"{within}\"\n"
    );
    Scenario::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// Runs kills of these sizes; what did not hold, by the first line of each violation.
fn unmet(sizes: &[(usize, usize)], is_silent: bool, seeds: u64) -> Vec<String> {
    let mut unmet = Vec::new();
    for (nodes, gone) in sizes {
        let scenario = killed(*nodes, *gone, is_silent);
        for seed in 1..=seeds {
            let outcome = run(&scenario, seed, Options::default()).outcome;
            assert!(
                outcome.detection_ms.samples >= *gone,
                "all deaths are judged"
            );
            let what = outcome.violations.first().map(|violation| &violation.what);
            unmet.extend(what.map(|what| format!("{gone} of {nodes}, seed {seed}: {what}")));
        }
    }
    unmet
}

const SMALL: [(usize, usize); 11] = [
    (2, 1),
    (3, 2),
    (4, 2),
    (4, 3),
    (5, 3),
    (5, 4),
    (7, 6),
    (8, 4),
    (10, 5),
    (10, 8),
    (10, 9),
];
const LARGE: [(usize, usize); 6] = [
    (32, 16),
    (32, 29),
    (40, 35),
    (100, 50),
    (100, 75),
    (100, 95),
];

#[test]
fn a_majority_of_a_few_whose_ports_are_closed_is_dropped_within_two_seconds() {
    assert_eq!(unmet(&SMALL, false, 8), [""; 0]);
}

#[test]
fn a_majority_of_a_few_that_fall_silent_is_dropped_within_five_seconds() {
    assert_eq!(unmet(&SMALL, true, 8), [""; 0]);
}

#[test]
fn a_majority_of_many_whose_ports_are_closed_is_dropped_within_two_and_a_half_seconds() {
    assert_eq!(unmet(&LARGE, false, 1), [""; 0]);
}

#[test]
fn a_majority_of_many_that_fall_silent_is_dropped_within_eight_seconds() {
    assert_eq!(unmet(&LARGE, true, 1), [""; 0]);
}

/// The measure can fail: plain foca takes longer in the same worlds.
#[test]
fn plain_foca_takes_longer_to_drop_a_majority() {
    let mut scenario = killed(5, 4, true);
    scenario.subject = Subject::SwimBaseline;
    let plain = run(&scenario, 1, Options::default()).outcome;
    let ours = run(&killed(5, 4, true), 1, Options::default()).outcome;
    assert!(
        plain.violations.iter().any(|v| v.what.contains("5s")),
        "{plain:?}"
    );
    assert!(ours.detection_ms.max < plain.detection_ms.max);
}
