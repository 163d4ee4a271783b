//! Loss in bursts: a Gilbert-Elliott channel in continuous time.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use tidings::gossip::Instant;

use crate::scenario::BurstLoss;

/// One link and direction: good or bad, until some time.
#[derive(Debug, Default)]
pub(super) struct Channel {
    is_bad: bool,
    until: Instant,
}

impl Channel {
    /// Whether it is in a burst now. How long it stays in each state is drawn from an exponential
    /// distribution.
    pub(super) fn is_bad(&mut self, rng: &mut StdRng, bursts: BurstLoss, now: Instant) -> bool {
        let (every, lasts) = (bursts.every.duration(), bursts.lasts.duration());
        if self.until == Instant::ZERO {
            let share = lasts.as_secs_f64() / (lasts + every).as_secs_f64();
            self.is_bad = rng.random_bool(share);
            self.until = now + exponential(rng, if self.is_bad { lasts } else { every });
        }
        while self.until <= now {
            self.is_bad = !self.is_bad;
            self.until = self.until + exponential(rng, if self.is_bad { lasts } else { every });
        }
        self.is_bad
    }
}

/// A time with that mean; at least a microsecond, so that time goes on.
fn exponential(rng: &mut StdRng, mean: Duration) -> Duration {
    let uniform: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    mean.mul_f64(-uniform.ln()).max(Duration::from_micros(1))
}
