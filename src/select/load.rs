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
/// The same where calls wait for an answer. Those may wait for long by design.
const IDLE_WAITING: Duration = Duration::from_secs(30);
/// How many times as long as a failure took there is no other try: one of an address that hangs costs its
/// caller a timeout, and one of an address that refuses costs next to nothing. So at most a twentieth of the
/// time somebody waits in vain.
const TRY_AFTER: u32 = 20;
/// The longest that an address is not tried because it failed: as long as the longest ejection.
const UNTRIED_MAX: Duration = Duration::from_secs(60);
/// The longest that silence counts. Beyond it, it tells nothing more, and calls that wait for an hour by
/// design are compared by their number.
const SILENCE_MAX: Duration = Duration::from_secs(10);
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
    /// [`Calls`], both in one.
    calls: AtomicU64,
    picked_at: AtomicU64,
    sampled_at: AtomicU64,
    /// When the first call began after the last answer; [`NEVER`] when none did. One that waited before that answer
    /// does not count: it may be one that waits for long by design, such as an upload.
    silent_since: AtomicU64,
    /// Until when it is not tried for being idle, because it failed.
    untried_until: AtomicU64,
    /// How many tries in a row were failures.
    failed_tries: AtomicU32,
    /// [`Averages`], both in one, so that nobody sees one of an old sample and one of a new.
    averages: AtomicU64,
}

/// The calls of one address.
#[derive(Clone, Copy, Debug)]
struct Calls {
    in_flight: u32,
    /// Those of them whose answer has not begun.
    waiting: u32,
}

/// What one more call would cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Seconds; 0 when no call has been measured.
    latency: f32,
    /// For how long a call has waited and nobody had an answer; seconds, 0 when nobody waits.
    silence: f32,
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
            calls: AtomicU64::new(0),
            picked_at: AtomicU64::new(NEVER),
            sampled_at: AtomicU64::new(NEVER),
            silent_since: AtomicU64::new(NEVER),
            untried_until: AtomicU64::new(NEVER),
            failed_tries: AtomicU32::new(0),
            averages: AtomicU64::new(averages.pack()),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.calls().in_flight
    }

    pub(super) fn began(&self, now: Moment) {
        // Before the call counts as waiting: who looks in between sees nobody wait.
        if self.calls().waiting == 0 || self.silent_since.load(Relaxed) == NEVER {
            self.silent_since.store(now.0, Relaxed);
        }
        self.calls.fetch_add(Calls::WAITING.pack(), Relaxed);
        self.picked_at.store(now.0, Relaxed);
    }

    /// The answer to a call has begun; until now it was waiting.
    pub(super) fn answered(&self) {
        self.silent_since.store(NEVER, Relaxed);
        let waited = Calls {
            in_flight: 0,
            waiting: 1,
        };
        self.calls.fetch_sub(waited.pack(), Relaxed);
    }

    /// A call is over; `answered` if its answer had begun.
    pub(super) fn ended(&self, answered: bool) {
        let call = Calls {
            in_flight: 1,
            waiting: u32::from(!answered),
        };
        self.calls.fetch_sub(call.pack(), Relaxed);
    }

    /// Whether nobody was sent here for longer than [`IDLE`], and it is the caller who goes now:
    /// of all who ask at once, one is told so.
    ///
    /// Calls that still wait for an answer find out how it is, and there it takes [`IDLE_WAITING`]. Where the
    /// last try failed, the next one takes its time.
    pub(super) fn claim_idle(&self, now: Moment) -> bool {
        let picked_at = self.picked_at.load(Relaxed);
        let after = if self.calls().waiting == 0 {
            IDLE
        } else {
            IDLE_WAITING
        };
        let idle = picked_at == NEVER
            || (now.since(Moment(picked_at)) > after && now.0 >= self.untried_until.load(Relaxed));
        idle && self
            .picked_at
            .compare_exchange(picked_at, now.0, Relaxed, Relaxed)
            .is_ok()
    }

    /// Takes a call into the averages.
    pub(super) fn sample(&self, now: Moment, latency: Duration, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.forgive(),
            Outcome::Failure => self.put_off(now, latency),
            Outcome::Unanswered => {}
        }
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
        let Calls { in_flight, waiting } = self.calls();
        let silence = match self.silent_since.load(Relaxed) {
            silent_since if waiting > 0 && silent_since != NEVER => {
                now.since(Moment(silent_since)).min(SILENCE_MAX)
            }
            _ => Duration::ZERO,
        };
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
            silence: silence.as_secs_f32(),
            calls: calls / (success.max(SUCCESS_MIN) * f32::from(weight)),
        }
    }

    /// What was measured last, as it was then; none before the first measured call.
    #[cfg(feature = "balance")]
    pub(super) fn latency(&self) -> Option<Duration> {
        let Averages { latency, .. } = Averages::unpack(self.averages.load(Relaxed));
        (latency > 0.0).then(|| Duration::from_secs_f32(latency))
    }

    fn calls(&self) -> Calls {
        Calls::unpack(self.calls.load(Relaxed))
    }

    fn forgive(&self) {
        // Read first: while all is well, nobody writes to what others read.
        if self.untried_until.load(Relaxed) != NEVER {
            self.untried_until.store(NEVER, Relaxed);
            self.failed_tries.store(0, Relaxed);
        }
    }

    /// After a failure that took `latency`, the next try is due when the time since is [`TRY_AFTER`] times as
    /// long, and twice that for each try that failed before. Calls that fail until then were under way
    /// already, and are the same try.
    fn put_off(&self, now: Moment, latency: Duration) {
        let until = self.untried_until.load(Relaxed);
        if now.0 < until {
            return;
        }
        let doubled = 2_u32.saturating_pow(self.failed_tries.load(Relaxed));
        let longest = latency.saturating_mul(TRY_AFTER.saturating_mul(doubled));
        let put_off = Moment::from(longest.clamp(IDLE, UNTRIED_MAX));
        let next = now.0.saturating_add(put_off.0);
        let first = self
            .untried_until
            .compare_exchange(until, next, Relaxed, Relaxed);
        if first.is_ok() {
            self.failed_tries.fetch_add(1, Relaxed);
        }
    }
}

impl Calls {
    /// One that has just begun.
    const WAITING: Self = Self {
        in_flight: 1,
        waiting: 1,
    };

    fn pack(self) -> u64 {
        (u64::from(self.waiting) << 32) | u64::from(self.in_flight)
    }

    fn unpack(packed: u64) -> Self {
        Self {
            in_flight: (packed & 0xffff_ffff) as u32,
            waiting: (packed >> 32) as u32,
        }
    }
}

impl Cost {
    /// Whether this is the cheaper one. As long as one of both has not been measured, latency does
    /// not count: any value that was made up for it would either starve it or flood it. But who was silent for
    /// longer than the other one takes has been measured thereby.
    pub(super) fn is_below(self, other: Self) -> bool {
        let (own, others) = (self.expected(), other.expected());
        let both_known = match (self.latency > 0.0, other.latency > 0.0) {
            (true, true) => true,
            (false, true) => own > others,
            (true, false) => others > own,
            (false, false) => false,
        };
        if !both_known {
            return self.calls < other.calls;
        }
        own * self.calls < others * other.calls
    }

    /// What a call takes: no less than those that wait now have waited.
    fn expected(self) -> f32 {
        self.latency.max(self.silence)
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
