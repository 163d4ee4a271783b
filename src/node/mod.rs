//! The tokio driver: a running [`Node`] on one UDP socket.
//!
//! The [engine](crate::gossip::Engine) decides everything and does nothing: it takes datagrams and the
//! time, and gives datagrams and events. This room gives it a socket, a clock and a thread, and
//! gives its users a handle.
//!
//! One task owns the engine and the socket; nothing else touches either. Handles send it commands over
//! a bounded queue and read what it publishes; readers never wait for it.
//!
//! # What this room promises
//!
//! - **The node lives on its own thread**, unless [`on_current_runtime`](NodeBuilder::on_current_runtime)
//!   says otherwise. A user's blocked runtime does not make the cluster believe that the process is
//!   dead; whether the *service* is stuck is for health checks to say.
//! - **Before any timer fires, the socket is drained.** A process that was paused hears what its
//!   peers said in the meantime before it blames anybody.
//! - **No error of a send or a receive ends the task.** Each is counted and, at a bounded rate, logged.
//! - **"Port unreachable" is evidence.** On Linux the engine hears in the same turn of a datagram that nobody
//!   takes, and no datagram to another peer is lost to that.
//! - **No isolation is silent.** A node that has seeds and finds no peer says so, with what is known of each seed.
//! - **Starting needs no peer, and no name that resolves.** Seeds are looked up beside the loop, again and
//!   again; slow DNS delays nobody.
//! - **A register can be read** in the local table when it returns.
//! - **When the node ends, for whatever reason, everybody is told**: calls answer `Closed`, watchers end,
//!   event streams end. The port is free when [`Node::stopped`] returns.
//! - **The advertised address is one that others reach**, as far as this host can tell: never loopback
//!   while there is another, and never one that the host has no longer (see [`NodeBuilder::advertise`]).
//! - **No disk holds it up**: with the feature `snapshot` it keeps its table in a file, and what goes wrong with that is a
//!   warning and a counter.
//! - **The task never keeps the handle alive**: dropping the last [`Node`] leaves, in the background.
//!
//! # What it writes to the log
//!
//! The `tracing` target is `tidings::node`. At `info` there is one line for each membership or service
//! change, never one for a packet, with the stable fields `event` (`joined`, `left`, `failed`, `recovered`,
//! `registered`, `updated`, `deregistered`, `started`, `stopped`), `node` (the advertised address),
//! `member`, and where they apply `service`, `id`, `version`, `status` (`up`, `unhealthy` or `draining`), `endpoints`,
//! `instances` (a number) and, of what was updated, `changed`. A field that is empty is left out. Warnings that could repeat are
//! rate-limited and say in `held_back` how many were left out. A node that has seeds and no peer warns after 5 s, and
//! then each minute (`isolated`, with `alone_for_s`, `seeds` and `check`); when it has a peer it says `joined_cluster`.
//! What is wrong with this node's own
//! address is told with what to do about it: `unreachable_address`, `guessed_address`, `no_address`,
//! `loopback_endpoint`; that it has `moved` is told at `info`. Keys that come from a file are told of by `keys_unread`
//! here, and by `keys_read`, `key_seals` and `key_removed` under the target `tidings::gossip`, each by their ids. A snapshot is told of by `snapshot_read` (at `info`),
//! `snapshot_unread`, `snapshot_unwritten` and `snapshot_in_place`, each with the `file`.

mod advertise;
mod builder;
mod changes;
mod clock;
mod commands;
mod driver;
mod endpoints;
mod error;
mod error_queue;
mod events;
mod handle;
mod isolation;
mod key_file;
mod key_watch;
mod keyring;
mod launch;
mod limiter;
mod lookups;
mod report;
mod seeds;
#[cfg(feature = "snapshot")]
mod snapshot;
mod socket;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod wait;
mod zone;

pub use builder::{DEFAULT_BIND, NodeBuilder};
pub use error::{JoinError, ShutdownError, StartError};
pub use events::{EVENT_CAPACITY, Events, EventsError, Snapshot};
pub use handle::Node;
pub use isolation::SeedStatus;
pub use key_file::KeyFileError;
pub use keyring::{KeyChangeError, NodeKeyring};
pub use seeds::SEED_ADDRESSES_MAX;
#[cfg(feature = "snapshot")]
pub use snapshot::{SNAPSHOT_AGE_MAX, SNAPSHOT_BYTES_MAX, SnapshotStats};
pub use socket::RECEIVE_BUFFER_BYTES;
pub use stats::{NodeStats, SocketStats};

/// The log target of this room.
const TARGET: &str = "tidings::node";
