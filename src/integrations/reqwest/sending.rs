//! A call, from the pick to the head of its answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{Outgoing, followed};
use super::{Connection, HttpClient, HttpError, Inner};
use crate::balance::Call;
use crate::select::{NoInstances, Outcome};

pub(super) async fn send(client: &HttpClient, request: Request) -> Result<Response, HttpError> {
    let inner = &*client.0;
    let deadline = Deadline::new(request.timeout().copied());
    let idempotent = is_idempotent(request.method());
    let outgoing = Outgoing::new(request);
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut last: Option<Result<Response, HttpError>> = None;
    loop {
        let call = match (pick(inner, &tried, deadline).await?, last) {
            (Ok(call), _) => call,
            (Err(_), Some(last)) => return last,
            (Err(none), None) => return Err(none.into()),
        };
        let request = outgoing
            .lend()
            .expect("it was asked for before another try");
        let address = Arc::clone(call.address());
        let attempt = attempt(inner, call, request, deadline).await;
        tried.push(address);
        let may_be = tried.len() < inner.limits.addresses && outgoing.is_whole();
        let again = may_be
            && match attempt.again {
                Again::Never => false,
                Again::Always => true,
                Again::IfIdempotent => {
                    idempotent && !deadline.is_over() && inner.balancer.may_retry()
                }
            };
        if !again {
            return attempt.result;
        }
        last = Some(attempt.result);
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
) -> Result<Result<Call<Connection>, NoInstances>, HttpError> {
    let picking = inner.balancer.pick(tried);
    let Some((timeout, at)) = deadline.0 else {
        return Ok(picking.await);
    };
    timeout_at(at, picking)
        .await
        .map_err(|_| HttpError::Unsent {
            service: inner.balancer.service().to_owned(),
            timeout,
        })
}

async fn attempt(
    inner: &Inner,
    call: Call<Connection>,
    mut request: Request,
    deadline: Deadline,
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
    let left = deadline.left();
    // For the answer's body.
    *request.timeout_mut() = left;
    let waited = left.map_or(inner.limits.attempt, |left| left.min(inner.limits.attempt));
    let result = match timeout(waited, caller.client.execute(request)).await {
        Ok(Ok(response)) => return answered(response, call),
        Ok(Err(error)) => Err(HttpError::from(error)),
        Err(_) => Err(HttpError::Timeout {
            address: Arc::clone(call.address()),
            waited,
        }),
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
