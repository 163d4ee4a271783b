//! chitchat, over its own UDP transport; the registration is one key of the node's.
//!
//! A key's time is taken in chitchat's callback for changed keys, a member's where the watched set of live nodes
//! changes, which chitchat works out once in each round.
//!
//! chitchat has defaults for its detector (phi 8, 5 s as the interval that is expected at first), and none for what is
//! constant here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use chitchat::transport::UdpTransport;
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState, ProtocolVersion,
    spawn_chitchat,
};
use tokio::sync::watch;

use super::{Start, Subject, registration, revision};
use crate::Failure;
use crate::sightings::{Eyes, Fact};

const KEY: &str = "registration";
/// The interval that chitchat's own tests have as the default, and Quickwit in production.
const GOSSIP_INTERVAL: Duration = Duration::from_secs(1);
/// The same tests' default. Nothing is deleted here.
const DELETED_FOR: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Chitchat {
    handle: ChitchatHandle,
    address: SocketAddr,
}

impl Subject for Chitchat {
    async fn start(start: Start) -> Result<Self, Failure> {
        let address = free_address()?;
        let config = ChitchatConfig {
            chitchat_id: ChitchatId::new(format!("node-{}", start.number), 0, address),
            cluster_id: "bench".to_owned(),
            gossip_interval: GOSSIP_INTERVAL,
            listen_addr: address,
            seed_nodes: start.seed.iter().map(ToString::to_string).collect(),
            failure_detector_config: FailureDetectorConfig::default(),
            marked_for_deletion_grace_period: DELETED_FOR,
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V1,
        };
        let handle = spawn_chitchat(config, Vec::new(), &UdpTransport).await?;
        let eyes = start.eyes.clone();
        let members = handle
            .with_chitchat(|chitchat| observe(chitchat, &eyes))
            .await;
        tokio::spawn(observe_members(members, start.eyes));
        Ok(Self { handle, address })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn register(&self, revision: u32) -> Result<(), Failure> {
        let value = registration(revision);
        self.handle
            .with_chitchat(|chitchat| chitchat.self_node_state().set(KEY, &value))
            .await;
        Ok(())
    }
}

/// A node's name holds its port, so it has to be known before the node binds it.
fn free_address() -> io::Result<SocketAddr> {
    UdpSocket::bind("127.0.0.1:0")?.local_addr()
}

type LiveNodes = watch::Receiver<BTreeMap<ChitchatId, NodeState>>;

fn observe(chitchat: &chitchat::Chitchat, eyes: &Eyes) -> LiveNodes {
    let callback_eyes = eyes.clone();
    let subscription = chitchat.subscribe_event(KEY, move |change| {
        sees_registration(&callback_eyes, change.node, change.value);
    });
    subscription.forever();
    // The node has been running for a moment: what has come meanwhile is not told by the callback.
    for (id, state) in chitchat.node_states() {
        if let Some(value) = state.get(KEY) {
            sees_registration(eyes, id, value);
        }
    }
    chitchat.live_nodes_watcher()
}

fn sees_registration(eyes: &Eyes, id: &ChitchatId, value: &str) {
    if let Some(revision) = revision(value) {
        let of = id.gossip_advertise_addr;
        eyes.sees(Fact::Registration { of, revision });
    }
}

async fn observe_members(mut live: LiveNodes, eyes: Eyes) {
    let mut known = BTreeSet::new();
    loop {
        let ids: Vec<_> = live.borrow_and_update().keys().cloned().collect();
        let now: BTreeSet<_> = ids.iter().map(|id| id.gossip_advertise_addr).collect();
        for address in now.difference(&known) {
            eyes.sees(Fact::Member(*address));
        }
        for address in known.difference(&now) {
            eyes.sees(Fact::Gone(*address));
        }
        known = now;
        if live.changed().await.is_err() {
            return;
        }
    }
}
