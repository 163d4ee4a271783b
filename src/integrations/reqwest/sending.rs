//! A call, from the pick to the head of its answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{Outgoing, followed};
use super::{Connection, HttpClient, HttpError, Inner, Limits};
use crate::balance::Call;
use crate::select::Outcome;

/// Long for a service, and short for whoever waits for one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn send(client: &HttpClient, request: Request) -> Result<Response, HttpError> {
    let inner = &*client.0;
    let deadline = Deadline::new(request.timeout().copied());
    let idempotent = is_idempotent(request.method());
    let outgoing = Outgoing::new(request);
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut last: Option<Result<Response, HttpError>> = None;
    loop {
        let (call, request) = match (pick(inner, &tried, deadline).await, outgoing.lend(), last) {
            (Ok(call), Some(request), _) => (call, request),
            (_, _, Some(last)) => return last,
            (Err(none), _, None) => return Err(none),
            (Ok(_), None, None) => unreachable!("it is whole at a first try"),
        };
        let is_last = !idempotent
            || tried.len() + 1 >= inner.limits.addresses.min(inner.balancer.len())
            || !outgoing.is_reusable();
        let limit = inner.limits.attempt(deadline, is_last);
        tried.push(Arc::clone(call.address()));
        let attempt = attempt(call, request, deadline, limit).await;
        let again = tried.len() < inner.limits.addresses
            && match attempt.again {
                Again::Never => false,
                Again::Always => outgoing.is_whole(),
                Again::IfIdempotent => {
                    idempotent
                        && !deadline.is_over()
                        && outgoing.is_whole()
                        && inner.balancer.may_retry()
                }
            };
        if !again {
            return attempt.result;
        }
        last = Some(attempt.result);
    }
}

/// How long one try may wait for the head of its answer.
#[derive(Clone, Copy)]
struct Limit {
    wait: Duration,
    /// Whether it is the caller's own time.
    of_caller: bool,
}

impl Limits {
    /// What is set, and otherwise a default; at most what is left of the caller's time. Who has to answer within
    /// it leaves time for others when the call may be tried again, and has all of it when not.
    fn attempt(self, deadline: Deadline, is_last: bool) -> Limit {
        let left = deadline.left();
        let wait = match (self.attempt, left) {
            (Some(set), Some(left)) => set.min(left),
            (Some(set), None) => set,
            (None, Some(left)) if is_last => left,
            (None, Some(left)) => left / 2,
            (None, None) => ATTEMPT_TIMEOUT,
        };
        let of_caller = left.is_some_and(|left| self.attempt.is_none_or(|set| left < set));
        Limit { wait, of_caller }
    }
}

/// What became of one try.
struct Attempt {
    result: Result<Response, HttpError>,
    again: Again,
}

#[derive(Clone, Copy)]
enum Again {
    /// There is an answer.
    Never,
    /// Nothing was sent.
    Always,
    /// It was sent.
    IfIdempotent,
}

async fn pick(
    inner: &Inner,
    tried: &[Arc<str>],
    deadline: Deadline,
) -> Result<Call<Connection>, HttpError> {
    let picking = inner.balancer.pick(tried);
    let Some((timeout, at)) = deadline.0 else {
        return Ok(picking.await?);
    };
    let unsent = || HttpError::Unsent {
        service: inner.balancer.service().to_owned(),
        timeout,
    };
    // Who has no time is not picked: it would answer nothing.
    if deadline.is_over() {
        return Err(unsent());
    }
    let picked = timeout_at(at, picking).await;
    Ok(picked.map_err(|_| unsent())??)
}

async fn attempt(
    call: Call<Connection>,
    mut request: Request,
    deadline: Deadline,
    limit: Limit,
) -> Attempt {
    let caller = match call.connection() {
        Ok(caller) => caller,
        Err(reason) => {
            let (address, reason) = (Arc::clone(call.address()), Arc::clone(reason));
            call.finish(Outcome::Failure);
            return Attempt {
                result: Err(HttpError::Client { address, reason }),
                again: Again::Always,
            };
        }
    };
    let followed_before = caller.followed();
    // For the answer's body.
    *request.timeout_mut() = deadline.left();
    let result = match timeout(limit.wait, caller.client.execute(request)).await {
        Ok(Ok(response)) => return answered(response, call),
        Ok(Err(error)) if error.is_timeout() && !error.is_connect() && deadline.is_over() => {
            return timed_out(call, limit);
        }
        Ok(Err(error)) => Err(HttpError::from(error)),
        Err(_) => return timed_out(call, limit),
    };
    let (again, outcome) = match &result {
        // The connect that failed may be that of a redirect, whose first request was done.
        Err(HttpError::Request(error)) if error.is_connect() => {
            let again = if caller.followed() == followed_before {
                Again::Always
            } else {
                Again::IfIdempotent
            };
            (again, Outcome::Failure)
        }
        // It is the request that is wrong, or where it was led.
        Err(HttpError::Request(error)) if error.is_builder() || error.is_redirect() => {
            (Again::Never, Outcome::Success)
        }
        _ => (Again::IfIdempotent, Outcome::Failure),
    };
    call.finish(outcome);
    Attempt { result, again }
}

fn timed_out(call: Call<Connection>, limit: Limit) -> Attempt {
    let address = Arc::clone(call.address());
    if limit.of_caller {
        call.expired();
    } else {
        call.finish(Outcome::Failure);
    }
    Attempt {
        result: Err(HttpError::Timeout {
            address,
            waited: limit.wait,
        }),
        again: Again::IfIdempotent,
    }
}

fn answered(response: Response, call: Call<Connection>) -> Attempt {
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

/// RFC 9110, 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// The caller's own timeout, and when it is over.
#[derive(Clone, Copy)]
struct Deadline(Option<(Duration, Instant)>);

impl Deadline {
    fn new(timeout: Option<Duration>) -> Self {
        // One that is beyond all clocks is none.
        let at = |timeout| Some((timeout, Instant::now().checked_add(timeout)?));
        Self(timeout.and_then(at))
    }

    fn left(self) -> Option<Duration> {
        let now = Instant::now();
        self.0.map(|(_, at)| at.saturating_duration_since(now))
    }

    fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}
