//! The service says how it is.

use std::time::Duration;

use tokio::sync::watch;

use super::{Check, Found, Kind};
use crate::health::Thresholds;

/// A time to live that suits most: 20 s. A service that passes every 5 s may miss three times.
pub const DEFAULT_TTL: Duration = Duration::from_secs(20);

impl Check {
    /// Passes as long as the service says so: by [`TtlHandle::pass`], at least once in
    /// `time_to_live`, such as [`DEFAULT_TTL`].
    ///
    /// Silence turns it at its deadline, and every word at once: there is nothing to be asked again.
    pub fn ttl(name: impl Into<String>, time_to_live: Duration) -> (Self, TtlHandle) {
        let (handle, said) = watch::channel(None);
        let kind = Kind::Told { said, time_to_live };
        let check = Self::new(name.into(), kind).thresholds(Thresholds::AT_ONCE);
        (check, TtlHandle(handle))
    }
}

/// How a service says how it is. Never waits, and may be called as often as one likes: only what
/// was said last counts.
///
/// A clone speaks for the same check. When all are gone nobody says anything any more, and the check
/// fails at its deadline.
#[derive(Clone, Debug)]
pub struct TtlHandle(watch::Sender<Option<Found>>);

impl TtlHandle {
    /// It is well.
    pub fn pass(&self) {
        self.0.send_replace(Some(Ok(())));
    }

    /// It is not.
    pub fn fail(&self, reason: impl Into<String>) {
        self.0.send_replace(Some(Err(reason.into())));
    }
}
