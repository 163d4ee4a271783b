//! axum: a router as a server of an [`App`](crate::app::App).
//!
//! See [`App`](crate::app::App) for an example. Whoever calls `axum::serve` in a main of their own
//! needs nothing of this, but [`Registration::drain_on`](crate::app::Registration::drain_on).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::middleware::Next;
use axum::serve::{IncomingStream, Listener as AxumListener};
use axum::{Extension, Router};
use http_body::{Frame, SizeHint};
use tower_service::Service;

use crate::app::{Accepting, BoxError, Connection, InFlight, Listener, Server, Serving};
use crate::registry::{BoxFuture, Endpoint};

/// Serves a router on a bound port by [`axum::serve`](fn@axum::serve).
///
/// Handlers may take `ConnectInfo<SocketAddr>`. When it is asked to stop it accepts nothing new,
/// closes connections that are idle, and waits for requests in flight; when the stop timeout is
/// over their connections are cut, and how many requests that were is logged. Upgraded ones (websockets) are not waited for, and are cut when all
/// servers have stopped.
///
/// HTTP/1.1; HTTP/2 too, without TLS, if axum is built with its feature `http2`.
#[derive(Debug)]
pub struct AxumServer {
    listener: Listener,
    router: Router,
}

impl AxumServer {
    /// A server of `router` on `listener`.
    pub fn new(listener: Listener, router: Router) -> Self {
        Self { listener, router }
    }
}

impl Server for AxumServer {
    fn name(&self) -> String {
        self.listener.bound().to_string()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        self.listener.endpoints()
    }

    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let accepting = self.listener.accept_for(&serving);
            let counting = serving.clone();
            let counted = axum::middleware::from_fn(move |request: Request, next: Next| {
                let under_way = counting.request();
                async move {
                    let answer = next.run(request).await;
                    answer.map(|body| {
                        Body::new(Counted {
                            body,
                            under_way: Some(under_way),
                        })
                    })
                }
            });
            axum::serve(accepting, WithPeer(self.router.layer(counted)))
                .with_graceful_shutdown(serving.stopping())
                .await?;
            Ok(())
        })
    }
}

impl AxumListener for Accepting {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let connection = Self::accept(self).await;
        let peer = connection.peer_addr();
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(Self::local_addr(self))
    }
}

/// The body of an answer, whose request is under way until it ends.
struct Counted {
    body: Body,
    under_way: Option<InFlight>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.under_way = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The router of each connection knows who has connected. axum's own way of that is for its own
/// listeners.
struct WithPeer(Router);

impl Service<IncomingStream<'_, Accepting>> for WithPeer {
    type Response = Router;
    type Error = Infallible;
    type Future = Ready<Result<Router, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, Accepting>) -> Self::Future {
        let peer = ConnectInfo(*stream.remote_addr());
        ready(Ok(self.0.clone().layer(Extension(peer))))
    }
}
