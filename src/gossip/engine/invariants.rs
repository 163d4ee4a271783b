//! What holds of an engine after every step, for tests.

use std::collections::BTreeMap;
#[cfg(feature = "testing")]
use std::net::SocketAddr;

use super::{Engine, TimerKey};
#[cfg(feature = "testing")]
use crate::gossip::{Now, identity::canonical};
use crate::gossip::{
    identity::PeerId,
    wire::{message::Health, swim::health},
};

impl Engine {
    /// Our books of the membership hold what foca's do.
    pub(in crate::gossip) fn assert_books_agree(&self) {
        let foca: BTreeMap<_, _> = self
            .swim
            .iter_membership_state()
            .map(|m| (m.id().addr, (*m.id(), m.incarnation(), health(m.state()))))
            .collect();
        let ours: BTreeMap<_, _> = self
            .members
            .iter()
            .map(|p| (p.id.addr, (p.id, p.incarnation, p.health)))
            .collect();
        assert_eq!(ours, foca, "the books of {} and foca's", self.me);
    }

    /// Whatever the failure detection has under way goes on by itself, and is bounded.
    pub(in crate::gossip) fn assert_detection_goes_on(&self) {
        let me = self.me;
        if self.has_left() {
            return;
        }
        let suspected = self.members.iter().filter(|p| p.health == Health::Suspect);
        let suspected: BTreeMap<_, _> = suspected
            .map(|p| (p.id.addr, (p.id, p.incarnation)))
            .collect();
        let ours = self.suspicions.iter();
        let ours: BTreeMap<_, _> = ours.map(|(a, s)| (*a, (s.id, s.incarnation))).collect();
        assert_eq!(ours, suspected, "suspicions of {me}");
        let is_set = |key| self.timers.deadline(&key).is_some();
        assert!(
            self.suspicions
                .keys()
                .all(|a| is_set(TimerKey::Suspicion(*a)))
        );
        assert!(self.cases.keys().all(|a| is_set(TimerKey::Case(*a))));
        assert!(self.inquiries.keys().all(|a| is_set(TimerKey::Inquiry(*a))));
        assert!(self.cases.len() <= 256 && self.inquiries.len() <= 256);
        assert_eq!(self.heard.len(), self.members.active_len(), "heard by {me}");
        let dropped = |a: &&std::net::SocketAddr| self.local_verdicts.contains(**a);
        let dropped = self.suspicions.keys().filter(dropped).count();
        assert_eq!(
            dropped,
            self.local_verdicts.len(),
            "only suspects are dropped by {me}"
        );
        assert!(!self.sweep.is_running() || is_set(TimerKey::Sweep));
        if self.connected && self.feeds_foca() {
            let is_next = |timer: &foca::Timer<PeerId>| matches!(timer, foca::Timer::ProbeRandomMember(token) if *token == self.timer_token);
            let next: Vec<_> = self
                .foca_timers
                .iter()
                .filter(|(_, t)| is_next(t))
                .collect();
            assert_eq!(next.len(), 1, "probes to come of {me}");
            assert!(is_set(TimerKey::Foca(*next[0].0)));
            assert!(self.members.active_len() > 0);
        }
        // Of foca's own there are the next probe, its second half, a gossip, and what a change of
        // identity has orphaned and is not due yet.
        assert!(
            self.foca_timers.len() <= 64,
            "{} timers of foca's",
            self.foca_timers.len()
        );
    }

    /// Whether nothing larger than what it sent may go to an address, because of what it sent: it has not shown that it hears
    /// what is sent to it, and is not called anyhow.
    #[cfg(feature = "testing")]
    pub(in crate::gossip) fn is_stranger(&self, now: Now, addr: SocketAddr) -> bool {
        let addr = canonical(addr);
        let is_known = self.members.get(addr).is_some() || self.has_proof(now, addr);
        !is_known && !self.contacts.contains(addr)
    }
}
