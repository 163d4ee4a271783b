//! The four ways to pick.

/// How a pool picks among its candidates. Default: [`P2c`](Self::P2c).
///
/// Only [`Weighted`](Self::Weighted) and [`P2c`](Self::P2c) read the metadata `weight`; see
/// [the room's docs](super#weights).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Each with the same chance, each time anew.
    Random,
    /// One after the other, in the order of their ids, beginning somewhere.
    RoundRobin,
    /// One after the other, each as often as its weight says, and evenly mixed: nginx's smooth
    /// weighted round robin, beginning somewhere.
    Weighted,
    /// The less loaded one of two that are drawn at random ("power of two choices").
    #[default]
    P2c,
}

impl Strategy {
    /// Whether it looks at weights, and so takes out who has weight 0.
    pub(super) const fn reads_weights(self) -> bool {
        matches!(self, Self::Weighted | Self::P2c)
    }
}
