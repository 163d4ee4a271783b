use std::{fmt, net::SocketAddr, sync::Arc};

use super::record::Owner;
use crate::registry::ServiceInstance;

/// An event, and what the instance was before, for one that was updated.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) event: Event,
    #[cfg_attr(not(feature = "node"), allow(dead_code))] // the node's log says what has changed
    pub(crate) before: Option<Arc<ServiceInstance>>,
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        Self {
            event,
            before: None,
        }
    }
}

/// What happened, and why.
///
/// Replayed from the start, the events give the table: `Registered`, `Updated` and `Recovered` put
/// instances in, `Deregistered`, `Left` and `Failed` take them out. An instance is identified by
/// its owner, its service's name and its id. Stale instances, which are remembered from an earlier run and
/// confirmed by nobody, come and go without an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A process joined the cluster, or this node learned of it.
    ///
    /// Of this node itself when it has its first live peer, and when it has one again after it was [`Isolated`](Self::Isolated).
    Joined {
        /// Who joined.
        member: Owner,
    },
    /// A process said goodbye.
    Left {
        /// Who left.
        member: Owner,
        /// What it still had registered; gone now.
        instances: Vec<Arc<ServiceInstance>>,
    },
    /// A process was found dead, or another one took over its address.
    Failed {
        /// Who failed.
        member: Owner,
        /// What it had registered; gone now.
        instances: Vec<Arc<ServiceInstance>>,
    },
    /// A process that had been declared failed is there after all.
    Recovered {
        /// Who is back.
        member: Owner,
        /// What it has registered; visible again.
        instances: Vec<Arc<ServiceInstance>>,
    },
    /// An instance appeared.
    Registered {
        /// The process that registered it.
        owner: Owner,
        /// The instance.
        instance: Arc<ServiceInstance>,
    },
    /// An instance changed: its version, endpoints, metadata or status.
    Updated {
        /// The process that registered it.
        owner: Owner,
        /// The instance as it is now.
        instance: Arc<ServiceInstance>,
    },
    /// An instance was deregistered by its owner.
    Deregistered {
        /// The process that had registered it.
        owner: Owner,
        /// The instance as it was.
        instance: Arc<ServiceInstance>,
    },
    /// This node has seeds, and had no live peer for 5 s: nobody finds what it registers. Told once; when it has a peer
    /// again, `Joined` of this node follows.
    Isolated {
        /// This node.
        member: Owner,
    },
    /// Another live process advertises this node's address. The one that others do not reach there
    /// no longer takes part until the other is gone; where both are reached, the one that started
    /// later. It takes more than somebody's word: others have reached the process, or hold it.
    AddressConflict {
        /// The address that both advertise.
        addr: SocketAddr,
        /// Whether this node is the one that stepped back.
        stepped_back: bool,
    },
    /// Two processes registered the same id under the same service name. Both are kept.
    DuplicateInstance {
        /// The service's name.
        service: Arc<str>,
        /// The id that both use.
        id: Arc<str>,
        /// One of the two.
        owner: Owner,
        /// The other.
        other: Owner,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { member } => write!(f, "{} joined", member.addr),
            Self::Isolated { member } => {
                write!(f, "{} is isolated: it has no live peer", member.addr)
            }
            Self::Left { member, .. } => write!(f, "{} left", member.addr),
            Self::Failed { member, instances } => {
                write!(
                    f,
                    "{} failed, {} instances gone",
                    member.addr,
                    instances.len()
                )
            }
            Self::Recovered { member, instances } => {
                write!(
                    f,
                    "{} recovered, {} instances back",
                    member.addr,
                    instances.len()
                )
            }
            Self::Registered { owner, instance } => {
                write!(f, "{} registered {instance}", owner.addr)
            }
            Self::Updated { owner, instance } => write!(f, "{} updated {instance}", owner.addr),
            Self::Deregistered { owner, instance } => {
                write!(f, "{} deregistered {instance}", owner.addr)
            }
            Self::AddressConflict {
                addr,
                stepped_back: true,
            } => {
                write!(
                    f,
                    "another process advertises {addr}; this node stepped back"
                )
            }
            Self::AddressConflict {
                addr,
                stepped_back: false,
            } => {
                write!(f, "another process advertises {addr}; this node keeps it")
            }
            Self::DuplicateInstance {
                service,
                id,
                owner,
                other,
            } => {
                write!(
                    f,
                    "{} and {} both registered {service}-{id}",
                    owner.addr, other.addr
                )
            }
        }
    }
}
