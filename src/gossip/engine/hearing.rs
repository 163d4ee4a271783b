//! Who is heard, who can be a witness, and the verdicts of a node that hears nobody.
//!
//! # Witnesses
//!
//! A witness is asked whether it reaches a suspect. One that is dead itself says nothing, and that
//! says nothing of us. So a member is a witness only while it is neither suspected nor refused nor
//! failing in any other way, and those that were heard within [`PERIODS`] probe periods are asked first.
//! After a sweep only those are asked that have been heard since it began.
//!
//! # Hearing nobody
//!
//! A node that hears nobody cannot tell whether the others are gone or its own link is. When the
//! time of a suspicion is over then, or a refusal is confirmed, the verdict stays here
//! ([`LocalVerdicts`](crate::gossip::local_verdicts::LocalVerdicts)): the member and its instances
//! are gone for our users, and the member stays a suspect for SWIM. Such a verdict ends in one of these
//! ways:
//!
//! - the first datagram after a silence of [`PERIODS`] probe periods gives every suspect its full time
//!   once more, and brings those back that were dropped for their silence. All are looked at at once,
//!   and told, so that those that live refute;
//! - a member that was dropped is back when it is heard itself, or refutes;
//! - where witnesses are heard again, the suspicion is looked into with them, and ends as any other;
//! - after [`Config::remember_down`](crate::gossip::Config::remember_down) the member is down.
//!
//! # Staying in touch
//!
//! A few survivors of many hardly ever probe each other while most of the rotation is dead. As long as
//! somebody is suspected, up to [`TOUCHED`] witnesses are pinged in each probe period, so that silence
//! means that they are gone.

use std::{net::SocketAddr, time::Duration};

use rand::seq::SliceRandom;

use super::{Engine, TimerKey, outbox::Topic};
use crate::gossip::{
    Instant, Now,
    heard::Hearing,
    identity::PeerId,
    local_verdicts::Ground,
    wire::message::{Health, Message, Outcome, Ping, addressee},
};

/// A member that was heard within so many probe periods is taken for a live one.
const PERIODS: u32 = 2;
/// How many witnesses are pinged in each probe period while somebody is suspected.
const TOUCHED: usize = 3;

impl Engine {
    /// How long ago a member may have been heard that is taken for a live one.
    pub(super) fn heard_window(&self) -> Duration {
        self.config.probe_period * PERIODS
    }

    /// Since when somebody has to have been heard.
    fn horizon(&self, now: Instant) -> Instant {
        let window = self.heard_window();
        Instant::from_origin(now.since_origin().saturating_sub(window))
    }

    /// Whether a member was heard lately, and since the last sweep began: what was heard before it may
    /// be from before the member died.
    pub(super) fn was_heard_in_sweep(&self, now: Now, addr: SocketAddr) -> bool {
        let began = self.sweep.began();
        let since = began.map(|began| began.max(self.horizon(now.instant)));
        since.is_some_and(|since| self.heard.at(addr).is_some_and(|at| at >= since))
    }

    /// A datagram of the process `boot` has come from `from`, and its sender can be believed.
    pub(super) fn note_heard(&mut self, now: Now, from: SocketAddr, boot: u64) {
        let Some(Hearing { addr, silence }) = self.heard.note(now.instant, from, boot) else {
            return;
        };
        self.sweep.heard(addr);
        if !self.config.detection.local_verdicts {
            return;
        }
        if silence >= self.heard_window() {
            self.hearing_again(now);
        }
        if self.local_verdicts.contains(addr) {
            self.take_back(now, addr);
            if let Some(id) = self.members.get(addr).map(|peer| peer.id) {
                self.demand_refutation(now, &id);
            }
        }
    }

    /// Nobody was heard for long, and now somebody is: what was held against others meanwhile may
    /// have been our own fault.
    fn hearing_again(&mut self, now: Now) {
        if self.suspicions.is_empty() {
            return;
        }
        for addr in self.local_verdicts.silent() {
            self.take_back(now, addr);
        }
        let suspects: Vec<_> = self.suspicions.keys().copied().collect();
        for addr in suspects {
            self.begin_suspicion_anew(now, addr);
        }
        self.sweep_again(now);
    }

    /// A member that was dropped here alone is there again for our users, as a suspect.
    fn take_back(&mut self, now: Now, addr: SocketAddr) {
        if !self.local_verdicts.remove(addr) {
            return;
        }
        let Some(id) = self.members.get(addr).map(|peer| peer.id) else {
            return;
        };
        self.members.note_changed(addr);
        if self.replica.owner_up(id.owner()) {
            self.spread_what_waited(now, id.owner());
        }
        self.contacts.remove(addr);
        self.begin_suspicion_anew(now, addr);
        self.found_again(now);
    }

    /// Drops a suspected member for this node's users, and for nobody else.
    pub(super) fn drop_locally(&mut self, now: Now, id: PeerId, ground: Ground) {
        let addr = id.addr;
        self.close_case(addr);
        self.look_again_later(now, addr);
        if !self.local_verdicts.add(now.instant, addr, ground) {
            return;
        }
        self.stats.local_verdicts += 1;
        tracing::debug!(target: "tidings::gossip", member = %id, ?ground, "dropped, and nobody told: nobody is heard");
        self.members.note_changed(addr);
        self.replica.owner_down(now.instant, id.owner());
        self.contacts.add_lost(now.instant, addr);
        self.schedule_contact(now);
        if self.visible_members() == 0 {
            if let Some(held_back) = self.logs.pass(now.instant, Topic::Alone) {
                tracing::info!(target: "tidings::gossip", held_back, "no member is heard; calling seeds and lost peers");
            }
            self.retry_seeds_soon(now);
        }
    }

    /// The time of a suspicion is over, and the member is dropped here alone already. Says whether
    /// that stays so.
    pub(super) fn stays_dropped(&mut self, now: Now, addr: SocketAddr) -> bool {
        let stays = self.local_verdicts.contains(addr) && self.is_lone(now, addr);
        if stays {
            self.look_again_later(now, addr);
        }
        stays
    }

    /// Whether a member was dropped here alone so long ago that it is down.
    pub(super) fn is_dropped_for_good(&self, now: Now, addr: SocketAddr) -> bool {
        let since = self.local_verdicts.since(addr);
        since.is_some_and(|since| now.instant - since >= self.config.remember_down)
    }

    fn look_again_later(&mut self, now: Now, addr: SocketAddr) {
        let n = self.members.active_len() + 1;
        let at = now.instant + self.config.suspicion_timeout_max(n);
        if let Some(suspicion) = self.suspicions.get_mut(&addr) {
            suspicion.not_before = at;
            suspicion.is_ours = false;
            self.timers.set(TimerKey::Suspicion(addr), at);
        }
    }

    /// How many other members our users see.
    pub(super) fn visible_members(&self) -> usize {
        self.members.active_len() - self.local_verdicts.len()
    }

    /// Whether our users see a member on this address.
    pub(super) fn is_visible(&self, addr: SocketAddr) -> bool {
        self.members.is_active(addr) && !self.local_verdicts.contains(addr)
    }

    /// Whether there is nobody who could say otherwise of the member on `addr`: no witness is left,
    /// or nobody is heard.
    pub(super) fn is_lone(&self, now: Now, addr: SocketAddr) -> bool {
        self.config.detection.local_verdicts
            && (self.able_witnesses(addr) == 0
                || !self.heard.any_since(self.horizon(now.instant), addr))
    }

    /// Whether a member can be asked about others.
    pub(super) fn is_witness(&self, addr: SocketAddr) -> bool {
        let peer = self.members.get(addr);
        peer.is_some_and(|peer| peer.health == Health::Alive)
            && !self.is_refused(addr)
            && !self.sweep.has_failed(addr)
    }

    fn is_refused(&self, addr: SocketAddr) -> bool {
        let case = self.cases.get(&addr);
        case.is_some_and(|case| case.own == Some(Outcome::Refused))
    }

    /// How many members could say something of the one on `addr`.
    pub(super) fn able_witnesses(&self, addr: SocketAddr) -> usize {
        let is_well = |of: SocketAddr| {
            let peer = self.members.get(of);
            peer.is_some_and(|peer| peer.health == Health::Alive)
        };
        let well = self.members.active_len() - self.members.suspects();
        let refused = self.cases.keys().filter(|of| self.is_refused(**of));
        let refused = refused.filter(|of| **of != addr && is_well(**of)).count();
        well.saturating_sub(refused + usize::from(is_well(addr)))
    }

    /// Up to `count` members to be asked about the one on `addr`, none of those in `asked`.
    pub(super) fn choose_witnesses(
        &mut self,
        now: Now,
        addr: SocketAddr,
        count: usize,
    ) -> Vec<SocketAddr> {
        let horizon = self.horizon(now.instant);
        let swept = self.sweep.has_asked_all_since();
        let swept = swept.filter(|began| *began >= horizon);
        let heard = self.heard.since(swept.unwrap_or(horizon));
        let mut witnesses: Vec<_> = heard.filter(|of| self.may_be_asked(addr, *of)).collect();
        let is_enough = witnesses.len() >= count || swept.is_some() && !witnesses.is_empty();
        let mut others = Vec::new();
        if !is_enough {
            let asked = self.cases.get(&addr).map_or(0, |case| case.asked.len());
            let most = count + 1 + asked + witnesses.len();
            others = self.members.choose(most, &mut self.rng);
            others.retain(|of| self.may_be_asked(addr, *of) && !witnesses.contains(of));
        }
        let drawn = witnesses.partial_shuffle(&mut self.rng, count).0;
        let mut chosen = drawn.to_vec();
        others.truncate(count - chosen.len());
        chosen.append(&mut others);
        chosen
    }

    /// Whether a member can be asked about the one on `about`, and has not been asked yet.
    fn may_be_asked(&self, about: SocketAddr, other: SocketAddr) -> bool {
        let case = self.cases.get(&about);
        other != about
            && case.is_some_and(|case| !case.asked.contains(&other))
            && self.is_witness(other)
    }

    /// What this node has found itself of a member that it suspects.
    pub(super) fn found_already(&self, about: &PeerId) -> Option<Outcome> {
        let case = self.cases.get(&about.addr)?;
        let own = case.own.filter(|_| case.about == *about)?;
        match own {
            Outcome::Refused => Some(own),
            Outcome::Silent if !self.doubts_itself() => Some(own),
            _ => None,
        }
    }

    /// Up to [`TOUCHED`] witnesses that were heard since then, the last one first.
    fn latest_witnesses(&self, since: Instant) -> Vec<PeerId> {
        let heard: Vec<_> = self.heard.since(since).collect();
        let latest = heard.into_iter().rev();
        let witnesses = latest.filter(|addr| self.is_witness(*addr));
        let ids = witnesses.filter_map(|addr| self.members.get(addr).map(|peer| peer.id));
        ids.take(TOUCHED).collect()
    }

    /// Tells witnesses of a death that a sweep has led to: gossip goes to members at random, and most of
    /// these may be dead.
    pub(super) fn tell_witnesses(&mut self, now: Now, id: PeerId, incarnation: u16) {
        let began = self.sweep.began();
        let Some(began) = began.filter(|began| *began >= self.horizon(now.instant)) else {
            return;
        };
        for witness in self.latest_witnesses(began) {
            let death = foca::Member::new(id, incarnation, foca::State::Down);
            self.send_swim_of_ours(now, witness, foca::Message::Gossip, vec![death]);
        }
    }

    /// Stays in touch with witnesses, from now on.
    pub(super) fn keep_in_touch(&mut self, now: Now) {
        let is_on = self.config.detection.local_verdicts;
        if is_on && self.timers.deadline(&TimerKey::Touch).is_none() {
            let at = now.instant + self.config.probe_period;
            self.timers.set(TimerKey::Touch, at);
        }
    }

    /// Another probe period is over: the witnesses that were heard last are pinged.
    pub(super) fn touch_due(&mut self, now: Now) {
        let is_open = |suspicion: &super::Suspicion| {
            suspicion.is_ours && !self.local_verdicts.contains(suspicion.id.addr)
        };
        if !self.suspicions.values().any(is_open) || !self.feeds_foca() {
            return;
        }
        let witnesses = self.latest_witnesses(Instant::ZERO);
        let token = self.new_token();
        self.touch_token = token;
        for id in witnesses {
            let to = addressee(&id);
            self.send(now, id.addr, &Message::Ping(Ping { token, to }));
        }
        let at = now.instant + self.config.probe_period;
        self.timers.set(TimerKey::Touch, at);
    }
}
