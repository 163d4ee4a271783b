//! A service as a gRPC channel, for [`tonic`]'s generated clients.
//!
//! ```no_run
//! use std::sync::Arc;
//! use tidings::Discovery;
//! use tidings::integrations::tonic::Channel;
//!
//! # async fn example(discovery: Arc<dyn Discovery>) -> Result<(), Box<dyn std::error::Error>> {
//! let channel = Channel::builder(discovery, "discovery:///order-service")
//!     .version("^1.4")
//!     .build()?;
//! // What a generated client takes: `OrderClient::new(channel)`.
//! # let _ = tonic::client::Grpc::new(channel);
//! # Ok(()) }
//! ```
//!
//! # How a call goes
//!
//! An instance is picked for each call. It has a [`tonic::transport::Channel`] of its own for each tokio
//! runtime that calls it, which connects when it is first used, and again when its connection ended. So a
//! channel outlives the runtime that it was built on. A call that could not be sent
//! there (no connection, or none within the [connect timeout](ChannelBuilder::connect_timeout)) goes to
//! another instance, also when its body is a stream: one that nobody has begun to read is taken
//! back. So does one message (of up to 64 KiB) to an instance that says that it has not processed it, since it stops or
//! refuses (HTTP/2's `GOAWAY` and `REFUSED_STREAM`): once for each call, and more often within a
//! [`RetryBudget`](crate::balance::RetryBudget). What was sent otherwise is not sent again: gRPC does not tell what may be.
//!
//! The time that the caller sets for a call (`grpc-timeout`, [`tonic::Request::set_timeout`]) is the time
//! for all tries together, until the head of the answer. When it is over, the call fails with
//! `DEADLINE_EXCEEDED`. One that has no time left is not sent. A connection that breaks while a call is out is
//! `UNAVAILABLE`.
//!
//! # What an instance is blamed for
//!
//! No connection; a connection that ends before the answer does; no answer within the caller's
//! timeout; and the statuses `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`. The other
//! statuses say something about the call. Nor is a deadline blamed on who had less than half of the time that it usually
//! takes. A call that the caller drops counts as latency, so that who does not answer gets no more calls.
//!
//! Such an instance is also told by HTTP/2 pings while calls are out; see
//! [`keep_alive`](ChannelBuilder::keep_alive).
//!
//! # Errors
//!
//! A [`Status`]. When there is nobody to call, it is `UNAVAILABLE`, and its
//! [source](std::error::Error::source) is [`NoInstances`].

mod ahead;
mod answer;
mod builder;
mod deadline;
mod outgoing;
mod queue;
mod sending;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use answer::ResponseBody;
pub use builder::ChannelBuilder;
use http::{Request, Response};
use queue::Queue;
use tonic::body::Body;
use tonic::{Status, transport};
use tower_service::Service;

use crate::balance::{Balancer, PerRuntime};
use crate::registry::Discovery;
use crate::select::NoInstances;

/// What is kept for an address. An `Err` is an address that tonic cannot call.
type Connection = Result<Lines, Arc<transport::Error>>;

/// An address's connections: one for each runtime that calls it.
struct Lines {
    endpoint: transport::Endpoint,
    connect_timeout: Duration,
    of_runtimes: PerRuntime<Line>,
}

/// A connection, and the calls that wait for it.
struct Line {
    channel: transport::Channel,
    queue: Queue,
}

impl Lines {
    /// That of the present runtime. It connects when it is first used.
    fn line(&self) -> Arc<Line> {
        self.of_runtimes.get(|| Line {
            channel: self.endpoint.connect_lazy(),
            queue: Queue::new(self.connect_timeout),
        })
    }
}

/// A gRPC channel to a service: each call goes to one of its instances. See [the module](self).
///
/// A clone is the same channel. The service is followed until the last one is dropped.
#[derive(Clone, Debug)]
pub struct Channel {
    balancer: Balancer<Connection>,
    /// How many addresses a call is tried at.
    addresses: usize,
}

impl Channel {
    /// Starts a channel to `target`: `discovery:///name`.
    pub fn builder(discovery: Arc<dyn Discovery>, target: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder::new(discovery, target.into())
    }

    /// How often an address was [ejected](crate::balance::Ejection) since this was built.
    pub fn ejections(&self) -> u64 {
        self.balancer.ejections()
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        self.balancer.service()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Status>> + Send>>;

    /// Always ready: whether there is somebody to call is found out by the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let balancer = self.balancer.clone();
        Box::pin(sending::send(balancer, self.addresses, Some(request)))
    }
}

fn unavailable(none: NoInstances) -> Status {
    let mut status = Status::unavailable(none.to_string());
    status.set_source(Arc::new(none));
    status
}
