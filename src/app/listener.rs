//! A bound port, and where it is called.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use super::{Connection, Serving, TARGET};
use crate::registry::{Endpoint, EndpointError, Stream};

/// Between two attempts to accept when the process has no file descriptors left: hyper's and axum's.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A TCP port that is bound, and the endpoints by which others call it.
///
/// Where it is bound and where it is called are two settings. Without
/// [`advertise`](Self::advertise) it is called where it is bound: at the port that it really has,
/// and when the host is unspecified (`0.0.0.0`, `[::]`), at the address that the registrar has for
/// itself.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    bound: Endpoint,
    advertised: Vec<Endpoint>,
}

/// Why a port cannot be listened on. Nothing is bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The operating system refused.
    #[error("`{address}` cannot be bound: {source}")]
    Bind {
        /// What was to be bound.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The scheme and the address make no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

impl Listener {
    /// Binds `address`, `host:port`; port 0 is a free one. `scheme` is that of the endpoint, such
    /// as `http` or `grpc`; with TLS `https` or `grpcs`.
    ///
    /// From now on the operating system takes connections; they wait until they are accepted.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub async fn bind(scheme: &str, address: &str) -> Result<Self, ListenError> {
        let refused = |source| refused(address, source);
        let tcp = TcpListener::bind(address).await.map_err(refused)?;
        Self::of(scheme, tcp)
    }

    /// Takes a listener that was bound elsewhere, such as a socket that was inherited.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO.
    pub fn new(scheme: &str, listener: std::net::TcpListener) -> Result<Self, ListenError> {
        let refused = |source| refused("the listener", source);
        listener.set_nonblocking(true).map_err(refused)?;
        Self::of(scheme, TcpListener::from_std(listener).map_err(refused)?)
    }

    fn of(scheme: &str, tcp: TcpListener) -> Result<Self, ListenError> {
        let address = tcp.local_addr();
        let address = address.map_err(|source| refused("the listener", source))?;
        let bound = Endpoint::of_listener(scheme, address)?;
        Ok(Self {
            tcp,
            address,
            bound,
            advertised: Vec::new(),
        })
    }

    /// Says where it is called, in place of where it is bound: behind a proxy, a NAT, or a name.
    /// Again adds another endpoint.
    ///
    /// # Errors
    ///
    /// [`EndpointError`].
    pub fn advertise(mut self, endpoint: impl AsRef<str>) -> Result<Self, EndpointError> {
        self.advertised.push(endpoint.as_ref().parse()?);
        Ok(self)
    }

    /// Says by which host it is called, a name or an IP address, at the port that it really has.
    /// Again adds another endpoint.
    ///
    /// # Errors
    ///
    /// [`EndpointError`].
    pub fn advertise_host(self, host: &str) -> Result<Self, EndpointError> {
        let (scheme, port) = (self.bound.scheme(), self.address.port());
        let host = match host.parse() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => host.to_owned(),
        };
        let endpoint = format!("{scheme}://{host}:{port}");
        self.advertise(endpoint)
    }

    /// Where it is bound, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The same as an endpoint, with the scheme that it was given.
    pub fn bound(&self) -> &Endpoint {
        &self.bound
    }

    /// Where it is called.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        if self.advertised.is_empty() {
            vec![self.bound.clone()]
        } else {
            self.advertised.clone()
        }
    }

    /// Accepts for a server: the first time that it does, [`Serving::accepts`] is told.
    pub fn accept_for(self, serving: &Serving) -> Accepting {
        Accepting {
            tcp: self.tcp,
            address: self.address,
            serving: serving.clone(),
            pause: None,
        }
    }
}

fn refused(address: &str, source: io::Error) -> ListenError {
    ListenError::Bind {
        address: address.to_owned(),
        source,
    }
}

/// Accepts connections. As a [`Stream`] it never ends, and has no errors.
///
/// What goes wrong with one connection is that connection's. When the process has no file
/// descriptors left it pauses a second, with a warning.
pub struct Accepting {
    tcp: TcpListener,
    address: SocketAddr,
    serving: Serving,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Accepting {
    /// The next connection. Cancel-safe.
    pub async fn accept(&mut self) -> Connection {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Connection> {
        self.serving.accepts();
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            match ready!(self.tcp.poll_accept(cx)) {
                Ok((stream, peer)) => return Poll::Ready(self.connection(stream, peer)),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(
                        target: TARGET, event = "accept_failed", address = %self.address, %error,
                        "no connection can be accepted for a second"
                    );
                    self.pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }

    fn connection(&self, stream: TcpStream, peer: SocketAddr) -> Connection {
        // Small answers must not wait for acknowledgements. If it is refused the connection is dead
        // already.
        drop(stream.set_nodelay(true));
        Connection::new(stream, peer, &self.serving)
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

impl Stream for Accepting {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(cx).map(|connection| Some(Ok(connection)))
    }
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
