//! memberlist in Rust, with `Options::lan`, over UDP and TCP.
//!
//! The registration is the node's metadata. Metadata and the messages of a user leave in the same packets, in
//! the same rounds and as often; metadata goes first where a packet is full, and a latecomer gets it with the
//! members, where messages would need a second exchange of the user's own. Times are taken in memberlist's delegates.
//!
//! Its LAN defaults of 0.8.5 are not those of memberlist in Go: it probes every 500 ms with a timeout of 1 s, and
//! not every second with one of 500 ms.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memberlist::Options;
use memberlist::delegate::{CompositeDelegate, EventDelegate, NodeDelegate, VoidDelegate};
use memberlist::net::NetTransportOptions;
use memberlist::proto::{MaybeResolvedAddress, Meta, NodeId, NodeState};
use memberlist::tokio::{TokioSocketAddrResolver, TokioTcp, TokioTcpMemberlist};

use super::{Start, Subject, registration, revision};
use crate::Failure;
use crate::sightings::{Eyes, Fact};

/// A join is one call, that fails where the seed does not answer in time: how long until the next one.
const JOIN_AGAIN: Duration = Duration::from_secs(1);
/// How many times a node may find its port taken by another one.
const PORT_TRIES: usize = 8;
/// How long a node may take to tell its first peer of a change.
const TOLD: Duration = Duration::from_secs(60);

type Id = NodeId<255>;
type Void = VoidDelegate<Id, SocketAddr>;
type Delegate = CompositeDelegate<Id, SocketAddr, Void, Void, Observer, Void, Registered>;
type List = TokioTcpMemberlist<Id, TokioSocketAddrResolver, Delegate>;

pub(crate) struct Memberlist {
    list: List,
    revision: Arc<AtomicU32>,
}

impl Subject for Memberlist {
    async fn start(start: Start) -> Result<Self, Failure> {
        let revision = Arc::new(AtomicU32::new(0));
        let mut tries = 0;
        let list = loop {
            let delegate = CompositeDelegate::new()
                .with_event_delegate(Observer {
                    eyes: start.eyes.clone(),
                })
                .with_node_delegate(Registered(Arc::clone(&revision)));
            let id = Id::new(format!("node-{}", start.number))?;
            let mut transport =
                NetTransportOptions::<_, TokioSocketAddrResolver, TokioTcp>::new(id);
            transport.add_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)));
            match List::with_delegate(delegate, transport, Options::lan()).await {
                Ok(list) => break list,
                // It asks the system for a free TCP port, and then wants the UDP port of the same number.
                Err(_) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(seed) = start.seed {
            tokio::spawn(join(list.clone(), seed));
        }
        Ok(Self { list, revision })
    }

    fn address(&self) -> SocketAddr {
        *self.list.advertise_address()
    }

    async fn register(&self, revision: u32) -> Result<(), Failure> {
        self.revision.store(revision, Ordering::Relaxed);
        Ok(self.list.update_node(TOLD).await?)
    }
}

async fn join(list: List, seed: SocketAddr) {
    while list
        .join(MaybeResolvedAddress::resolved(seed))
        .await
        .is_err()
    {
        tokio::time::sleep(JOIN_AGAIN).await;
    }
}

/// The revision that this node has registered; 0 is none yet.
struct Registered(Arc<AtomicU32>);

impl NodeDelegate for Registered {
    async fn node_meta(&self, _limit: usize) -> Meta {
        match self.0.load(Ordering::Relaxed) {
            0 => Meta::empty(),
            revision => Meta::try_from(registration(revision)).expect("some forty bytes"),
        }
    }
}

struct Observer {
    eyes: Eyes,
}

impl Observer {
    fn registration(&self, node: &NodeState<Id, SocketAddr>) {
        let text = std::str::from_utf8(node.meta().as_bytes()).unwrap_or_default();
        if let Some(revision) = revision(text) {
            let of = *node.address();
            self.eyes.sees(Fact::Registration { of, revision });
        }
    }
}

impl EventDelegate for Observer {
    type Id = Id;
    type Address = SocketAddr;

    async fn notify_join(&self, node: Arc<NodeState<Id, SocketAddr>>) {
        self.eyes.sees(Fact::Member(*node.address()));
        self.registration(&node);
    }

    async fn notify_leave(&self, node: Arc<NodeState<Id, SocketAddr>>) {
        self.eyes.sees(Fact::Gone(*node.address()));
    }

    async fn notify_update(&self, node: Arc<NodeState<Id, SocketAddr>>) {
        self.registration(&node);
    }
}
