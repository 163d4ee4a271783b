//! Apps with real servers on real ports: nothing in flight is lost when they stop in order.
#![cfg(all(
    feature = "axum",
    feature = "fixed",
    feature = "node",
    feature = "tonic-health",
    feature = "tonic-server"
))]

mod grpc;
mod http;
mod life;
mod load;
mod log;
mod registry;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

/// Awaits what must happen within the bound of every test.
async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future)
        .await
        .expect("within 30 s")
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How many requests a server has at the moment.
#[derive(Clone, Debug, Default)]
struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    /// One more, until what is returned is dropped.
    fn enter(&self) -> impl Drop + Send + use<> {
        struct Leave(InFlight);
        impl Drop for Leave {
            fn drop(&mut self) {
                self.0.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.fetch_add(1, Ordering::Relaxed);
        Leave(self.clone())
    }

    fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until there are so many.
    async fn are(&self, count: usize) {
        within(async {
            while self.now() != count {
                tokio::time::sleep(millis(1)).await;
            }
        })
        .await;
    }
}
