//! The life of a service: start, be found, be left alone, stop.
//!
//! # In which order
//!
//! An [`App`] has servers, each bound to its port before the app is built, and does this:
//!
//! 1. the hooks before the start;
//! 2. the servers start, and each says that it accepts;
//! 3. one instance with the endpoints of all servers is registered;
//! 4. the hooks after the start;
//! 5. it waits: for a signal (SIGTERM, SIGINT, SIGQUIT), for [`App::stop_handle`], or for a server that
//!    ends, which is a failure;
//! 6. the instance is [`Draining`](crate::registry::Status::Draining), and everybody is told;
//! 7. the hooks before the stop;
//! 8. the drain delay: who heard of it calls somebody else, and who did not is still served;
//! 9. the instance is deregistered;
//! 10. the servers accept nothing new and finish what they have;
//! 11. the hooks after the stop, and then those that [leave](AppBuilder::leave) the cluster.
//!
//! # Whatever happens
//!
//! - **Each exit goes this way**: a server that fails or panics, a hook or a registrar that fails,
//!   panics or hangs, a signal during the start, a [`run`](App::run) that nobody waits for any
//!   more. What had started is stopped, and what may be registered is deregistered, before the
//!   servers stop.
//! - **The first cause is the error**; those that follow from it are logged.
//! - **Everything is bounded**: each hook, the start of the servers, each call to the registrar.
//! - **The stop has one budget**, 25 s ([`AppBuilder::stop_budget`]), in which all of steps 6 to 11 fits.
//!   A step may take what those before it left, but for the shares of those that follow: 16 % for telling
//!   that the instance drains, 16 % for the hooks before the stop, 10 % for the delay, 10 % for deregistering,
//!   20 % for the servers, 8 % for the hooks after the stop, 20 % for leaving. A step that there is not needs
//!   no share. How many requests were cut is in the log.
//! - **One more signal**, at least a second later, ends the waiting for hooks, the delay, and requests in
//!   flight: a hook that runs is dropped, and what is in flight is cut. What follows has 3 s, or what is left
//!   of the budget if that is less.
//!
//! What cannot be done is to run on after the tokio runtime was shut down, or the process killed:
//! then the [node](crate) leaves, or is found dead by its peers.
//!
//! # With a main of one's own
//!
//! [`Registration`] is steps 3, 6, 8 and 9 alone, as a future that a server's graceful shutdown takes:
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn example(
//! #     node: std::sync::Arc<dyn tidings::Registrar>, router: axum::Router,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use tidings::ServiceInstance;
//! use tidings::app::{Registration, stop_signal};
//!
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await?;
//! let me = ServiceInstance::builder("user-service")
//!     .listener("http", listener.local_addr()?)
//!     .build()?;
//! let registration = Registration::register(node, me).await?;
//! axum::serve(listener, router)
//!     .with_graceful_shutdown(registration.drain_on(stop_signal()?, Duration::from_secs(1)))
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it writes to the log
//!
//! The `tracing` target is `tidings::app`, the fields are `event` (`started`, `not_joined`, `stopping`,
//! `stopped`, `failed`, `not_drained`, `hurried`, `cut`, `unregistered`, `accept_failed`), `service`, `id`, and where they
//! apply `why`, `server` and `error`.

mod budget;
mod builder;
mod connection;
mod error;
mod flights;
mod hooks;
mod lifecycle;
mod listener;
mod offer;
mod registration;
mod run;
mod server;
mod servers;
mod signals;
mod task;
#[cfg(test)]
mod tests;
mod wishes;

pub use builder::{
    AppBuilder, DEFAULT_DRAIN_DELAY, DEFAULT_HOOK_TIMEOUT, DEFAULT_START_TIMEOUT,
    DEFAULT_STOP_BUDGET,
};
pub use connection::Connection;
pub use error::{AppError, BoxError, HookError, ServerError, Stage};
pub use flights::InFlight;
pub use listener::{Accepting, ListenError, Listener};
pub use registration::Registration;
pub use run::App;
pub use server::{Server, Serving};
pub use signals::stop_signal;

/// The log target of this room.
const TARGET: &str = "tidings::app";
