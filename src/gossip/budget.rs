use std::time::Duration;

use super::Instant;

/// A token bucket: so many at once, so many a second on average.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: u64,
    capacity: u64,
    /// In billionths of a token, so that no fraction is lost between two looks.
    level: u64,
    at: Instant,
}

const UNIT: u64 = 1_000_000_000;

impl Budget {
    pub(super) fn new(per_second: u32, capacity: u32, now: Instant) -> Self {
        let capacity = u64::from(capacity) * UNIT;
        Self {
            per_second: per_second.into(),
            capacity,
            level: capacity,
            at: now,
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = u64::try_from((now - self.at).as_nanos()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(self.per_second);
        self.level = self.level.saturating_add(gained).min(self.capacity);
        self.at = self.at.max(now);
    }

    /// Takes one token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.take_many(now, 1)
    }

    /// Takes so many tokens, if there are as many; none otherwise. More than fit are taken when all that fit are there.
    pub(super) fn take_many(&mut self, now: Instant, count: u32) -> bool {
        self.refill(now);
        let wanted = (u64::from(count) * UNIT).min(self.capacity);
        let enough = self.level >= wanted;
        if enough {
            self.level -= wanted;
        }
        enough
    }

    /// How long until one token is there.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.refill(now);
        let missing = UNIT.saturating_sub(self.level);
        Duration::from_nanos(missing.div_ceil(self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let mut budget = Budget::new(200, 20, at(0));
        assert!(budget.take_many(at(0), 16));
        assert!(!budget.take_many(at(0), 16));
        assert!(budget.take_many(at(0), 4), "nothing was taken in vain");
        assert!(!budget.take_many(at(50), 40));
        assert!(
            budget.take_many(at(100), 40),
            "more than fit are all that fit"
        );
    }

    #[test]
    fn a_burst_is_bounded_and_refills_at_the_rate() {
        let mut budget = Budget::new(200, 3, at(0));
        assert_eq!((0..9).filter(|_| budget.take(at(0))).count(), 3);
        assert_eq!(budget.wait(at(0)), Duration::from_millis(5));
        assert!(!budget.take(at(4)));
        assert!(budget.take(at(5)));
        assert_eq!(
            (0..9).filter(|_| budget.take(at(60_000))).count(),
            3,
            "no more than a burst"
        );
    }
}
