//! A gRPC service without generated code: it sends back what it got, in front of it its own name.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{Request, Response};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, StreamingService, UnaryService};
use tonic::{Code, Status, Streaming};
use tower::Service;

use super::{ANY, Host};

/// Messages that are bytes.
#[derive(Clone, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// How a server answers.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    Answers,
    After(Duration),
    /// To nobody, and takes no second call on a connection.
    Hangs,
    Fails(Code),
}

#[derive(Clone)]
pub(crate) struct Echo {
    manner: Manner,
    calls: Arc<AtomicUsize>,
}

/// A server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    host: Host,
}

impl Server {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::listen(ANY, manner, None).await
    }

    pub(crate) async fn start_tls(tls: tonic::transport::ServerTlsConfig) -> Self {
        Self::listen(ANY, Manner::Answers, Some(tls)).await
    }

    pub(crate) async fn listen(
        address: SocketAddr,
        manner: Manner,
        tls: Option<tonic::transport::ServerTlsConfig>,
    ) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let echo = Echo {
            manner,
            calls: Arc::clone(&calls),
        };
        let connections = Arc::<AtomicUsize>::default();
        let accepted = Arc::clone(&connections);
        let host = Host::start(address, move |listener, stop| async move {
            let mut server = tonic::transport::Server::builder();
            if matches!(manner, Manner::Hangs) {
                server = server.max_concurrent_streams(1);
            }
            if let Some(tls) = tls {
                server = server.tls_config(tls).unwrap();
            }
            let incoming = TcpListenerStream::new(listener).map(move |stream| {
                accepted.fetch_add(1, Ordering::SeqCst);
                // As servers have it: a call's end would wait up to 40 ms for the client's ACK of its beginning.
                stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            });
            let stopped = async { stop.await.unwrap_or_default() };
            let server = server.add_service(echo);
            let serving = server.serve_with_incoming_shutdown(incoming, stopped);
            serving.await.unwrap();
        });
        let host = host.await;
        Self {
            address: host.address,
            calls,
            connections,
            host,
        }
    }

    /// How many calls it got.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many connections it accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Lets it finish what it has, and waits for that.
    pub(crate) async fn stop(self) {
        self.host.stop().await;
    }

    /// Ends it with its connections, and waits for that.
    pub(crate) async fn kill(self) -> SocketAddr {
        self.host.kill().await
    }
}

impl Echo {
    async fn answer(self, message: Bytes) -> Result<tonic::Response<Bytes>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.manner {
            Manner::Answers => {}
            Manner::After(delay) => tokio::time::sleep(delay).await,
            Manner::Hangs => std::future::pending().await,
            Manner::Fails(code) => return Err(Status::new(code, "as told")),
        }
        Ok(tonic::Response::new(message))
    }
}

type Answering<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Answering<Bytes>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        Box::pin(self.clone().answer(request.into_inner()))
    }
}

impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Streaming<Bytes>;
    type Future = Answering<Streaming<Bytes>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            this.answer(Bytes::new()).await?;
            Ok(tonic::Response::new(request.into_inner()))
        })
    }
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(match request.uri().path() {
                "/test.Echo/Stream" => grpc.streaming(this, request).await,
                _ => grpc.unary(this, request).await,
            })
        })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

/// What `tonic-build` makes of a service, for these two calls.
#[derive(Clone)]
pub(crate) struct EchoClient<T> {
    inner: tonic::client::Grpc<T>,
}

impl<T> EchoClient<T>
where
    T: tonic::client::GrpcService<Body>,
    T::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner: tonic::client::Grpc::new(inner),
        }
    }

    pub(crate) async fn echo(&mut self, message: &'static str) -> Result<Bytes, Status> {
        self.echo_request(tonic::Request::new(message.into())).await
    }

    pub(crate) async fn echo_within(&mut self, timeout: Duration) -> Result<Bytes, Status> {
        let mut request = tonic::Request::new(Bytes::new());
        request.set_timeout(timeout);
        self.echo_request(request).await
    }

    async fn echo_request(&mut self, request: tonic::Request<Bytes>) -> Result<Bytes, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Echo/Unary");
        let response = self.inner.unary(request, path, Raw).await?;
        Ok(response.into_inner())
    }

    /// Sends a stream, and collects what comes back.
    pub(crate) async fn stream<S>(&mut self, messages: S) -> Result<Vec<Bytes>, Status>
    where
        S: tokio_stream::Stream<Item = Bytes> + Send + 'static,
    {
        let mut answers = self.open(messages).await?;
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            all.push(answer?);
        }
        Ok(all)
    }

    /// Sends a stream, and returns the one that comes back.
    pub(crate) async fn open<S>(&mut self, messages: S) -> Result<Streaming<Bytes>, Status>
    where
        S: tokio_stream::Stream<Item = Bytes> + Send + 'static,
    {
        self.ready().await?;
        let path = PathAndQuery::from_static("/test.Echo/Stream");
        let request = tonic::Request::new(messages);
        let answers = self.inner.streaming(request, path, Raw).await?;
        Ok(answers.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let ready = self.inner.ready().await;
        ready.map_err(|error| Status::unknown(error.into().to_string()))
    }
}
