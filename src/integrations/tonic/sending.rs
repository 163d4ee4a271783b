//! A call, from the pick to the head of its answer.

use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tokio::time::{sleep_until, timeout_at};
use tonic::body::Body;
use tonic::{ConnectError, Status, TimeoutExpired, transport};
use tower_service::Service;

use super::deadline::Deadline;
use super::outgoing::{Kept, Outgoing};
use super::{Connection, ResponseBody, answer, deadline, unavailable};
use crate::balance::{Balancer, Call};
use crate::select::{NoInstances, Outcome};

/// `next` is the request.
#[expect(
    clippy::manual_async_fn,
    reason = "an `async fn` would have the request twice"
)]
pub(super) fn send(
    balancer: Balancer<Connection>,
    addresses: usize,
    mut next: Option<Request<Body>>,
) -> impl Future<Output = Result<Response<ResponseBody>, Status>> + Send {
    async move {
        let mut outgoing = Outgoing::of(next.as_mut().expect("there is one"));
        let deadline = outgoing.deadline();
        let mut tried: Vec<Arc<str>> = Vec::new();
        let (mut stale, mut refused) = (false, false);
        let mut last = None;
        loop {
            let call = match pick(&balancer, &tried, deadline).await? {
                Ok(call) => call,
                Err(none) => return Err(last.unwrap_or_else(|| unavailable(none))),
            };
            let sent = attempt(&call, &mut next, &outgoing.kept, deadline).await;
            let failed = match sent {
                Ok(response) => return Ok(answer::followed(response, call)),
                Err(failed) => failed,
            };
            let address = Arc::clone(call.address());
            match &failed {
                Failed::Expired(_) => call.expired(),
                Failed::ExpiredUnsent(_) => call.finish(Outcome::Unanswered),
                _ => call.finish(Outcome::Failure),
            }
            match failed {
                Failed::Expired(status) | Failed::ExpiredUnsent(status) | Failed::Sent(status) => {
                    return Err(status);
                }
                Failed::Unprocessed(status) => {
                    let is_first = !mem::replace(&mut refused, true);
                    if !(is_first || balancer.may_retry()) || !outgoing.kept.restore().await {
                        return Err(status);
                    }
                    // It may be its connection only that ends.
                    if !is_first {
                        tried.push(address);
                    }
                    last = Some(status);
                }
                // The connection had ended and nobody knew: another one may be made at the same address.
                Failed::Unsent(status) if !stale => (stale, last) = (true, Some(status)),
                Failed::Unsent(status) | Failed::Unconnected(status) => {
                    tried.push(address);
                    last = Some(status);
                }
            }
            next = match outgoing.again(deadline) {
                Some(again) if tried.len() < addresses => Some(again),
                _ => return Err(last.expect("set by each try that failed")),
            };
        }
    }
}

/// Why there is no answer.
enum Failed {
    /// There is no connection, and nothing was sent.
    Unconnected(Status),
    /// There was one, and nothing of the body was sent.
    Unsent(Status),
    /// It was sent, and the instance says that it has not begun.
    Unprocessed(Status),
    /// The instance may have begun.
    Sent(Status),
    /// The caller's time is over, and the instance may have begun.
    Expired(Status),
    /// The caller's time is over, and nothing was sent.
    ExpiredUnsent(Status),
}

/// The outer error is the deadline's.
async fn pick(
    balancer: &Balancer<Connection>,
    tried: &[Arc<str>],
    deadline: Option<Deadline>,
) -> Result<Result<Call<Connection>, NoInstances>, Status> {
    let picking = balancer.pick(tried);
    match deadline {
        None => Ok(picking.await),
        // Who has no time is not picked: it would answer nothing.
        Some(deadline) if deadline.is_over() => Err(deadline.unsent(balancer.service())),
        Some(deadline) => timeout_at(deadline.at, picking)
            .await
            .map_err(|_| deadline.unsent(balancer.service())),
    }
}

async fn attempt(
    call: &Call<Connection>,
    next: &mut Option<Request<Body>>,
    kept: &Kept,
    deadline: Option<Deadline>,
) -> Result<Response<Body>, Failed> {
    let (line, connect_timeout) = match call.connection() {
        Ok(lines) => (lines.line(), lines.connect_timeout),
        Err(error) => {
            let status = Status::from_error(error.clone().into());
            return Err(Failed::Unconnected(status));
        }
    };
    let mut sending = Sending::To(line.channel.clone());
    let mut expired = deadline.map(|deadline| Box::pin(sleep_until(deadline.at)));
    let mut place = kept.enter(&line.queue, call.began());
    poll_fn(|cx| {
        if let Poll::Ready(sent) = sending.poll(next, cx) {
            return Poll::Ready(sent.map_err(|error| failed(error, kept, call, deadline)));
        }
        if let Some(expired) = &mut expired
            && expired.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(expiry(kept, call, deadline)));
        }
        let Some(place) = &mut place else {
            return Poll::Pending;
        };
        // Requests wait for a connection one behind the other. Who has waited for too long leaves.
        place.poll_expired(cx).map(|()| {
            Err(Failed::Unconnected(deadline::unconnected(
                call,
                connect_timeout,
            )))
        })
    })
    .await
}

/// A request on its way.
enum Sending {
    To(transport::Channel),
    Sent(<transport::Channel as Service<Request<Body>>>::Future),
}

impl Sending {
    fn poll(
        &mut self,
        next: &mut Option<Request<Body>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Body>, transport::Error>> {
        if let Self::To(channel) = self {
            ready!(channel.poll_ready(cx))?;
            let request = next.take().expect("sent once");
            *self = Self::Sent(channel.call(request));
        }
        match self {
            Self::Sent(response) => Pin::new(response).poll(cx),
            Self::To(_) => Poll::Pending,
        }
    }
}

fn failed(
    error: transport::Error,
    kept: &Kept,
    call: &Call<Connection>,
    deadline: Option<Deadline>,
) -> Failed {
    let unconnected = answer::has_source::<ConnectError>(&error);
    if answer::has_source::<TimeoutExpired>(&error) {
        return expiry(kept, call, deadline);
    }
    let unsent = unconnected || kept.revoke();
    let unprocessed = answer::is_unprocessed(&error);
    let timed_out = answer::source::<io::Error>(&error)
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    let status = match call.connection() {
        Ok(lines) if unconnected && timed_out => deadline::unconnected(call, lines.connect_timeout),
        _ => answer::broken(error.into(), unsent || unprocessed),
    };
    if unconnected {
        Failed::Unconnected(status)
    } else if unsent {
        Failed::Unsent(status)
    } else if unprocessed {
        Failed::Unprocessed(status)
    } else {
        Failed::Sent(status)
    }
}

fn expiry(kept: &Kept, call: &Call<Connection>, deadline: Option<Deadline>) -> Failed {
    let status = deadline::exceeded(call, deadline);
    if kept.revoke() {
        Failed::ExpiredUnsent(status)
    } else {
        Failed::Expired(status)
    }
}
