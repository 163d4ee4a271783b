//! Suspicions: how long they last, and what ends them.
//!
//! foca starts a suspicion timer only where a probe failed, and hands it back whether or not the
//! member has refuted since (traps 1 and 5). So the engine keeps those timers itself: one for each
//! suspected member, from wherever the suspicion came, the earliest wins; and foca gets it back
//! only while that very identity and incarnation is still suspected.
//!
//! How long one lasts is asked anew when its timer fires: confirmations shorten it
//! ([`Suspicion::lasts`]), and doubt of this node itself makes it longer.
//!
//! A suspicion that was only heard is looked into before the verdict: its refutation may have missed this node, and
//! nobody would notice, because incarnations are in no fingerprint. So the suspect is told, others are asked, and it has
//! the least time once more.
//!
//! Where nobody is left who could confirm it, or nobody is heard, the verdict stays with this node: see `hearing`.

use std::{net::SocketAddr, time::Duration};

use foca::Timer;

use super::{Engine, inquiries::For};
use crate::gossip::{
    Instant, Now,
    engine::TimerKey,
    identity::PeerId,
    local_verdicts::Ground,
    suspicion::{CONFIRMATIONS, Suspicion},
    wire::message::Health,
};

impl Engine {
    /// A member is suspected, by us or by others.
    pub(super) fn suspect(&mut self, now: Now, id: PeerId, incarnation: u16) {
        tracing::debug!(target: "tidings::gossip", member = %id, "suspected");
        // Who hears of the same suspicion again sees no change, so the earliest deadline stands.
        let suspicion = Suspicion::new(id, incarnation, now.instant);
        if self.suspicions.insert(id.addr, suspicion).is_some() {
            // The one before was refuted: what was found then confirms nothing now.
            self.close_case(id.addr);
        }
        self.set_suspicion_timer(now, id.addr);
        if self.able_witnesses(id.addr) < CONFIRMATIONS {
            // One less can confirm the others.
            self.refresh_suspicions(now);
        }
    }

    /// Sets the timers of all suspicions anew: how long they last has changed.
    pub(super) fn refresh_suspicions(&mut self, now: Now) {
        for addr in self.suspicions.keys().copied().collect::<Vec<_>>() {
            self.set_suspicion_timer(now, addr);
        }
    }

    /// Gives a suspected member its full time once more. After that it is looked into anew.
    pub(super) fn begin_suspicion_anew(&mut self, now: Now, addr: SocketAddr) {
        if let Some(suspicion) = self.suspicions.get_mut(&addr) {
            *suspicion = Suspicion::new(suspicion.id, suspicion.incarnation, now.instant);
            self.close_case(addr);
            self.set_suspicion_timer(now, addr);
        }
    }

    /// One more has found a suspected member silent.
    pub(super) fn confirm_suspicion(&mut self, now: Now, addr: SocketAddr, by: SocketAddr) {
        if let Some(suspicion) = self.suspicions.get_mut(&addr) {
            suspicion.confirmed_by.insert(by);
            self.set_suspicion_timer(now, addr);
        }
    }

    /// Somebody reaches a suspected member: it has the longest time once more, and then is looked into anew.
    pub(super) fn reprieve(&mut self, now: Now, addr: SocketAddr) {
        let n = self.members.active_len() + 1;
        let until = now.instant + self.stretched(self.config.suspicion_timeout_max(n));
        if let Some(suspicion) = self.suspicions.get_mut(&addr) {
            suspicion.not_before = until;
            suspicion.is_ours = false;
            self.set_suspicion_timer(now, addr);
        }
    }

    fn set_suspicion_timer(&mut self, now: Now, addr: SocketAddr) {
        if let Some(deadline) = self.suspicion_deadline(addr) {
            let at = deadline.max(now.instant);
            self.timers.set(TimerKey::Suspicion(addr), at);
        }
    }

    fn suspicion_deadline(&self, addr: SocketAddr) -> Option<Instant> {
        let suspicion = self.suspicions.get(&addr)?;
        let n = self.members.active_len() + 1;
        let (min, max) = (
            self.config.suspicion_timeout(n),
            self.config.suspicion_timeout_max(n),
        );
        let (able, others) = if self.config.detection.confirm {
            (self.able_witnesses(addr), self.witnesses())
        } else {
            (0, 0)
        };
        let lasts = suspicion.lasts(min, max, able, others);
        let deadline = suspicion.since + self.stretched(lasts);
        Some(deadline.max(suspicion.not_before))
    }

    /// Gives every suspected member `time` more.
    pub(super) fn put_off_suspicions(&mut self, now: Now, time: Duration) {
        for suspicion in self.suspicions.values_mut() {
            suspicion.since = suspicion.since + time;
            suspicion.not_before = suspicion.not_before + time;
        }
        self.refresh_suspicions(now);
    }

    /// How many members there are besides us and one other.
    pub(super) fn witnesses(&self) -> usize {
        self.members.active_len().saturating_sub(1)
    }

    pub(super) fn clear_suspicion(&mut self, addr: SocketAddr) {
        if self.suspicions.remove(&addr).is_some() {
            self.timers.cancel(&TimerKey::Suspicion(addr));
        }
    }

    /// A suspected member's time is up. foca hears of it only if the suspicion still stands.
    pub(super) fn suspicion_due(&mut self, now: Now, addr: SocketAddr) {
        let Some(suspicion) = self.suspicions.get(&addr) else {
            return;
        };
        let (id, incarnation) = (suspicion.id, suspicion.incarnation);
        let stands = self.members.get(addr).is_some_and(|peer| {
            peer.id == id && peer.incarnation == incarnation && peer.health == Health::Suspect
        });
        if !stands {
            self.suspicions.remove(&addr);
            return;
        }
        if !self.connected || !self.feeds_foca() {
            // While we are dead to others ourselves, we judge nobody, and hear no refutation.
            return self.begin_suspicion_anew(now, addr);
        }
        if let Some(deadline) = self.suspicion_deadline(addr)
            && deadline > now.instant
        {
            self.timers.set(TimerKey::Suspicion(addr), deadline);
            return;
        }
        if self.is_dropped_for_good(now, addr) {
            return self.declare_down(now, id, incarnation);
        }
        if self.stays_dropped(now, addr) || self.look_into_hearsay(now, id) {
            return;
        }
        if self.is_lone(now, addr) {
            return self.drop_locally(now, id, Ground::Silent);
        }
        self.declare_down(now, id, incarnation);
    }

    /// Looks into a suspicion that this node has only heard of. Says whether it has to be waited for.
    fn look_into_hearsay(&mut self, now: Now, id: PeerId) -> bool {
        let n = self.members.active_len() + 1;
        let again = now.instant + self.stretched(self.config.suspicion_timeout(n));
        let Some(suspicion) = self.suspicions.get_mut(&id.addr) else {
            return false;
        };
        if suspicion.is_ours || !self.config.detection.buddy {
            return false;
        }
        suspicion.not_before = again;
        self.timers.set(TimerKey::Suspicion(id.addr), again);
        self.accuse(now, id);
        self.inquire(now, id, For::Us);
        true
    }

    /// A suspected member is down. Nothing takes that back but a rebirth.
    pub(super) fn declare_down(&mut self, now: Now, id: PeerId, incarnation: u16) {
        self.clear_suspicion(id.addr);
        self.give_timer(
            now,
            Timer::ChangeSuspectToDown {
                member_id: id,
                incarnation,
                token: self.timer_token,
            },
        );
        self.follow(now, id, incarnation, Health::Down);
        self.tell_witnesses(now, id, incarnation);
    }
}
