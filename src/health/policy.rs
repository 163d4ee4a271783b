//! What turns a check, and what turns an instance.

use std::time::Duration;

/// How many results in a row turn a check.
///
/// The first result of all turns it alone, so that a service is not held back at its start for
/// nothing; Envoy does the same with its `healthy_threshold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Successes in a row that turn a failing check. 1 and more; 0 counts as 1. Default: 2, as
    /// `rise` of `HAProxy`.
    pub rise: u32,
    /// Failures in a row that turn a passing check. 1 and more; 0 counts as 1. Default: 3, as
    /// `fall` of `HAProxy`.
    pub fall: u32,
}

impl Thresholds {
    /// Every result turns the check.
    pub const AT_ONCE: Self = Self { rise: 1, fall: 1 };
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { rise: 2, fall: 3 }
    }
}

/// What an instance is before the first check has said anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Initially {
    /// Unhealthy until every check has passed once. The default, as Consul's `critical`: nobody
    /// calls a service that is not known to work.
    #[default]
    Unhealthy,
    /// Up, as Consul's `status = "passing"`: each check passes until it has failed `fall` times, or
    /// until its time to live is over.
    Up,
}

/// How the verdicts of the checks become what others are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// What the instance is at first. Default: [`Initially::Unhealthy`].
    pub initially: Initially,
    /// The shortest time between a turn to unhealthy and the turn back. Default: 1 s.
    ///
    /// It doubles each time that the instance turns unhealthy again before it was up for
    /// [`calm`](Self::calm).
    pub hold_min: Duration,
    /// The longest time that it comes to. Default: 60 s, so one that goes on flapping is told twice
    /// a minute.
    pub hold_max: Duration,
    /// An instance that was up for so long is steady: its next hold is the shortest again. Default:
    /// 60 s.
    pub calm: Duration,
    /// How long checks may fail before the instance is deregistered; it is registered again when
    /// they pass. Default: `None`, never: it stays in everybody's list as unhealthy.
    ///
    /// Take a time that is much longer than any outage from which the service recovers, as of
    /// Consul's `deregister_critical_service_after`, of which a minute is the least.
    pub deregister_after: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            initially: Initially::default(),
            hold_min: Duration::from_secs(1),
            hold_max: Duration::from_secs(60),
            calm: Duration::from_secs(60),
            deregister_after: None,
        }
    }
}
