//! What runs on a host: the engine, or what it is compared with.

use std::net::SocketAddr;

use tidings::{
    ServiceInstance,
    gossip::{Instant, Now, PeerId, Transmit},
    table::{Directory, Event, Record},
};

/// A sans-IO node, as the world drives it: the engine's contract with its driver.
///
/// The methods are those of [`Engine`](tidings::gossip::Engine), by name and by meaning.
pub trait Process {
    /// A datagram has come.
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8]);
    /// Does everything that is due.
    fn handle_timeout(&mut self, now: Now);
    /// When that is to be called, if nothing comes in before.
    fn poll_timeout(&self) -> Option<Instant>;
    /// The next datagram to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// The next thing that happened.
    fn poll_event(&mut self) -> Option<Event>;
    /// Makes what has changed visible in [`Self::directory`].
    fn publish(&mut self);
    /// What readers see.
    fn directory(&self) -> &Directory;

    /// Registers, or changes what is registered under its name and id. The reason, where it is refused.
    fn register(&mut self, now: Now, instance: ServiceInstance) -> Result<(), String>;
    /// Takes back. The reason, where it is refused.
    fn deregister(&mut self, now: Now, service: &str, id: &str) -> Result<(), String>;
    /// Begins to say goodbye.
    fn leave(&mut self, now: Now);
    /// Whether the goodbye is out.
    fn has_left(&self) -> bool;
    /// Whether seeds are to be handed in; asked after every call.
    fn wants_seeds(&mut self) -> bool;
    /// The addresses behind the seeds.
    fn handle_seeds(&mut self, now: Now, seeds: Vec<SocketAddr>);

    /// Who it is at present.
    fn identity(&self) -> PeerId;
    /// Those it holds as members, itself left out, by address.
    fn members(&self) -> Vec<PeerIdentity>;
    /// All records that it holds, visible or not, its own included; empty for what has no records.
    fn records(&self) -> Vec<Record>;
    /// What it holds and keeps waiting.
    fn gauges(&self) -> Gauges;
}

/// A member: its address, and which process on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerIdentity {
    /// Its advertised address.
    pub addr: SocketAddr,
    /// Which process on that address it is.
    pub boot: u64,
}

/// What a process holds, to be held against its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Timers that are set.
    pub timers: usize,
    /// Pieces of news that are still being sent.
    pub news: usize,
    /// Records held, visible or not.
    pub records: usize,
    /// What they cost in memory, roughly, in bytes.
    pub record_bytes: usize,
    /// Records of owners that are not members (yet), in bytes.
    pub waiting_bytes: usize,
    /// Owners that are not live and of whom something is held.
    pub absent_owners: usize,
    /// Members that are known, dead ones included.
    pub known_members: usize,
    /// Reconciliations begun, ever.
    pub syncs: u64,
    /// Datagrams dropped as malformed, truncated or oversized, ever.
    pub garbage: u64,
}
