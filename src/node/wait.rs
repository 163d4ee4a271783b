//! Waiting for a service to have enough instances.

use std::time::Duration;

use tokio::sync::watch;

use crate::registry::{Instances, WaitError};
use crate::table::Directory;

/// Waits until the node has joined: false if it has not in time, nothing if it has stopped.
pub(super) async fn until_joined(
    mut joined: watch::Receiver<bool>,
    timeout: Duration,
) -> Option<bool> {
    let told = joined.wait_for(|is_joined| *is_joined);
    match tokio::time::timeout(timeout, told).await {
        Ok(told) => told.is_ok().then_some(true),
        Err(_) => Some(false),
    }
}

/// Waits until `service` has at least `wanted` instances; runs where there is a clock.
pub(super) async fn for_instances(
    directory: Directory,
    service: String,
    wanted: usize,
    timeout: Duration,
) -> Result<Instances, WaitError> {
    let mut watcher = directory.watch(&service);
    let enough = async {
        loop {
            match watcher.next().await {
                Ok(instances) if instances.len() >= wanted => return Ok(instances),
                Ok(_) => {}
                Err(_) => return Err(WaitError::Closed),
            }
        }
    };
    if let Ok(result) = tokio::time::timeout(timeout, enough).await {
        return result;
    }
    let found = directory.get(&service).len();
    Err(WaitError::Timeout {
        service,
        wanted,
        found,
        waited: timeout,
    })
}
