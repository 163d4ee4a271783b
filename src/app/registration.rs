//! One instance in the registry, for as long as it is wanted there.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::TARGET;
use super::task::{NoResult, bounded};
use crate::health::{
    Monitor, MonitorBuilder, MonitorError, Standing, StatusWatch, StopError, UpdateError,
};
use crate::registry::{Registrar, RegistrarError, ServiceInstance};

/// How much longer than the registrar's own bound an answer is waited for: it comes from another task or thread. Only a
/// registrar that blocks its thread makes it later.
pub(super) const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// An instance that is registered; dropping it deregisters, in the background.
///
/// For whoever has a main of their own; an [`App`](super::App) has one of these inside. All that it
/// tells the registrar is told by a [`Monitor`], which has the rules for a registrar that fails.
pub struct Registration {
    monitor: Monitor,
    registrar: Arc<dyn Registrar>,
    instance: ServiceInstance,
    limit: Duration,
}

impl Registration {
    /// Registers `instance`, without checks of its health. Each call to the registrar has 10 s
    /// ([`REGISTRAR_TIMEOUT`](crate::health::REGISTRAR_TIMEOUT)).
    ///
    /// If the future is dropped before it is ready, what was registered is deregistered again.
    ///
    /// # Errors
    ///
    /// [`MonitorError`]. Nothing is registered then; when the registrar did not answer it has been
    /// asked to deregister.
    pub async fn register(
        registrar: Arc<dyn Registrar>,
        instance: ServiceInstance,
    ) -> Result<Self, MonitorError> {
        Self::monitored(Monitor::builder(registrar, instance).on_current_runtime()).await
    }

    /// Registers an instance whose health is checked.
    ///
    /// # Errors
    ///
    /// As of [`register`](Self::register).
    pub async fn monitored(monitor: MonitorBuilder) -> Result<Self, MonitorError> {
        let (registrar, instance, limit) = monitor.terms();
        match monitor.start().await {
            Ok(monitor) => Ok(Self {
                monitor,
                registrar,
                instance,
                limit,
            }),
            Err(error) => {
                if matches!(
                    error,
                    MonitorError::Timeout { .. } | MonitorError::ThreadEnded
                ) {
                    take_back(&registrar, &instance, limit).await;
                }
                Err(error)
            }
        }
    }

    /// The instance as it was registered first.
    pub fn instance(&self) -> &ServiceInstance {
        &self.instance
    }

    /// Follows how the instance is, and what the registrar is told of it.
    pub fn status(&self) -> StatusWatch {
        self.monitor.status()
    }

    /// Puts other metadata, endpoints or another version in place of those that are registered.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]; see [`Monitor::update`].
    pub fn update(&self, instance: ServiceInstance) -> Result<(), UpdateError> {
        self.monitor.update(instance)
    }

    /// Registers the instance as [`Draining`](crate::registry::Status::Draining), and returns
    /// whether the registrar has taken it: not if it fails for as long as one call may take, and
    /// not if the instance was deregistered because its checks failed for too long.
    pub async fn drain(&self) -> bool {
        self.monitor.drain();
        let told = async {
            tokio::select! {
                is_draining = self.monitor.registered_as(Standing::Draining) => is_draining,
                _ = self.monitor.registered_as(Standing::Deregistered) => false,
            }
        };
        let is_draining = timeout(self.limit, told).await.unwrap_or(false);
        if !is_draining {
            tracing::warn!(
                target: TARGET, event = "not_drained", service = self.instance.name(),
                id = self.instance.id(), "the registrar has not taken that the instance is draining"
            );
        }
        is_draining
    }

    /// Deregisters the instance, and is done when the registrar has answered, or has not for as
    /// long as one call may take; one that blocks its thread is asked once more, on another. A registrar that is closed
    /// offers nobody any more, so that is `Ok`.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    pub async fn deregister(&self) -> Result<(), StopError> {
        self.deregister_within(Duration::MAX).await
    }

    /// The same, and no longer than `longest`, half of it for the first answer.
    pub(super) async fn deregister_within(&self, longest: Duration) -> Result<(), StopError> {
        let most = self.limit.saturating_add(ANSWER_GRACE).min(longest / 2);
        match timeout(most, self.monitor.stop()).await {
            Ok(Err(StopError::Registrar(RegistrarError::Closed))) => Ok(()),
            Err(_) | Ok(Err(StopError::Gone)) => {
                let (registrar, instance) = (Arc::clone(&self.registrar), self.instance.clone());
                deregister(registrar, instance, self.limit.min(longest / 2)).await
            }
            Ok(result) => result,
        }
    }

    /// For a server's graceful shutdown: waits for `signal`, registers the instance as
    /// [`Draining`](crate::registry::Status::Draining), waits `delay`, deregisters, and is ready:
    /// from then on the server may refuse.
    ///
    /// The delay is for those who have not heard yet, and for calls that are on their way: 1 s is
    /// plenty in one data centre. If the future is dropped, because the server failed, the instance
    /// is deregistered in the background. What the registrar refuses is logged.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use tidings::app::{Registration, stop_signal};
    /// # fn example(registration: Registration) -> std::io::Result<()> {
    /// let shutdown = registration.drain_on(stop_signal()?, Duration::from_secs(1));
    /// // axum::serve(listener, router).with_graceful_shutdown(shutdown)
    /// // tonic: router.serve_with_incoming_shutdown(incoming, shutdown)
    /// # drop(shutdown);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain_on(self, signal: impl Future<Output = ()>, delay: Duration) {
        signal.await;
        self.drain().await;
        sleep(delay).await;
        if let Err(error) = self.deregister().await {
            log(&self.instance, &error);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("monitor", &self.monitor)
            .field("registrar_timeout", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Asks the registrar to deregister what it may have registered without saying so.
pub(super) async fn take_back(
    registrar: &Arc<dyn Registrar>,
    instance: &ServiceInstance,
    limit: Duration,
) {
    let asked = deregister(Arc::clone(registrar), instance.clone(), limit).await;
    if let Err(error) = asked {
        log(instance, &error);
    }
}

/// Asks the registrar itself, where there is no monitor that would.
async fn deregister(
    registrar: Arc<dyn Registrar>,
    instance: ServiceInstance,
    limit: Duration,
) -> Result<(), StopError> {
    let asked = async move { registrar.deregister(&instance).await };
    match bounded(limit, asked).await {
        Ok(Ok(()) | Err(RegistrarError::Closed)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(NoResult::Panicked(_)) => Err(StopError::Gone),
        Err(NoResult::Timeout) => Err(StopError::Timeout { waited: limit }),
    }
}

fn log(instance: &ServiceInstance, error: &StopError) {
    tracing::warn!(
        target: TARGET, event = "failed", service = instance.name(), id = instance.id(), %error,
        "the instance was not deregistered"
    );
}
