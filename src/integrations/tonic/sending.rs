//! A call, from the pick to the head of its answer.

use std::future::{pending, poll_fn};
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use http_body::Body as _;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{ConnectError, Status, TimeoutExpired, transport};
use tower_service::Service;

use super::{Connection, Limits, answer, deadline, unavailable};
use crate::balance::{Balancer, Call, Retained};
use crate::select::{NoInstances, Outcome};

pub(super) async fn send(
    balancer: Balancer<Connection>,
    limits: Limits,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let deadline = deadline::of(request.headers());
    let (head, body) = request.into_parts();
    let body = Outgoing::new(body);
    let mut tried: Vec<Arc<str>> = Vec::new();
    let mut stale = false;
    let mut last = None;
    loop {
        let call = match pick(&balancer, &tried, deadline).await? {
            Ok(call) => call,
            Err(none) => return Err(last.unwrap_or_else(|| unavailable(none))),
        };
        let Some(lent) = body.lend() else {
            return Err(last.expect("it is lent for a first try"));
        };
        let sent = attempt(&call, &head, lent, &body, limits, deadline).await;
        let failed = match sent {
            Ok(response) => return Ok(answer::followed(response, call)),
            Err(failed) => failed,
        };
        let address = Arc::clone(call.address());
        match &failed {
            Failed::Expired => call.expired(),
            Failed::ExpiredUnsent => call.finish(Outcome::Unanswered),
            Failed::Sent(_) | Failed::Unsent(_) | Failed::Unconnected(_) => {
                call.finish(Outcome::Failure);
            }
        }
        match failed {
            Failed::Expired | Failed::ExpiredUnsent => return Err(deadline::exceeded()),
            Failed::Sent(status) => return Err(status),
            // The connection had ended and nobody knew: another one may be made at the same address.
            Failed::Unsent(status) if !stale => (stale, last) = (true, Some(status)),
            Failed::Unsent(status) | Failed::Unconnected(status) => {
                tried.push(address);
                last = Some(status);
            }
        }
        if tried.len() >= limits.addresses {
            return Err(last.expect("set by each try that failed"));
        }
    }
}

/// Why there is no answer.
enum Failed {
    /// There is no connection, and nothing was sent.
    Unconnected(Status),
    /// There was one, and nothing of the body was sent.
    Unsent(Status),
    /// The instance may have begun.
    Sent(Status),
    /// The caller's time is over, and the instance may have begun.
    Expired,
    /// The caller's time is over, and nothing was sent.
    ExpiredUnsent,
}

/// The outer error is the deadline's.
async fn pick(
    balancer: &Balancer<Connection>,
    tried: &[Arc<str>],
    deadline: Option<Instant>,
) -> Result<Result<Call<Connection>, NoInstances>, Status> {
    let picking = balancer.pick(tried);
    match deadline {
        None => Ok(picking.await),
        // Who has no time is not picked: it would answer nothing.
        Some(deadline) if deadline <= Instant::now() => Err(deadline::exceeded()),
        Some(deadline) => timeout_at(deadline, picking)
            .await
            .map_err(|_| deadline::exceeded()),
    }
}

async fn attempt(
    call: &Call<Connection>,
    head: &Parts,
    lent: Body,
    body: &Outgoing,
    limits: Limits,
    deadline: Option<Instant>,
) -> Result<Response<Body>, Failed> {
    let mut channel = match call.connection() {
        Ok(channel) => channel.clone(),
        Err(error) => {
            return Err(Failed::Unconnected(Status::from_error(
                error.clone().into(),
            )));
        }
    };
    let request = Request::from_parts(head.clone(), lent);
    let sending = async move {
        poll_fn(|cx| channel.poll_ready(cx)).await?;
        channel.call(request).await
    };
    let connected_by = call.began().checked_add(limits.connect);
    let mut sending = std::pin::pin!(sending);
    let mut expired = std::pin::pin!(until(deadline));
    tokio::select! {
        biased;
        sent = &mut sending => return sent.map_err(|error| failed(error, body)),
        () = &mut expired => return Err(expiry(body)),
        () = until(connected_by) => {}
    }
    // Requests wait for a connection one behind the other. Whoever is still in that queue leaves it.
    if body.revoke() {
        let status = Status::unavailable(format!("no connection to {}", call.address()));
        return Err(Failed::Unconnected(status));
    }
    tokio::select! {
        biased;
        sent = &mut sending => sent.map_err(|error| failed(error, body)),
        () = &mut expired => Err(expiry(body)),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

fn failed(error: transport::Error, body: &Outgoing) -> Failed {
    let unconnected = answer::has_source::<ConnectError>(&error);
    if answer::has_source::<TimeoutExpired>(&error) {
        return expiry(body);
    }
    let unsent = unconnected || body.revoke();
    let status = answer::broken(error.into(), unsent);
    if unconnected {
        Failed::Unconnected(status)
    } else if unsent {
        Failed::Unsent(status)
    } else {
        Failed::Sent(status)
    }
}

fn expiry(body: &Outgoing) -> Failed {
    if body.revoke() {
        Failed::ExpiredUnsent
    } else {
        Failed::Expired
    }
}

/// The body of a request that may be sent more than once, and read only once.
enum Outgoing {
    /// Nothing would tell whether it was sent, but an error of the connect.
    Empty,
    Body(Retained<Body>),
}

impl Outgoing {
    fn new(body: Body) -> Self {
        if body.is_end_stream() {
            Self::Empty
        } else {
            Self::Body(Retained::new(body))
        }
    }

    fn lend(&self) -> Option<Body> {
        match self {
            Self::Empty => Some(Body::empty()),
            Self::Body(body) => body.lend().map(Body::new),
        }
    }

    /// Whether it is certain that nothing of it was sent, or will be.
    fn revoke(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Body(body) => body.revoke().is_some(),
        }
    }
}
