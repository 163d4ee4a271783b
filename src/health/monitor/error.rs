//! What can go wrong with a monitor.

use std::io;
use std::time::Duration;

use crate::registry::RegistrarError;

/// Why a monitor did not start. Nothing is registered, but for
/// [`Timeout`](Self::Timeout).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The registrar refused the instance.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// The registrar did not answer. Whether it has registered nobody knows.
    #[error(
        "the registrar has not answered within {waited:?}: look whether its registry can be reached"
    )]
    Timeout {
        /// How long it was waited.
        waited: Duration,
    },
    /// The monitor's thread could not be started.
    #[error("the monitor's thread could not be started: {0}")]
    Thread(#[source] io::Error),
    /// The monitor's thread ended: the registrar panicked.
    #[error("the monitor's thread ended before it had registered: the registrar panicked")]
    ThreadEnded,
    /// `on_current_runtime` was asked for where there is none.
    #[error(
        "there is no tokio runtime here: start the monitor in one, or leave out `on_current_runtime`"
    )]
    NoRuntime,
}

/// Why a monitor's end was not in order. It has ended either way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The registrar did not deregister the instance. After
    /// [`RegistrarError::Closed`] there is nobody left that could offer it.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// The registrar did not answer. Whether the instance is deregistered nobody knows.
    #[error(
        "the registrar has not answered within {waited:?}: the instance may still be registered"
    )]
    Timeout {
        /// How long it was waited.
        waited: Duration,
    },
    /// The monitor's task was gone: its runtime was shut down, or the registrar panicked.
    #[error("the monitor had ended without deregistering: deregister the instance yourself")]
    Gone,
}

/// Why an instance was not updated. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// It is another instance.
    #[error("this monitor watches `{watched}` and not `{given}`: keep the name and the id")]
    OtherInstance {
        /// The one that is watched, as `name-id`.
        watched: String,
        /// The one that was given.
        given: String,
    },
    /// The monitor has ended.
    #[error("the monitor has ended: start another one")]
    Ended,
}
