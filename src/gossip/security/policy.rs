//! How a cluster comes from plaintext to sealing without a gap.

/// What a node that has a key says in the clear, and what it hears so.
///
/// A cluster that runs in the clear turns sealing on in three rounds of restarts (or of
/// [`set_rollout`](crate::gossip::Engine::set_rollout)), each of which is over at every node before the next begins, as
/// memberlist's `GossipVerifyIncoming` and `GossipVerifyOutgoing` do it:
///
/// | | sends | hears | understands, and is understood by |
/// |---|---|---|---|
/// | no key | in the clear | in the clear | itself, `AcceptBoth` |
/// | `AcceptBoth` | in the clear | both | no key, itself, `Seal` |
/// | `Seal` | sealed | both | `AcceptBoth`, itself, `Require` |
/// | `Require` | sealed | sealed | `Seal`, itself |
///
/// As long as a node hears the clear, whoever reaches its port can write to it as if it had no key: only
/// `Require` protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rollout {
    /// Speaks in the clear, and opens what is sealed.
    AcceptBoth,
    /// Seals, and hears the clear too.
    Seal,
    /// Seals, and hears nothing else.
    #[default]
    Require,
}

impl Rollout {
    /// Whether what is sent is sealed.
    pub const fn seals(self) -> bool {
        matches!(self, Self::Seal | Self::Require)
    }

    /// Whether what is not sealed is heard.
    pub const fn hears_the_clear(self) -> bool {
        matches!(self, Self::AcceptBoth | Self::Seal)
    }
}
