//! What a configuration says about sealing and signing.

use std::time::Duration;

use super::{Keyring, Rollout, SigningKey, Trusted};

/// Whether and how a node seals and signs. [`Default`] is a node without a key, which speaks in the clear, signs nothing
/// and demands no signature.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Security {
    /// The node's keys. Default: none, and then the next two fields mean nothing. The same keys on all nodes,
    /// but for a change that is under way.
    pub keyring: Keyring,
    /// What is said and heard in the clear. Default [`Rollout::Require`]: nothing.
    pub rollout: Rollout,
    /// How far a sender's clock may be from this node's when it is heard for the first time: 1 s to 1 h, default 30 s,
    /// which a host without any synchronisation is beyond after weeks. So long what was captured can be said again to a
    /// node that has just started; so long the window of a session is kept. See [the room's docs](super) for what a host
    /// with a wrong clock sees.
    pub clock_skew: Duration,
    /// The key with which the node signs its records; its own, and no other node's. Default: none, and then they are not
    /// signed.
    pub sign_with: Option<SigningKey>,
    /// Whose signature is demanded of whose records, its own included. Default [`Trusted::open`]: of none.
    pub trusted: Trusted,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            keyring: Keyring::empty(),
            rollout: Rollout::default(),
            clock_skew: Duration::from_secs(30),
            sign_with: None,
            trusted: Trusted::open(),
        }
    }
}
