//! What a node is told before it starts.

use std::fmt::Display;
use std::net::SocketAddr;

use super::error::StartError;
use super::events::EVENT_CAPACITY;
use super::handle::Node;
use super::launch;
use super::seeds::Seed;
use crate::gossip::{Detection, Profile, canonical};

/// The bind address of a node that names none: loopback, and memberlist's port.
pub const DEFAULT_BIND: &str = "127.0.0.1:7946";

/// Describes a node; made by [`Node::builder`]. Only [`cluster`](Self::cluster) is required.
///
/// Settings are checked by [`start`](Self::start), which names the one that is wrong.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct NodeBuilder {
    cluster: String,
    bind: String,
    advertise: Option<String>,
    seeds: Vec<String>,
    plaintext: bool,
    on_current_runtime: bool,
    event_capacity: usize,
    profile: Profile,
    detection: Detection,
    /// Nothing leaves the process: a test's network is set.
    is_in_memory: bool,
    #[cfg(feature = "testing")]
    network: Option<super::testing::Network>,
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self {
            cluster: String::new(),
            bind: DEFAULT_BIND.to_owned(),
            advertise: None,
            seeds: Vec::new(),
            plaintext: false,
            on_current_runtime: false,
            event_capacity: EVENT_CAPACITY,
            profile: Profile::default(),
            detection: Detection::default(),
            is_in_memory: false,
            #[cfg(feature = "testing")]
            network: None,
        }
    }
}

/// The settings, parsed.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) cluster: String,
    pub(super) bind: SocketAddr,
    pub(super) advertise: Option<SocketAddr>,
    pub(super) seeds: Vec<Seed>,
    pub(super) event_capacity: usize,
    pub(super) profile: Profile,
    pub(super) detection: Detection,
    #[cfg(feature = "testing")]
    pub(super) network: Option<super::testing::Network>,
}

impl NodeBuilder {
    /// The cluster's name. Required, and not empty. Nodes of different clusters do not hear each
    /// other, so that a test never joins production by a wrong seed.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = name.into();
        self
    }

    /// The address to bind the UDP socket to: `"10.0.0.9:7946"`, `"[::]:7946"` or a `SocketAddr`.
    /// Default: [`DEFAULT_BIND`].
    ///
    /// Port 0 takes any free one ([`Node::local_addr`] tells which). `0.0.0.0` and `[::]` mean every
    /// address of this host, the latter for IPv4 too; see [`advertise`](Self::advertise). Any address
    /// but a loopback one wants [`plaintext`](Self::plaintext).
    pub fn bind(mut self, address: impl Display) -> Self {
        self.bind = address.to_string();
        self
    }

    /// The address that the others are told to send to, where it is not the bound one: behind a
    /// port mapping, or on a host with several addresses. Port 0 means the bound port.
    ///
    /// Default: the bound address. For one that is unspecified, the address that this host uses to
    /// reach its first seed, or else its only global-unicast address; between several, `start`
    /// refuses to guess.
    pub fn advertise(mut self, address: impl Display) -> Self {
        self.advertise = Some(address.to_string());
        self
    }

    /// Where to look for the first peer: addresses or host names, each with a port. Default: none,
    /// and then the node waits to be found. A call replaces what an earlier one set.
    ///
    /// Names are resolved again at every try, and one that does not resolve is a warning and no
    /// error. This node itself may be among the seeds: every process can be given the same list.
    pub fn seeds<S: Display>(mut self, seeds: impl IntoIterator<Item = S>) -> Self {
        self.seeds = seeds.into_iter().map(|seed| seed.to_string()).collect();
        self
    }

    /// Accepts to speak in the clear on an address that is not a loopback one.
    ///
    /// A node without a key can be read, and written to, by everybody who reaches its port. So this is
    /// for networks in which everybody is trusted.
    pub fn plaintext(mut self) -> Self {
        self.plaintext = true;
        self
    }

    /// Runs the node as a task of the tokio runtime in which [`start`](Self::start) is called, which
    /// must have its IO and time drivers on.
    ///
    /// By default a node has a thread of its own, so that a runtime whose threads are blocked does not
    /// make the cluster believe that the process is dead. This is for tests in virtual
    /// time, and for many nodes in one process. The node ends with the runtime, and then without
    /// a leave.
    pub fn on_current_runtime(mut self) -> Self {
        self.on_current_runtime = true;
        self
    }

    /// How many events a subscriber may be behind before it loses the oldest ones; rounded up to a
    /// power of two. Default: [`EVENT_CAPACITY`]; at least 1. Each costs some 100 bytes, used or not.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.event_capacity = events.max(1);
        self
    }

    /// Which kind of network is between the nodes: it sets how long a member may be silent, and what else depends on round
    /// trips. Default: [`Profile::Lan`]. The same for all nodes of a cluster.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Which parts of the failure detection are on. Default: all. To see what each is worth; see [`Detection`].
    pub fn detection(mut self, detection: Detection) -> Self {
        self.detection = detection;
        self
    }

    /// Runs the node on a network in memory instead of a UDP socket, and on the current runtime: for tests,
    /// see [`testing`](super::testing). Any address may be bound, and nothing leaves the process. Seeds are
    /// addresses: such a network resolves no names.
    #[cfg(feature = "testing")]
    pub fn network(mut self, network: &super::testing::Network) -> Self {
        self.network = Some(network.clone());
        self.is_in_memory = true;
        self.on_current_runtime = true;
        self
    }

    /// Starts the node. It needs no peer to start: it joins in the background, and never gives up.
    ///
    /// Waits only where the advertised address depends on a seed's name: for at most 5 s.
    pub async fn start(self) -> Result<Node, StartError> {
        let on_current_runtime = self.on_current_runtime;
        let settings = self.parse()?;
        if on_current_runtime {
            launch::on_current_runtime(settings).await
        } else {
            launch::on_own_thread(settings).await
        }
    }

    fn parse(self) -> Result<Settings, StartError> {
        if self.cluster.is_empty() {
            return Err(StartError::ClusterMissing);
        }
        let is_in_memory = self.is_in_memory;
        let bind = address("bind", self.bind)?;
        if !bind.ip().is_loopback() && !self.plaintext && !is_in_memory {
            return Err(StartError::NotLoopback { bind });
        }
        let advertise = self.advertise.map(advertised).transpose()?;
        let seed = |value: String| match Seed::parse(&value) {
            Ok(Seed::Name { .. }) if is_in_memory => Err(StartError::Seed {
                value,
                reason: "a network in memory resolves no names; write an address",
            }),
            Ok(seed) => Ok(seed),
            Err(reason) => Err(StartError::Seed { value, reason }),
        };
        let seeds = self.seeds.into_iter().map(seed).collect::<Result<_, _>>()?;
        let event_capacity = self.event_capacity;
        Ok(Settings {
            cluster: self.cluster,
            bind,
            advertise,
            seeds,
            event_capacity,
            profile: self.profile,
            detection: self.detection,
            #[cfg(feature = "testing")]
            network: self.network,
        })
    }
}

fn address(field: &'static str, value: String) -> Result<SocketAddr, StartError> {
    match value.parse() {
        Ok(address) => Ok(canonical(address)),
        Err(_) if value.parse::<std::net::IpAddr>().is_ok() => Err(StartError::Address {
            field,
            value,
            reason: "the port is missing",
        }),
        Err(_) => Err(StartError::Address {
            field,
            value,
            reason: "that is no IP address and port",
        }),
    }
}

fn advertised(value: String) -> Result<SocketAddr, StartError> {
    let address = address("advertise", value)?;
    if address.ip().is_unspecified() {
        let reason = "nobody can send to an unspecified address";
        return Err(StartError::Address {
            field: "advertise",
            value: address.to_string(),
            reason,
        });
    }
    Ok(address)
}
