//! A table that a test publishes to, and addresses of all kinds.

#[cfg(feature = "tonic")]
pub(crate) mod echo;
#[cfg(feature = "reqwest")]
pub(crate) mod web;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings::ServiceInstance;
use tidings::registry::{
    BoxFuture, Discovery, DiscoveryError, Instances, WaitError, WatchError, Watcher,
};
use tidings::table::Directory;
use tokio::net::{TcpListener, TcpStream};

/// Longer than anything here takes; a test that runs into it has failed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);
pub(crate) const SERVICE: &str = "orders.example";
pub(crate) const TARGET: &str = "discovery:///orders.example";

/// The one service, as a test publishes it.
#[derive(Clone, Default)]
pub(crate) struct Table(Directory);

impl Table {
    /// With an instance at each address, called by `scheme`.
    pub(crate) fn of(scheme: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let table = Self::default();
        table.publish(addresses.into_iter().map(|at| instance(scheme, at)));
        table
    }

    pub(crate) fn publish(&self, instances: impl IntoIterator<Item = ServiceInstance>) {
        self.0.publish(SERVICE, instances.into_iter().collect());
    }

    pub(crate) fn discovery(&self) -> Arc<dyn Discovery> {
        Arc::new(self.clone())
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

impl Discovery for Table {
    fn get_service<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoveryError>> {
        Box::pin(async move { Ok(self.0.get(name)) })
    }

    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>> {
        Box::pin(async move { Ok(Box::new(self.0.watch(name)) as Box<dyn Watcher>) })
    }

    fn wait_for<'a>(
        &'a self,
        name: &'a str,
        min: usize,
        _: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>> {
        Box::pin(async move {
            let mut watcher = self.0.watch(name);
            let mut instances = self.0.get(name);
            while instances.len() < min {
                let next = Watcher::next(&mut watcher).await;
                instances = next.map_err(|_: WatchError| WaitError::Closed)?;
            }
            Ok(instances)
        })
    }
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}
