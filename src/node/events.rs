//! The event stream: what happened in the cluster, and why.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::table::Event;

/// How many events a subscriber may be behind, unless
/// [`event_capacity`](super::NodeBuilder::event_capacity) says otherwise.
pub const EVENT_CAPACITY: usize = 1_024;

/// A subscription to what happens: who came, failed and left, what was registered and changed.
///
/// It begins when it is made. To miss nothing, subscribe first and then read
/// [`members`](super::Node::members) and the services: what changes after that comes as an event. One thing does not: who is
/// believed dead, and is back within the grace of 50 ms in which its services stay, is missing from the members for so long.
///
/// The stream is bounded, and a slow reader never holds the node up: one that is more than the
/// capacity behind loses the oldest events and is told how many
/// ([`EventsError::Lagged`]). Whoever needs the present state rather than every step of the way
/// there wants a [`watch`](super::Node::watch), which cannot lag.
#[derive(Debug)]
pub struct Events(pub(super) broadcast::Receiver<Event>);

impl Events {
    /// Waits for the next event. Cancel-safe: dropping a pending call loses nothing.
    pub async fn next(&mut self) -> Result<Event, EventsError> {
        self.0.recv().await.map_err(|error| match error {
            RecvError::Lagged(missed) => EventsError::Lagged(missed),
            RecvError::Closed => EventsError::Closed,
        })
    }

    /// The next event if there is one already, `Ok(None)` if there is not.
    pub fn try_next(&mut self) -> Result<Option<Event>, EventsError> {
        match self.0.try_recv() {
            Ok(event) => Ok(Some(event)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Lagged(missed)) => Err(EventsError::Lagged(missed)),
            Err(TryRecvError::Closed) => Err(EventsError::Closed),
        }
    }
}

/// Why there is no next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// This reader was too slow and this many events are lost to it. The next call goes on with
    /// the oldest event that is still there.
    #[error("{0} events were lost: this reader was too slow; read the table, and go on")]
    Lagged(u64),
    /// The node has stopped, and every event before that has been read.
    #[error("the node has stopped")]
    Closed,
}
