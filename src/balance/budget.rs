//! How many retries there may be.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Parts of a retry, so that a call can earn a fifth of one.
const PARTS: u64 = 1_000;
/// What each call earns: a fifth of a retry. The default of Finagle's `RetryBudget` and of tower's
/// `TpsBudget`.
const SHARE_DEFAULT: f64 = 0.2;
/// What each second earns, for whoever makes few calls. Finagle's and tower's default.
const PER_SECOND_DEFAULT: u32 = 10;
/// How many seconds' worth of [`PER_SECOND_DEFAULT`] there are at the start: the time for which
/// Finagle and tower count.
const SECONDS_AT_START: u64 = 10;
/// The most retries that are saved up: about what is in flight on an instance that dies.
const SAVED_MAX: u64 = 1_000 * PARTS;
/// How often time is paid out: each 10 ms.
const PAY_INTERVAL_NANOS: u64 = 10_000_000;

/// A limit on retries: a share of the calls, and some per second. A retry that is not in it is not
/// made, and the call has the outcome of the try before.
///
/// Default: 20 % of the calls and 10 per second, as in Finagle and in tower. At most 1,000 are saved up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    share: f64,
    per_second: u32,
}

impl RetryBudget {
    /// `share` of the calls, from 0 to 1 (what is outside counts as the nearest of both), and
    /// `per_second` on top.
    pub fn new(share: f64, per_second: u32) -> Self {
        // Not a number counts as nothing.
        let share = if share.is_nan() { 0.0 } else { share };
        Self {
            share: share.clamp(0.0, 1.0),
            per_second,
        }
    }

    /// No retry of anything that was sent.
    pub fn none() -> Self {
        Self::new(0.0, 0)
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(SHARE_DEFAULT, PER_SECOND_DEFAULT)
    }
}

/// What is left of a [`RetryBudget`].
#[derive(Debug)]
pub(super) struct Balance {
    per_call: u64,
    /// Parts a second.
    per_second: u64,
    saved: AtomicU64,
    /// Up to when time was paid out: nanoseconds since the origin.
    paid_until: AtomicU64,
}

impl Balance {
    pub(super) fn new(budget: RetryBudget) -> Self {
        let per_second = u64::from(budget.per_second) * PARTS;
        #[expect(clippy::cast_precision_loss, reason = "a thousand")]
        let per_call = budget.share * PARTS as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1,000"
        )]
        let per_call = per_call.round() as u64;
        Self {
            per_call,
            per_second,
            saved: AtomicU64::new((per_second * SECONDS_AT_START).min(SAVED_MAX)),
            paid_until: AtomicU64::new(0),
        }
    }

    /// A call begins.
    pub(super) fn earn(&self) {
        self.add(self.per_call);
    }

    /// Whether one more retry is in the budget; then it is taken out.
    pub(super) fn spend(&self, now: Duration) -> bool {
        self.pay_time(now);
        let less = |saved: u64| saved.checked_sub(PARTS);
        self.saved.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    fn pay_time(&self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let paid_until = self.paid_until.load(Relaxed);
        let elapsed = now.saturating_sub(paid_until);
        // Of shorter times, what is less than a part would be lost each time.
        if elapsed < PAY_INTERVAL_NANOS {
            return;
        }
        // Whoever comes first earns it for all.
        let claimed = self
            .paid_until
            .compare_exchange(paid_until, now, Relaxed, Relaxed);
        if claimed.is_ok() {
            let earned = u128::from(elapsed) * u128::from(self.per_second) / 1_000_000_000;
            self.add(u64::try_from(earned).unwrap_or(SAVED_MAX));
        }
    }

    fn add(&self, parts: u64) {
        if parts > 0 && self.saved.load(Relaxed) < SAVED_MAX {
            let more = |saved: u64| Some(saved.saturating_add(parts).min(SAVED_MAX));
            // Never an error: the closure always has a value.
            let _ = self.saved.fetch_update(Relaxed, Relaxed, more);
        }
    }
}
