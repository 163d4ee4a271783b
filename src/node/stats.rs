//! What the driver shows of itself to its handles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::gossip::{Member, Stats};

/// A node's counters since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeStats {
    /// What the engine counts: datagrams, what was dropped and why, how much it holds.
    pub gossip: Stats,
    /// What the socket met with.
    pub socket: SocketStats,
    /// Whether the node has a live peer, had one less than 5 s ago, or has nobody to join: no seeds, or none but itself.
    pub joined: bool,
    /// What became of the snapshots; all zero for a node that keeps none.
    #[cfg(feature = "snapshot")]
    pub snapshot: super::SnapshotStats,
}

/// What the operating system said. (Datagrams and bytes are counted by the engine.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Receives that the operating system answered with an error, as Windows does with somebody's
    /// "port unreachable". The node goes on.
    pub receive_errors: u64,
    /// Sends that the operating system refused: no route, no permission. The datagram is dropped,
    /// as the network might have dropped it, and the node goes on.
    pub send_errors: u64,
    /// "Port unreachable" answers: nothing listens at an address that was sent to. The engine takes each
    /// as evidence. On Linux only, as the next one.
    pub unreachable: u64,
    /// Other errors that the network answered with: host or network unreachable, datagram too large.
    /// Whether those peers live is for probing to find out.
    pub other_network_errors: u64,
    /// Times that the send buffer was full. The datagram waits.
    pub send_blocked: u64,
    /// The receive buffer that the operating system granted, in bytes (Linux counts double).
    pub receive_buffer_bytes: u64,
}

/// The driver writes it once a turn, the handles read it. Held for a copy, or for the making of the list of members.
#[derive(Debug)]
pub(super) struct Published {
    shown: Mutex<Shown>,
    /// Held while a turn's changes are shown and told, and while a subscriber reads where they stand.
    publishing: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Shown {
    advertised: SocketAddr,
    stats: NodeStats,
    members: BTreeMap<SocketAddr, Member>,
    /// The members as readers get them; made when one asks, and kept until they change.
    list: Option<Arc<[Member]>>,
}

impl Published {
    /// Of a node that advertises `advertised`.
    pub(super) fn new(advertised: SocketAddr) -> Self {
        Self {
            shown: Mutex::new(Shown {
                advertised,
                stats: NodeStats::default(),
                members: BTreeMap::new(),
                list: None,
            }),
            publishing: Mutex::new(()),
        }
    }

    /// Nothing is shown or told by anybody else while this is held.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.publishing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_advertised(&self, address: SocketAddr) {
        self.lock().advertised = address;
    }

    pub(super) fn advertised(&self) -> SocketAddr {
        self.lock().advertised
    }

    pub(super) fn set_stats(&self, stats: &NodeStats) {
        self.lock().stats = *stats;
    }

    /// What there is of a member now. It costs the logarithm of their number, however many there are.
    pub(super) fn set_member(&self, addr: SocketAddr, member: Option<Member>) {
        let mut snapshot = self.lock();
        match member {
            Some(member) => snapshot.members.insert(addr, member),
            None => snapshot.members.remove(&addr),
        };
        snapshot.list = None;
    }

    pub(super) fn clear_members(&self) {
        let mut snapshot = self.lock();
        snapshot.members.clear();
        snapshot.list = None;
    }

    pub(super) fn stats(&self) -> NodeStats {
        self.lock().stats
    }

    pub(super) fn members(&self) -> Arc<[Member]> {
        let snapshot = &mut *self.lock();
        let list = snapshot
            .list
            .get_or_insert_with(|| snapshot.members.values().copied().collect());
        Arc::clone(list)
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // The list is dropped with every change of what it is made of, so a panic in between shows an older one at most.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
