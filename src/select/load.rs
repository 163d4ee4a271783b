//! What is known of an address from the calls that went there.
//!
//! All of it is atomics, written by whoever picks and whoever finishes, and nobody waits. Two that
//! finish at once may each see the other's sample as newer or older than it is; that moves an
//! average by less than one sample, and the count of calls in flight is exact.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::Outcome;

/// The time constant of both averages: after it, a sample weighs 1/e of what it weighed. Kratos's
/// `tau` (`selector/node/ewma`); Finagle's default is 10 s, after which a peak is long over.
const DECAY: Duration = Duration::from_millis(600);
/// How long an address is not picked before it is tried, whatever its load. Kratos's `forcePick`
/// (`selector/p2c`).
const IDLE: Duration = Duration::from_secs(3);
/// The least that a call counts in the success average, however fast calls follow each other. By
/// time alone, an address that begins to fail at 1,000 calls a second would look good for hundreds
/// of them; so it is at 1/3 after five.
const RECENCY_MIN: f32 = 0.2;
/// The success average is taken for no lower than this: an address that only fails is a thousand
/// times as expensive as one that answers, and neither infinitely nor incomparably so.
const SUCCESS_MIN: f32 = 0.001;
/// Below it, one of the last few calls has failed: a failure leaves 0.8, and four successes in a row put that
/// right.
const SUCCESS_SOUND: f32 = 0.9;
/// No time at all: nothing was picked or sampled yet. Times begin at 1 ns.
const NEVER: u64 = 0;

/// Nanoseconds since the caller's origin, as they fit into an atomic: 584 years of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Moment {
    fn from(since_origin: Duration) -> Self {
        let seconds = since_origin.as_secs().saturating_mul(1_000_000_000);
        let nanos = seconds.saturating_add(u64::from(since_origin.subsec_nanos()));
        Self(nanos.max(NEVER + 1))
    }
}

/// The state of one address. Survives updates of the list.
#[derive(Debug)]
pub(super) struct Load {
    in_flight: AtomicU32,
    picked_at: AtomicU64,
    sampled_at: AtomicU64,
    /// [`Averages`], both in one, so that nobody sees one of an old sample and one of a new.
    averages: AtomicU64,
}

/// What one more call would cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Seconds; 0 when no call has been measured.
    latency: f32,
    /// Calls in flight and this one, each as dear as failures and weight make it.
    calls: f32,
}

#[derive(Clone, Copy, Debug)]
struct Averages {
    /// Seconds; 0 until a call has been measured.
    latency: f32,
    /// 1 when all calls succeed, 0 when all fail.
    success: f32,
}

impl Load {
    pub(super) fn new() -> Self {
        let averages = Averages {
            latency: 0.0,
            success: 1.0,
        };
        Self {
            in_flight: AtomicU32::new(0),
            picked_at: AtomicU64::new(NEVER),
            sampled_at: AtomicU64::new(NEVER),
            averages: AtomicU64::new(averages.pack()),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn began(&self, now: Moment) {
        self.in_flight.fetch_add(1, Relaxed);
        self.picked_at.store(now.0, Relaxed);
    }

    pub(super) fn ended(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Whether nobody was sent here for longer than [`IDLE`], and it is the caller who goes now:
    /// of all who ask at once, one is told so.
    pub(super) fn claim_idle(&self, now: Moment) -> bool {
        let picked_at = self.picked_at.load(Relaxed);
        (picked_at == NEVER || now.since(Moment(picked_at)) > IDLE)
            && self
                .picked_at
                .compare_exchange(picked_at, now.0, Relaxed, Relaxed)
                .is_ok()
    }

    /// Takes a call into the averages.
    pub(super) fn sample(&self, now: Moment, latency: Duration, outcome: Outcome) {
        let before = self.sampled_at.fetch_max(now.0, Relaxed);
        let elapsed = match before {
            NEVER => Duration::ZERO,
            before => now.since(Moment(before)),
        };
        let fade = fade(elapsed);
        let sample = latency.as_secs_f32().max(f32::MIN_POSITIVE);
        let with_sample =
            |packed| Some(Averages::unpack(packed).with(fade, sample, outcome).pack());
        // Never an error: the closure always has a value.
        let _ = self.averages.fetch_update(Relaxed, Relaxed, with_sample);
    }

    /// What a call now would cost, on an instance of this weight.
    pub(super) fn cost(&self, now: Moment, weight: u16) -> Cost {
        let Averages { latency, success } = Averages::unpack(self.averages.load(Relaxed));
        let in_flight = self.in_flight();
        // What nobody asks any more, nobody knows: the latency of an idle address fades, and so a
        // slow one is tried again. With a call out it counts in full, and so one call is enough, and
        // an address that hangs does not look ever faster while it does. Nor does it once those calls have
        // failed: what failed is known, and the caller who tries it again may pay for that. It is tried when
        // it has been idle, and not sooner.
        let latency = if in_flight == 0 && success >= SUCCESS_SOUND {
            latency * fade(now.since(Moment(self.sampled_at.load(Relaxed))))
        } else {
            latency
        };
        #[expect(clippy::cast_precision_loss, reason = "exact up to 16 million calls")]
        let calls = in_flight as f32 + 1.0;
        Cost {
            latency,
            calls: calls / (success.max(SUCCESS_MIN) * f32::from(weight)),
        }
    }
}

impl Cost {
    /// Whether this is the cheaper one. As long as one of both has not been measured, latency does
    /// not count: any value that was made up for it would either starve it or flood it.
    pub(super) fn is_below(self, other: Self) -> bool {
        if self.latency == 0.0 || other.latency == 0.0 {
            return self.calls < other.calls;
        }
        self.latency * self.calls < other.latency * other.calls
    }
}

impl Averages {
    /// With a sample, where `fade` is what is left of the samples before it.
    fn with(self, fade: f32, sample: f32, outcome: Outcome) -> Self {
        let unmeasured = self.latency == 0.0;
        // How fast it refused, or was given up, tells nothing of how fast it answers.
        let (tells_nothing, success) = match outcome {
            Outcome::Success => (false, 1.0),
            Outcome::Failure => (unmeasured || sample < self.latency, 0.0),
            Outcome::Unanswered => (sample < self.latency, self.success),
        };
        let latency = if tells_nothing {
            self.latency
        } else if sample >= self.latency {
            // A peak counts at once, and fades.
            sample
        } else {
            sample + (self.latency - sample) * fade
        };
        let recency = (1.0 - fade).max(RECENCY_MIN);
        Self {
            latency,
            success: self.success + (success - self.success) * recency,
        }
    }

    fn pack(self) -> u64 {
        (u64::from(self.latency.to_bits()) << 32) | u64::from(self.success.to_bits())
    }

    fn unpack(packed: u64) -> Self {
        Self {
            latency: f32::from_bits((packed >> 32) as u32),
            success: f32::from_bits((packed & 0xffff_ffff) as u32),
        }
    }
}

/// What is left of a value after `elapsed`.
fn fade(elapsed: Duration) -> f32 {
    (-elapsed.as_secs_f32() / DECAY.as_secs_f32()).exp()
}
