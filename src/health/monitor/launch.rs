//! From settings to a running driver and the handle to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::builder::MonitorBuilder;
use super::driver::{Checks, Driver, RESULT_CAPACITY};
use super::error::MonitorError;
use super::handle::{Control, Monitor};
use super::publisher::{Refusal, Wanted, tell};
use super::status::Health;
use crate::health::checks;
use crate::health::{Check, CheckId, HealthState};
use crate::registry::Status;

/// Lookups of checked hosts' names that may block a thread at the same time; others wait.
const LOOKUP_THREADS: usize = 4;

pub(super) async fn on_current_runtime(settings: MonitorBuilder) -> Result<Monitor, MonitorError> {
    let runtime = Handle::try_current().map_err(|_| MonitorError::NoRuntime)?;
    let (started, monitor) = oneshot::channel();
    // A task, so that a caller who stops waiting leaves nothing registered behind.
    runtime.spawn(live(settings, started));
    monitor.await.map_err(|_| MonitorError::ThreadEnded)?
}

pub(super) async fn on_own_thread(settings: MonitorBuilder) -> Result<Monitor, MonitorError> {
    let (started, monitor) = oneshot::channel();
    std::thread::Builder::new()
        .name("tidings-health".to_owned())
        .spawn(move || {
            match own_runtime() {
                Ok(runtime) => {
                    runtime.block_on(live(settings, started));
                    // A lookup that hangs in the system's resolver must not hold the thread.
                    runtime.shutdown_background();
                }
                Err(error) => drop(started.send(Err(MonitorError::Thread(error)))),
            }
        })
        .map_err(MonitorError::Thread)?;
    monitor.await.map_err(|_| MonitorError::ThreadEnded)?
}

/// For a driver whose runtime was shut down.
pub(super) fn on_new_thread(driver: Driver) -> io::Result<()> {
    let runtime = own_runtime()?;
    std::thread::Builder::new()
        .name("tidings-health".to_owned())
        .spawn(move || {
            runtime.block_on(driver.run());
            runtime.shutdown_background();
        })
        .map(drop)
}

fn own_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOKUP_THREADS)
        .thread_name("tidings-health")
        .build()
}

/// A monitor's whole life.
async fn live(settings: MonitorBuilder, started: oneshot::Sender<Result<Monitor, MonitorError>>) {
    match assemble(settings).await {
        // If nobody waits any more the handle is dropped here, and the driver deregisters.
        Ok((monitor, driver)) => {
            drop(started.send(Ok(monitor)));
            driver.run().await;
        }
        Err(error) => drop(started.send(Err(error))),
    }
}

async fn assemble(settings: MonitorBuilder) -> Result<(Monitor, Driver), MonitorError> {
    let origin = Instant::now();
    let instance = Arc::new(settings.instance);
    let mut state = HealthState::new(settings.policy, Duration::ZERO);
    let checks = add(settings.checks, &mut state);
    let is_draining = instance.status() == Status::Draining;
    if is_draining {
        state.drain();
    }
    state.poll(Duration::ZERO);
    let told = Wanted {
        instance: Arc::clone(&instance),
        standing: state.standing(),
    };
    let limit = settings.registrar_timeout;
    let registered = tell(&*settings.registrar, &told, limit).await;
    registered.map_err(failed)?;

    let (health, health_seen) = watch::channel(Health {
        standing: state.standing(),
        checks: state.reports(),
    });
    let (control, control_seen) = watch::channel(Control {
        instance,
        is_draining,
        is_stopping: false,
    });
    let (ended, ended_seen) = watch::channel(None);
    let (taken, taken_seen) = watch::channel(Some(told.standing));
    let (results_in, results) = mpsc::channel(RESULT_CAPACITY);
    let driver = Driver {
        registrar: settings.registrar,
        registrar_timeout: limit,
        state,
        origin,
        control: control_seen,
        health,
        wanted: watch::Sender::new(told.clone()),
        told: Some(told),
        taken,
        results,
        checks: spawn(checks, &results_in),
        ended,
    };
    let monitor = Monitor {
        control,
        health: health_seen,
        taken: taken_seen,
        ended: ended_seen,
    };
    Ok((monitor, driver))
}

fn add(checks: Vec<Check>, state: &mut HealthState) -> Vec<(CheckId, Check)> {
    let add = |check: Check| {
        let (name, thresholds, time_to_live) = check.terms();
        let id = state.add_check(name, thresholds, time_to_live, Duration::ZERO);
        (id, check)
    };
    checks.into_iter().map(add).collect()
}

fn spawn(
    checks: Vec<(CheckId, Check)>,
    results: &mpsc::Sender<(CheckId, Result<(), String>)>,
) -> Checks {
    // For jitter only: without the system's random bytes it is the same in every process.
    let seeded = StdRng::try_from_rng(&mut SysRng);
    let mut chance = seeded.unwrap_or_else(|_| StdRng::seed_from_u64(0));
    let (mut tasks, mut of_tasks) = (JoinSet::new(), BTreeMap::new());
    for (id, check) in checks {
        let chance = StdRng::seed_from_u64(chance.random());
        let (_, thresholds, _) = check.terms();
        let task = tasks.spawn(checks::run(check, id, results.clone(), chance));
        of_tasks.insert(task.id(), (id, thresholds.fall));
    }
    Checks { tasks, of_tasks }
}

fn failed(refusal: Refusal) -> MonitorError {
    match refusal {
        Refusal::Registrar(error) => MonitorError::Registrar(error),
        Refusal::Timeout(waited) => MonitorError::Timeout { waited },
    }
}
