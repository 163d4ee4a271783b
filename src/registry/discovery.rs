//! Finding the instances of a service.

use std::time::Duration;

use super::{BoxFuture, Instances, Watcher};

/// Answers who is there.
///
/// A service that nobody has registered is not an error anywhere here: it is a service with no
/// instances, and may have some in a moment.
pub trait Discovery: Send + Sync {
    /// The instances of `name` that are known now, in the order of their ids. Never waits. In an outage they may be
    /// [stale](Instances::is_stale).
    fn get_service<'a>(&'a self, name: &'a str)
    -> BoxFuture<'a, Result<Instances, DiscoveryError>>;

    /// A watcher of `name`, at once, whether or not there is such a service.
    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>>;

    /// Waits until `name` has at least `min` instances and returns them; returns at once if it has.
    ///
    /// For start-up code, so that the first call does not fail for want of a list. `min` 0 never
    /// waits. Stale instances count: start-up in an outage is what they are for.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] when `timeout` has passed before.
    fn wait_for<'a>(
        &'a self,
        name: &'a str,
        min: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>>;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The node has been shut down: what it knew is out of date.
    #[error("the node has been shut down: start another one to discover with")]
    Closed,
}

/// Why [`Discovery::wait_for`] gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was over. Waiting again is fine.
    #[error(
        "service `{service}` has {found} instances after {waited:?}, {wanted} were wanted: check \
         that they run in this cluster, or wait longer"
    )]
    Timeout {
        /// The service.
        service: String,
        /// How many instances were waited for.
        wanted: usize,
        /// How many there were in the end.
        found: usize,
        /// How long it was waited: the timeout that was given.
        waited: Duration,
    },
    /// The node has been shut down, before or meanwhile.
    #[error("the node has been shut down: start another one to discover with")]
    Closed,
}

impl From<DiscoveryError> for WaitError {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Closed => Self::Closed,
        }
    }
}
