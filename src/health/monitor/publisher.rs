//! Telling the registrar, until it has taken it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::TARGET;
use crate::health::Standing;
use crate::registry::{Registrar, RegistrarError, ServiceInstance, Status};

/// How long a registrar may take for one call, unless the monitor is told otherwise: 10 s.
pub const REGISTRAR_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two attempts with a registrar that fails: 100 ms at first, then twice as long each time.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What the registrar is to know.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) instance: Arc<ServiceInstance>,
    pub(super) standing: Standing,
}

/// Why a registrar has not taken what it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Keeps the registrar told; it knows `told` already, if that is known. Returns only when it is closed, or nothing
/// more can be wanted.
pub(super) async fn publish(
    (registrar, limit): (&dyn Registrar, Duration),
    mut wanted: watch::Receiver<Wanted>,
    mut told: Option<Wanted>,
    taken: &watch::Sender<Option<Standing>>,
) {
    let mut gap = RETRY_MIN;
    loop {
        let next = wanted.borrow_and_update().clone();
        let mut retry = false;
        if told.as_ref() != Some(&next) {
            match tell(registrar, &next, limit).await {
                Ok(()) => {
                    taken.send_replace(Some(next.standing));
                    (told, gap) = (Some(next), RETRY_MIN);
                }
                Err(refusal) => {
                    log(&next, &refusal, gap);
                    if matches!(refusal, Refusal::Registrar(RegistrarError::Closed)) {
                        return;
                    }
                    // It may have taken it without saying so.
                    taken.send_replace(None);
                    (told, retry) = (None, true);
                }
            }
        }
        let is_open = tokio::select! {
            changed = wanted.changed() => changed.is_ok(),
            () = sleep(gap), if retry => {
                gap = (gap * 2).min(RETRY_MAX);
                true
            }
        };
        if !is_open {
            return;
        }
    }
}

/// One call, with its bound.
pub(super) async fn tell(
    registrar: &dyn Registrar,
    wanted: &Wanted,
    limit: Duration,
) -> Result<(), Refusal> {
    let status = match wanted.standing {
        Standing::Up => Status::Up,
        Standing::Unhealthy => Status::Unhealthy,
        Standing::Draining => Status::Draining,
        Standing::Deregistered => return deregister(registrar, &wanted.instance, limit).await,
    };
    let instance = ServiceInstance::clone(&wanted.instance).with_status(status);
    let answer = timeout(limit, registrar.register(instance)).await;
    Ok(answer.map_err(|_| Refusal::Timeout(limit))??)
}

/// One call, with its bound.
pub(super) async fn deregister(
    registrar: &dyn Registrar,
    instance: &ServiceInstance,
    limit: Duration,
) -> Result<(), Refusal> {
    let answer = timeout(limit, registrar.deregister(instance)).await;
    Ok(answer.map_err(|_| Refusal::Timeout(limit))??)
}

/// At most one line for each attempt, and those grow apart.
fn log(wanted: &Wanted, error: &Refusal, gap: Duration) {
    tracing::warn!(
        target: TARGET, event = "registrar_failed", service = wanted.instance.name(),
        id = wanted.instance.id(), status = wanted.standing.as_str(), %error, ?gap,
        "the registrar has not taken the new status"
    );
}
