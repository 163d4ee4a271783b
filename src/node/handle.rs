//! The handle that a service holds.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::builder::NodeBuilder;
use super::commands::Command;
use super::driver::{LEAVE_LIMIT, Life};
use super::error::{JoinError, ShutdownError};
use super::events::{Events, Snapshot};
use super::keyring::NodeKeyring;
use super::stats::{NodeStats, Published};
use super::wait;
use crate::gossip::Member;
use crate::registry::{
    BoxFuture, Discovery, DiscoveryError, Instances, Membership, Registrar, RegistrarError,
    ServiceInstance, WaitError, Watcher,
};
use crate::table::{Directory, Event, ServiceHandle, ServiceWatcher};

/// A running node: the process's membership in its cluster, and its view of everybody's services.
///
/// Cheap to clone; all clones are the same node. Dropping the last one stops the node with a
/// best-effort leave, which goes on in the background after `drop` has returned; a process that
/// ends right after that may be seen to fail instead. [`shutdown`](Self::shutdown) is the leave that
/// one can wait for.
///
/// The methods need no tokio runtime of the caller's: any executor will do, unless the node was
/// started with [`on_current_runtime`](NodeBuilder::on_current_runtime).
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

/// The only sender of commands lives here: when the last handle is gone the driver sees the channel
/// close, and leaves.
pub(super) struct Inner {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) abort: watch::Sender<bool>,
    pub(super) life: watch::Receiver<Life>,
    pub(super) joined: watch::Receiver<bool>,
    pub(super) events: broadcast::WeakSender<Event>,
    pub(super) published: Arc<Published>,
    pub(super) directory: Directory,
    pub(super) runtime: Handle,
    pub(super) local_addr: SocketAddr,
}

impl Node {
    /// Starts to describe a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Registers `instance`: when this returns it is in the local table, and on its way to everybody.
    ///
    /// The same name and id again replaces. Endpoints on an unspecified host (`0.0.0.0`, `[::]`) get
    /// the node's [advertised](Self::advertised_addr) one, and a new one when that changes. An endpoint
    /// on loopback is a warning where the node advertises another address: others would call
    /// themselves. Needs no peer. A caller that stops
    /// waiting does not take its request back.
    pub async fn register(&self, instance: ServiceInstance) -> Result<(), RegistrarError> {
        self.ask(|reply| Command::Register(instance, reply)).await
    }

    /// Takes back what this node registered under the name and id of `instance`. Unknown is `Ok`.
    pub async fn deregister(&self, instance: &ServiceInstance) -> Result<(), RegistrarError> {
        let (service, id) = (instance.name().to_owned(), instance.id().to_owned());
        self.ask(|reply| Command::Deregister { service, id, reply })
            .await
    }

    /// The instances of `name` that the table holds now, ordered by id. Unknown is empty. Never
    /// waits; whoever asks often holds a [`service`](Self::service).
    #[expect(
        clippy::unused_async,
        reason = "async as in `Discovery`, so that either can be called"
    )]
    pub async fn get_service(&self, name: &str) -> Result<Instances, DiscoveryError> {
        self.open_directory().map(|directory| directory.get(name))
    }

    /// Follows the instances of `name`, whether or not it exists yet. Never waits.
    #[expect(
        clippy::unused_async,
        reason = "async as in `Discovery`, so that either can be called"
    )]
    pub async fn watch(&self, name: &str) -> Result<ServiceWatcher, DiscoveryError> {
        self.open_directory().map(|directory| directory.watch(name))
    }

    /// Waits until `name` has at least `min` instances, and returns them. [Stale](Instances::is_stale) ones count.
    pub async fn wait_for(
        &self,
        name: &str,
        min: usize,
        timeout: Duration,
    ) -> Result<Instances, WaitError> {
        let directory = self.open_directory()?.clone();
        let found = directory.get(name);
        if found.len() >= min {
            return Ok(found);
        }
        // On the node's runtime, which has a clock. The set ends the task if this is dropped.
        let mut waiting = JoinSet::new();
        let wait = wait::for_instances(directory, name.to_owned(), min, timeout);
        waiting.spawn_on(wait, &self.inner.runtime);
        // Without an answer the runtime is gone, and the node with it.
        waiting
            .join_next()
            .await
            .and_then(Result::ok)
            .unwrap_or(Err(WaitError::Closed))
    }

    /// Waits until this node has joined its cluster: until a live member is known. Returns at once where there is nobody
    /// to join, because there are no [`seeds`](NodeBuilder::seeds), or none but this node itself.
    ///
    /// The node joins in the background, and never gives up: this only waits. A node that was left alone for less than 5 s
    /// still counts as joined; [`stats`](Self::stats) says the same without waiting.
    ///
    /// # Errors
    ///
    /// [`JoinError::Timeout`] says what is known of each seed: silent, port closed, another key or cluster, a name that
    /// does not resolve. The list is there to be read by people: nothing authenticates it.
    pub async fn joined(&self, timeout: Duration) -> Result<(), JoinError> {
        self.open_directory().map_err(|_| JoinError::Closed)?;
        let joined = self.inner.joined.clone();
        if *joined.borrow() {
            return Ok(());
        }
        // As in `wait_for`.
        let mut waiting = JoinSet::new();
        waiting.spawn_on(wait::until_joined(joined, timeout), &self.inner.runtime);
        let told = waiting.join_next().await.and_then(Result::ok).flatten();
        if told.ok_or(JoinError::Closed)? {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        let sent = self.send(Command::Seeds(reply)).await;
        sent.ok_or(JoinError::Closed)?;
        let seeds = answer.await.map_err(|_| JoinError::Closed)?;
        let waited = timeout;
        Err(JoinError::Timeout { waited, seeds })
    }

    /// The service `name`, resolved once: reading its instances then is one atomic load. It may
    /// be asked for before the service exists. After the node has stopped it shows the last state.
    pub fn service(&self, name: &str) -> ServiceHandle {
        self.inner.directory.service(name)
    }

    /// The names of all services with at least one instance, sorted.
    pub fn services(&self) -> Vec<String> {
        self.inner.directory.services()
    }

    /// Reads what is there and subscribes to what happens from then on, without a gap in between: each change after
    /// the snapshot comes as an event, and none before it does.
    ///
    /// After the node has stopped the snapshot has no members and the last instances, and the events end.
    ///
    /// ```
    /// # async fn follow(node: tidings::Node) {
    /// let (snapshot, mut events) = node.subscribe();
    /// println!("{} members", snapshot.members.len());
    /// while let Ok(event) = events.next().await {
    ///     println!("{event}");
    /// }
    /// # }
    /// ```
    pub fn subscribe(&self) -> (Snapshot, Events) {
        // The driver publishes and tells under this lock, so that nothing falls in between.
        let _publishing = self.inner.published.hold();
        let directory = &self.inner.directory;
        let services = directory.services().into_iter().map(|name| {
            let instances = directory.get(&name);
            (name, instances)
        });
        let snapshot = Snapshot {
            members: self.members(),
            services: services.collect(),
        };
        (snapshot, self.events())
    }

    /// Subscribes to what happens from now on. [`subscribe`](Self::subscribe) also says what there is.
    pub fn events(&self) -> Events {
        let subscribe = |events: broadcast::Sender<Event>| events.subscribe();
        // A node that has stopped has no more events: a channel without a sender says so.
        Events(
            self.inner
                .events
                .upgrade()
                .map_or_else(|| broadcast::channel(1).1, subscribe),
        )
    }

    /// The members of the cluster that this node holds to be there. Empty after it has stopped.
    pub fn members(&self) -> Arc<[Member]> {
        self.inner.published.members()
    }

    /// What the node has counted since its start.
    pub fn stats(&self) -> NodeStats {
        NodeStats {
            joined: *self.inner.joined.borrow(),
            ..self.inner.published.stats()
        }
    }

    /// The keys with which this node seals and opens, to be changed while it runs.
    pub const fn keyring(&self) -> NodeKeyring<'_> {
        NodeKeyring(self)
    }

    /// The address that the socket is bound to, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr
    }

    /// The address that the others are told to send to at present. It changes where the node
    /// [follows](NodeBuilder::advertise) an address of its host.
    pub fn advertised_addr(&self) -> SocketAddr {
        self.inner.published.advertised()
    }

    /// Stops the node: deregisters, lets the news leave, and leaves; bounded by 5 s, and two more where a last
    /// snapshot is written to a slow disk. When this returns, the port is free and every clone of the handle is closed.
    ///
    /// Idempotent, also after [`abort`](Self::abort). It goes on if the caller stops waiting.
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        // Refused when the node is leaving or gone already.
        let _ = self.inner.commands.send(Command::Leave).await;
        self.stopped().await;
        match *self.inner.life.borrow() {
            Life::LeftUnheard => Err(ShutdownError::LeaveUnfinished {
                waited: LEAVE_LIMIT,
            }),
            _ => Ok(()),
        }
    }

    /// Stops at once and says nothing, as a crash would: the others find out by themselves. A datagram
    /// that is being sent at this moment may still leave. [`stopped`](Self::stopped) tells
    /// when the port is free.
    pub fn abort(&self) {
        self.inner.abort.send_replace(true);
        self.inner.directory.close();
    }

    /// Waits until the node has stopped, for whatever reason, and its port is free.
    pub async fn stopped(&self) {
        let mut life = self.inner.life.clone();
        // The driver drops its end when it has ended: that is the error waited for.
        while life.changed().await.is_ok() {}
    }

    async fn ask(
        &self,
        command: impl FnOnce(super::commands::Reply) -> Command,
    ) -> Result<(), RegistrarError> {
        self.open_directory()
            .map_err(|DiscoveryError::Closed| RegistrarError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let sent = self.send(command(reply)).await;
        sent.ok_or(RegistrarError::Closed)?;
        answer.await.map_err(|_| RegistrarError::Closed)?
    }

    /// Hands a command to the driver; nothing if that has ended, or takes none any more.
    pub(super) async fn send(&self, command: Command) -> Option<()> {
        self.inner.commands.send(command).await.ok()
    }

    fn open_directory(&self) -> Result<&Directory, DiscoveryError> {
        let directory = &self.inner.directory;
        if directory.is_closed() {
            Err(DiscoveryError::Closed)
        } else {
            Ok(directory)
        }
    }
}

impl Registrar for Node {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(self.register(instance))
    }

    fn deregister(&self, instance: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        let (service, id) = (instance.name().to_owned(), instance.id().to_owned());
        Box::pin(self.ask(|reply| Command::Deregister { service, id, reply }))
    }

    fn isolation(&self) -> Option<String> {
        let is_joined = *self.inner.joined.borrow();
        let node = self.advertised_addr();
        let text =
            || format!("the node {node} has not joined its cluster, see its log for the reason");
        (!is_joined).then(text)
    }
}

impl Membership for Node {
    fn registrar(&self) -> Arc<dyn Registrar> {
        Arc::new(self.clone())
    }

    fn leave(&self) -> BoxFuture<'static, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        let node = self.clone();
        Box::pin(async move { Ok(node.shutdown().await?) })
    }
}

impl Discovery for Node {
    fn get_service<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoveryError>> {
        Box::pin(self.get_service(name))
    }

    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>> {
        Box::pin(async move { Ok(Box::new(self.watch(name).await?) as Box<dyn Watcher>) })
    }

    fn wait_for<'a>(
        &'a self,
        name: &'a str,
        min: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>> {
        Box::pin(self.wait_for(name, min, timeout))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("local_addr", &self.inner.local_addr)
            .field("advertised_addr", &self.advertised_addr())
            .field("life", &*self.inner.life.borrow())
            .finish_non_exhaustive()
    }
}
