//! What a configuration says about sealing.

use std::time::Duration;

use super::{Keyring, Rollout};

/// Whether and how a node seals. [`Default`] is a node without a key, which speaks in the clear.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Security {
    /// The node's keys. Default: none, and then the two fields below mean nothing. The same keys on all nodes,
    /// but for a change that is under way.
    pub keyring: Keyring,
    /// What is said and heard in the clear. Default [`Rollout::Require`]: nothing.
    pub rollout: Rollout,
    /// How far a sender's clock may be from this node's when it is heard for the first time: 1 s to 1 h, default 30 s,
    /// which a host without any synchronisation is beyond after weeks. So long what was captured can be said again to a
    /// node that has just started; so long the window of a session is kept. See [the room's docs](super) for what a host
    /// with a wrong clock sees.
    pub clock_skew: Duration,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            keyring: Keyring::empty(),
            rollout: Rollout::default(),
            clock_skew: Duration::from_secs(30),
        }
    }
}
