//! How soon an instance may be offered again.

use std::time::Duration;

use super::Policy;

/// Holds improvements back, the longer the more often the instance falls.
///
/// The idea is that of route flap damping (RFC 2439): each fall is a penalty that time forgives.
/// Here the penalty is a time to wait, which doubles, because that can be said in one sentence and
/// bounds the news: at most two changes for each hold.
#[derive(Clone, Debug)]
pub(super) struct Damping {
    min: Duration,
    max: Duration,
    calm: Duration,
    hold: Duration,
    /// When it rose last; nothing while it is not up.
    risen: Option<Duration>,
    held_until: Duration,
}

impl Damping {
    /// The first rise is not held back: one that starts has not fallen.
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            min: policy.hold_min,
            max: policy.hold_max.max(policy.hold_min),
            calm: policy.calm,
            hold: Duration::ZERO,
            risen: None,
            held_until: Duration::ZERO,
        }
    }

    pub(super) const fn rose(&mut self, now: Duration) {
        self.risen = Some(now);
    }

    pub(super) fn fell(&mut self, now: Duration) {
        let was_up = self.risen.take().map(|risen| now.saturating_sub(risen));
        let is_first = self.hold.is_zero();
        self.hold = if is_first || was_up.is_some_and(|was_up| was_up >= self.calm) {
            self.min
        } else {
            self.hold.saturating_mul(2).min(self.max)
        };
        self.held_until = now.saturating_add(self.hold);
    }

    /// Until when it stays as it is, however well it does.
    pub(super) const fn held_until(&self) -> Duration {
        self.held_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hold after each fall, in seconds, of one that is up for these seconds before it.
    fn holds(ups: &[u64]) -> Vec<u64> {
        let mut damping = Damping::new(&Policy::default());
        let mut now = Duration::ZERO;
        let mut hold_after = |up: &u64| {
            damping.rose(now);
            now += Duration::from_secs(*up);
            damping.fell(now);
            let hold = damping.held_until().saturating_sub(now);
            now += hold;
            hold.as_secs()
        };
        ups.iter().map(&mut hold_after).collect()
    }

    #[test]
    fn the_first_rise_is_not_held_back() {
        let damping = Damping::new(&Policy::default());
        assert_eq!(damping.held_until(), Duration::ZERO);
    }

    #[test]
    fn each_fall_doubles_the_hold_up_to_its_maximum() {
        assert_eq!(holds(&[0; 9]), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn one_that_was_up_for_long_enough_is_forgiven() {
        assert_eq!(holds(&[1_000, 1, 59, 60, 1]), [1, 2, 4, 1, 2]);
    }
}
