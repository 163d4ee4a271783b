//! What a world hands out, to whoever watches it.

use tidings::table::Event;

use super::{Fate, FaultId, Harm, Impossible, KeyId, LifeId, Told};

/// Something that happened, in the order in which it did.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A process started.
    Started(LifeId),
    /// A process begins to say goodbye.
    Leaving(LifeId),
    /// A process ended.
    Ended(LifeId),
    /// A process goes by another name now.
    Renamed(LifeId),
    /// A process registered, changed or took back an instance.
    Written(KeyId),
    /// A process was told something by its event stream.
    Event {
        /// Which process.
        life: LifeId,
        /// What it was told.
        event: Event,
        /// What that did to its mirror.
        told: Vec<Told>,
        /// Why it cannot be, if it cannot.
        impossible: Option<Impossible>,
    },
    /// A datagram was sent.
    Sent {
        /// From which host.
        host: usize,
        /// How large it was.
        bytes: usize,
        /// What becomes of it.
        fate: Fate,
    },
    /// A hostile datagram changed what a process holds.
    Harmed {
        /// Which process.
        life: LifeId,
        /// What was sent, and what changed.
        harm: Box<Harm>,
    },
    /// A process has had its turn.
    Turned(LifeId),
    /// A fault began.
    FaultBegan(FaultId),
    /// A fault ended.
    FaultEnded(FaultId),
}
