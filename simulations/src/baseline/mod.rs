//! Plain foca, to compare with: what somebody gets who wires it to UDP after its examples.
//!
//! foca's own LAN defaults (`Config::new_lan`), its periodic announces and gossip, its identities that renew
//! themselves, and one of its custom broadcasts for each service's record. None of what the engine adds: nothing is
//! pushed at once, nothing repairs what a broadcast missed, a latecomer is not told what was said before it came, a
//! goodbye looks like a failure.
//!
//! What it tells follows the engine's events, so that the same mirrors and measures work for it.

mod records;

use std::{
    cell::RefCell, collections::BTreeMap, net::SocketAddr, num::NonZeroU32, rc::Rc, time::Duration,
};

use bytes::Bytes;
use foca::{Foca, Identity, OwnedNotification, PostcardCodec, Timer};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tidings::{
    ServiceInstance,
    gossip::{Instant, Now, PeerId, Transmit},
    table::{Directory, Event, Owner, Record},
};

use self::records::{Records, Spread};
use crate::{
    process::{Gauges, PeerIdentity, Process},
    scenario::KeyChange,
};

/// How often seeds are called while there is no member.
const SEEDS_AGAIN: Duration = Duration::from_secs(1);

/// A process on an address: the higher boot replaces the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name {
    addr: SocketAddr,
    boot: u64,
}

impl Name {
    const fn owner(self) -> Owner {
        Owner {
            addr: self.addr,
            boot: self.boot,
        }
    }
}

impl Identity for Name {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        let boot = self.boot + 1;
        Some(Self { boot, ..*self })
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.boot > adversary.boot
    }
}

/// What foca asked for.
#[derive(Debug, Default)]
struct Effects {
    sent: Vec<Transmit>,
    scheduled: Vec<(Timer<Name>, Duration)>,
    notified: Vec<OwnedNotification<Name>>,
}

impl foca::Runtime<Name> for Effects {
    fn notify(&mut self, notification: foca::Notification<'_, Name>) {
        self.notified.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Name, data: &[u8]) {
        self.sent.push(Transmit {
            to: to.addr,
            payload: Bytes::copy_from_slice(data),
        });
    }

    fn submit_after(&mut self, timer: Timer<Name>, after: Duration) {
        self.scheduled.push((timer, after));
    }
}

/// A node of plain foca.
pub struct Baseline {
    me: Name,
    foca: Foca<Name, PostcardCodec, StdRng, Spread>,
    effects: Effects,
    records: Rc<RefCell<Records>>,
    timers: BTreeMap<(Instant, u64), Timer<Name>>,
    next_timer: u64,
    seeds_due: Option<Instant>,
    wants_seeds: bool,
    has_left: bool,
    outbox: std::collections::VecDeque<Transmit>,
    directory: Directory,
}

impl Baseline {
    /// A node on `addr` in what is expected to be a cluster of so many.
    pub fn new(addr: SocketAddr, cluster: usize, seed: [u8; 32], now: Now) -> Self {
        let cluster = u32::try_from(cluster).ok().and_then(NonZeroU32::new);
        let config = foca::Config::new_lan(cluster.unwrap_or(NonZeroU32::MIN));
        let me = Name {
            addr,
            boot: now.unix_ms << 20,
        };
        let records = Rc::new(RefCell::new(Records::new(me.owner())));
        let rng = StdRng::from_seed(seed);
        let spread = Spread(Rc::clone(&records));
        Self {
            me,
            foca: Foca::with_custom_broadcast(me, config, rng, PostcardCodec, spread),
            effects: Effects::default(),
            records,
            timers: BTreeMap::new(),
            next_timer: 0,
            seeds_due: Some(now.instant),
            wants_seeds: false,
            has_left: false,
            outbox: std::collections::VecDeque::new(),
            directory: Directory::new(),
        }
    }

    /// Does what foca asked for.
    fn settle(&mut self, now: Now) {
        let Effects {
            sent,
            scheduled,
            notified,
        } = std::mem::take(&mut self.effects);
        self.outbox.extend(sent);
        for (timer, after) in scheduled {
            self.next_timer += 1;
            self.timers
                .insert((now.instant + after, self.next_timer), timer);
        }
        for notification in notified {
            let mut records = self.records.borrow_mut();
            match notification {
                OwnedNotification::MemberUp(name) => records.member_up(name.owner()),
                OwnedNotification::MemberDown(name) => records.member_down(name.owner()),
                OwnedNotification::Rename(before, after) => {
                    records.member_down(before.owner());
                    records.member_up(after.owner());
                }
                OwnedNotification::Rejoin(name) => {
                    self.me = name;
                    records.renamed(name.owner());
                    drop(records);
                    self.broadcast_all();
                }
                OwnedNotification::Idle => {
                    drop(records);
                    self.seeds_due = Some(now.instant + SEEDS_AGAIN);
                }
                _ => {}
            }
        }
    }

    fn broadcast_all(&mut self) {
        let all = self.records.borrow().own_broadcasts();
        for data in all {
            self.broadcast(&data);
        }
    }

    fn broadcast(&mut self, data: &[u8]) {
        // What does not fit a packet is never sent: plain foca has no answer to that.
        let _ = self.foca.add_broadcast(data);
    }

    /// What was written goes to foca, and with the next round to others.
    fn written(&mut self, service: &str) {
        let data = self.records.borrow().broadcast(service);
        self.broadcast(&data);
    }
}

impl Process for Baseline {
    fn drains_first(&self) -> bool {
        false
    }

    fn handle_datagram(&mut self, now: Now, _from: SocketAddr, datagram: &[u8]) {
        if !self.has_left {
            // An error is somebody else's mistake, and changes nothing that the caller could mend.
            let _ = self.foca.handle_data(datagram, &mut self.effects);
            self.settle(now);
        }
    }

    fn handle_unreachable(&mut self, _: Now, _: SocketAddr) {
        // foca has no use for it.
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.has_left {
            return;
        }
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now.instant {
                break;
            }
            let timer = entry.remove();
            let _ = self.foca.handle_timer(timer, &mut self.effects);
            self.settle(now);
        }
        if self.seeds_due.is_some_and(|due| due <= now.instant) {
            let is_alone = self.foca.iter_members().next().is_none();
            self.seeds_due = is_alone.then(|| now.instant + SEEDS_AGAIN);
            self.wants_seeds = is_alone;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.has_left {
            return None;
        }
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        [timer, self.seeds_due].into_iter().flatten().min()
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.records.borrow_mut().events.pop_front()
    }

    fn publish(&mut self) {
        self.records.borrow_mut().publish(&self.directory);
    }

    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn assume(&mut self, now: Now, members: &[PeerId], records: &[Record]) {
        let others = members.iter().filter(|id| id.addr != self.me.addr);
        let updates: Vec<_> = others
            .map(|id| {
                foca::Member::alive(Name {
                    addr: id.addr,
                    boot: id.boot,
                })
            })
            .collect();
        let _ = self
            .foca
            .apply_many(updates.into_iter(), false, &mut self.effects);
        self.settle(now);
        self.seeds_due = None;
        for record in records {
            if record.owner() != self.me.owner() {
                let mut known = self.records.borrow_mut();
                known.take(
                    record.owner(),
                    record.service(),
                    record.seq(),
                    record.instances().to_vec(),
                );
            }
        }
    }

    fn register(&mut self, _now: Now, instance: ServiceInstance) -> Result<(), String> {
        let service = instance.name().to_owned();
        self.records.borrow_mut().register(instance);
        self.written(&service);
        Ok(())
    }

    fn deregister(&mut self, _now: Now, service: &str, id: &str) -> Result<(), String> {
        self.records.borrow_mut().deregister(service, id);
        self.written(service);
        Ok(())
    }

    fn change_keys(&mut self, _: &KeyChange) -> Result<(), String> {
        Err("foca has no keys".to_owned())
    }

    fn leave(&mut self, now: Now) {
        self.records.borrow_mut().deregister_all();
        let _ = self.foca.leave_cluster(&mut self.effects);
        self.settle(now);
        self.has_left = true;
    }

    fn has_left(&self) -> bool {
        self.has_left
    }

    fn wants_seeds(&mut self) -> bool {
        std::mem::take(&mut self.wants_seeds)
    }

    fn handle_seeds(&mut self, now: Now, seeds: Vec<SocketAddr>) {
        for addr in seeds {
            let _ = self
                .foca
                .announce(Name { addr, boot: 0 }, &mut self.effects);
        }
        self.settle(now);
    }

    fn identity(&self) -> PeerId {
        PeerId {
            addr: self.me.addr,
            boot: self.me.boot,
            renewal: 0,
        }
    }

    fn members(&self) -> Vec<PeerIdentity> {
        let members = self.foca.iter_members();
        let mut members: Vec<_> = members
            .map(|member| PeerIdentity {
                addr: member.id().addr,
                boot: member.id().boot,
            })
            .collect();
        members.sort_unstable();
        members
    }

    fn records(&self) -> Vec<Record> {
        self.records.borrow().all()
    }

    fn own_records(&self) -> Vec<Record> {
        let own = self.me.owner();
        let mut records = self.records();
        records.retain(|record| record.owner() == own);
        records
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            timers: self.timers.len(),
            news: self.foca.custom_broadcast_backlog(),
            records: self.records.borrow().len(),
            known_members: self.foca.iter_membership_state().len(),
            ..Gauges::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        run::{Options, run},
        scenario::Scenario,
    };

    fn outcome(more: &str) -> crate::outcome::Outcome {
        let text = format!(
            "name = \"plain\"\nabout = \"Plain foca.\"\nsubject = \"swim-baseline\"\nnodes = 8\nduration = \"40s\"\n{more}\n\
             [expect]\nconverge_within = \"40s\"\n"
        );
        let scenario = Scenario::parse(&text, "plain").unwrap();
        let outcome = run(&scenario, 1, Options::default()).outcome;
        assert_eq!(outcome.violations, []);
        outcome
    }

    #[test]
    fn nodes_find_each_other_through_a_seed() {
        let outcome = outcome("start = \"bootstrap\"\nstart_within = \"1s\"\n");
        assert!(outcome.convergence_ms.samples > 0, "{outcome:?}");
    }

    #[test]
    fn a_crash_is_noticed_by_all_and_a_change_spreads() {
        let outcome = outcome(
            "[[fault]]\nat = \"5s\"\nkind = \"crash\"\nnodes = \"random 1\"\n\
             [[work]]\nat = \"1s\"\nkind = \"update\"\nrate = 1.0\n",
        );
        assert_eq!(outcome.detection_ms.samples, 1);
        assert!(outcome.convergence_ms.samples > 10, "{outcome:?}");
    }
}
