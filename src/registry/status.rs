//! Whether an instance wants calls.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an instance says about its own readiness.
///
/// A status never hides an instance: it stays in every list, and whoever picks one looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Ready for calls. The default; JSON leaves it out.
    #[default]
    Up,
    /// Its own health checks fail.
    Unhealthy,
    /// About to leave: it finishes what it has and wants nothing new.
    Draining,
}

impl Status {
    /// The name in JSON and in logs: `up`, `unhealthy` or `draining`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
        }
    }

    /// Whether this is [`Status::Up`].
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
