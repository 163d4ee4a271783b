//! The loop: results and wishes in, what is wanted out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::TARGET;
use super::error::StopError;
use super::handle::Control;
use super::launch;
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
    /// What the registrar knows already; nothing while that is not known.
    pub(super) told: Option<Wanted>,
    /// What it has taken last; nothing while that is not known.
    pub(super) taken: watch::Sender<Option<Standing>>,
    pub(super) results: mpsc::Receiver<(CheckId, Result<(), String>)>,
    /// End with the driver.
    pub(super) checks: Checks,
    pub(super) ended: watch::Sender<Option<Result<(), StopError>>>,
}

/// The tasks of the checks.
pub(super) struct Checks {
    pub(super) tasks: JoinSet<()>,
    /// By the id of its task: the check, and how many failures in a row turn it.
    pub(super) of_tasks: BTreeMap<Id, (CheckId, u32)>,
}

/// A driver that runs. Dropped before its end, it is left behind by its runtime.
struct Running(Option<Driver>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(driver) = self.0.take() {
            driver.left_behind();
        }
    }
}

impl Driver {
    /// Runs until the handle wants it to stop or is gone, or the registrar is closed; then
    /// deregisters. When its runtime is shut down before that, it goes on on a thread of its own: an instance
    /// that nobody looks after any more would be offered for ever.
    pub(super) async fn run(self) {
        let mut running = Running(Some(self));
        if let Some(driver) = &mut running.0 {
            driver.drive().await;
        }
        running.0 = None;
    }

    /// Goes on elsewhere. Not after a panic, which would come again: then the registrar is asked nothing more.
    fn left_behind(mut self) {
        let instance = Arc::clone(&self.control.borrow().instance);
        let (service, id) = (instance.name(), instance.id());
        if std::thread::panicking() {
            tracing::error!(
                target: TARGET, event = "monitor_ended", service, id,
                "the registrar or the monitor panicked: {instance} stays registered as it is"
            );
            return;
        }
        if self.control.has_changed().is_ok() {
            tracing::warn!(
                target: TARGET, event = "runtime_ended", service, id,
                "the runtime of the monitor was shut down: the monitor goes on on a thread of its own, without checks"
            );
        }
        // It may have been told without having said so.
        self.told = None;
        if let Err(error) = launch::on_new_thread(self) {
            tracing::error!(
                target: TARGET, event = "monitor_ended", service, id, %error,
                "no thread can be started for the monitor: {instance} stays registered as it is"
            );
        }
    }

    async fn drive(&mut self) {
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
        self.checks.tasks.abort_all();
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
                Some(ended) = self.checks.tasks.join_next_with_id() => self.check_ended(ended),
                () = sleep_until(wake.unwrap_or(self.origin)), if wake.is_some() => {}
            }
        }
    }

    /// A check that was not ended by its service says nothing any more, and its last word does not count.
    fn check_ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let Err(error) = ended else {
            return;
        };
        let Some((check, fall)) = self.checks.of_tasks.remove(&error.id()) else {
            return;
        };
        let reason = if error.is_panic() {
            "the check panicked, and is not asked any more"
        } else {
            "the runtime of its monitor has been shut down"
        };
        for _ in 0..fall.max(1) {
            self.state.record(check, Err(reason.to_owned()), self.now());
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
        let (instance, failing) = (&self.control.borrow().instance, health.failing());
        let failing = (!failing.is_empty()).then_some(failing);
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
