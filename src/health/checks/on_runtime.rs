//! A future on the service's runtime, one at a time.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::{Found, Probe};
use crate::registry::BoxFuture;

type Make = dyn Fn() -> BoxFuture<'static, Found> + Send + Sync;

/// Runs on the service's runtime and is awaited elsewhere: a runtime that is stuck does not stick
/// whoever asks, and is found out by the timeout.
///
/// Bound: one task. One that was given up is waited for before the next is started, so that what a
/// blocked runtime does not get to does not pile up in it.
pub(super) struct OnRuntime {
    runtime: Option<Handle>,
    make: Arc<Make>,
    running: JoinSet<Found>,
}

impl OnRuntime {
    /// On `runtime`, or without one on that of whoever asks.
    pub(super) fn new<F: Future<Output = Found> + Send + 'static>(
        runtime: Option<Handle>,
        make: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self {
            runtime,
            make: Arc::new(move || -> BoxFuture<'static, Found> { Box::pin(make()) }),
            running: JoinSet::new(),
        }
    }

    async fn run(&mut self) -> Found {
        self.running.abort_all();
        while self.running.join_next().await.is_some() {}
        let make = Arc::clone(&self.make);
        // The closure is called over there as well: it may block.
        let task = async move { make().await };
        match &self.runtime {
            Some(runtime) => self.running.spawn_on(task, runtime),
            None => self.running.spawn(task),
        };
        match self.running.join_next().await {
            Some(Ok(found)) => found,
            Some(Err(error)) if error.is_panic() => Err("the check panicked".to_owned()),
            _ => Err("its runtime has been shut down".to_owned()),
        }
    }
}

impl Probe for OnRuntime {
    fn probe(&mut self) -> BoxFuture<'_, Found> {
        Box::pin(self.run())
    }
}
