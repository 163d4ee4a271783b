//! What can go wrong when a node starts and when it stops.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::isolation::{self, SeedStatus};
use super::key_file::KeyFileError;
use crate::gossip::ConfigError;
use crate::gossip::security::{KeyringError, Rollout};

/// Why [`NodeBuilder::start`](super::NodeBuilder::start) refused.
///
/// In every case nothing was left behind: no thread, no task, no socket, and no datagram was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No cluster was named. A node without one would join whatever answers first.
    #[error("`cluster` is missing or empty: name it with `.cluster(\"shop\")`")]
    ClusterMissing,

    /// `bind` or `advertise` is not an address.
    #[error(
        "`{field}` is {value:?}, and {reason}: write \"10.0.0.9:7946\" or \"[2001:db8::9]:7946\""
    )]
    Address {
        /// The setting: `bind` or `advertise`.
        field: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A seed is not `host:port`. (A well-formed name that does not resolve is never an error.)
    #[error(
        "`seeds` has {value:?}, and {reason}: write \"10.0.0.7:7946\", \"[2001:db8::7]:7946\" or \"seed.internal:7946\""
    )]
    Seed {
        /// The seed as it was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The node has no key, so whoever reaches its port can read and write the table.
    #[error(
        "`bind` is {bind}, which is not a loopback address, and the node has no key: whoever reaches this port could read and change the registry. Give it one with `.key_file(\"...\")`, call `.plaintext()` to accept that, or bind to 127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// The address that was asked for.
        bind: SocketAddr,
    },

    /// The node has a key, and hears what is not sealed all the same.
    #[error(
        "`bind` is {bind}, which is not a loopback address, and `.rollout(Rollout::{rollout:?})` hears what is not sealed: whoever reaches this port could change the registry. Call `.plaintext()` to accept that until the rollout is over, or use `Rollout::Require`"
    )]
    HearsPlaintext {
        /// The address that was asked for.
        bind: SocketAddr,
        /// The step of the rollout.
        rollout: Rollout,
    },

    /// A rollout was set, and no key: the node would speak in the clear, whatever the rollout says.
    #[error(
        "`.rollout(Rollout::{rollout:?})` is set, and there is no key: give one with `.key(..)` or `.key_file(\"...\")`"
    )]
    KeyMissing {
        /// What was set.
        rollout: Rollout,
    },

    /// A key could not be had from its file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),

    /// The keys do not make a ring.
    #[error(transparent)]
    Keys(#[from] KeyringError),

    /// The operating system refused the address.
    #[error(
        "`bind` is {bind}, and the operating system refused it: is the port taken, or the address not of this host? Port 0 takes any free port"
    )]
    Bind {
        /// The address that was asked for.
        bind: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },

    /// The operating system refused to make or to set up a UDP socket.
    #[error("the UDP socket for {bind} could not be set up ({step})")]
    Socket {
        /// The address that was asked for.
        bind: SocketAddr,
        /// What was being done.
        step: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },

    /// Bound to an unspecified address, no seed to tell by, and this host has several addresses.
    #[error("`bind` is {bind} and this host has several addresses ({}): choose the one that peers reach with `.advertise(\"{}:{}\")`", join(candidates), candidates[0], bind.port())]
    AdvertiseAmbiguous {
        /// The address that the socket is bound to.
        bind: SocketAddr,
        /// The host's global-unicast addresses, at least two.
        candidates: Vec<IpAddr>,
    },

    /// The host's addresses could not be listed.
    #[error("`bind` is {bind} and this host's addresses could not be listed: set one with `.advertise(\"192.0.2.9:{}\")`", bind.port())]
    Interfaces {
        /// The address that the socket is bound to.
        bind: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },

    /// A setting that the engine refuses.
    #[error(transparent)]
    Config(#[from] ConfigError),

    /// The operating system gave no random bytes. Sessions must not repeat, so there is no
    /// fallback.
    #[error("the operating system gave no random bytes: {reason}")]
    Entropy {
        /// What it answered.
        reason: String,
    },

    /// [`on_current_runtime`](super::NodeBuilder::on_current_runtime) was asked for outside of one.
    #[error(
        "`.on_current_runtime()` needs a running tokio runtime, with its IO and time drivers on: call `start` inside one, or leave the setting out and the node brings its own thread"
    )]
    NoRuntime,

    /// The node's own thread could not be started.
    #[error("the node's own thread could not be started")]
    Thread(#[source] io::Error),

    /// The node's own thread ended while it was starting: a bug of this crate.
    #[error("the node's own thread ended while it was starting: please report this")]
    ThreadEnded,
}

/// Why [`Node::joined`](super::Node::joined) came back without a peer. The node goes on trying.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// No seed has let the node in so far.
    #[error(
        "this node has found no peer within {waited:?} ({}); check {}",
        isolation::list(seeds),
        isolation::advice(seeds)
    )]
    Timeout {
        /// How long was waited.
        waited: Duration,
        /// Each address behind each seed, with what is known of it.
        seeds: Vec<SeedStatus>,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Closed,
}

/// Why [`Node::shutdown`](super::Node::shutdown) was not a graceful one. The node has stopped all
/// the same: its port is free and its handles are closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The news of the leave could not be sent in time; the others will see this node fail instead.
    #[error(
        "the leave could not be announced within {waited:?}: other members will see this node fail instead"
    )]
    LeaveUnfinished {
        /// How long was waited.
        waited: Duration,
    },
}

fn join(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
