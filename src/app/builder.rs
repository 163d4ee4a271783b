//! What an app is to do.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::hooks::{Hook, Hooks};
use super::lifecycle::{Lifecycle, Times};
use super::offer::Offer;
use super::wishes::Wishes;
use super::{App, BoxError, Server};
use crate::health::{Monitor, MonitorBuilder, REGISTRAR_TIMEOUT};
use crate::registry::{
    BoxFuture, InstanceError, Membership, Registrar, RegistrarError, ServiceInstance,
    ServiceInstanceBuilder,
};

/// Between telling everybody that the instance is draining and deregistering it: 1 s. News reach a
/// cluster in milliseconds; the rest is for callers that are about to call, and for news that are
/// lost and repaired.
pub const DEFAULT_DRAIN_DELAY: Duration = Duration::from_secs(1);

/// From the start of the servers until each accepts: 10 s.
pub const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(10);

/// From the wish to stop until the app has stopped and left: 25 s. Kubernetes kills 30 s after it has asked
/// (`terminationGracePeriodSeconds`), and docker 10 s.
pub const DEFAULT_STOP_BUDGET: Duration = Duration::from_secs(25);

/// For each hook: 30 s. In a stop it is the budget that ends it sooner.
pub const DEFAULT_HOOK_TIMEOUT: Duration = Duration::from_secs(30);

type Checks = Box<dyn FnOnce(MonitorBuilder) -> MonitorBuilder + Send>;

/// Settings of an [`App`]; from [`App::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct AppBuilder {
    describe: ServiceInstanceBuilder,
    /// None: it is registered nowhere.
    registrar: Option<Arc<dyn Registrar>>,
    registrar_timeout: Duration,
    checks: Option<Checks>,
    servers: Vec<(String, Box<dyn Server>)>,
    hooks: Hooks,
    stop_on: Vec<BoxFuture<'static, ()>>,
    times: Times,
    has_signals: bool,
}

impl AppBuilder {
    pub(super) fn new() -> Self {
        Self {
            describe: ServiceInstance::builder(""),
            registrar: None,
            registrar_timeout: REGISTRAR_TIMEOUT,
            checks: None,
            servers: Vec::new(),
            hooks: Hooks::default(),
            stop_on: Vec::new(),
            times: Times {
                drain_delay: DEFAULT_DRAIN_DELAY,
                start_timeout: DEFAULT_START_TIMEOUT,
                stop_budget: DEFAULT_STOP_BUDGET,
                stop_timeout: None,
                hook_timeout: DEFAULT_HOOK_TIMEOUT,
            },
            has_signals: true,
        }
    }

    /// Sets the service's name. Without one there is no app.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.describe = self.describe.name(name);
        self
    }

    /// Sets the instance's id. Default: a fresh random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.describe = self.describe.id(id);
        self
    }

    /// Sets the version. Default: empty.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.describe = self.describe.version(version);
        self
    }

    /// Sets a metadata pair, in place of an earlier one of the same key.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.describe = self.describe.metadata(key, value);
        self
    }

    /// Adds an endpoint that is none of the app's servers.
    pub fn endpoint(mut self, endpoint: impl AsRef<str>) -> Self {
        self.describe = self.describe.endpoint(endpoint);
        self
    }

    /// Sets the node with which the instance is registered, and which leaves its cluster last of all. It is
    /// [`registrar`](Self::registrar) and [`leave`](Self::leave) in one.
    pub fn node(self, node: impl Membership) -> Self {
        let leave = node.leave();
        self.registrar(node.registrar()).leave(move || leave)
    }

    /// Sets where the instance is registered, such as an `Arc` of a node. Default: nowhere, which an app that
    /// has servers warns about. [`node`](Self::node) leaves, too.
    pub fn registrar(mut self, registrar: Arc<dyn Registrar>) -> Self {
        self.registrar = Some(registrar);
        self
    }

    /// Adds a server. Its endpoints are the instance's, in the order in which servers are added.
    pub fn server(mut self, server: impl Server) -> Self {
        for endpoint in server.endpoints() {
            self.describe = self.describe.endpoint(endpoint.as_str());
        }
        self.unlisted_server(server)
    }

    /// Adds a server that is left out of the instance: for metrics, for debugging, for whom it is
    /// not the service.
    pub fn unlisted_server(mut self, server: impl Server) -> Self {
        self.servers.push((server.name(), Box::new(server)));
        self
    }

    /// Adds checks of the instance's health, and their policy. Default: none, so the instance is up from
    /// the start.
    ///
    /// The monitor runs from the registration to the deregistration, on a thread of its own. Again adds
    /// to what was there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidings::app::App;
    /// use tidings::health::{Check, DEFAULT_TTL};
    ///
    /// let pulse = Check::pulse()?;
    /// let (working, worker) = Check::ttl("worker", DEFAULT_TTL);
    /// let app = App::builder()
    ///     .name("user-service")
    ///     .health(|monitor| monitor.check(pulse).check(working))
    ///     .build()?;
    /// worker.pass(); // again and again, from the loop that does the work
    /// # drop(app);
    /// # Ok(())
    /// # }
    /// ```
    pub fn health(
        mut self,
        checks: impl FnOnce(MonitorBuilder) -> MonitorBuilder + Send + 'static,
    ) -> Self {
        self.checks = Some(match self.checks {
            None => Box::new(checks),
            Some(before) => Box::new(|monitor| checks(before(monitor))),
        });
        self
    }

    /// Adds a hook before the servers start. An error ends the start. A wish to stop ends the hook.
    pub fn before_start<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.before_start.push(Hook::new(hook));
        self
    }

    /// Adds a hook after the instance was registered. An error ends the app. A wish to stop ends
    /// the hook.
    pub fn after_start<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.after_start.push(Hook::new(hook));
        self
    }

    /// Adds a hook that runs when everybody was told that the instance drains, before the drain delay. It
    /// runs if the servers were started; an error does not hold up the stop, here and in the hooks after it.
    pub fn before_stop<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.before_stop.push(Hook::new(hook));
        self
    }

    /// Adds a hook after the servers have stopped. It always runs, also when a hook before the
    /// start failed: it is there to close what was opened.
    pub fn after_stop<F, E>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.after_stop.push(Hook::new(hook));
        self
    }

    /// Adds what is done last of all, always: leaving the cluster, by the `shutdown` of a node. A
    /// [`node`](Self::node) does that by itself.
    pub fn leave<F, E>(mut self, leave: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.hooks.leave.push(Hook::new(leave));
        self
    }

    /// Stops the app when `wish` is ready: a cancelled token, a closed channel. Again adds another. It
    /// runs as a task; a panic is a wish as well.
    pub fn stop_on(mut self, wish: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop_on.push(Box::pin(wish));
        self
    }

    /// Does not listen for signals: for tests, and for a process in which somebody else does.
    /// Default: SIGTERM, SIGINT and SIGQUIT stop the app, and one more, at least a second later, ends
    /// its waiting: for hooks, for the drain delay, and for requests in flight. Then 3 s are left.
    pub fn without_signals(mut self) -> Self {
        self.has_signals = false;
        self
    }

    /// Sets the time in which the app stops, from the wish to its end: longer than zero. All that is done then
    /// shares it; see [the module](super). Default: [`DEFAULT_STOP_BUDGET`], 25 s. It should be less than what
    /// kills the process grants.
    pub fn stop_budget(mut self, budget: Duration) -> Self {
        self.times.stop_budget = budget;
        self
    }

    /// Sets the time between telling that the instance drains and deregistering it, after the hooks before
    /// the stop. Default: [`DEFAULT_DRAIN_DELAY`]. It is left out when no server runs any more, and is at most
    /// what the [budget](Self::stop_budget) leaves.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.times.drain_delay = delay;
        self
    }

    /// Sets how long the servers may take until each accepts. Default: [`DEFAULT_START_TIMEOUT`].
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.times.start_timeout = timeout;
        self
    }

    /// Sets how long the servers may take to finish what is in flight; the rest is cut, and its number is
    /// logged. Default, and at most: what the [budget](Self::stop_budget) leaves, but a second for the cut: by
    /// default 23 s without other steps than the drain delay, and 18 s with a node that leaves.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.times.stop_timeout = Some(timeout);
        self
    }

    /// Sets how long the registrar may take for one call. Default: 10 s
    /// ([`REGISTRAR_TIMEOUT`]).
    ///
    /// One that does not answer costs the start this much for each call; one that blocks the thread that calls
    /// it costs three times this and a second, and is left behind. The stop has its
    /// [budget](Self::stop_budget).
    pub fn registrar_timeout(mut self, timeout: Duration) -> Self {
        self.registrar_timeout = timeout;
        self
    }

    /// Sets how long each hook may take. Default: [`DEFAULT_HOOK_TIMEOUT`]. In a stop it is at most what the
    /// [budget](Self::stop_budget) leaves.
    pub fn hook_timeout(mut self, timeout: Duration) -> Self {
        self.times.hook_timeout = timeout;
        self
    }

    /// Puts the app together. Nothing starts yet.
    ///
    /// # Errors
    ///
    /// [`InstanceError`] when the servers, the name and the rest make no instance.
    pub fn build(self) -> Result<App, InstanceError> {
        let instance = self.describe.build()?;
        let is_unregistered = self.registrar.is_none() && !self.servers.is_empty();
        let registrar = self.registrar.unwrap_or_else(|| Arc::new(Nowhere));
        let monitor = Monitor::builder(registrar, instance.clone());
        let monitor = match self.checks {
            Some(checks) => checks(monitor),
            // Nobody is asked anything, so no thread is needed.
            None => monitor.on_current_runtime(),
        };
        let (offer, status) = Offer::new();
        Ok(App {
            lifecycle: Lifecycle {
                instance,
                times: self.times,
                hooks: self.hooks,
                servers: self.servers,
                monitor: monitor.registrar_timeout(self.registrar_timeout),
                offer,
                wishes: Wishes::new(self.stop_on),
            },
            status,
            has_signals: self.has_signals,
            is_unregistered,
        })
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("instance", &self.describe)
            .field("servers", &self.servers.len())
            .field("times", &self.times)
            .field("registrar_timeout", &self.registrar_timeout)
            .field("has_signals", &self.has_signals)
            .finish_non_exhaustive()
    }
}

/// The registrar of an app that has none.
struct Nowhere;

impl Registrar for Nowhere {
    fn register(&self, _: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
