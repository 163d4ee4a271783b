//! The handle that a service holds.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::builder::MonitorBuilder;
use super::error::{StopError, UpdateError};
use super::status::{Health, StatusWatch};
use crate::health::Standing;
use crate::registry::{Registrar, ServiceInstance, Status};

/// Runs the checks of one instance and keeps the registry told.
///
/// It registers the instance when it starts, again whenever its status changes, and deregisters it
/// when it ends: by [`stop`](Self::stop), which one can wait for, or by being dropped, in the
/// background. As long as it runs nobody else should register that instance; what changes of it goes
/// through [`update`](Self::update), [`drain`](Self::drain) and [`resume`](Self::resume), none of
/// which waits.
///
/// A registrar that fails is asked again, ever slower, at most half a minute apart, always with the
/// newest state. Only [`RegistrarError::Closed`](crate::registry::RegistrarError::Closed) ends the
/// monitor: a node that was shut down does not come back.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use tidings::{Registrar, ServiceInstance};
/// # async fn example(node: Arc<dyn Registrar>, me: ServiceInstance) -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::health::{Check, DEFAULT_TTL, Monitor};
///
/// let (working, worker) = Check::ttl("worker", DEFAULT_TTL);
/// let monitor = Monitor::builder(node, me)
///     .check(Check::pulse()?)
///     .check(Check::tcp("127.0.0.1:8000")?)
///     .check(working)
///     .start()
///     .await?;
/// worker.pass(); // again and again, from the loop that does the work
/// monitor.stop().await?;
/// # Ok(())
/// # }
/// ```
pub struct Monitor {
    pub(super) control: watch::Sender<Control>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) taken: watch::Receiver<Option<Standing>>,
    pub(super) ended: watch::Receiver<Option<Result<(), StopError>>>,
}

/// What the service wants: the newest counts, so that nothing queues up.
#[derive(Clone)]
pub(super) struct Control {
    pub(super) instance: Arc<ServiceInstance>,
    pub(super) is_draining: bool,
    pub(super) is_stopping: bool,
}

impl Monitor {
    /// Starts to describe a monitor of `instance`, which `registrar` makes known.
    pub fn builder(registrar: Arc<dyn Registrar>, instance: ServiceInstance) -> MonitorBuilder {
        MonitorBuilder::new(registrar, instance)
    }

    /// Follows how the instance is.
    pub fn status(&self) -> StatusWatch {
        let mut status = self.health.clone();
        status.mark_changed();
        StatusWatch(status)
    }

    /// How the instance is now.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Waits until the registrar has taken `standing` and nothing newer: after [`drain`](Self::drain),
    /// that everybody is being told. `false` when the monitor has ended before. Cancel-safe.
    ///
    /// It has no bound of its own: a registrar that fails is asked again for ever, and an instance that
    /// was deregistered for failing too long is never registered as draining.
    pub async fn registered_as(&self, standing: Standing) -> bool {
        let mut taken = self.taken.clone();
        taken
            .wait_for(|taken| *taken == Some(standing))
            .await
            .is_ok()
    }

    /// Registers the instance as [`Status::Draining`] and keeps it so, whatever the checks say.
    pub fn drain(&self) {
        self.control
            .send_modify(|control| control.is_draining = true);
    }

    /// Lets the checks decide again.
    pub fn resume(&self) {
        self.control
            .send_modify(|control| control.is_draining = false);
    }

    /// Puts other metadata, endpoints or another version in place of those that are registered. The
    /// status remains that of the checks, but for [`Status::Draining`], which is
    /// [`drain`](Self::drain).
    ///
    /// # Errors
    ///
    /// [`UpdateError`]. What the registrar says to it is logged: it is asked again until it takes
    /// it, or another update comes.
    pub fn update(&self, instance: ServiceInstance) -> Result<(), UpdateError> {
        let watched = Arc::clone(&self.control.borrow().instance);
        if (instance.name(), instance.id()) != (watched.name(), watched.id()) {
            return Err(UpdateError::OtherInstance {
                watched: watched.to_string(),
                given: instance.to_string(),
            });
        }
        if self.control.is_closed() {
            return Err(UpdateError::Ended);
        }
        self.control.send_modify(|control| {
            control.is_draining |= instance.status() == Status::Draining;
            control.instance = Arc::new(instance);
        });
        Ok(())
    }

    /// Ends the checks and deregisters the instance; bounded by
    /// [`registrar_timeout`](MonitorBuilder::registrar_timeout).
    ///
    /// Again returns the same. It goes on if the caller stops waiting.
    pub async fn stop(&self) -> Result<(), StopError> {
        self.control
            .send_modify(|control| control.is_stopping = true);
        let mut ended = self.ended.clone();
        let result = match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone(),
            Err(_) => None,
        };
        result.unwrap_or(Err(StopError::Gone))
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("instance", &self.control.borrow().instance)
            .field("health", &*self.health.borrow())
            .finish_non_exhaustive()
    }
}
