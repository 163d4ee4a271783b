//! The snapshot: what the cluster offered, kept in a file for a start in an outage.
//!
//! A registry server has a disk; a gossip node begins with an empty table each time, and one that starts while it
//! cannot reach anybody knows no address to call. With [`snapshot_file`](super::NodeBuilder::snapshot_file) it keeps two things: the
//! others' instances, and where members were.
//!
//! # Reading
//!
//! Once, when the node starts. The instances are shown as *stale*: marked
//! ([`Instances::is_stale`](crate::registry::Instances::is_stale)), told by no event, spread to nobody, and replaced by what the
//! table holds as soon as a live member has confirmed it (see the engine's `fallback`). They count in
//! [`wait_for`](super::Node::wait_for): a client that waits for a service to call is to start in an outage, that is what this is
//! for. Instances older than [`SNAPSHOT_AGE_MAX`] are not used, and end when they get that old meanwhile. A file from the future counts
//! as just written: a clock that was set back must not cost the fallback.
//!
//! The members' addresses are called whatever their age, beside the seeds and with less priority: to call a wrong one
//! costs a datagram, and whoever answers has to be of this cluster and have its key.
//!
//! Nothing about the file fails a start. One that is unreadable, too large, corrupt, of a later format, of another cluster,
//! writable by others or not read in 5 s is a warning, and counts in [`SnapshotStats`]. That there is none yet is normal.
//! The file is believed like the process's own memory: nothing in it is signed, and what
//! [`trust`](super::NodeBuilder::trust) demands of records is not demanded of it. So nobody else may write it.
//!
//! # Writing
//!
//! A temporary file in the same directory, mode 0600, `fsync`, rename, `fsync` of the directory: whoever reads sees the old file or the
//! new one, whole, also after a crash at any point. What a crash left behind is removed at a later start. It happens
//! on a thread for blocking work, one write at a time; the node's task only collects pointers (10,000 of them in 1 to 5 ms), and waits for no disk. On a
//! full or hung disk the old file stays, and the node goes on.
//!
//! A file that nothing can be renamed over (it is mounted by itself, or its directory is read-only) is
//! written over in place. Its first byte comes last: a crash in between leaves a file that is
//! recognised as damaged, and never half of one snapshot and half of another. A warning says once to
//! mount the directory.
//!
//! What is *not* written matters more than what is, because a bad snapshot replaces a good one:
//!
//! - nothing while the table is not confirmed: neither what is stale itself, nor half a table while joining;
//! - nothing while no other member is alive: a client that is restarted in an outage, and restarted again, finds the good one;
//! - no table without instances over one that has some;
//! - nothing within a minute after a member failed (ten minutes at most, where members fail all the time). Whoever is cut
//!   off sees the others fail one by one, and half of them gone is no better than none;
//! - not only what the table holds: what was remembered and nobody has confirmed *stays in the file*, marked `unconfirmed`, until
//!   it is confirmed, superseded, known to be gone, or older than [`SNAPSHOT_AGE_MAX`] ([`unconfirmed`] has the rules; 16,384 instances at
//!   most). Two services that are restarted in one outage find each other, and would else overwrite all the rest;
//! - never what this node has registered itself: its service registers it again.
//!
//! It is written 5 s after the table changed, at most every 30 s, at shutdown, and once an hour if nothing changes: how old a file is says
//! when it was last true. [`abort`](super::Node::abort) writes nothing.
//!
//! # One file for each process
//!
//! Two processes with one file do no harm to it: each writes a temporary file of its own, and the last rename wins, whole. But
//! each then remembers what the other has registered *and what it has registered itself*, as the other one saw it; so give
//! each its own. A file of another cluster is not read, and not replaced either.

mod file;
mod format;
#[cfg(feature = "testing")]
mod fuzzing;
mod keeper;
mod schedule;
mod unconfirmed;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "testing")]
pub use fuzzing::read_snapshot;
pub(super) use keeper::{Keeper, Remembered};

/// How old a snapshot's instances may be, unless [`snapshot_max_age`](super::NodeBuilder::snapshot_max_age) says otherwise: 24 h.
///
/// Long enough for an outage that begins in the evening and for a job that runs once a day, and short because
/// addresses are given to other services in time: the wrong service is worse than none.
pub const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The largest snapshot that is written, and read: 64 MiB, some 250,000 instances.
pub const SNAPSHOT_BYTES_MAX: usize = 64 << 20;

/// How many addresses of members are remembered at most. A joiner needs one that is alive.
const MEMBERS_MAX: usize = 64;

/// What the user asked for.
#[derive(Clone, Debug)]
pub(super) struct SnapshotSettings {
    pub(super) path: PathBuf,
    pub(super) max_age: Duration,
}

/// What became of a node's snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotStats {
    /// 1 if there was a file at the start and it could not be used.
    pub reads_failed: u64,
    /// Snapshots written.
    pub writes: u64,
    /// Snapshots that could not be written. The file is the one before.
    pub writes_failed: u64,
    /// Whether one is being written at this moment.
    pub is_writing: bool,
}

/// Why a snapshot was not read, or not written. For the log: a node goes on without.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("it could not be read")]
    Read(#[source] io::Error),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it has the mode {mode:04o}, and others could put addresses into it: `chmod 600` it")]
    Exposed { mode: u32 },
    #[error("it has more than {SNAPSHOT_BYTES_MAX} bytes")]
    TooLarge,
    #[error("it is no snapshot, or a damaged one")]
    Corrupt(#[from] serde_json::Error),
    #[error("service `{service}` has an instance of another name in it")]
    Misplaced { service: String },
    #[error("it has the format {found}, and this build reads {}", format::FORMAT)]
    Format { found: u32 },
    #[error("it is of cluster `{found}`: remove it, or give each cluster a file of its own")]
    OtherCluster { found: String },
    #[error("it was not read within {0:?}")]
    Slow(Duration),
    #[error("it could not be written ({step})")]
    Write {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("its thread ended: a bug of this crate, please report it")]
    ThreadEnded,
}
