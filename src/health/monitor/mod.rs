//! The monitor: runs the checks of an instance, and keeps the registry told.
//!
//! It has a thread of its own, as a node has: a service whose runtime is blocked has to be found
//! out by somebody who is not. On that thread three things take turns: the checks, each a task; the
//! loop that feeds their results to the [`HealthState`](super::HealthState); and what tells the registrar,
//! always the newest state, and again until it has taken it.

mod builder;
mod driver;
mod error;
mod handle;
mod launch;
mod publisher;
mod status;
#[cfg(test)]
mod tests;

pub use builder::MonitorBuilder;
pub use error::{MonitorError, StopError, UpdateError};
pub use handle::Monitor;
pub use publisher::REGISTRAR_TIMEOUT;
pub use status::{Health, StatusWatch};

/// The log target of this room.
const TARGET: &str = "tidings::health";
