//! What a monitor is to do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::MonitorError;
use super::handle::Monitor;
use super::launch;
use super::publisher::REGISTRAR_TIMEOUT;
use crate::health::{Check, Policy};
use crate::registry::{Registrar, ServiceInstance};

/// Settings of a [`Monitor`]; from [`Monitor::builder`].
#[must_use = "a builder does nothing until `start` is called"]
pub struct MonitorBuilder {
    pub(super) registrar: Arc<dyn Registrar>,
    pub(super) instance: ServiceInstance,
    pub(super) checks: Vec<Check>,
    pub(super) policy: Policy,
    pub(super) registrar_timeout: Duration,
    on_current_runtime: bool,
}

impl MonitorBuilder {
    pub(super) fn new(registrar: Arc<dyn Registrar>, instance: ServiceInstance) -> Self {
        Self {
            registrar,
            instance,
            checks: Vec::new(),
            policy: Policy::default(),
            registrar_timeout: REGISTRAR_TIMEOUT,
            on_current_runtime: false,
        }
    }

    /// Adds a check. All of them have to pass; an instance without any is up.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Sets how results become what others are told. Default: that of [`Policy`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets how long the registrar may take for one call. Default: [`REGISTRAR_TIMEOUT`].
    pub fn registrar_timeout(mut self, timeout: Duration) -> Self {
        self.registrar_timeout = timeout;
        self
    }

    /// Runs on the tokio runtime that [`start`](Self::start) is called on, for tests in virtual time.
    /// Default: on a thread of its own. On the service's runtime nobody finds out that it is
    /// blocked.
    pub fn on_current_runtime(mut self) -> Self {
        self.on_current_runtime = true;
        self
    }

    /// Whom it will tell of what, and how long that may take.
    #[cfg(feature = "app")]
    pub(crate) fn terms(&self) -> (Arc<dyn Registrar>, ServiceInstance, Duration) {
        let registrar = Arc::clone(&self.registrar);
        (registrar, self.instance.clone(), self.registrar_timeout)
    }

    /// Registers the instance and starts the checks.
    ///
    /// Registered is it as unhealthy until every check has passed once, unless
    /// [`Policy::initially`] says otherwise; one whose status is
    /// [`Draining`](crate::registry::Status::Draining) as draining. Needs no tokio runtime, but for
    /// [`on_current_runtime`](Self::on_current_runtime). If the future is dropped before it is
    /// ready, what was registered is deregistered again.
    pub async fn start(self) -> Result<Monitor, MonitorError> {
        if self.on_current_runtime {
            launch::on_current_runtime(self).await
        } else {
            launch::on_own_thread(self).await
        }
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorBuilder")
            .field("instance", &self.instance)
            .field("checks", &self.checks)
            .field("policy", &self.policy)
            .field("registrar_timeout", &self.registrar_timeout)
            .field("on_current_runtime", &self.on_current_runtime)
            .finish_non_exhaustive()
    }
}
