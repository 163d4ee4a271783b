//! A check's life: asked again and again, or told.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Check, Found, Kind, Probe};
use crate::health::CheckId;

/// Where results go; whoever reads them knows the check by its id.
type Results = mpsc::Sender<(CheckId, Found)>;

/// Runs until it is dropped, or nobody reads its results any more.
pub(in crate::health) async fn run(check: Check, id: CheckId, results: Results, chance: StdRng) {
    match check.kind {
        Kind::Told { said, .. } => told(said, id, results).await,
        Kind::Asked(probe) => {
            let times = (check.interval, check.timeout);
            asked(probe, times, id, results, chance).await;
        }
    }
}

/// Hands on what the service says; what is said while nobody listens is one word, the last.
async fn told(mut said: watch::Receiver<Option<Found>>, id: CheckId, results: Results) {
    while said.changed().await.is_ok() {
        let found = said.borrow_and_update().clone();
        if let Some(found) = found
            && results.send((id, found)).await.is_err()
        {
            return;
        }
    }
}

/// The first time at once: the service is offered as soon as it is known to work.
async fn asked(
    mut probe: Box<dyn Probe>,
    (interval, limit): (Duration, Duration),
    id: CheckId,
    results: Results,
    mut chance: StdRng,
) {
    loop {
        let started = Instant::now();
        let found = timeout(limit, probe.probe()).await;
        let found = found.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
        if results.send((id, found)).await.is_err() {
            return;
        }
        sleep_until(started + interval.mul_f64(chance.random_range(0.9..1.1))).await;
    }
}
