//! Why there is no client.

use crate::registry::DiscoveryError;
use crate::select::TargetError;
use crate::select::filter::VersionError;

/// Why a client could not be built. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The target names no service.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A version requirement is none.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The discovery does not answer any more.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// There is nothing to follow the service on.
    #[error("a client follows its service in a task: build it within a tokio runtime")]
    NoRuntime,
    /// The service's name, or the one that was set in its place, cannot stand in a URL.
    #[error("{host:?} is no host name, as it has to stand in URLs: set one by `host`")]
    Host {
        /// The name.
        host: String,
    },
    /// The crate that makes the connections refuses its settings.
    #[error("connections cannot be made with these settings: {0}")]
    Connections(#[source] Box<dyn std::error::Error + Send + Sync>),
}
