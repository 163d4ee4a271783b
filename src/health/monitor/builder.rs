//! What a monitor is to do.

use std::fmt;
use std::sync::Arc;

use super::error::MonitorError;
use super::handle::Monitor;
use super::launch;
use crate::health::{Check, Policy};
use crate::registry::{Registrar, ServiceInstance};

/// Settings of a [`Monitor`]; from [`Monitor::builder`].
#[must_use = "a builder does nothing until `start` is called"]
pub struct MonitorBuilder {
    pub(super) registrar: Arc<dyn Registrar>,
    pub(super) instance: ServiceInstance,
    pub(super) checks: Vec<Check>,
    pub(super) policy: Policy,
    on_current_runtime: bool,
}

impl MonitorBuilder {
    pub(super) fn new(registrar: Arc<dyn Registrar>, instance: ServiceInstance) -> Self {
        Self {
            registrar,
            instance,
            checks: Vec::new(),
            policy: Policy::default(),
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

    /// Runs on the tokio runtime that [`start`](Self::start) is called on, for tests in virtual time.
    /// Default: on a thread of its own. On the service's runtime nobody finds out that it is
    /// blocked.
    pub fn on_current_runtime(mut self) -> Self {
        self.on_current_runtime = true;
        self
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
            .field("on_current_runtime", &self.on_current_runtime)
            .finish_non_exhaustive()
    }
}
