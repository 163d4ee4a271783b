//! A run that panics is one that went wrong: it is told as any violation is, with the seed that leads there.
//!
//! The panic's place in the code and its backtrace are on standard error, from the panic hook.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Run;
use crate::{
    outcome::{Outcome, Quantiles, Recording, Spread, Violation},
    scenario::Scenario,
    world::World,
};

/// As violations bear it.
pub(super) const NAME: &str = "panic";
pub(super) const DEMANDS: &str = "Nothing panics: no process, no checker, and not the world.";
/// How many of the last things are told.
const EVENTS: usize = 24;

/// What `act` gives, or what it panicked with.
pub(super) fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    // What it leaves half done is only told of: nothing goes on in a world after a panic.
    catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "something that is no text".to_owned())
    })
}

/// A panic in the course of a world.
pub(super) fn violation(world: &World, message: String) -> Violation {
    let node = world.at_hand();
    Violation {
        checker: NAME.to_owned(),
        at_s: World::seconds(world.now()),
        nodes: node.into_iter().collect(),
        what: format!("panicked: {message}"),
        last_events: match node {
            Some(node) => world.trace().last(node),
            None => world.trace().last_of_all(EVENTS),
        },
    }
}

/// A panic of which no world came.
pub(super) fn before_the_start(
    scenario: &Scenario,
    seed: u64,
    record: bool,
    message: String,
) -> Run {
    let violation = Violation {
        checker: NAME.to_owned(),
        at_s: 0.0,
        nodes: Vec::new(),
        what: format!("panicked before the start: {message}"),
        last_events: Vec::new(),
    };
    let outcome = Outcome {
        scenario: scenario.name.clone(),
        seed,
        nodes: scenario.nodes,
        virtual_s: 0.0,
        wall_s: 0.0,
        converged: false,
        violations: vec![violation],
        convergence_ms: Quantiles::default(),
        detection_ms: Quantiles::default(),
        sound_detection_ms: Quantiles::default(),
        heal_ms: Quantiles::default(),
        false_positives: 0,
        hostile: std::collections::BTreeMap::new(),
        packets_per_node_s: 0.0,
        bytes_per_node_s: Spread::default(),
        growth: Vec::new(),
        max_rss_mib: 0.0,
        trace_hash: String::new(),
    };
    let recording = record.then(Recording::default);
    Run { outcome, recording }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught::<()>(|| panic!("as it is")).unwrap_err(), "as it is");
        let seven = 7;
        assert_eq!(caught::<()>(|| panic!("{seven}")).unwrap_err(), "7");
    }

    #[test]
    fn a_world_that_never_came_is_a_run_with_its_seed() {
        let crash = shipped().iter().find(|file| file.name == "crash").unwrap();
        let crash = Scenario::parse(crash.text, crash.name).unwrap();
        let run = before_the_start(&crash, 9, true, "why".to_owned());
        assert_eq!((run.outcome.seed, &*run.outcome.scenario), (9, "crash"));
        assert_eq!(
            run.outcome.violations[0].what,
            "panicked before the start: why"
        );
        assert!(run.recording.is_some());
    }
}
