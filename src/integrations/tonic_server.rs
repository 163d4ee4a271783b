//! tonic: a router as a server of an [`App`](crate::app::App).
//!
//! Whoever serves with tonic in a main of their own needs nothing of this, but
//! [`Registration::drain_on`](crate::app::Registration::drain_on).

mod streams;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::service::Routes;
use tonic::transport::server::{Connected, Router, TcpConnectInfo};
use tower_layer::Layer;

use crate::app::{Accepting, BoxError, Connection, Listener, Server, Serving};
use crate::registry::{BoxFuture, Endpoint, Stream};
use streams::Counted;

type Serve = dyn FnOnce(Accepting, Serving) -> BoxFuture<'static, Result<(), BoxError>> + Send;

/// Serves gRPC on a bound port.
///
/// Services see the caller's address by `Request::remote_addr`. When it is asked to stop it accepts
/// nothing new, tells its callers so (`GOAWAY`), and waits for calls in flight; when the stop
/// timeout is over their connections are cut, and how many calls that were is logged. A stream that never ends is in flight for ever.
///
/// ```no_run
/// # async fn example(routes: tonic::service::Routes) -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::app::{App, Listener};
/// use tidings::integrations::tonic_server::TonicServer;
///
/// let listener = Listener::bind("grpc", "0.0.0.0:9000").await?;
/// let router = tonic::transport::Server::builder().add_routes(routes);
/// let app = App::builder()
///     .name("order-service")
///     .server(TonicServer::new(listener, router))
///     .build()?;
/// # drop(app);
/// # Ok(())
/// # }
/// ```
pub struct TonicServer {
    listener: Listener,
    serve: Box<Serve>,
}

impl TonicServer {
    /// A server of `router` on `listener`; with TLS the listener's scheme is `grpcs`.
    pub fn new<L, R>(listener: Listener, router: Router<L>) -> Self
    where
        L: Layer<Routes> + Send + 'static,
        L::Service:
            Service<http::Request<Body>, Response = http::Response<R>> + Clone + Send + 'static,
        <L::Service as Service<http::Request<Body>>>::Future: Send,
        <L::Service as Service<http::Request<Body>>>::Error: Into<BoxError> + Send,
        R: tonic::codegen::Body<Data = bytes::Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let serve = |accepting, serving: Serving| -> BoxFuture<'static, Result<(), BoxError>> {
            Box::pin(async move {
                let stopping = serving.stopping();
                let incoming = Incoming { accepting, serving };
                router
                    .serve_with_incoming_shutdown(incoming, stopping)
                    .await?;
                Ok(())
            })
        };
        Self {
            listener,
            serve: Box::new(serve),
        }
    }
}

impl Server for TonicServer {
    fn name(&self) -> String {
        self.listener.bound().to_string()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.listener.endpoints()
    }

    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
        (self.serve)(self.listener.accept_for(&serving), serving)
    }
}

/// Connections whose calls are counted.
struct Incoming {
    accepting: Accepting,
    serving: Serving,
}

impl Stream for Incoming {
    type Item = io::Result<Counted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.accepting).poll_next(cx);
        let counted = |connection| Counted::new(connection, &self.serving);
        polled.map(|next| next.map(|accepted| accepted.map(counted)))
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo {
            local_addr: self.local_addr().ok(),
            remote_addr: Some(self.peer_addr()),
        }
    }
}

impl fmt::Debug for TonicServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TonicServer")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}
