//! The service knows best.

use std::fmt::Display;
use std::future::Future;

use tokio::runtime::Handle;

use super::Check;
use super::on_runtime::OnRuntime;

impl Check {
    /// Passes when `check` returns `Ok`; the error is the reason. A panic is a failure.
    ///
    /// It runs on the tokio runtime that this is called on, where the service's pools and clients
    /// live; so it fails by its timeout when that is blocked. Called on none, it runs on the
    /// monitor's own thread and must not block there.
    ///
    /// ```
    /// # use tidings::health::Check;
    /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
    /// let database = Check::closure("database", || async { ping().await });
    /// ```
    pub fn closure<F, E>(
        name: impl Into<String>,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let make = move || {
            let check = check();
            async move { check.await.map_err(|error| error.to_string()) }
        };
        Self::asked(name, OnRuntime::new(Handle::try_current().ok(), make))
    }
}
