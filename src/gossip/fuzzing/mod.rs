//! For whoever tests what a node makes of bytes that nobody sound has sent: entry points of a fuzzer.
//!
//! Each takes any bytes. None may panic, hold on to memory, or allocate more than a fixed bound; what else has to hold is
//! asserted, so that a fuzzer finds it broken.
//!
//! - [`decoders`]: one function for each decoder. What decodes and is encoded again decodes to the same.
//! - [`handle_datagram`] and [`handle_sealed_datagram`]: the bytes are a script of what happens to a small cluster in
//!   virtual time.
//! - [`seeds`]: where to begin: real datagrams, taken from a cluster that runs, and what is in them.

mod cluster;
pub mod decoders;
mod mutations;
mod script;
pub mod seeds;

pub use script::{handle_datagram, handle_sealed_datagram};

use super::security::{ClusterKey, KEY_BYTES, Keyring, Security};

/// The cluster's name in all of them.
const CLUSTER: &str = "fuzzed";
/// The wall clock when a cluster begins.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// The key of clusters that have one.
fn key() -> ClusterKey {
    ClusterKey::from_bytes([42; KEY_BYTES])
}

/// The settings of a node that has it.
fn security() -> Security {
    Security {
        keyring: Keyring::of([key()]).expect("it is one key"),
        ..Security::default()
    }
}
