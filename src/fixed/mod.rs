//! A discovery that is a list: for tests, and for addresses that do not change.
//!
//! Whoever takes an `Arc<dyn Discovery>` can be given a [`StaticDiscovery`] in place of a node. It
//! keeps the same contract, watchers and waiting included, since the lists are those of a
//! [`Directory`](crate::table::Directory).

mod discovery;

pub use discovery::StaticDiscovery;
