//! What must hold, one file each.
//!
//! The checkers stand apart from the code that they check: what should be so they know from the world's
//! [`Truth`](crate::world::Truth), and what a process says only from its public interface. They look at everything
//! that happens, as it happens, and at the whole world at the end.
//!
//! | file | what must hold |
//! |---|---|
//! | `convergence` | once all faults have ended, all tables are what live processes have registered |
//! | `dead` | nothing dead stays, and what was taken back does not come back |
//! | `alive` | nothing live is lost; counts false positives |
//! | `goodbyes` | who leaves is known to have left, where nothing gets lost |
//! | `attacks` | no hostile datagram changes what a process holds |
//! | `watchers` | what watchers and the event stream say is the table |
//! | `bounds` | timers, queues, tables, datagrams and their rate stay within what is stated |
//! | `growth` | nothing goes on growing while the same things go on happening, where the scenario demands it |
//! | `writers` | nobody holds what its owner did not write; `seq` never goes back |
//! | `liveness` | all agree in the end, and every process that starts finds the others |
//! | `vacuity` | every instance of the start, every fault and every piece of work happened |

mod alive;
mod attacks;
mod bounds;
mod convergence;
mod dead;
mod goodbyes;
mod growth;
mod liveness;
#[cfg(test)]
mod tests;
mod vacuity;
mod watchers;
mod writers;

use crate::{
    outcome::{Growth, Violation},
    scenario::{Attacker, Scenario, Subject},
    world::{Happening, World},
};

/// The most violations that are kept of one run; a world that went wrong goes wrong everywhere.
const KEPT: usize = 40;

/// One of the things that must hold.
pub trait Checker {
    /// Its name, as violations bear it.
    fn name(&self) -> &'static str;
    /// What it demands, in a sentence.
    fn demands(&self) -> &'static str;
    /// A world begins; what a settled start has brought is there already.
    fn begin(&mut self, world: &World) {
        let _ = world;
    }
    /// Something happened; `world` is as it is after the whole step in which it did.
    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        let _ = (world, happening, findings);
    }
    /// A virtual second has passed.
    fn second_passed(&mut self, world: &World, findings: &mut Findings) {
        let _ = (world, findings);
    }
    /// The time in which all have to agree is over, and not all do.
    fn too_late(&mut self, world: &World, findings: &mut Findings) {
        let _ = (world, findings);
    }
    /// Everything has come to rest, or the time to do so is over.
    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        let _ = (world, findings);
    }
    /// What it has looked at, in a few words: `"1204 events"`.
    fn looked_at(&self) -> String;
}

/// The checkers of a scenario. Plain foca promises nothing of what the engine does: of it only that the
/// faults happened is demanded, and false positives are counted.
pub fn all(scenario: &Scenario) -> Vec<Box<dyn Checker>> {
    let alive = Box::new(alive::NothingLiveIsLost::new(scenario));
    let vacuity = Box::new(vacuity::FaultsHappened);
    let is_believed = |attacker: &Attacker| attacker.role.is_believed();
    match scenario.subject {
        Subject::SwimBaseline => vec![alive, vacuity],
        // What a liar says is believed for a time: what counts is that all agree soon after it stops.
        Subject::Tidings if scenario.attacker.as_ref().is_some_and(is_believed) => vec![
            Box::new(convergence::Convergence::default()),
            Box::new(attacks::Attacks::default()),
            Box::new(bounds::Bounds::new(scenario)),
            Box::new(liveness::Liveness::default()),
            vacuity,
        ],
        Subject::Tidings => vec![
            Box::new(convergence::Convergence::default()),
            Box::new(dead::NothingDeadStays::default()),
            alive,
            Box::new(goodbyes::Goodbyes::new(scenario)),
            Box::new(attacks::Attacks::default()),
            Box::new(watchers::Watchers::default()),
            Box::new(bounds::Bounds::new(scenario)),
            Box::new(growth::BoundedGrowth::new(scenario)),
            Box::new(writers::SingleWriter::default()),
            Box::new(liveness::Liveness::default()),
            vacuity,
        ],
    }
}

/// Where a checker puts what did not hold.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order in which they were found, the first 40.
    pub violations: Vec<Violation>,
    /// How many there were in all.
    pub found: usize,
    /// Times that a healthy, reachable member was declared failed.
    pub false_positives: u64,
    /// What was held, early and late, where that was asked for.
    pub growth: Vec<Growth>,
}

impl Findings {
    /// Something did not hold, now.
    pub fn add(&mut self, world: &World, checker: &str, mut nodes: Vec<usize>, what: String) {
        self.found += 1;
        if self.violations.len() == KEPT {
            return;
        }
        nodes.sort_unstable();
        nodes.dedup();
        let about = nodes.iter().take(4);
        self.violations.push(Violation {
            checker: checker.to_owned(),
            at_s: World::seconds(world.now()),
            last_events: about.flat_map(|node| world.trace().last(*node)).collect(),
            nodes,
            what,
        });
    }
}

/// A list in a message: the first few of many.
fn some(items: &[String]) -> String {
    const SHOWN: usize = 5;
    let text = items[..items.len().min(SHOWN)].join(", ");
    if items.len() > SHOWN {
        return format!("{text} and {} more", items.len() - SHOWN);
    }
    text
}
