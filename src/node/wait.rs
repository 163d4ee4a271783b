//! Waiting for a service to have enough instances.

use std::time::Duration;

use crate::registry::{Instances, WaitError};
use crate::table::Directory;

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
