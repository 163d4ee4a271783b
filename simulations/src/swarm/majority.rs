//! Worlds in which majorities die at once, on sound hosts and links: how soon the survivors have dropped them
//! is judged.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use crate::scenario::{
    Address, Conditions, Fault, FaultKind, NodeSet, Offset, Scenario, Share, Span,
};

/// How long the dead of one kill are gone before they come back. All have been dropped by then.
const GONE_MS: u64 = 20_000;
/// The time between two kills: those that are back have been found by all.
const KILL_GAP: Duration = Duration::from_secs(60);

/// How long the survivors of `nodes` may take until the last one has dropped the last dead one.
pub const fn detect_within(nodes: usize, is_silent: bool) -> Span {
    match (nodes, is_silent) {
        (0..=10, false) => Span::from_millis(2_000),
        (_, false) => Span::from_millis(2_500),
        (0..=10, true) => Span::from_secs(5),
        (11..=32, true) => Span::from_secs(7),
        (_, true) => Span::from_secs(8),
    }
}

/// Makes of a world one in which nothing else goes wrong.
pub(super) fn make(rng: &mut StdRng, scenario: &mut Scenario, length: Duration) {
    let is_silent = rng.random_bool(0.5);
    let nodes = scenario.nodes;
    scenario.network = Conditions::default();
    scenario.attacker = None;
    scenario.fault = kills(rng, nodes, is_silent, length);
    scenario.expect.false_positives = 0;
    scenario.expect.detect_within = Some(detect_within(nodes, is_silent));
}

fn kills(rng: &mut StdRng, nodes: usize, is_silent: bool, length: Duration) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut at = Duration::from_millis(rng.random_range(15_000..25_000));
    let gone = Duration::from_millis(GONE_MS);
    while at + gone < length {
        let fewest = nodes.div_ceil(2);
        let killed = NodeSet::Random(Share::Count(rng.random_range(fewest..nodes)));
        // A host that is gone does not come back.
        let kind = if is_silent {
            FaultKind::Crash {
                nodes: killed,
                silent: true,
                each: Span::ZERO,
            }
        } else {
            FaultKind::Restart {
                nodes: killed,
                graceful: false,
                after: gone.into(),
                address: if rng.random_bool(0.5) {
                    Address::Same
                } else {
                    Address::New
                },
                clock: Offset::default(),
                each: Span::ZERO,
            }
        };
        faults.push(Fault {
            at: at.into(),
            every: None,
            kind,
        });
        if is_silent {
            break;
        }
        at += KILL_GAP;
    }
    faults
}
