//! Replicas under load, each restarted in turn.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidings::app::{App, AppError, Server};
use tidings::registry::{Endpoint, StopHandle};
use tokio::task::{JoinHandle, JoinSet};

use crate::registry::{Registry, Replica};
use crate::{InFlight, millis, within};

const REPLICAS: usize = 3;
const CALLERS: usize = 8;

/// A replica that runs.
struct Running {
    stop: StopHandle,
    app: JoinHandle<Result<(), AppError>>,
    busy: Arc<Mutex<Option<usize>>>,
}

fn start<S: Server>(registry: &Registry, server: S, in_flight: InFlight) -> Running {
    let busy = Arc::default();
    let replica = Replica {
        registry: registry.clone(),
        in_flight,
        busy: Arc::clone(&busy),
    };
    let app = App::builder()
        .name("user")
        .registrar(Arc::new(replica))
        .server(server)
        .drain_delay(millis(500))
        .without_signals()
        .build()
        .unwrap();
    Running {
        stop: app.stop_handle(),
        app: tokio::spawn(app.run()),
        busy,
    }
}

/// Restarts every replica under load. `server` makes one that answers after longer than the drain delay, so that
/// there are requests in flight when it stops.
pub(crate) async fn no_request_fails_in_a_rolling_restart<S, F>(
    server: impl Fn(InFlight) -> F,
    call: impl AsyncCall,
) where
    S: Server,
    F: Future<Output = S>,
{
    let registry = Registry::default();
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        let in_flight = InFlight::default();
        replicas.push(start(&registry, server(in_flight.clone()).await, in_flight));
    }
    registry.has(REPLICAS).await;

    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (registry, is_over) = (registry.clone(), Arc::clone(&is_over));
        let (answered, call) = (Arc::clone(&answered), call.clone());
        callers.spawn(async move {
            let mut turn = caller;
            while !is_over.load(Ordering::Relaxed) {
                let up = registry.up();
                turn += 1;
                call.call(up[turn % up.len()].clone()).await;
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut busy = 0;
    for old in replicas {
        let in_flight = InFlight::default();
        let new = start(&registry, server(in_flight.clone()).await, in_flight);
        registry.has(REPLICAS + 1).await;
        let before = answered.load(Ordering::Relaxed);
        within(async {
            while answered.load(Ordering::Relaxed) < before + 2 * CALLERS {
                tokio::time::sleep(millis(5)).await;
            }
        })
        .await;
        old.stop.stop();
        within(old.app).await.unwrap().unwrap();
        busy += old.busy.lock().unwrap().expect("it was deregistered");
        // The new one lives on in the background.
        drop(new);
    }
    is_over.store(true, Ordering::Relaxed);
    // A request that fails has panicked.
    within(callers.join_all()).await;
    assert!(
        busy > 0,
        "no replica had a request in flight when it stopped"
    );
}

/// One request to an endpoint, which panics when it fails.
pub(crate) trait AsyncCall: Clone + Send + 'static {
    fn call(&self, endpoint: Endpoint) -> impl Future<Output = ()> + Send;
}
