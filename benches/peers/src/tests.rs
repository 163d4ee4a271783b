//! Each subject gets through the workload in a small cluster. Faults are left out: to be believed dead takes
//! seconds for all of them, and real sockets know no virtual time.

use std::time::Duration;

use crate::plan::{Plan, Step};
use crate::subjects::{Chitchat, Memberlist, PlainFoca, Subject, Tidings};
use crate::workload;

const STEPS: [Step; 4] = [Step::Bootstrap, Step::Burst, Step::Change, Step::Latecomer];

fn gets_through<S: Subject>(steps: &[Step]) {
    let plan = Plan {
        only: [steps, &[Step::Idle]].concat(),
        clusters: 1,
        changes: 1,
        crashes: 0,
        silents: 0,
        latecomers: 1,
        bound: Duration::from_secs(60),
        settle: Duration::ZERO,
        idle: Duration::from_millis(100),
    };
    let figures = workload::measure::<S>(&plan, 3).expect("it runs");
    for &step in steps {
        let samples = figures.samples(step).expect("it was asked for");
        assert!(samples.max().is_finite(), "{step:?} in time");
    }
    assert_eq!(figures.idle.packets.is_some(), cfg!(target_os = "linux"));
}

#[test]
fn tidings_gets_through() {
    gets_through::<Tidings>(&STEPS);
}

#[test]
fn chitchat_gets_through() {
    gets_through::<Chitchat>(&STEPS);
}

#[test]
fn memberlist_gets_through() {
    gets_through::<Memberlist>(&STEPS);
}

/// A latecomer is told nothing that was said before it came: see [`PlainFoca`].
#[test]
fn foca_gets_through_but_for_the_latecomer() {
    gets_through::<PlainFoca>(&STEPS[..3]);
}
