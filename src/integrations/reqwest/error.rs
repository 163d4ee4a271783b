//! Why a call has no answer.

use std::sync::Arc;
use std::time::Duration;

use crate::select::NoInstances;

/// Why a call has no answer. An answer that is an error is an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// There is nobody to call; nothing was sent.
    #[error(transparent)]
    NoInstances(#[from] NoInstances),
    /// The request is none, or it could not be sent, or there was no answer. This is of the last try.
    #[error(transparent)]
    Request(#[from] reqwest::Error),
    /// For the instance's address there is no client; nothing was sent.
    #[error("no client can be made for {address}: {reason}")]
    Client {
        /// The address.
        address: Arc<str>,
        /// What reqwest says.
        #[source]
        reason: Arc<reqwest::Error>,
    },
    /// The time was over. The instance may have done what it was asked.
    #[error(
        "{address} sent no answer within {waited:?}: set another `attempt_timeout`, or look at it"
    )]
    Timeout {
        /// Where the last try went.
        address: Arc<str>,
        /// How long that was waited for: the attempt timeout, or what was left of the call's own.
        waited: Duration,
    },
    /// The call's own timeout was over before it was sent: nobody was there to call, or its future was not polled in time.
    #[error("a call of service `{service}` was sent to nobody within its {timeout:?}")]
    Unsent {
        /// The service.
        service: String,
        /// The call's timeout.
        timeout: Duration,
    },
}
