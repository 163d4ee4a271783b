//! An HTTP service that says what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{ANY, Host};

/// How a server answers.
#[derive(Clone)]
pub(crate) enum Manner {
    /// With a line: method, path with query, `Host`, body.
    Answers,
    After(Duration),
    Fails(StatusCode),
    /// What asks for `/old` is sent there.
    Redirects(String),
}

#[derive(Clone)]
struct Web {
    manner: Manner,
    calls: Arc<AtomicUsize>,
}

/// A server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
    host: Host,
}

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::listen(manner, None).await
    }

    pub(crate) async fn start_tls(tls: TlsAcceptor) -> Self {
        Self::listen(Manner::Answers, Some(tls)).await
    }

    async fn listen(manner: Manner, tls: Option<TlsAcceptor>) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let web = Web {
            manner,
            calls: Arc::clone(&calls),
        };
        let host = Host::start(ANY, |listener, stop| async move {
            let app = Router::new().fallback(answer).with_state(web);
            let stopped = async { stop.await.unwrap_or_default() };
            match tls {
                None => {
                    let serving = axum::serve(listener, app);
                    serving.with_graceful_shutdown(stopped).await.unwrap();
                }
                Some(acceptor) => {
                    let serving = axum::serve(TlsListener { listener, acceptor }, app);
                    serving.with_graceful_shutdown(stopped).await.unwrap();
                }
            }
        });
        let host = host.await;
        Self {
            address: host.address,
            calls,
            host,
        }
    }

    /// How many calls it got.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets it finish what it has, and waits for that.
    pub(crate) async fn stop(self) {
        self.host.stop().await;
    }

    /// Ends it with its connections, and waits for that.
    pub(crate) async fn kill(self) {
        self.host.kill().await;
    }
}

/// reqwest is built with rustls here, which wants to be told whose cryptography it uses.
pub(crate) fn crypto() {
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    // An `Err` is another test's that was first.
    let _ = ring.install_default();
}

async fn answer(State(web): State<Web>, request: Request) -> Response {
    web.calls.fetch_add(1, Ordering::SeqCst);
    let (head, body) = request.into_parts();
    // First of all: a client that still writes when the answer is there may not get to see it.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    match web.manner {
        Manner::After(delay) => tokio::time::sleep(delay).await,
        Manner::Fails(status) => return status.into_response(),
        Manner::Redirects(to) if head.uri.path() == "/old" => {
            return Redirect::temporary(&to).into_response();
        }
        Manner::Answers | Manner::Redirects(_) => {}
    }
    let host = head
        .headers
        .get("host")
        .map_or("", |host| host.to_str().unwrap());
    format!("{} {} {host} {body}", head.method, head.uri).into_response()
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not trust us is gone.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
