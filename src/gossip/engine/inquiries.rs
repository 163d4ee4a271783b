//! Finding out whether a member answers: for this node, and for others who ask.
//!
//! The member is pinged as often as [`Look`] says; the first answer ends it, and so does a refusal that can be
//! believed. What came out is told to whoever asked, once. A node that has reason to
//! doubt itself says nothing rather than that somebody is silent. A node that has just looked for itself answers
//! with what it found.
//!
//! Bounds: one inquiry about an address, [`MOST`] at a time, [`MOST_ASKERS`] who are told; pings are
//! paid from the budget for answers, and findings have one of their own.

use std::net::SocketAddr;

use super::{Engine, TimerKey};
use crate::gossip::{
    Now,
    at_limit::Limit,
    identity::PeerId,
    look::Look,
    stats::Cause,
    wire::{
        frame::Preamble,
        message::{Ask, Finding, Message, Outcome, Ping, Pong, addressee},
        padding::Answer,
    },
};

/// How many pings there are for whoever asks about its own address.
const FEW: usize = 2;
/// How many there may be.
const MOST: usize = 256;
/// How many are told what came out of one.
const MOST_ASKERS: usize = 16;
/// Above this much doubt of ourselves we do not say that somebody is silent.
const DOUBT_MAX: u8 = 2;

/// Whom an inquiry is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    Us,
    /// Somebody who asked, and the token of the question.
    Asker(SocketAddr, u32),
}

/// What is under way about a member.
#[derive(Debug)]
pub(super) struct Inquiry {
    about: PeerId,
    token: u32,
    look: Look,
    ours: bool,
    askers: Vec<(SocketAddr, u32)>,
}

impl Inquiry {
    pub(super) fn is_about(&self, id: &PeerId) -> bool {
        self.about == *id
    }
}

impl Engine {
    /// Looks whether a member answers.
    pub(super) fn inquire(&mut self, now: Now, about: PeerId, for_whom: For) {
        let known = self.inquiries.get(&about.addr);
        if known.is_none_or(|inquiry| inquiry.about != about) {
            if known.is_none() && self.inquiries.len() >= MOST {
                return self.refuse(now.instant, Limit::Inquiries, about.addr);
            }
            let token = self.new_token();
            let inquiry = Inquiry {
                about,
                token,
                look: Look::new(now.instant),
                ours: false,
                askers: Vec::new(),
            };
            self.inquiries.insert(about.addr, inquiry);
            self.ping(now, about.addr);
        }
        let Some(inquiry) = self.inquiries.get_mut(&about.addr) else {
            return;
        };
        match for_whom {
            For::Us => inquiry.ours = true,
            For::Asker(addr, token) => {
                if inquiry.askers.contains(&(addr, token)) {
                    return;
                }
                if inquiry.askers.len() < MOST_ASKERS {
                    inquiry.askers.push((addr, token));
                } else {
                    self.refuse(now.instant, Limit::Inquiries, about.addr);
                }
            }
        }
    }

    /// Looks whether a process answers that is no member, with no more than [`FEW`] pings: whoever
    /// asks in somebody's name shall not have it sent much more than the question.
    pub(super) fn inquire_briefly(&mut self, now: Now, about: PeerId, for_whom: For) {
        let is_new = !self.inquiries.contains_key(&about.addr);
        self.inquire(now, about, for_whom);
        let inquiry = self.inquiries.get_mut(&about.addr);
        if let Some(inquiry) = inquiry.filter(|_| is_new) {
            inquiry.look.shorten(FEW);
        }
    }

    fn ping(&mut self, now: Now, addr: SocketAddr) {
        if !self.answer_budget.take(now.instant) {
            let wait = self.answer_budget.wait(now.instant);
            self.timers.set(TimerKey::Inquiry(addr), now.instant + wait);
            return;
        }
        let Some(inquiry) = self.inquiries.get_mut(&addr) else {
            return;
        };
        let gap = inquiry.look.pinged(now.instant, self.config.probe_timeout);
        let (token, to) = (inquiry.token, addressee(&inquiry.about));
        self.timers.set(TimerKey::Inquiry(addr), now.instant + gap);
        self.send(now, addr, &Message::Ping(Ping { token, to }));
    }

    pub(super) fn inquiry_due(&mut self, now: Now, addr: SocketAddr) {
        let Some(inquiry) = self.inquiries.get(&addr) else {
            return;
        };
        let look = inquiry.look;
        if look.is_refused(now.instant, self.config.probe_timeout) {
            self.inquiry_over(now, addr, Outcome::Refused);
        } else if !look.is_over() {
            self.ping(now, addr);
        } else {
            self.inquiry_over(now, addr, Outcome::Silent);
        }
    }

    fn inquiry_over(&mut self, now: Now, addr: SocketAddr, outcome: Outcome) {
        let Some(inquiry) = self.inquiries.remove(&addr) else {
            return;
        };
        self.timers.cancel(&TimerKey::Inquiry(addr));
        if inquiry.ours {
            self.own_finding(now, inquiry.about, outcome);
        }
        if outcome == Outcome::Answers && self.feeds_foca() {
            // Perhaps it has not heard yet of what it has to refute.
            self.tell_suspect(now, &inquiry.about);
        }
        if outcome == Outcome::Silent && self.doubts_itself() {
            return;
        }
        for (asker, token) in inquiry.askers {
            // Without budget nothing is said, and somebody else is asked.
            let _ = self.tell_finding(now, asker, token, outcome);
        }
    }

    /// Whether this node has too much reason to doubt itself to say that somebody is silent.
    pub(super) const fn doubts_itself(&self) -> bool {
        self.local_health.score() > DOUBT_MAX
    }

    fn tell_finding(
        &mut self,
        now: Now,
        asker: SocketAddr,
        token: u32,
        outcome: Outcome,
    ) -> Result<(), Cause> {
        if !self.finding_budget.take(now.instant) {
            return Err(Cause::Unexpected);
        }
        self.send(now, asker, &Message::Finding(Finding { token, outcome }));
        Ok(())
    }

    /// The operating system says that nothing listens where an inquiry looks. Says whether there is one.
    pub(super) fn inquiry_refused(&mut self, now: Now, addr: SocketAddr) -> bool {
        let Some(inquiry) = self.inquiries.get_mut(&addr) else {
            return false;
        };
        if let Some(believed_from) = inquiry.look.refused(self.config.probe_timeout) {
            let at = believed_from.max(now.instant);
            self.timers.set_earlier(TimerKey::Inquiry(addr), at);
        }
        true
    }

    pub(super) fn ping_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        ping: Ping,
        asked: Option<Answer>,
        size: usize,
    ) -> Result<(), Cause> {
        if !self.feeds_foca() {
            return Ok(());
        }
        if ping.to != addressee(&self.me) {
            self.ping_for_rival(now, from, ping);
            if let Some(peer) = self.members.get(from).copied() {
                self.correct_address(now, peer.id);
            }
            return Err(Cause::Misaddressed);
        }
        self.pong(now, from, Pong { token: ping.token }, asked, size);
        Ok(())
    }

    pub(super) fn pong_received(
        &mut self,
        now: Now,
        preamble: &Preamble,
        pong: Pong,
    ) -> Result<(), Cause> {
        if self.candidate_answered(now, preamble, pong) {
            return Ok(());
        }
        // A member may send from another address than the one that it advertises.
        let answered = self
            .inquiries
            .values()
            .find(|inquiry| inquiry.token == pong.token && inquiry.about.boot == preamble.boot);
        let Some(about) = answered.map(|inquiry| inquiry.about) else {
            return self.pong_for_sweep(now, preamble, pong.token);
        };
        self.address_answered(now, &about, &preamble.session);
        self.inquiry_over(now, about.addr, Outcome::Answers);
        Ok(())
    }

    /// Somebody does not reach a member, and asks whether we do.
    pub(super) fn ask_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        ask: Ask,
    ) -> Result<(), Cause> {
        let about = PeerId::from(ask.about);
        let known = self.members.get(about.addr);
        if known.is_some_and(|peer| peer.id == about && !peer.is_active()) {
            // Whoever asks has missed that. Down is terminal, so there is nothing to look for.
            let outcome = Outcome::Silent;
            return self.tell_finding(now, from, ask.token, outcome);
        }
        if about.addr == from {
            return self.asked_about_own_address(now, from, ask);
        }
        if !self.is_member(&about) || !self.feeds_foca() {
            return Err(Cause::Unexpected);
        }
        if let Some(outcome) = self.found_already(&about) {
            return self.tell_finding(now, from, ask.token, outcome);
        }
        self.inquire(now, about, For::Asker(from, ask.token));
        Ok(())
    }
}
