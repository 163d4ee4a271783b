//! Whose turn it is.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rand::Rng;

/// Nobody has had a turn.
const UNSET: u64 = 0;

/// Counts turns, from a place that the first one draws: clients that start together do not all call
/// the same instance first.
#[derive(Debug)]
pub(super) struct Turn(AtomicU64);

impl Turn {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(UNSET))
    }

    /// The place of the next turn, in a list of `len` that is not empty.
    pub(super) fn next(&self, len: usize, rng: &mut (impl Rng + ?Sized)) -> usize {
        if self.0.load(Relaxed) == UNSET {
            let start = 1 + u64::from(rng.next_u32());
            // Whoever was first has drawn for all.
            let _ = self.0.compare_exchange(UNSET, start, Relaxed, Relaxed);
        }
        let turn = self.0.fetch_add(1, Relaxed);
        usize::try_from(turn % len as u64).expect("less than `len`, which is one")
    }
}
