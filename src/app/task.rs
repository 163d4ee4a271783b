//! A future of somebody else: it may panic, and it may hang.

use std::any::Any;
use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// Why there is no result.
#[derive(Debug)]
pub(super) enum NoResult {
    Panicked(String),
    Timeout,
}

/// Runs `future` as a task, so that its panic is only its own, and waits for it up to `limit`. It
/// is dropped when that is over, and when nobody waits any more.
pub(super) async fn bounded<T: Send + 'static>(
    limit: Duration,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, NoResult> {
    let mut task = JoinSet::new();
    task.spawn(future);
    match timeout(limit, task.join_next()).await {
        Ok(Some(Ok(result))) => Ok(result),
        Ok(Some(Err(error))) => Err(NoResult::Panicked(panic_message(error))),
        Ok(None) | Err(_) => Err(NoResult::Timeout),
    }
}

/// What a task that panicked said.
pub(super) fn panic_message(error: JoinError) -> String {
    let text = |panic: &(dyn Any + Send)| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
    };
    match error.try_into_panic() {
        Ok(panic) => text(&*panic).unwrap_or_else(|| "without a message".to_owned()),
        Err(error) => error.to_string(),
    }
}
