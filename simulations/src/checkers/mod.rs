//! What must hold, one file each.
//!
//! The checkers stand apart from the code that they check: what should be so they know from the world's
//! [`Truth`](crate::world::Truth), and what a process says only from its public interface. They look at everything
//! that happens, as it happens, and at the whole world at the end.

use crate::{
    outcome::{Verdict, Violation},
    world::{Happening, World},
};

/// One of the things that must hold.
pub trait Checker {
    /// Its name, as violations bear it.
    fn name(&self) -> &'static str;
    /// What it demands, in a sentence.
    fn demands(&self) -> &'static str;
    /// Something happened; `world` is as it was left by it.
    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings);
    /// A virtual second has passed.
    fn second_passed(&mut self, world: &World, findings: &mut Findings) {
        let _ = (world, findings);
    }
    /// Everything has come to rest, or the time to do so is over.
    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        let _ = (world, findings);
    }
    /// What it has looked at, in a few words: `"1,204 events"`.
    fn looked_at(&self) -> String;
}

/// Where a checker puts what did not hold.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order in which they were found.
    pub violations: Vec<Violation>,
    /// How many more there were, beyond the most that are kept.
    pub more: usize,
    /// Times that a healthy, reachable member was declared failed.
    pub false_positives: u64,
}
