//! The event stream: what happened in the cluster, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::gossip::Member;
use crate::registry::Instances;
use crate::table::Event;

/// How many events a subscriber may be behind, unless
/// [`event_capacity`](super::NodeBuilder::event_capacity) says otherwise.
pub const EVENT_CAPACITY: usize = 1_024;

/// A subscription to what happens: who came, failed and left, what was registered and changed.
///
/// It begins when it is made. [`Node::subscribe`](super::Node::subscribe) makes it together with a [`Snapshot`] of what is
/// there at that moment: applied to that, the events give what there is at any later one.
///
/// Events and [`members`](super::Node::members) tell the same story. A member is listed from its
/// [`Joined`](Event::Joined) or [`Recovered`](Event::Recovered) until its [`Left`](Event::Left) or [`Failed`](Event::Failed).
/// One that is believed dead stays listed, as its services do, for a grace of 50 ms; if it is back by then nothing is told, and
/// nothing has changed. No event tells that a member is suspected, which its
/// [`state`](crate::gossip::Member::state) shows, nor of this node itself. When an event is read,
/// [`members`](super::Node::members) and the services show its change already, and perhaps later ones.
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

/// What there was at the moment of a subscription; from [`Node::subscribe`](super::Node::subscribe).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The members of the cluster, this node among them, by address.
    pub members: Arc<[Member]>,
    /// The instances of each service that has any, by name.
    pub services: BTreeMap<String, Instances>,
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
