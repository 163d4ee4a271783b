//! The engine: SWIM membership, dissemination and reconciliation, without clock and without IO.
//!
//! # The contract with a driver
//!
//! An [`Engine`] is a state machine. Its driver owns the socket, the clock and the resolver, and
//! runs one loop:
//!
//! 1. hand in every datagram that has come ([`Engine::handle_datagram`]);
//! 2. hand in what the user asks for ([`Engine::register`], [`Engine::deregister`],
//!    [`Engine::leave`]);
//! 3. call [`Engine::handle_timeout`] if [`Engine::poll_timeout`] has passed;
//! 4. [`Engine::publish`], so that readers see what has changed;
//! 5. send all of [`Engine::poll_transmit`], hand on all of [`Engine::poll_event`], and resolve
//!    seeds if [`Engine::wants_seeds`];
//! 6. sleep until a datagram, a request or the next timeout.
//!
//! Every call gets [`Now`]: monotonic time, and the Unix time beside it. Same inputs, times and
//! [`Entropy`] give the same outputs, byte for byte.
//!
//! # What is foca's and what is ours
//!
//! [foca](https://docs.rs/foca) does membership: who is there, probing, suspicion, down (Das, Gupta
//! and Motivala, *SWIM*, DSN 2002). Everything else is ours: records and their dissemination,
//! reconciliation, joining, healing, changes of identity. The engine decodes foca's packets on both
//! sides of the wire and decides when a timer is handed back to it.
//!
//! # Invariants
//!
//! - Only the owner of a record writes it, and its sequence number never goes back.
//! - A datagram that cannot be used changes nothing but a counter.
//! - With a key, nothing is decoded that is not authentic, and nothing twice; see [`security`].
//! - Nobody gets an answer larger than the datagram that asked for it before the sender has shown
//!   that it hears what is sent to its address.
//! - A peer's word that somebody is dead makes a suspicion, never a death; foca's own updates excepted,
//!   which SWIM spreads only after a suspicion has gone unanswered.
//! - Every queue, list and table is bounded, by a number that its file states; `docs/limits.md` lists them. At a bound what is
//!   new is refused, counted ([`AtLimit`]) and warned about, and no live member is put out for a stranger.

mod address_check;
mod applicants;
mod at_limit;
mod boots;
mod budget;
mod candidates;
mod challenges;
mod config;
mod contacts;
mod detection;
mod engine;
mod foca_runtime;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod heard;
mod history;
mod identity;
mod local_health;
mod local_verdicts;
mod look;
mod members;
mod news;
mod path_size;
mod profile;
mod proofs;
mod rejects;
pub mod security;
mod seeds;
mod sizes;
mod stats;
mod suspicion;
mod sweep;
mod timers;
mod verified;
mod wire;

pub use at_limit::AtLimit;
pub use config::{Config, ConfigError, MAX_DATAGRAM_BYTES, MIN_DATAGRAM_BYTES};
pub use detection::Detection;
#[cfg(feature = "testing")]
pub use engine::Lie;
pub use engine::{Engine, Entropy, Member, MemberState, Transmit};
pub use identity::{PeerId, canonical};
pub use path_size::LargeDatagrams;
pub use profile::Profile;
pub use security::Security;
pub use seeds::SeedState;
pub use sizes::Sizes;
pub use stats::{Dropped, Stats};

pub use crate::table::Instant;

/// What time it is: given in by the driver with every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time.
    pub instant: Instant,
    /// Milliseconds since the Unix epoch, as the wall clock has it; it may jump.
    pub unix_ms: u64,
}
