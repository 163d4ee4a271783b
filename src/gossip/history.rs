//! The values that our own fingerprint had in the last seconds.
//!
//! A peer whose fingerprint is one of them is a little behind, and the news that it lacks is on its
//! way: that is the normal case while something changes, and no reason to reconcile.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::Instant;

/// How long a value is remembered. Longer than a burst and the rounds after it take.
const REMEMBER: Duration = Duration::from_secs(5);
/// How many values are remembered; the oldest go first. 16 bytes each, twice.
const MOST: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct History {
    queue: VecDeque<(Instant, u64)>,
    counts: BTreeMap<u64, u32>,
}

impl History {
    /// Notes the present value. Only values that a peer can have seen matter, so it is enough to
    /// call this before a datagram leaves and before one is compared.
    pub(super) fn note(&mut self, now: Instant, fingerprint: u64) {
        if let Some((since, last)) = self.queue.back_mut()
            && *last == fingerprint
        {
            *since = now;
        } else {
            self.queue.push_back((now, fingerprint));
            *self.counts.entry(fingerprint).or_default() += 1;
        }
        while self.queue.len() > MOST
            || self
                .queue
                .front()
                .is_some_and(|(since, _)| now - *since > REMEMBER)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((_, value)) = self.queue.pop_front() else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&value) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&value);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn contains(&self, fingerprint: u64) -> bool {
        self.counts.contains_key(&fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    #[test]
    fn a_value_is_remembered_for_seconds_after_it_was_current() {
        let mut history = History::default();
        history.note(at(0), 1);
        history.note(at(60), 1);
        history.note(at(61), 2);
        assert!(history.contains(1) && history.contains(2));
        history.note(at(64), 3);
        assert!(history.contains(1));
        history.note(at(66), 4);
        assert!(!history.contains(1) && history.contains(2));
    }

    #[test]
    fn an_old_value_is_forgotten_while_the_present_one_lasts() {
        let mut history = History::default();
        history.note(at(0), 1);
        history.note(at(1), 2);
        history.note(at(10), 2);
        assert!(!history.contains(1) && history.contains(2));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let mut history = History::default();
        for value in 0..10_000 {
            history.note(at(0), value);
        }
        assert_eq!((history.queue.len(), history.counts.len()), (MOST, MOST));
    }
}
