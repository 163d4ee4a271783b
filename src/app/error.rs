//! What can go wrong in an app's life.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::health::{MonitorError, StopError};

/// Whatever error a hook or a server has.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an app ended otherwise than by being asked to: the first cause.
///
/// Whichever it is, what had started was stopped, and the instance deregistered, but for
/// [`NoRuntime`](Self::NoRuntime), [`Setting`](Self::Setting) and [`Signals`](Self::Signals), where nothing had started, for
/// [`Deregister`](Self::Deregister), and for [`RuntimeEnded`](Self::RuntimeEnded).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// It was run where there is no tokio runtime.
    #[error("there is no tokio runtime here: run the app in one")]
    NoRuntime,
    /// The operating system refused the handlers of signals.
    #[error("signals cannot be listened for: {0} (`without_signals` does without them)")]
    Signals(#[source] io::Error),
    /// A hook failed.
    #[error("hook {place} of `{stage}`: {source}")]
    Hook {
        /// Where it was added.
        stage: Stage,
        /// Its place among those of its stage, counted from 1.
        place: usize,
        /// How.
        source: HookError,
    },
    /// A server failed.
    #[error("server `{server}`: {source}")]
    Server {
        /// Its name.
        server: String,
        /// How.
        source: ServerError,
    },
    /// A setting makes no sense. Nothing was started.
    #[error("`{field}` is {value}: {mend}")]
    Setting {
        /// The setting, as the builder has it.
        field: &'static str,
        /// Its value.
        value: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// The instance was not registered.
    #[error("the instance was not registered: {0}")]
    Register(#[source] MonitorError),
    /// The instance was not deregistered. It may be offered still, until the node leaves.
    #[error("the instance was not deregistered: {0}")]
    Deregister(#[source] StopError),
    /// The tokio runtime was shut down while the app ran, and the app with it.
    #[error("the tokio runtime was shut down while the app ran: wait for `run` before that")]
    RuntimeEnded,
}

/// Where a hook was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// By [`before_start`](super::AppBuilder::before_start).
    BeforeStart,
    /// By [`after_start`](super::AppBuilder::after_start).
    AfterStart,
    /// By [`before_stop`](super::AppBuilder::before_stop).
    BeforeStop,
    /// By [`after_stop`](super::AppBuilder::after_stop).
    AfterStop,
    /// By [`leave`](super::AppBuilder::leave).
    Leave,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeStart => "before_start",
            Self::AfterStart => "after_start",
            Self::BeforeStop => "before_stop",
            Self::AfterStop => "after_stop",
            Self::Leave => "leave",
        })
    }
}

/// How a hook failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// It returned an error.
    #[error(transparent)]
    Failed(BoxError),
    /// It panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// It did not end, and was dropped.
    #[error(
        "it has not ended within {waited:?}: do less in it, or set a longer `hook_timeout`, and for a stop \
         a longer `stop_budget`"
    )]
    Timeout {
        /// How long it was waited.
        waited: Duration,
    },
    /// It was dropped because a second signal came.
    #[error("it was given up, since a second signal came while it ran")]
    Hurried,
}

/// How a server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It returned an error.
    #[error(transparent)]
    Failed(BoxError),
    /// It panicked.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// It ended without being asked to.
    #[error("it ended before it was asked to stop: keep `serve` running until `Serving::stopping`")]
    Ended,
    /// It did not say that it accepts.
    #[error(
        "it has not said within {waited:?} that it accepts: call `Serving::accepts`, or set a longer \
         `start_timeout`"
    )]
    NotAccepting {
        /// How long it was waited.
        waited: Duration,
    },
    /// It did not finish what it had, and was cut off.
    #[error(
        "it has not finished within {waited:?}, and what it had in flight was cut: bound the \
         requests, or set a longer `stop_timeout` and `stop_budget`"
    )]
    NotFinished {
        /// How long it was waited.
        waited: Duration,
    },
}
