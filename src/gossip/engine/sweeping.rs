//! A look at all members, when several fail at once. See [`Sweep`](crate::gossip::sweep::Sweep) for
//! how it goes on.
//!
//! What it finds goes the way of any other evidence: a silent member is suspected, a refused one is
//! down when witnesses find the same. A member that answers has nothing to fear. Members that this node
//! suspects already are not looked at: their cases are open.

use rand::seq::SliceRandom;

use super::{Engine, TimerKey, inquiries::For};
use crate::gossip::{
    Now,
    identity::PeerId,
    stats::Cause,
    sweep::Step,
    wire::{
        frame::Preamble,
        message::{Message, Outcome, Ping, addressee},
    },
};

use std::net::SocketAddr;

impl Engine {
    /// A member did not answer, or was refused.
    pub(super) fn member_failed(&mut self, now: Now, addr: SocketAddr) {
        if !self.config.detection.sweep || self.local_verdicts.contains(addr) {
            return;
        }
        let window = self.heard_window();
        if self.sweep.failed(now.instant, addr, window) {
            self.begin_sweep(now);
        }
    }

    /// Looks at everybody, however long ago the last sweep was: this node has been deaf.
    pub(super) fn sweep_again(&mut self, now: Now) {
        if !self.config.detection.sweep {
            return;
        }
        if self.sweep.is_running() {
            let targets = self.sweep_targets();
            self.sweep.add(targets);
            self.timers.set_earlier(TimerKey::Sweep, now.instant);
        } else {
            self.begin_sweep(now);
        }
    }

    fn begin_sweep(&mut self, now: Now) {
        let targets = self.sweep_targets();
        self.stats.sweeps += 1;
        tracing::debug!(target: "tidings::gossip", members = targets.len(), "several members fail; looking at all");
        self.sweep.begin(now.instant, targets);
        self.timers.set(TimerKey::Sweep, now.instant);
    }

    /// The members to look at, in random order, and a token for each.
    fn sweep_targets(&mut self) -> Vec<(PeerId, u32)> {
        let is_open = |id: &PeerId| {
            let suspicion = self.suspicions.get(&id.addr);
            !suspicion.is_some_and(|suspicion| suspicion.is_ours)
                && !self.local_verdicts.contains(id.addr)
        };
        let members = self.members.iter().filter(|peer| peer.is_active());
        let mut ids: Vec<_> = members.map(|peer| peer.id).filter(is_open).collect();
        ids.shuffle(&mut self.rng);
        ids.into_iter().map(|id| (id, self.new_token())).collect()
    }

    pub(super) fn sweep_due(&mut self, now: Now) {
        loop {
            match self.sweep.step(now.instant, self.config.probe_timeout) {
                Step::Ping(id, _) if !self.is_member(&id) || !self.feeds_foca() => {
                    self.sweep.forget(id.addr);
                }
                Step::Ping(id, token) => {
                    let to = addressee(&id);
                    self.send(now, id.addr, &Message::Ping(Ping { token, to }));
                }
                Step::Found(id, outcome) => self.swept(now, id, outcome),
                Step::Wait(at) => return self.timers.set(TimerKey::Sweep, at),
                Step::Over => return self.sweep_over(now),
            }
        }
    }

    /// A member has not answered.
    fn swept(&mut self, now: Now, id: PeerId, outcome: Outcome) {
        if !self.is_member(&id) || !self.feeds_foca() {
            return;
        }
        if outcome == Outcome::Silent {
            self.accuse(now, id);
            self.note_own_finding(&id, outcome);
        } else {
            self.open_case(now, id);
            self.own_finding(now, id, outcome);
        }
    }

    /// Everybody has been looked at: it is known now who can be a witness.
    fn sweep_over(&mut self, now: Now) {
        let rest = self.heard_window();
        self.sweep.ended(now.instant, rest);
        self.witnesses_changed(now);
        let open: Vec<_> = self.cases.keys().copied().collect();
        for addr in open {
            self.ask_for_missing(now, addr);
        }
    }

    /// A ping was answered that was none of an inquiry's.
    pub(super) fn pong_for_sweep(
        &mut self,
        now: Now,
        preamble: &Preamble,
        token: u32,
    ) -> Result<(), Cause> {
        let Some(id) = self.sweep.answered(token, preamble.boot) else {
            let is_touch = token == self.touch_token && token != 0;
            return if is_touch {
                Ok(())
            } else {
                Err(Cause::Unexpected)
            };
        };
        self.address_answered(now, &id, &preamble.session);
        if self.suspicions.contains_key(&id.addr) {
            // Perhaps it has not heard yet of what it has to refute.
            self.demand_refutation(now, &id);
        }
        self.timers.set_earlier(TimerKey::Sweep, now.instant);
        Ok(())
    }

    /// The operating system says that nothing listens where a sweep looks. Says whether one does.
    pub(super) fn sweep_refused(&mut self, now: Now, addr: SocketAddr) -> bool {
        let is_swept = self.sweep.refused(addr, self.config.probe_timeout);
        if is_swept {
            self.timers.set_earlier(TimerKey::Sweep, now.instant);
        }
        is_swept
    }

    /// Nothing listens where this node has sent something, and nobody looks there yet.
    pub(super) fn look_into_refusal(&mut self, now: Now, id: PeerId) {
        let case = self.cases.get(&id.addr);
        let is_known = case.is_some_and(|case| case.about == id && case.own.is_some());
        let is_dropped = self.local_verdicts.contains(id.addr);
        if !is_known && !is_dropped && self.feeds_foca() {
            self.open_case(now, id);
            self.inquire(now, id, For::Us);
        }
    }
}
