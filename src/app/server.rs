//! What an app starts and stops.

use std::sync::Arc;

use super::BoxError;
use super::flights::{Flights, InFlight};
use crate::registry::{BoxFuture, Endpoint, StopHandle, Stopped};

/// A server of an [`App`](super::App).
///
/// It is bound before it is given to the app, so that its [`endpoints`](Self::endpoints) are known
/// and a port that is taken is found out before anything starts. `integrations` has those for axum
/// and tonic; one of your own takes a [`Listener`](super::Listener), or does without:
///
/// ```
/// use tidings::app::{BoxError, Server, Serving};
/// use tidings::registry::{BoxFuture, Endpoint};
///
/// /// Works off a queue, and is called by nobody.
/// struct Worker;
///
/// impl Server for Worker {
///     fn name(&self) -> String {
///         "worker".to_owned()
///     }
///
///     fn endpoints(&self) -> Vec<Endpoint> {
///         Vec::new()
///     }
///
///     fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
///         Box::pin(async move {
///             serving.accepts();
///             serving.stopping().await;
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait Server: Send + 'static {
    /// What it is called in errors and in the log, such as `http`.
    fn name(&self) -> String;

    /// Where it can be called, in the order in which the instance has them. The host may be
    /// unspecified: the registrar puts the node's address in its place. Empty if nobody calls it.
    fn endpoints(&self) -> Vec<Endpoint>;

    /// Serves until [`Serving::stopping`], and then finishes what it has. It runs as a task of its own.
    ///
    /// # Errors
    ///
    /// Any, at any time, ends the app. So does `Ok` before it was asked to stop.
    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>>;
}

/// What a server tells its app, and what its app tells it. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    pub(super) accepts: StopHandle,
    pub(super) stopping: StopHandle,
    pub(super) cut: StopHandle,
    pub(super) flights: Arc<Flights>,
}

impl Serving {
    /// The server accepts calls from now on: without that the app does not register, and fails after
    /// its `start_timeout`. Again does nothing.
    pub fn accepts(&self) {
        self.accepts.stop();
    }

    /// Ready when the server shall accept nothing new and finish what it has.
    pub fn stopping(&self) -> Stopped {
        self.stopping.stopped()
    }

    /// One more request is under way until what is returned is dropped. Nothing waits for it: it is counted,
    /// so that a stop that cuts requests says how many. A server that never calls this has its open
    /// [connections](super::Connection) counted instead.
    pub fn request(&self) -> InFlight {
        self.flights.request()
    }

    /// Ready when the time for that is over, or all servers have stopped. The server's task is dropped a
    /// moment later; this is for what it has started beside that task, such as one for each
    /// connection.
    pub fn cut(&self) -> Stopped {
        self.cut.stopped()
    }
}
