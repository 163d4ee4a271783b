//! One try: a request at one instance, and what is said of the instance afterwards.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::body::followed;
use super::client::Redirects;
use super::sending::{Deadline, Limit};
use super::{Connection, HttpError, TimeLimit};
use crate::balance::Call;
use crate::select::Outcome;

/// What became of a try.
pub(super) struct Attempt {
    pub(super) result: Result<Response, HttpError>,
    pub(super) again: Again,
}

#[derive(Clone, Copy)]
pub(super) enum Again {
    /// There is an answer, or never will be one.
    Never,
    /// Nothing was sent.
    Always,
    /// It was sent.
    IfIdempotent,
    /// All that may be asked were.
    NoMore,
}

impl Attempt {
    /// Nothing was sent.
    pub(super) fn unsent(error: HttpError) -> Self {
        Self {
            result: Err(error),
            again: Again::Always,
        }
    }

    /// Whether another try would be none the better.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.again, Again::Never)
    }

    /// That of two tries which says more, after which there are no others.
    pub(super) fn better(self, other: Self) -> Self {
        let says_more = other.is_final() || (other.result.is_ok() && self.result.is_err());
        let better = if says_more { other } else { self };
        if better.is_final() {
            return better;
        }
        let again = Again::NoMore;
        Self { again, ..better }
    }
}

/// There is no client for the address that was picked.
pub(super) fn without_client(call: Call<Connection>, reason: Arc<reqwest::Error>) -> HttpError {
    let address = Arc::clone(call.address());
    call.finish(Outcome::Failure);
    HttpError::Client { address, reason }
}

/// A request that was sent.
pub(super) struct Sent {
    pub(super) call: Call<Connection>,
    /// What its client follows from then on.
    pub(super) redirects: Redirects,
    pub(super) connect_timeout: Duration,
    pub(super) limit: Limit,
    pub(super) deadline: Deadline,
}

impl Sent {
    /// None is no answer in time.
    pub(super) fn end(self, answered: Option<reqwest::Result<Response>>) -> Attempt {
        match answered {
            None => self.timed_out(),
            Some(Ok(response)) => answered_by(response, self.call),
            Some(Err(error)) => self.failed(error),
        }
    }

    /// Another one was answered first.
    pub(super) fn overtaken(self) {
        self.call.overtaken();
    }

    fn failed(self, error: reqwest::Error) -> Attempt {
        if error.is_timeout() && !error.is_connect() && self.deadline.is_over() {
            return self.timed_out();
        }
        let (again, outcome) = if error.is_connect() {
            // The connect that failed may be that of a redirect, whose first request was done.
            let again = if self.redirects.are_none() {
                Again::Always
            } else {
                Again::IfIdempotent
            };
            (again, Outcome::Failure)
        } else if error.is_builder() || error.is_redirect() {
            // It is the request that is wrong, or where it was led.
            (Again::Never, Outcome::Success)
        } else {
            (Again::IfIdempotent, Outcome::Failure)
        };
        // A connect also ends with the caller's time, which is shorter then.
        let is_of_connect = error.is_connect() && error.is_timeout();
        let result = if is_of_connect && self.connect_timeout <= self.limit.whole {
            self.timeout(self.connect_timeout, TimeLimit::Connect)
        } else if is_of_connect {
            self.timeout(self.limit.whole, self.limit())
        } else {
            error.into()
        };
        self.call.finish(outcome);
        Attempt {
            result: Err(result),
            again,
        }
    }

    fn timeout(&self, waited: Duration, limit: TimeLimit) -> HttpError {
        HttpError::Timeout {
            instance: Arc::clone(self.call.instance()),
            address: Arc::clone(self.call.address()),
            waited,
            limit,
        }
    }

    /// That of the whole try.
    fn limit(&self) -> TimeLimit {
        match self.deadline.timeout() {
            Some(timeout) if self.limit.of_caller => TimeLimit::Caller(timeout),
            _ => TimeLimit::Attempt,
        }
    }

    fn timed_out(self) -> Attempt {
        let error = self.timeout(self.limit.whole, self.limit());
        if self.limit.of_caller {
            self.call.expired();
        } else {
            self.call.finish(Outcome::Failure);
        }
        Attempt {
            result: Err(error),
            again: Again::IfIdempotent,
        }
    }
}

fn answered_by(response: Response, call: Call<Connection>) -> Attempt {
    let (again, outcome) = match response.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            (Again::IfIdempotent, Outcome::Failure)
        }
        status if status.is_server_error() => (Again::Never, Outcome::Failure),
        _ => (Again::Never, Outcome::Success),
    };
    Attempt {
        result: Ok(followed(response, call, outcome)),
        again,
    }
}
