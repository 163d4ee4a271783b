//! A table that a test publishes to, and addresses of all kinds.

#[cfg(feature = "tonic")]
pub(crate) mod echo;
#[cfg(feature = "tonic")]
pub(crate) mod refusing;
#[cfg(feature = "reqwest")]
pub(crate) mod web;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tidings::registry::Discovery;
use tidings::{ServiceInstance, StaticDiscovery};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Longer than anything here takes; a test that runs into it has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
pub(crate) const SERVICE: &str = "orders.example";
pub(crate) const TARGET: &str = "discovery:///orders.example";

/// The one service, as a test publishes it.
#[derive(Clone, Default)]
pub(crate) struct Table(StaticDiscovery);

impl Table {
    /// With an instance at each address, called by `scheme`.
    pub(crate) fn of(scheme: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let table = Self::default();
        table.publish(addresses.into_iter().map(|at| instance(scheme, at)));
        table
    }

    pub(crate) fn publish(&self, instances: impl IntoIterator<Item = ServiceInstance>) {
        self.0.set(instances);
    }

    pub(crate) fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(self.0.clone())
    }
}

pub(crate) fn instance(scheme: &str, address: SocketAddr) -> ServiceInstance {
    ServiceInstance::builder(SERVICE)
        .id(address.to_string())
        .version("1.4.2")
        .endpoint(format!("{scheme}://{address}"))
        .build()
        .unwrap()
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("done within the bound")
}

/// An address where nobody listens.
pub(crate) async fn dead() -> SocketAddr {
    // A port that was just free: the system does not hand it out again soon.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// An address that accepts connections, reads, and never answers. The count is of connections.
pub(crate) async fn frozen() -> SocketAddr {
    frozen_at(ANY).await
}

/// The same at this address.
pub(crate) async fn frozen_at(address: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// A free port of this host.
pub(crate) const ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// A server's own runtime, with which its connections end.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    end: oneshot::Receiver<()>,
    /// There until it ends.
    runtime: Option<Runtime>,
}

/// What a server waits for beside its listener.
pub(crate) type Stop = oneshot::Receiver<()>;

impl Host {
    pub(crate) async fn start<F>(
        address: SocketAddr,
        serve: impl FnOnce(TcpListener, Stop) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let listening = runtime.spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let address = listener.local_addr().unwrap();
            let serving = serve(listener, stopped);
            tokio::spawn(async move {
                serving.await;
                // Nobody waits for the end of most servers.
                let _ = ended.send(());
            });
            address
        });
        Self {
            address: listening.await.unwrap(),
            stop,
            end,
            runtime: Some(runtime),
        }
    }

    /// Lets it finish what it has, and waits for that.
    pub(crate) async fn stop(mut self) {
        let (never, _) = oneshot::channel();
        std::mem::replace(&mut self.stop, never).send(()).unwrap();
        within(&mut self.end).await.unwrap();
    }

    /// Ends it with its connections, and waits for that.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        let runtime = self.runtime.take().expect("it has not ended");
        let ending = tokio::task::spawn_blocking(|| drop(runtime));
        ending.await.unwrap();
        self.address
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
