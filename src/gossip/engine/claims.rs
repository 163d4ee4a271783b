//! Claims on our own address: another process may have it, or an earlier life of this one.
//!
//! Word of a later identity on our address comes in gossip, in hellos, in pages, and from a process
//! that claims the address in its own name. Such a claim is one unproven datagram, so it changes
//! nothing. It begins a check (see [`AddressCheck`](crate::gossip::address_check::AddressCheck)):
//! members are called and say what they hold, witnesses are asked to ping the rival at our address,
//! and this node calls its own address. Only what they say is acted upon:
//!
//! - Members hold a rival that nobody reaches: it is an earlier life of this node, whose clock was
//!   ahead, or it was invented. This node takes an identity above it.
//! - The rival is reached and this node is not: this node steps back.
//! - Both are reached, because the network leads some to the one and some to the other: the process
//!   that started later steps back. Taking over keeps the start time of the one that is superseded,
//!   so whoever finds *its own* start in the rival's identity came later.
//!
//! A node that has no member yet has nobody to ask. It takes what a welcome says for true: an
//! introducer lets it in no sooner.
//!
//! Bounds: those of the check; a witness pays its pings and its finding from the budget for answers.

use std::net::SocketAddr;

use super::{Engine, TimerKey, inquiries::For, outbox::Topic, standing::Life};
use crate::{
    gossip::{
        Now,
        address_check::{ASKED, CALLED, Look, Next, Verdict},
        identity::PeerId,
        stats::Cause,
        wire::{
            frame::Preamble,
            message::{Ask, Finding, Health, Message, Outcome, Ping, Standing, addressee},
        },
    },
    table::Event,
};

/// How long a round of a check lasts, in times of `probe_timeout`: longer than a witness takes to
/// find somebody silent.
const ROUND: u32 = 2;

impl Engine {
    /// Somebody claims that an identity which is not ours has our address.
    pub(super) fn address_claimed(&mut self, now: Now, by: SocketAddr, rival: PeerId) {
        if !self.feeds_foca() || !self.is_above_us(now, &rival) {
            return;
        }
        self.stats.address_claims += 1;
        if let Some(held_back) = self.logs.pass(now.instant, Topic::AddressClaimed) {
            tracing::warn!(
                target: "tidings::gossip",
                addr = %self.me.addr,
                %by,
                %rival,
                held_back,
                "it is claimed that another process has this node's address; asking others"
            );
        }
        self.look_into_claim(now, by);
    }

    /// Somebody whom we called says which identity it holds on our address.
    pub(super) fn holder_answered(
        &mut self,
        now: Now,
        by: SocketAddr,
        held: Option<(PeerId, Health)>,
    ) {
        let held = held.filter(|(id, _)| self.is_above_us(now, id));
        if let Some((rival, _)) = held
            && self.members.active_len() == 0
        {
            return self.take_over(now, rival);
        }
        if !self.address_check.is_under_way() {
            if held.is_none() || self.address_check.claimed(now.instant, by) != Next::Begin {
                return self.wait_for_claim(now);
            }
            self.begin_check(now, by);
        }
        if self.address_check.answered(by, held) {
            self.ask_witnesses(now);
            let own = self.me.addr;
            self.call(now, own, 0, None);
        }
        self.judge_claim(now, false);
    }

    /// Another process answers a call of ours with `cookie`, and says that our address is its own.
    pub(super) fn claimant_answered(&mut self, now: Now, called: SocketAddr, cookie: u64) {
        let is_at_our_address = called == self.me.addr;
        if self.life == Life::SteppedBack {
            if is_at_our_address {
                self.vacancy_taken(called);
            }
        } else if !is_at_our_address {
            // It lives, and claims our address from elsewhere: that is a conflict, and no reason to
            // give the address up.
            self.keep_address(now);
        } else if self.address_check.met_at_own_address() {
            self.step_back(now);
        } else {
            self.judge_claim(now, false);
            // The other one finds out, too, that somebody else claims its address.
            self.call(now, called, cookie, None);
        }
    }

    /// An introducer has heard us, and lets us in or does not. Where it knows another process on our
    /// address, this node looks who answers there. Says whether it does.
    pub(super) fn introducer_answered(
        &mut self,
        now: Now,
        is_let_in: bool,
        standing: Option<Standing>,
    ) -> bool {
        let is_held = standing.is_some_and(|standing| {
            standing.health != Health::Down && standing.boot != self.me.boot
        });
        let looks = self.address_check.introduced(!is_let_in && is_held) && self.feeds_foca();
        if looks {
            let own = self.me.addr;
            self.call(now, own, 0, None);
        }
        looks
    }

    /// Whether a caller on another address than it advertises would put out a live member there.
    /// That its source hears us says nothing of the address which it claims.
    pub(super) fn is_held_by_another(&self, from: SocketAddr, caller: &PeerId) -> bool {
        let holder = self.members.get(caller.addr);
        from != caller.addr
            && holder.is_some_and(|peer| peer.is_active() && peer.id.boot != caller.boot)
    }

    /// Whether an identity on our address would replace ours, and can be believed at all.
    fn is_above_us(&self, now: Now, id: &PeerId) -> bool {
        id.addr == self.me.addr && id.supersedes(&self.me) && !id.is_from_the_future(now.unix_ms)
    }

    fn look_into_claim(&mut self, now: Now, by: SocketAddr) {
        match self.address_check.claimed(now.instant, by) {
            Next::Begin => {
                self.begin_check(now, by);
                self.judge_claim(now, false);
            }
            Next::At(_) | Next::Busy => self.wait_for_claim(now),
        }
    }

    fn wait_for_claim(&mut self, now: Now) {
        if let Some(at) = self.address_check.next_begin(now.instant) {
            self.timers.set(TimerKey::AddressCheck, at);
        }
    }

    fn begin_check(&mut self, now: Now, by: SocketAddr) {
        self.stats.address_checks += 1;
        let token = self.new_token();
        self.address_check.begin(token);
        if by != self.me.addr && self.address_check.call(by) {
            self.say_hello(now, by, 0);
        }
        self.call_holders(now);
        self.set_round(now);
    }

    fn set_round(&mut self, now: Now) {
        let at = now.instant + self.config.probe_timeout * ROUND;
        self.timers.set(TimerKey::AddressCheck, at);
    }

    /// Asks a few members what they hold on our address.
    fn call_holders(&mut self, now: Now) {
        let (answered, _) = self.address_check.answers();
        let mut called = 0;
        for addr in self.members.choose(CALLED + answered, &mut self.rng) {
            if called < CALLED && self.address_check.call(addr) {
                called += 1;
                self.say_hello(now, addr, 0);
            }
        }
    }

    /// Asks a few members whether the rival answers at our address.
    fn ask_witnesses(&mut self, now: Now) {
        let Some((token, about)) = self.address_check.question() else {
            return;
        };
        let (_, looked) = self.address_check.answers();
        let mut asked = 0;
        for addr in self.members.choose(ASKED + looked, &mut self.rng) {
            if asked < ASKED && self.address_check.ask(addr) {
                asked += 1;
                let about = about.into();
                self.send(now, addr, &Message::Ask(Ask { token, about }));
            }
        }
        self.set_round(now);
    }

    /// A round of a check is over, or a claim has waited long enough.
    pub(super) fn address_check_due(&mut self, now: Now) {
        if !self.feeds_foca() {
            self.address_check.end(now.instant, false);
            return;
        }
        if self.address_check.is_under_way() {
            return self.judge_claim(now, true);
        }
        if let Some(by) = self.address_check.waited() {
            self.look_into_claim(now, by);
        }
    }

    fn judge_claim(&mut self, now: Now, is_over: bool) {
        if !self.address_check.is_under_way() {
            return;
        }
        let others = self.members.active_len();
        match self.address_check.judge(&self.me, others, is_over) {
            Verdict::Wait if is_over => {
                self.address_check.next_round();
                self.call_holders(now);
                self.ask_witnesses(now);
                self.set_round(now);
            }
            Verdict::Wait => {}
            Verdict::FalseClaim | Verdict::Undecided => self.end_check(now, false),
            Verdict::TakeOver { rival, is_alive } => {
                self.end_check(now, true);
                if is_alive && rival.boot != self.me.boot && self.has_matched {
                    // Others knew this process; an earlier life of it would have shown before.
                    self.keep_address(now);
                }
                self.take_over(now, rival);
            }
            Verdict::Reached { rival, are_we_too } => {
                self.end_check(now, true);
                if !are_we_too || rival.started_unix_ms() == self.start_ms() {
                    self.step_back(now);
                } else {
                    self.keep_address(now);
                    self.take_over(now, rival);
                }
            }
        }
    }

    fn end_check(&mut self, now: Now, came_to_something: bool) {
        self.timers.cancel(&TimerKey::AddressCheck);
        self.address_check.end(now.instant, came_to_something);
        self.wait_for_claim(now);
    }

    fn keep_address(&mut self, now: Now) {
        let addr = self.me.addr;
        let event = Event::AddressConflict {
            addr,
            stepped_back: false,
        };
        self.tell_conflict(now, event);
    }

    fn take_over(&mut self, now: Now, rival: PeerId) {
        let above = if rival.boot == self.me.boot {
            // Ours, from before this machine was rolled back.
            rival.reborn()
        } else {
            PeerId::taking_over(rival)
        };
        self.reborn_as(now, above);
    }

    /// A witness says what it found. Says whether it was asked by the check.
    pub(super) fn witness_found(
        &mut self,
        now: Now,
        preamble: &Preamble,
        finding: Finding,
    ) -> bool {
        let token = self.address_check.question().map(|(token, _)| token);
        if token != Some(finding.token) {
            return false;
        }
        let members = &self.members;
        // A member may send from another address than the one that it advertises.
        let by = self.address_check.asked().find(|asked| {
            let peer = members.get(*asked);
            peer.is_some_and(|peer| peer.id.boot == preamble.boot)
        });
        let Some(by) = by else {
            return false;
        };
        let look = match finding.outcome {
            Outcome::Answers => Look::Rival,
            Outcome::Silent | Outcome::Refused => Look::Nobody,
        };
        self.address_check.looked(by, look);
        self.judge_claim(now, false);
        true
    }

    /// A ping for another identity has arrived here. From a witness it says that the witness
    /// reaches this node at our address, and not the rival.
    pub(super) fn ping_for_rival(&mut self, now: Now, from: SocketAddr, ping: Ping) {
        let rival = self.address_check.question().map(|(_, rival)| rival);
        if rival.is_some_and(|rival| addressee(&rival) == ping.to) {
            self.address_check.looked(from, Look::Us);
            self.judge_claim(now, false);
        }
    }

    /// A node asks whether another identity answers at its own address. It is the only one that
    /// may ask about an identity that is no member, and its own address alone is pinged for it.
    /// A node that has stepped back looks, too: it takes no part, and has a network all the same.
    pub(super) fn asked_about_own_address(
        &mut self,
        now: Now,
        from: SocketAddr,
        ask: Ask,
    ) -> Result<(), Cause> {
        let about = PeerId::from(ask.about);
        let is_busy = self
            .inquiries
            .get(&from)
            .is_some_and(|known| !known.is_about(&about));
        if is_busy || self.life == Life::Leaving || from == self.me.addr {
            return Err(Cause::Unexpected);
        }
        self.inquire_briefly(now, about, For::Asker(from, ask.token));
        Ok(())
    }
}
