//! All checks of one instance, and what others are told of it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::damping::Damping;
use super::tally::Tally;
use super::{Initially, Policy, Thresholds};

/// What a check says at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Passing,
    /// It fails, or has not passed yet.
    Failing,
}

/// What others are told of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Registered as [`Status::Up`](crate::registry::Status::Up).
    Up,
    /// Registered as [`Status::Unhealthy`](crate::registry::Status::Unhealthy).
    Unhealthy,
    /// Registered as [`Status::Draining`](crate::registry::Status::Draining), because the service
    /// wants it so, whatever the checks say.
    Draining,
    /// Not registered, because checks have failed for too long.
    Deregistered,
}

impl Standing {
    /// The name in logs: `up`, `unhealthy`, `draining` or `deregistered`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Deregistered => "deregistered",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names a check of one [`HealthState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckId(usize);

/// One check, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why its last result was a failure, at most
    /// [`MAX_REASON_BYTES`](super::MAX_REASON_BYTES) long; nothing if that was a success.
    pub reason: Option<String>,
}

/// The state machine: results of checks go in, and what others shall be told comes out.
///
/// It reads no clock. Every `now` is the monotonic time since an origin that the caller has chosen,
/// the same one in every call. Whoever drives it hands in results ([`record`](Self::record)) as they
/// come, and after each of them, and when [`poll_timeout`](Self::poll_timeout) says so, asks for the
/// news ([`poll`](Self::poll)).
#[derive(Clone, Debug)]
pub struct HealthState {
    policy: Policy,
    checks: Vec<(String, Tally)>,
    damping: Damping,
    /// Since when not all checks pass, and they have not all passed in between.
    failing_since: Option<Duration>,
    is_draining: bool,
    standing: Standing,
}

impl HealthState {
    /// Of an instance without checks.
    pub fn new(policy: Policy, now: Duration) -> Self {
        let mut damping = Damping::new(&policy);
        let standing = match policy.initially {
            Initially::Unhealthy => Standing::Unhealthy,
            Initially::Up => {
                damping.rose(now);
                Standing::Up
            }
        };
        Self {
            policy,
            checks: Vec::new(),
            damping,
            failing_since: None,
            is_draining: false,
            standing,
        }
    }

    /// Adds a check. With a time to live it fails when no result has come for so long.
    pub fn add_check(
        &mut self,
        name: impl Into<String>,
        thresholds: Thresholds,
        time_to_live: Option<Duration>,
        now: Duration,
    ) -> CheckId {
        let verdict = match self.policy.initially {
            Initially::Unhealthy => Verdict::Failing,
            Initially::Up => Verdict::Passing,
        };
        let tally = Tally::new(verdict, thresholds, time_to_live, now);
        self.checks.push((name.into(), tally));
        self.judge(now);
        CheckId(self.checks.len() - 1)
    }

    /// Takes a check's result: the error is why it failed.
    ///
    /// # Panics
    ///
    /// If the check is not one of this state's.
    pub fn record(&mut self, check: CheckId, result: Result<(), String>, now: Duration) {
        // What ended before this result came is over, also if nobody has asked meanwhile.
        self.expire(now);
        self.checks[check.0].1.record(result, now);
        self.judge(now);
    }

    /// The service wants nothing new from now on, whatever the checks say. It is not deregistered
    /// meanwhile; one that was deregistered already stays so.
    pub const fn drain(&mut self) {
        self.is_draining = true;
    }

    /// The checks decide again.
    pub const fn resume(&mut self) {
        self.is_draining = false;
    }

    /// The new standing, if it is another than it was.
    ///
    /// A turn for the worse is told at once; one for the better waits for the end of the hold.
    pub fn poll(&mut self, now: Duration) -> Option<Standing> {
        self.expire(now);
        let next = self.next(now);
        if next == self.standing {
            return None;
        }
        if next == Standing::Up {
            self.damping.rose(now);
        } else if self.standing == Standing::Up && next != Standing::Draining {
            self.damping.fell(now);
        }
        self.standing = next;
        Some(next)
    }

    /// When there will be news if no result comes before: [`poll`](Self::poll) again then. Later than
    /// the last `poll`, unless a result came since; nothing if only a result can bring news.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let deadlines = self.checks.iter().filter_map(|(_, tally)| tally.deadline());
        let rises = matches!(self.standing, Standing::Unhealthy | Standing::Deregistered)
            && self.failing_since.is_none()
            && !self.is_draining;
        let rise = rises.then(|| self.damping.held_until());
        let can_leave = self.standing != Standing::Deregistered && !self.is_draining;
        let leave = self.leaves_at().filter(|_| can_leave);
        deadlines.chain(rise).chain(leave).min()
    }

    /// What others are told: the result of the last [`poll`](Self::poll).
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Every check, in the order in which they were added.
    pub fn reports(&self) -> Vec<CheckReport> {
        let report = |(name, tally): &(String, Tally)| CheckReport {
            name: name.clone(),
            verdict: tally.verdict(),
            reason: tally.reason().map(str::to_owned),
        };
        self.checks.iter().map(report).collect()
    }

    fn next(&self, now: Duration) -> Standing {
        let was_deregistered = self.standing == Standing::Deregistered;
        if self.is_draining {
            return if was_deregistered {
                Standing::Deregistered
            } else {
                Standing::Draining
            };
        }
        let passes = self.failing_since.is_none();
        if passes && (self.standing == Standing::Up || self.damping.held_until() <= now) {
            return Standing::Up;
        }
        let is_over = self.leaves_at().is_some_and(|at| at <= now);
        if was_deregistered || is_over {
            Standing::Deregistered
        } else {
            Standing::Unhealthy
        }
    }

    /// When it will have failed for too long.
    fn leaves_at(&self) -> Option<Duration> {
        let since = self.failing_since?;
        let after = self.policy.deregister_after?;
        Some(since.saturating_add(after))
    }

    fn expire(&mut self, now: Duration) {
        for (_, tally) in &mut self.checks {
            tally.expire(now);
        }
        self.judge(now);
    }

    fn judge(&mut self, now: Duration) {
        let passes = |(_, tally): &(String, Tally)| tally.verdict() == Verdict::Passing;
        if self.checks.iter().all(passes) {
            self.failing_since = None;
        } else {
            self.failing_since.get_or_insert(now);
        }
    }
}
