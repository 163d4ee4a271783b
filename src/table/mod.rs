//! The table: what this node knows of everybody, and how it is read.
//!
//! # Readers never wait
//!
//! A [`Directory`] holds, for each service, one immutable list behind an atomic pointer. The one
//! writer (the engine's task) puts a new list in its place; a reader loads the pointer. So a reader
//! takes no lock, allocates nothing and clones no instance, and a writer waits for no reader.
//!
//! Three ways to read, all of the same lists:
//!
//! - [`Directory::get`] looks a name up: two atomic loads and a hash;
//! - a [`ServiceHandle`] was looked up once and costs one atomic load from then on;
//! - a [`ServiceWatcher`] waits for a list that differs from the one it returned last.
//!
//! # Level, not edge
//!
//! A list that equals the published one, by content, is not published again, and each change bumps
//! the service's version. A watcher remembers the version and the list that it has seen. It is
//! woken by a change but never told which: it compares. So a slow watcher loses states between and
//! never the last one, a wake-up too many does no harm, and nothing queues up behind a reader that
//! does not read.
//!
//! # Stale lists
//!
//! A process that starts in an outage may have a list from its earlier run ([`Replica::show_stale`]). It is shown
//! beside what the table holds, marked ([`Instances::is_stale`](crate::registry::Instances::is_stale)), and goes
//! for good once a live member's table has been taken over. Only readers see it: it is in no record, no fingerprint and no
//! event, so that it never spreads.
//!
//! # Invariants
//!
//! - A service has a place in the directory as long as it has instances, or a handle or watcher
//!   looks at it; then the place is gone. Names that were asked for leave nothing behind.
//! - What was published before [`Directory::close`] is seen by every watcher before it sees the
//!   end.

mod cost;
mod directory;
mod event;
mod fingerprint;
mod handle;
mod instant;
mod record;
mod replica;
mod stale;
mod visible;
mod watcher;

pub use directory::Directory;
pub use event::Event;
pub(crate) use event::Told;
pub use fingerprint::{BUCKETS, Fingerprint, ItemHash};
pub(crate) use fingerprint::{ItemHasher, addr_bytes};
pub use handle::{InstancesRef, ServiceHandle};
pub use instant::Instant;
pub use record::{LEAVING, Owner, Record};
pub use replica::{Applied, Bound, Limits, Replica};
pub use watcher::ServiceWatcher;
