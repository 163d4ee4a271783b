//! Whether an instance is offered: checks, and what becomes of their results.
//!
//! # From a result to a status
//!
//! 1. A **check** turns after some results in a row ([`Thresholds`]): a single lost answer says
//!    nothing. A check with a time to live turns as soon as nothing was heard for that long.
//! 2. The **instance** passes when all of its checks do.
//! 3. **Others are told** at once when it turns [`Unhealthy`](crate::registry::Status::Unhealthy):
//!    each call to it is one that fails. The turn back waits for a hold, 1 s at first, which doubles
//!    up to a minute while the instance goes on falling ([`Policy`]). So a service that flaps costs
//!    its cluster two changes for each hold, and its callers see the worse of its two states.
//! 4. After [`Policy::deregister_after`] of failing it is **deregistered**, if that is set, and
//!    registered again when the checks pass.
//!
//! What the service itself says wins: one that is draining stays
//! [`Draining`](crate::registry::Status::Draining).
//!
//! All of that is [`HealthState`], which is without clock and IO: every `now` comes in as a
//! parameter. What feeds it (feature `health`) is the `Monitor`, which runs each `Check` at its
//! interval and registers the instance anew when its status changes. It lives on a thread of its
//! own, so that a service whose runtime is blocked is found out as well (`Check::pulse`).
//!
//! # What it writes to the log
//!
//! The `tracing` target is `tidings::health`. One line for each change that others are told of, with the
//! fields `event` (`health`), `service`, `id`, `status` and `failing` (the checks and their reasons):
//! `info` for the better, `warn` for the worse. A registrar that fails is a warning for each attempt,
//! and those grow apart.
//!
//! # Where the numbers are from
//!
//! Rise 2, fall 3 and an interval of 2 s are `HAProxy`'s defaults (`rise`, `fall`, `inter`), the
//! timeout of 1 s is that of Kubernetes' probes. Unhealthy at first, a time to live, and deregistering
//! one that stays critical are Consul's. That the first result decides alone is Envoy's.

#[cfg(feature = "health")]
mod checks;
mod damping;
#[cfg(feature = "health")]
mod monitor;
mod policy;
mod state;
mod tally;

#[cfg(feature = "health")]
pub use checks::{
    Check, CheckError, DEFAULT_INTERVAL, DEFAULT_TIMEOUT, DEFAULT_TTL, MAX_INTERVAL, MIN_INTERVAL,
    TtlHandle,
};
#[cfg(feature = "health")]
pub use monitor::{
    Health, Monitor, MonitorBuilder, MonitorError, REGISTRAR_TIMEOUT, StatusWatch, StopError,
    UpdateError,
};
pub use policy::{Initially, Policy, Thresholds};
pub use state::{CheckId, CheckReport, HealthState, Standing, Verdict};
pub use tally::MAX_REASON_BYTES;
