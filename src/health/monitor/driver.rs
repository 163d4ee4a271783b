//! The loop: results and wishes in, what is wanted out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::TARGET;
use super::error::StopError;
use super::handle::Control;
use super::publisher::{Refusal, Wanted, deregister, publish};
use super::status::Health;
use crate::health::{CheckId, HealthState, Standing};
use crate::registry::Registrar;

/// Results that wait to be looked at. The loop does nothing that waits, so any number would do.
pub(super) const RESULT_CAPACITY: usize = 16;

/// Everything that a monitor is made of, but for its handle.
pub(super) struct Driver {
    pub(super) registrar: Arc<dyn Registrar>,
    pub(super) registrar_timeout: Duration,
    pub(super) state: HealthState,
    pub(super) origin: Instant,
    pub(super) control: watch::Receiver<Control>,
    pub(super) health: watch::Sender<Health>,
    pub(super) wanted: watch::Sender<Wanted>,
    /// What the registrar knows already.
    pub(super) told: Wanted,
    /// What it has taken last; nothing while that is not known.
    pub(super) taken: watch::Sender<Option<Standing>>,
    pub(super) results: mpsc::Receiver<(CheckId, Result<(), String>)>,
    /// Ends with the driver.
    pub(super) checks: JoinSet<()>,
    pub(super) ended: watch::Sender<Option<Result<(), StopError>>>,
}

impl Driver {
    /// Runs until the handle wants it to stop or is gone, or the registrar is closed; then
    /// deregisters.
    pub(super) async fn run(mut self) {
        let registrar = Arc::clone(&self.registrar);
        let taken = self.taken.clone();
        let publishing = publish(
            (&*registrar, self.registrar_timeout),
            self.wanted.subscribe(),
            self.told.clone(),
            &taken,
        );
        tokio::select! {
            () = publishing => {}
            () = self.watch() => {}
        }
        self.checks.abort_all();
        let instance = Arc::clone(&self.control.borrow().instance);
        let result = match deregister(&*registrar, &instance, self.registrar_timeout).await {
            Ok(()) => Ok(()),
            Err(Refusal::Registrar(error)) => Err(StopError::Registrar(error)),
            Err(Refusal::Timeout(waited)) => Err(StopError::Timeout { waited }),
        };
        if let Err(error) = &result {
            tracing::warn!(
                target: TARGET, event = "not_deregistered", service = instance.name(),
                id = instance.id(), %error, "the monitor ends without having deregistered"
            );
        }
        self.ended.send_replace(Some(result));
    }

    async fn watch(&mut self) {
        loop {
            self.tell();
            // What is later than the end of time is never.
            let wake = self.state.poll_timeout();
            let wake = wake.and_then(|at| self.origin.checked_add(at));
            tokio::select! {
                changed = self.control.changed() => {
                    if changed.is_err() || self.control.borrow().is_stopping {
                        return;
                    }
                    self.obey();
                }
                Some((check, result)) = self.results.recv() => {
                    self.state.record(check, result, self.now());
                }
                () = sleep_until(wake.unwrap_or(self.origin)), if wake.is_some() => {}
            }
        }
    }

    fn obey(&mut self) {
        let control = self.control.borrow_and_update().clone();
        if control.is_draining {
            self.state.drain();
        } else {
            self.state.resume();
        }
        self.want(|wanted| wanted.instance = control.instance);
    }

    /// Passes on what is new.
    fn tell(&mut self) {
        let news = self.state.poll(self.now());
        let health = Health {
            standing: self.state.standing(),
            checks: self.state.reports(),
        };
        if let Some(standing) = news {
            self.log(&health);
            self.want(|wanted| wanted.standing = standing);
        }
        self.health.send_if_modified(|shown| {
            let is_new = *shown != health;
            if is_new {
                *shown = health;
            }
            is_new
        });
    }

    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        self.wanted.send_modify(change);
    }

    fn log(&self, health: &Health) {
        let (instance, failing) = (&self.told.instance, health.failing());
        let status = health.standing.as_str();
        let (service, id) = (instance.name(), instance.id());
        if matches!(health.standing, Standing::Up | Standing::Draining) {
            tracing::info!(target: TARGET, event = "health", service, id, status, failing, "{instance} is {status}");
        } else {
            tracing::warn!(target: TARGET, event = "health", service, id, status, failing, "{instance} is {status}");
        }
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}
