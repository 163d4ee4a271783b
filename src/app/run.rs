//! An app that is put together.

use std::fmt;

use tokio::runtime::Handle;

use super::error::AppError;
use super::lifecycle::Lifecycle;
use super::signals::Signals;
use super::{AppBuilder, TARGET};
use crate::health::StatusWatch;
use crate::registry::{ServiceInstance, StopHandle};

/// A service that is ready to run: see the [module](super).
///
/// ```no_run
/// # #[cfg(all(feature = "node", feature = "axum"))]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use axum::{Router, routing::get};
/// use tidings::Node;
/// use tidings::app::{App, Listener};
/// use tidings::integrations::axum::AxumServer;
///
/// let node = Node::builder()
///     .cluster("shop")
///     .key_file("/etc/shop/key")
///     .bind("0.0.0.0:7946")
///     .seeds(["10.0.0.1:7946"])
///     .start()
///     .await?;
/// let router = Router::new().route("/", get(|| async { "hello" }));
///
/// App::builder()
///     .name("user-service")
///     .version("1.4.2")
///     .node(node)
///     .server(AxumServer::new(Listener::bind("http", "0.0.0.0:8000").await?, router))
///     .build()?
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "an app does nothing until it is run"]
pub struct App {
    pub(super) lifecycle: Lifecycle,
    pub(super) status: StatusWatch,
    pub(super) has_signals: bool,
    /// It has servers, and nobody is told of them.
    pub(super) is_unregistered: bool,
}

impl App {
    /// Starts to describe an app.
    pub fn builder() -> AppBuilder {
        AppBuilder::new()
    }

    /// What will be registered.
    pub fn instance(&self) -> &ServiceInstance {
        &self.lifecycle.instance
    }

    /// Follows how the instance is, and what the registrar is told of it:
    /// [`Deregistered`](crate::health::Standing::Deregistered) before the app runs and after it has
    /// stopped.
    pub fn status(&self) -> StatusWatch {
        self.status.clone()
    }

    /// Stops the app when it runs, in order, as a signal does.
    pub fn stop_handle(&self) -> StopHandle {
        self.lifecycle.wishes.handle.clone()
    }

    /// Starts, waits until it shall stop, and stops. It runs as a task of its own: when the future is
    /// dropped the app stops in the background, in the same order as otherwise.
    ///
    /// # Errors
    ///
    /// [`AppError`]: the first thing that went wrong. Being asked to stop is `Ok`, during the start
    /// too.
    pub async fn run(mut self) -> Result<(), AppError> {
        let runtime = Handle::try_current().map_err(|_| AppError::NoRuntime)?;
        self.lifecycle.times.check()?;
        if self.has_signals {
            // Before anything else, so that none is lost.
            self.lifecycle.wishes.signals = Some(Signals::listen().map_err(AppError::Signals)?);
        }
        if self.is_unregistered {
            let instance = self.instance();
            tracing::warn!(
                target: TARGET, event = "unregistered", service = instance.name(), id = instance.id(),
                "the app has servers and no registrar: nobody will find it; set one by `node` or `registrar`"
            );
        }
        let _abandon = StopOnDrop(self.lifecycle.wishes.abandoned.clone());
        match runtime.spawn(self.lifecycle.run()).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(AppError::RuntimeEnded),
            },
        }
    }
}

struct StopOnDrop(StopHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("instance", &self.lifecycle.instance)
            .field("times", &self.lifecycle.times)
            .field("has_signals", &self.has_signals)
            .finish_non_exhaustive()
    }
}
