//! What runs on a host: the engine, or what it is compared with.

use std::net::SocketAddr;

use rand::rngs::StdRng;

use crate::scenario::{KeyChange, key};
use tidings::{
    ServiceInstance,
    gossip::{Engine, Instant, Lie, Now, PeerId, Sizes, Transmit},
    table::{Directory, Event, Record},
};

/// A sans-IO node, as the world drives it: the engine's contract with its driver.
///
/// The methods are those of [`Engine`], by name and by meaning.
pub trait Process {
    /// Whether its driver hands in all that has come before it lets a timer fire. One that waits for
    /// whichever comes first, as the usual driver of foca does, finds both after a stop, and takes them in any order.
    fn drains_first(&self) -> bool {
        true
    }
    /// A datagram has come.
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8]);
    /// Nothing listens where a datagram was sent to.
    fn handle_unreachable(&mut self, now: Now, to: SocketAddr);
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

    /// Begins settled: it knows `members`, itself among them, and `records` of theirs, as if it had run for
    /// long. Called once, after it has registered what it has itself.
    fn assume(&mut self, now: Now, members: &[PeerId], records: &[Record]);
    /// Registers, or changes what is registered under its name and id. The reason, where it is refused.
    fn register(&mut self, now: Now, instance: ServiceInstance) -> Result<(), String>;
    /// Takes back. The reason, where it is refused.
    fn deregister(&mut self, now: Now, service: &str, id: &str) -> Result<(), String>;
    /// Changes keys while it runs. The reason, where it is refused.
    fn change_keys(&mut self, change: &KeyChange) -> Result<(), String>;

    /// Makes a datagram to `to` that says what is not so, as a member says it. Nothing where
    /// the process knows no lies.
    fn lie(
        &mut self,
        _now: Now,
        _to: SocketAddr,
        _lie: Lie,
        _rng: &mut StdRng,
    ) -> Option<Transmit> {
        None
    }

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
    /// All records that it holds, visible or not, its own included.
    fn records(&self) -> Vec<Record>;
    /// Those of them that are its own.
    fn own_records(&self) -> Vec<Record>;
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
    /// How much there is of everything else that others can make grow.
    pub sizes: Sizes,
    /// Reconciliations begun, ever.
    pub syncs: u64,
    /// Datagrams dropped as malformed, truncated or oversized, ever.
    pub garbage: u64,
    /// The sum over its table and its members.
    pub fingerprint: u64,
    /// Members that it suspects.
    pub suspects: usize,
    /// Senders whose datagrams it has opened.
    pub sessions: usize,
}

impl Process for Engine {
    fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8]) {
        Self::handle_datagram(self, now, from, datagram);
    }

    fn handle_unreachable(&mut self, now: Now, to: SocketAddr) {
        Self::handle_unreachable(self, now, to);
    }

    fn handle_timeout(&mut self, now: Now) {
        Self::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        Self::poll_transmit(self)
    }

    fn poll_event(&mut self) -> Option<Event> {
        Self::poll_event(self)
    }

    fn publish(&mut self) {
        Self::publish(self);
        // Nobody keeps a list here.
        while self.poll_member().is_some() {}
    }

    fn directory(&self) -> &Directory {
        Self::directory(self)
    }

    fn assume(&mut self, now: Now, members: &[PeerId], records: &[Record]) {
        Self::assume(self, now, members, records);
    }

    fn register(&mut self, now: Now, instance: ServiceInstance) -> Result<(), String> {
        Self::register(self, now, instance).map_err(|error| error.to_string())
    }

    fn deregister(&mut self, now: Now, service: &str, id: &str) -> Result<(), String> {
        Self::deregister(self, now, service, id).map_err(|error| error.to_string())
    }

    fn change_keys(&mut self, change: &KeyChange) -> Result<(), String> {
        let changed = match change {
            KeyChange::Add(label) => self.add_key(key(label)),
            KeyChange::Promote(label) => self.promote_key(&key(label)),
            KeyChange::Remove(label) => self.remove_key(&key(label)),
            KeyChange::Rollout(step) => {
                self.set_rollout((*step).into());
                Ok(())
            }
        };
        changed.map_err(|error| error.to_string())
    }

    fn lie(&mut self, now: Now, to: SocketAddr, lie: Lie, rng: &mut StdRng) -> Option<Transmit> {
        Some(Self::lie(self, now, to, lie, rng))
    }

    fn leave(&mut self, now: Now) {
        Self::leave(self, now);
    }

    fn has_left(&self) -> bool {
        Self::has_left(self)
    }

    fn wants_seeds(&mut self) -> bool {
        Self::wants_seeds(self)
    }

    fn handle_seeds(&mut self, now: Now, seeds: Vec<SocketAddr>) {
        Self::handle_seeds(self, now, seeds);
    }

    fn identity(&self) -> PeerId {
        Self::identity(self)
    }

    fn members(&self) -> Vec<PeerIdentity> {
        let members = Self::members(self).into_iter();
        let others = members.filter(|member| !member.is_self);
        others
            .map(|member| PeerIdentity {
                addr: member.addr,
                boot: member.boot,
            })
            .collect()
    }

    fn records(&self) -> Vec<Record> {
        Self::records(self).cloned().collect()
    }

    fn own_records(&self) -> Vec<Record> {
        Self::own_records(self).cloned().collect()
    }

    fn gauges(&self) -> Gauges {
        let stats = self.stats();
        Gauges {
            timers: stats.timers,
            news: stats.news_pending,
            records: stats.records,
            record_bytes: stats.record_bytes,
            waiting_bytes: stats.waiting_bytes,
            absent_owners: stats.absent_owners,
            known_members: stats.known_members,
            sizes: stats.sizes,
            syncs: stats.syncs,
            garbage: stats.dropped.malformed
                + stats.records_malformed
                + stats.dropped.truncated
                + stats.dropped.oversized,
            fingerprint: self.fingerprint(),
            suspects: stats.suspects,
            sessions: stats.sessions,
        }
    }
}
