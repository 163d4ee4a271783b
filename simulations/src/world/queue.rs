//! What is still to happen: ordered by time, then by the order in which it was put in.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use tidings::gossip::Instant;

/// The queue of one world.
#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    order: u64,
    what: T,
}

impl<T> Queue<T> {
    pub(super) const fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }

    pub(super) fn put(&mut self, at: Instant, what: T) {
        let order = self.next;
        self.next += 1;
        self.heap.push(Reverse(Entry { at, order, what }));
    }

    /// Takes the next thing, if it happens by `end`.
    pub(super) fn take_by(&mut self, end: Instant) -> Option<(Instant, T)> {
        if self.heap.peek()?.0.at > end {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_at_the_same_time_comes_in_the_order_in_which_it_was_put_in() {
        let at = |s| Instant::from_origin(Duration::from_secs(s));
        let mut queue = Queue::new();
        for (s, what) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b'), (3, 'e')] {
            queue.put(at(s), what);
        }
        let taken: String = std::iter::from_fn(|| queue.take_by(at(2)))
            .map(|(_, what)| what)
            .collect();
        assert_eq!(taken, "abcd");
    }
}
