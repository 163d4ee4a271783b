//! What can be asked of a service, and how often.
//!
//! Every check is a [`Check`]. Most are asked again and again; one with a time to live is told
//! instead. What a check needs of the service's runtime it takes from where it is made: the
//! monitor itself runs elsewhere.

mod closure;
mod error;
#[cfg(feature = "health-grpc")]
mod grpc;
#[cfg(feature = "health-http")]
mod http;
mod joined;
mod on_runtime;
mod pulse;
mod run;
mod tcp;
mod ttl;

use std::fmt;
use std::time::Duration;

pub use error::CheckError;
pub(super) use run::run;
use tokio::sync::watch;
pub use ttl::{DEFAULT_TTL, TtlHandle};

use super::Thresholds;
use crate::registry::BoxFuture;

/// How often a check is asked, unless it is told otherwise: every 2 s, as `HAProxy`'s `inter`.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// How long it may take to answer, unless it is told otherwise: 1 s, as Kubernetes' probes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// The shortest interval; a shorter one counts as this.
pub const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The longest interval; a longer one counts as this: a day.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// What a check found: nothing, or why it failed.
type Found = Result<(), String>;

/// One check of an instance, for [`MonitorBuilder::check`](super::MonitorBuilder::check).
///
/// | made by | passes when | needs the feature |
/// |---|---|---|
/// | [`ttl`](Self::ttl) | the service has said so within its time to live | `health` |
/// | [`closure`](Self::closure) | a closure returns `Ok` | `health` |
/// | [`joined`](Self::joined) | the registrar has joined its cluster, or has nobody to join | `health` |
/// | [`pulse`](Self::pulse) | the service's tokio runtime runs what it is given | `health` |
/// | [`tcp`](Self::tcp) | a TCP connection is accepted | `health` |
/// | `http` | `GET` is answered with a status of 2xx | `health-http` |
/// | `grpc` | `grpc.health.v1` says `SERVING` | `health-grpc` |
pub struct Check {
    name: String,
    kind: Kind,
    interval: Duration,
    timeout: Duration,
    thresholds: Thresholds,
}

enum Kind {
    /// The service says how it is.
    Told {
        said: watch::Receiver<Option<Found>>,
        time_to_live: Duration,
    },
    /// The monitor finds out.
    Asked(Box<dyn Probe>),
}

/// Finds out how the service is. Dropped when it takes too long, and asked again later.
trait Probe: Send {
    fn probe(&mut self) -> BoxFuture<'_, Found>;
}

impl Check {
    fn asked(name: impl Into<String>, probe: impl Probe + 'static) -> Self {
        Self::new(name.into(), Kind::Asked(Box::new(probe)))
    }

    fn new(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            interval: DEFAULT_INTERVAL,
            timeout: DEFAULT_TIMEOUT,
            thresholds: Thresholds::default(),
        }
    }

    /// Sets the name, under which it is reported. Each check has one of its own by default.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how often it is asked: the time from one beginning to the next, give or take a tenth
    /// by chance, so that the checks of a host do not march in step. From [`MIN_INTERVAL`] to
    /// [`MAX_INTERVAL`]. Default: [`DEFAULT_INTERVAL`], of the pulse 1 s. Of no effect on a time to live.
    ///
    /// A check that takes longer than its interval is asked again when it has ended: never twice
    /// at a time.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
        self
    }

    /// Sets how long it may take to answer: later is a failure. Default: [`DEFAULT_TIMEOUT`]. Of no
    /// effect on a time to live.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many results in a row turn it. Default: those of [`Thresholds`]; of a time to live,
    /// one of either.
    #[must_use]
    pub fn thresholds(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// What its state machine has to know: name, thresholds, time to live.
    pub(super) fn terms(&self) -> (&str, Thresholds, Option<Duration>) {
        let time_to_live = match &self.kind {
            Kind::Told { time_to_live, .. } => Some(*time_to_live),
            Kind::Asked(_) => None,
        };
        (&self.name, self.thresholds, time_to_live)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("thresholds", &self.thresholds)
            .finish_non_exhaustive()
    }
}
