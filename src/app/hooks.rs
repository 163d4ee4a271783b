//! What the service does around its start and its stop.

use std::future::Future;
use std::time::Duration;

use super::error::{BoxError, HookError};
use super::task::{NoResult, bounded};
use crate::registry::BoxFuture;

/// One of them.
pub(super) struct Hook(Box<dyn FnOnce() -> BoxFuture<'static, Result<(), BoxError>> + Send>);

/// All of them, each stage in its order.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) before_start: Vec<Hook>,
    pub(super) after_start: Vec<Hook>,
    pub(super) before_stop: Vec<Hook>,
    pub(super) after_stop: Vec<Hook>,
    pub(super) leave: Vec<Hook>,
}

impl Hook {
    pub(super) fn new<F, E>(hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Box::new(move || {
            // Called when it is polled: it may panic, and it may block.
            Box::pin(async move { hook().await.map_err(Into::into) })
        }))
    }

    /// Up to `limit`.
    pub(super) async fn run(self, limit: Duration) -> Result<(), HookError> {
        match bounded(limit, self.0()).await {
            Ok(result) => result.map_err(HookError::Failed),
            Err(NoResult::Panicked(message)) => Err(HookError::Panicked(message)),
            Err(NoResult::Timeout) => Err(HookError::Timeout { waited: limit }),
        }
    }
}
