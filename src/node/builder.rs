//! What a node is told before it starts: every setting, what it means, and its default.
//!
//! Nothing is refused here, so that calls can be chained: [`NodeBuilder::start`] has the settings
//! checked first, in `settings`, and starts the node with what comes out.

mod settings;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::error::StartError;
use super::events::EVENT_CAPACITY;
use super::handle::Node;
use super::key_file::Rules;
use super::launch;
use crate::gossip::security::{ClusterKey, Rollout, SigningKey, Trusted};
use crate::gossip::{Detection, Profile};

pub(super) use self::settings::{KeySource, Settings};

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
    keys: Vec<KeySource<ClusterKey>>,
    key_files: Rules,
    rollout: Option<Rollout>,
    clock_skew: Option<Duration>,
    sign_with: Option<KeySource<SigningKey>>,
    trusted: Trusted,
    #[cfg(feature = "snapshot")]
    snapshot_file: Option<PathBuf>,
    #[cfg(feature = "snapshot")]
    snapshot_max_age: Duration,
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
            keys: Vec::new(),
            key_files: Rules::default(),
            rollout: None,
            clock_skew: None,
            sign_with: None,
            trusted: Trusted::open(),
            #[cfg(feature = "snapshot")]
            snapshot_file: None,
            #[cfg(feature = "snapshot")]
            snapshot_max_age: super::SNAPSHOT_AGE_MAX,
            is_in_memory: false,
            #[cfg(feature = "testing")]
            network: None,
        }
    }
}

impl NodeBuilder {
    /// The cluster's name. Required, and not empty. Nodes of different clusters do not hear each
    /// other, so that a test never joins production by a wrong seed. It is no secret and keeps nobody out: a
    /// [`key`](Self::key) does.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = name.into();
        self
    }

    /// The address to bind the UDP socket to: `"10.0.0.9:7946"`, `"[::]:7946"` or a `SocketAddr`.
    /// Default: [`DEFAULT_BIND`].
    ///
    /// Port 0 takes any free one ([`Node::local_addr`] tells which). `0.0.0.0` and `[::]` mean every
    /// address of this host, the latter for IPv4 too; see [`advertise`](Self::advertise). Any address
    /// but a loopback one wants a [`key`](Self::key), or [`plaintext`](Self::plaintext).
    ///
    /// A link-local IPv6 address wants its zone, by the interface's name or number:
    /// `"[fe80::1%eth0]:7946"`. The socket then speaks on that link, and all members have to be bound
    /// to it so. Any other address with a zone is refused.
    pub fn bind(mut self, address: impl Display) -> Self {
        self.bind = address.to_string();
        self
    }

    /// The address that the others are told to send to, where it is not the bound one: behind a
    /// port mapping, or on a host with several addresses. Port 0 means the bound port.
    ///
    /// A zone (`%eth0`) means nothing to other hosts, and is refused. An address that was set here stays
    /// as it is, whatever becomes of the host's addresses.
    ///
    /// Default: the bound address. For one that is unspecified, this host's only global-unicast
    /// address (private ones count), or of several the one from which it reaches its first seed; a
    /// seed on this very host, as its own name behind Debian's 127.0.1.1, says nothing, and then the
    /// address of the default route is taken. So it is, with a warning, while no seed's name resolves.
    /// Without any seeds `start` refuses to guess between several. Loopback and link-local are never
    /// advertised while there is another address.
    ///
    /// Such a node *follows* its host. When its address is gone and another is there, as after a
    /// change by DHCP, it moves within 3 s: it leaves its old address, joins at the new one as a new
    /// member, and offers there what was [registered](Node::register) on an unspecified host. On a
    /// host that has no address yet it starts alone, advertises loopback, warns, exchanges nothing
    /// with other hosts, and moves in the same way when there is an address.
    pub fn advertise(mut self, address: impl Display) -> Self {
        self.advertise = Some(address.to_string());
        self
    }

    /// Where to look for the first peer: addresses or host names, each with a port. Default: none,
    /// and then the node waits to be found. A call replaces what an earlier one set.
    ///
    /// Names are resolved again at every try, and one that does not resolve is a warning and no
    /// error. This node itself may be among the seeds: every process can be given the same list. A
    /// link-local IPv6 address is one only for a node that is [bound](Self::bind) to its link; its
    /// zone is that of the bound address, or left out.
    pub fn seeds<S: Display>(mut self, seeds: impl IntoIterator<Item = S>) -> Self {
        self.seeds = seeds.into_iter().map(|seed| seed.to_string()).collect();
        self
    }

    /// The cluster's key: everything is sealed, and nothing is heard that is not. See
    /// [`security`](crate::gossip::security) for what that promises.
    ///
    /// This, [`keys`](Self::keys) and [`key_file`](Self::key_file) add to what was given before; the first of all seals,
    /// the others open too, for a change of the key. At most 8. While the node runs, [`Node::keyring`] changes
    /// them.
    pub fn key(mut self, key: ClusterKey) -> Self {
        self.keys.push(KeySource::Given(key));
        self
    }

    /// Several keys, see [`key`](Self::key).
    pub fn keys(mut self, keys: impl IntoIterator<Item = ClusterKey>) -> Self {
        self.keys.extend(keys.into_iter().map(KeySource::Given));
        self
    }

    /// Keys from a file, see [`key`](Self::key): each 32 bytes in base64, as `openssl rand -base64 32` writes them, one a
    /// line, the one that seals first. A byte order mark and blanks do not count. At most 8 keys.
    ///
    /// **The key is changed by editing the file.** Its path is read again every 5 s, through whatever symbolic links
    /// it has then, on every host for itself. Hosts may see a new file up to two minutes apart:
    ///
    /// - a key that is new in the file opens at once. A new first one seals when every live member has shown that it holds
    ///   the key, and after 120 s at the latest. Members whose build cannot show it make that 120 s;
    /// - a key that is gone from the file opens for another 120 s, counted from when this node last sealed with it where
    ///   that is later.
    ///
    /// Replacing the only key in one step is enough. Where processes may start on hosts that still have the old file,
    /// keep the old key in the second line until every host has the new file.
    /// A file that is empty, half-written, unreadable or no longer private changes nothing: the node keeps its keys, and warns
    /// once a minute.
    ///
    /// On Linux the file has to belong to root or to this process's user. Its mode is at most 0640, and a group that may read
    /// it is one of this process's: that is what Kubernetes makes of `defaultMode: 0400` and `fsGroup`. Other Unix systems do not say so much: any owner will do, and the mode is at most 0600. See
    /// [`danger_accept_world_readable_key_files`](Self::danger_accept_world_readable_key_files) for files that everybody may
    /// read. Symbolic links are followed; what counts is the file that was opened.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys.push(KeySource::File(path.into()));
        self
    }

    /// Accepts key files of the mode 0444 or 0644, which every user may read: Docker and Compose mount secrets so. Default:
    /// they are refused. Files that others may write, or that belong to another user, are refused all the same.
    ///
    /// Whoever can read the file has the cluster's key, and with it can write and read everything. This is for containers in
    /// which nothing but this process can read the file. It goes for [`key_file`](Self::key_file) and
    /// [`signing_key_file`](Self::signing_key_file).
    pub fn danger_accept_world_readable_key_files(mut self) -> Self {
        self.key_files.world_readable = true;
        self
    }

    /// How a cluster that has no key yet gets one without a gap: see [`Rollout`] for the steps. Default:
    /// [`Rollout::Require`]. It wants a key. The other two hear what is not sealed, so that on an address that is not a loopback
    /// one they want [`plaintext`](Self::plaintext) as well.
    pub fn rollout(mut self, rollout: Rollout) -> Self {
        self.rollout = Some(rollout);
        self
    }

    /// How far the clock of a host that is heard for the first time may be from this host's: 1 s to 1 h. Default: 30 s.
    /// Means nothing without a key.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = Some(skew);
        self
    }

    /// The key with which this node signs what it registers: its own, that no other node has. Default: none. It demands
    /// nothing of others; [`trust`](Self::trust) does. See [`security`](crate::gossip::security#signed-records) for what that
    /// promises. The last of this and [`signing_key_file`](Self::signing_key_file) counts.
    pub fn sign_with(mut self, key: SigningKey) -> Self {
        self.sign_with = Some(KeySource::Given(key));
        self
    }

    /// The key to sign with from a file, under the rules of [`key_file`](Self::key_file): 32 bytes in base64, as
    /// `openssl rand -base64 32` writes them, a single one. It is read when the node starts. The public half, which others have to list, is in the log at start, as `signs_as`.
    pub fn signing_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.sign_with = Some(KeySource::File(path.into()));
        self
    }

    /// Whose signature is demanded of whose records. What is not signed so is refused, wherever it comes from, and this node
    /// does not register it either. Default: [`Trusted::open`]. A call replaces what an earlier one set.
    pub fn trust(mut self, trusted: Trusted) -> Self {
        self.trusted = trusted;
        self
    }

    /// Accepts to hear what is not sealed on an address that is not a loopback one.
    ///
    /// A node without a key can be read, and written to, by everybody who reaches its port; one with a key that hears the clear
    /// too, until the [`rollout`](Self::rollout) is over, can be written to. So this is for networks in which
    /// everybody is trusted.
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

    /// Keeps what the others offer in a file, and shows it when this process starts in an outage, until a live member
    /// says what there is. Default: none.
    ///
    /// What is shown from it is marked ([`Instances::is_stale`](crate::registry::Instances::is_stale)) and used like any other: by
    /// [`get_service`](Node::get_service), watchers, handles, pickers and [`wait_for`](Node::wait_for). A watcher is told when the list is confirmed,
    /// also where it turned out to be right. Members' addresses are in the file too, and are called beside the
    /// [`seeds`](Self::seeds): a process whose seeds are all gone still finds its cluster.
    ///
    /// It is read once, at the start (which waits for it for 5 s at most), and written 5 s after a change, at most every 30 s,
    /// and at shutdown (which waits for it for 2 s at most); never while no other member is alive, or soon after one failed. What this
    /// node registers itself is not in it. What nobody has confirmed yet stays in it, for [`snapshot_max_age`](Self::snapshot_max_age):
    /// two that are restarted in one outage find each other, and nobody else. It has the mode 0600; one that others may write is not read. Nothing
    /// about the file ever fails a start or holds the node up: it is logged, and counted in
    /// [`NodeStats::snapshot`](super::NodeStats::snapshot).
    ///
    /// A file that is mounted by itself, or whose directory is read-only, cannot be replaced as a whole
    /// and is written over, with a warning: a crash meanwhile leaves a damaged file, which is not
    /// used. Mount its directory instead. An empty file, made to be mounted, is told as damaged once.
    ///
    /// Each process wants a file of its own, on a disk that survives it. With
    /// [`on_current_runtime`](Self::on_current_runtime) a disk that hangs keeps that runtime from being dropped. The instances in it are not checked against
    /// [`trust`](Self::trust).
    #[cfg(feature = "snapshot")]
    pub fn snapshot_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot_file = Some(path.into());
        self
    }

    /// How old the instances in the [`snapshot_file`](Self::snapshot_file) may be before they are no longer used. Default:
    /// [`SNAPSHOT_AGE_MAX`](super::SNAPSHOT_AGE_MAX), 24 h. Zero uses none, and remembers the members' addresses
    /// all the same.
    #[cfg(feature = "snapshot")]
    pub fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.snapshot_max_age = age;
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
    /// Waits only where the advertised address depends on a seed's name: for at most 5 s. It does not
    /// wait for an address of this host: see [`advertise`](Self::advertise).
    pub async fn start(self) -> Result<Node, StartError> {
        let on_current_runtime = self.on_current_runtime;
        let settings = self.parse()?;
        if on_current_runtime {
            launch::on_current_runtime(settings).await
        } else {
            launch::on_own_thread(settings).await
        }
    }
}
