//! The engine's own timer queue.
//!
//! Every timer has a key, and a key has at most one deadline: setting it again moves it. What is
//! due comes out ordered by deadline, then by the order in which it was set, so that the same
//! inputs give the same outputs. The number of timers is bounded by the number of keys: a fixed
//! few, and up to three for each member.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Instant;

#[derive(Debug)]
pub(super) struct Timers<K> {
    queue: BTreeSet<(Instant, u64, K)>,
    keys: BTreeMap<K, (Instant, u64)>,
    next: u64,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            queue: BTreeSet::new(),
            keys: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the deadline of `key`, in place of the one that it had.
    pub(super) fn set(&mut self, key: K, at: Instant) {
        let order = self.next;
        self.next += 1;
        if let Some((was, order)) = self.keys.insert(key.clone(), (at, order)) {
            self.queue.remove(&(was, order, key.clone()));
        }
        self.queue.insert((at, order, key));
    }

    /// Sets the deadline of `key` unless it has an earlier one.
    pub(super) fn set_earlier(&mut self, key: K, at: Instant) {
        if self.deadline(&key).is_none_or(|known| at < known) {
            self.set(key, at);
        }
    }

    pub(super) fn cancel(&mut self, key: &K) {
        if let Some((at, order)) = self.keys.remove(key) {
            self.queue.remove(&(at, order, key.clone()));
        }
    }

    pub(super) fn deadline(&self, key: &K) -> Option<Instant> {
        self.keys.get(key).map(|(at, _)| *at)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.queue.first().map(|(at, ..)| *at)
    }

    /// Takes the first timer that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next_deadline()? > now {
            return None;
        }
        let (_, _, key) = self.queue.pop_first()?;
        self.keys.remove(&key);
        Some(key)
    }

    /// Moves every deadline back by `time`.
    pub(super) fn put_off(&mut self, time: Duration) {
        self.queue = std::mem::take(&mut self.queue)
            .into_iter()
            .map(|(at, order, key)| (at + time, order, key))
            .collect();
        for (at, _) in self.keys.values_mut() {
            *at = *at + time;
        }
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.keys.clear();
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn what_is_due_comes_out_by_deadline_then_by_arrival() {
        let mut timers = Timers::default();
        timers.set("late", at(9));
        timers.set("b", at(5));
        timers.set("a", at(5));
        assert_eq!(timers.pop_due(at(4)), None);
        assert_eq!(timers.pop_due(at(5)), Some("b"));
        assert_eq!(timers.pop_due(at(5)), Some("a"));
        assert_eq!(timers.pop_due(at(5)), None);
        assert_eq!(timers.next_deadline(), Some(at(9)));
    }

    #[test]
    fn a_key_has_one_deadline() {
        let mut timers = Timers::default();
        timers.set("a", at(5));
        timers.set("a", at(7));
        timers.set_earlier("a", at(8));
        assert_eq!((timers.len(), timers.deadline(&"a")), (1, Some(at(7))));
        timers.set_earlier("a", at(6));
        assert_eq!(timers.pop_due(at(6)), Some("a"));
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn what_is_put_off_keeps_its_order() {
        let mut timers = Timers::default();
        timers.set("b", at(5));
        timers.set("a", at(5));
        timers.put_off(Duration::from_millis(10));
        assert_eq!(timers.pop_due(at(14)), None);
        assert_eq!(timers.deadline(&"a"), Some(at(15)));
        assert_eq!(timers.pop_due(at(15)), Some("b"));
        assert_eq!(timers.pop_due(at(15)), Some("a"));
    }

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let mut timers = Timers::default();
        timers.set("a", at(5));
        timers.cancel(&"a");
        assert_eq!(timers.pop_due(at(9)), None);
    }
}
