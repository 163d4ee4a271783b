//! Why a call has no answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::registry::ServiceInstance;
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
    /// The time was over. But for [`TimeLimit::Connect`], the instance may have done what it was asked.
    #[error(
        "instance `{instance}` at {address} {} within {} ms, {limit}",
        limit.missing(), waited.as_millis()
    )]
    Timeout {
        /// Whom the last try asked.
        instance: Arc<ServiceInstance>,
        /// Where that is.
        address: Arc<str>,
        /// How long it was waited for. Of the caller's time, what was left for this try.
        waited: Duration,
        /// The limit that ended the call.
        limit: TimeLimit,
    },
    /// The call's own timeout was over before it was sent: nobody was there to call, or its future was not polled in time.
    #[error(
        "a call of service `{service}` was sent to nobody within the caller's timeout of {} ms",
        timeout.as_millis()
    )]
    Unsent {
        /// The service.
        service: String,
        /// The call's timeout.
        timeout: Duration,
    },
}

/// A limit on a call's time, or on that of one of its tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeLimit {
    /// The caller's own, all of it: by [`RequestBuilder::timeout`](super::RequestBuilder::timeout).
    Caller(Duration),
    /// That of one try: [`attempt_timeout`](super::HttpClientBuilder::attempt_timeout), or its default.
    Attempt,
    /// That of a connect: [`connect_timeout`](super::HttpClientBuilder::connect_timeout). Nothing was sent.
    Connect,
}

impl TimeLimit {
    /// What there was not.
    const fn missing(self) -> &'static str {
        match self {
            Self::Caller(_) | Self::Attempt => "sent no answer",
            Self::Connect => "accepted no connection",
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(timeout) => {
                let timeout = timeout.as_millis();
                write!(f, "when the caller's timeout of {timeout} ms was over")
            }
            Self::Attempt => f.write_str("the attempt's timeout (`attempt_timeout`)"),
            Self::Connect => f.write_str("the client's `connect_timeout`"),
        }
    }
}
