use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;

use super::cost;
use super::fingerprint::{ItemHash, ItemHasher};
use crate::registry::ServiceInstance;

/// The process that wrote a record: its advertised address, and the boot that tells it from
/// earlier processes on that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The canonical advertised address.
    pub addr: SocketAddr,
    /// Chosen when the process started; a later process on the same address has a higher one.
    pub boot: u64,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:x}", self.addr, self.boot)
    }
}

/// The service name under which an owner says that it is leaving. No instance can bear it, because
/// an empty name is refused.
pub const LEAVING: &str = "";

/// The unit of replication: all of one owner's instances of one service.
///
/// Only the owner writes it, and the higher `seq` wins, so there is no conflict to merge. An empty
/// list of instances is how a deregistration spreads. `content` is what the owner wrote, byte for
/// byte: it is relayed as it came, so that a field which this build does not know survives.
///
/// A clone is the same record: what spreads, waits or is served is not copied.
#[derive(Debug, Clone)]
pub struct Record(Arc<Written>);

/// The place of a record among its owner's.
const RECORD_PLACE_BYTES: usize = 10;

#[derive(Debug)]
struct Written {
    owner: Owner,
    service: Arc<str>,
    seq: u64,
    content: Bytes,
    instances: Vec<Arc<ServiceInstance>>,
    hash: ItemHash,
}

impl Record {
    /// A record as its owner wrote it: `content` is the encoded form of `instances`.
    pub fn new(
        owner: Owner,
        service: Arc<str>,
        seq: u64,
        content: Bytes,
        instances: Vec<Arc<ServiceInstance>>,
    ) -> Self {
        let hash = ItemHasher::new("record")
            .addr(owner.addr)
            .part(&owner.boot.to_be_bytes())
            .part(service.as_bytes())
            .end_of_key()
            .part(&seq.to_be_bytes())
            .part(&content)
            .finish();
        Self(Arc::new(Written {
            owner,
            service,
            seq,
            content,
            instances,
            hash,
        }))
    }

    /// Who wrote it.
    pub fn owner(&self) -> Owner {
        self.0.owner
    }

    /// The service's name, or [`LEAVING`].
    pub fn service(&self) -> &Arc<str> {
        &self.0.service
    }

    /// The version: of two records of the same owner and service the higher one is the newer.
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// The encoded instances, as the owner wrote them.
    pub fn content(&self) -> &Bytes {
        &self.0.content
    }

    /// The owner's instances of the service.
    pub fn instances(&self) -> &[Arc<ServiceInstance>] {
        &self.0.instances
    }

    /// The strong hash over owner, service, seq and content.
    pub fn hash(&self) -> ItemHash {
        self.0.hash
    }

    /// An empty list: the owner has deregistered what it had.
    pub fn is_tombstone(&self) -> bool {
        self.0.instances.is_empty() && &*self.0.service != LEAVING
    }

    /// Whether `self` replaces `other`, a record of the same owner and service. The higher `seq`
    /// wins. Two different contents under one `seq` cannot come from a sound owner; the higher
    /// hash wins then, so that all replicas agree until the owner has written again.
    pub fn supersedes(&self, other: &Self) -> bool {
        (self.0.seq, self.0.hash.hash) > (other.0.seq, other.0.hash.hash)
    }

    /// What the record costs in memory, in bytes: what it asks of the allocator with its content, its instances, their
    /// places in the lists of its service, and a share of what its owner and its service take. It is within 15 % of that where
    /// several owners offer a service. A service with a single instance in the whole cluster takes up to twice as much. What
    /// an allocator adds of its own is not in it.
    pub fn cost_bytes(&self) -> usize {
        let Written {
            service,
            content,
            instances,
            ..
        } = &*self.0;
        let instances: usize = instances.iter().map(cost::of_instance).sum();
        let written = cost::ARC_BYTES + size_of::<Written>() + RECORD_PLACE_BYTES;
        written + cost::SHARE_BYTES + cost::ARC_BYTES + service.len() + content.len() + instances
    }
}
