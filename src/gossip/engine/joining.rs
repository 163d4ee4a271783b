//! Seeds, hello and welcome, cookies, and calls to the lost.
//!
//! ```text
//! joiner                         anybody
//!   | hello(token)            ->   |
//!   | <- welcome(cookie, known)    |   no larger than the hello, nothing remembered
//!   | hello(token', cookie)   ->   |   the address is proven: the joiner is a member, or its
//!   |                              |   advertised address is called first, see `introducing`
//!   | <- welcome(accepted)         |
//!   | <- pages of the table        |   if the joiner has none
//! ```
//!
//! foca's own announce would do less: it is dropped in silence when it goes to an address that is
//! not the advertised one (trap 7), it is answered with a packet of 1,200 bytes to whoever asks
//! (trap 8), and it is not repeated (trap 19). A hello also says what its sender knows of the
//! receiver. So two that hold each other dead find out that both are wrong.

use std::net::SocketAddr;

use rand::RngExt;

use super::{Engine, TimerKey, outbox::Topic, standing::Life};
use crate::gossip::{
    Now,
    identity::{PeerId, canonical},
    stats::Cause,
    wire::{
        frame::{Preamble, SEAL_BYTES},
        message::{Health, Hello, Message, Standing, Welcome},
        word::{CAPABILITIES_BYTES, Trailer},
    },
};

/// A hello is padded to this many bytes of payload, so that no welcome is larger than it. The
/// largest welcome (IPv6, everything known) has 9 + 9 + 33 + 20 + 16 + 1 bytes, and 3 for what this build can do. Where the welcome may be sealed and the
/// hello is not, the seal's bytes come on top.
pub(super) const HELLO_PAYLOAD_BYTES: usize = 96;

impl Engine {
    /// Whether the driver is to resolve its seeds and call [`Self::handle_seeds`]. True once for
    /// each try.
    pub fn wants_seeds(&mut self) -> bool {
        std::mem::take(&mut self.wants_seeds)
    }

    /// The addresses that the seeds have at present.
    pub fn handle_seeds(&mut self, now: Now, seeds: impl IntoIterator<Item = SocketAddr>) {
        if self.has_left() || self.life == Life::Leaving {
            return;
        }
        for addr in seeds {
            let addr = canonical(addr);
            self.seeds.resolved(now.instant, addr);
            if addr != self.me.addr && !self.is_visible(addr) {
                self.contacts.add_seed(now.instant, addr);
            }
        }
        self.schedule_contact(now);
    }

    /// Addresses at which members were in an earlier run of this process. They are called as lost members are, with less
    /// priority, and are trusted with nothing before they have answered. The caller bounds how many.
    pub fn handle_remembered(&mut self, now: Now, addrs: impl IntoIterator<Item = SocketAddr>) {
        if self.has_left() || self.life == Life::Leaving {
            return;
        }
        for addr in addrs.into_iter().map(canonical) {
            if addr != self.me.addr && !self.members.is_active(addr) {
                self.contacts.add_remembered(now.instant, addr);
            }
        }
        self.schedule_contact(now);
    }

    pub(super) fn seeds_due(&mut self, now: Now) {
        if self.life == Life::Leaving {
            return;
        }
        self.wants_seeds = true;
        if self.members.active_len() == 0 && !self.seed_pause.is_zero() {
            self.guard.try_next_key();
        }
        let longest = self.config.seed_retry_max;
        self.seed_pause = if self.visible_members() > 0 {
            longest
        } else {
            (self.seed_pause * 2).clamp(self.config.seed_retry, longest)
        };
        let pause = self.jittered(self.seed_pause);
        self.timers.set(TimerKey::Seeds, now.instant + pause);
    }

    /// Starts over with short pauses.
    pub(super) fn retry_seeds_soon(&mut self, now: Now) {
        self.seed_pause = std::time::Duration::ZERO;
        let pause = self.jittered(self.config.seed_retry);
        self.timers
            .set_earlier(TimerKey::Seeds, now.instant + pause);
    }

    pub(super) fn schedule_contact(&mut self, now: Now) {
        if let Some(at) = self.contacts.next_due() {
            let at = at.max(now.instant);
            self.timers.set_earlier(TimerKey::Contact, at);
        }
    }

    pub(super) fn contact_due(&mut self, now: Now) {
        if self.life == Life::Leaving {
            return;
        }
        if self.visible_members() > 0 {
            self.contacts.forget_remembered(now.instant);
        }
        for addr in self.contacts.due(now.instant, &mut self.rng) {
            self.say_hello(now, addr, 0);
        }
        self.schedule_contact(now);
    }

    /// One that was held dead is back, so a split may have ended: the others that are held dead
    /// are called too, paced.
    pub(super) fn found_again(&mut self, now: Now) {
        self.contacts.call_all_now(now.instant);
        self.schedule_contact(now);
    }

    /// Gives the token of the call.
    pub(super) fn say_hello(&mut self, now: Now, to: SocketAddr, cookie: u64) -> u64 {
        let known = self.standing_of(to);
        self.call(now, to, cookie, known)
    }

    /// Says hello, and what is known of the identity on the receiver's address.
    /// Gives the token, too.
    pub(super) fn call(
        &mut self,
        now: Now,
        to: SocketAddr,
        cookie: u64,
        known: Option<Standing>,
    ) -> u64 {
        let token = self.rng.random();
        self.contacts
            .expect_answer(now.instant, token, to, cookie != 0);
        let me = self.me.into();
        let joining = self.sync.wants_pages();
        let mut hello = Hello {
            token,
            cookie,
            me,
            to,
            known,
            joining,
            padding: Vec::new(),
        };
        let mut bare = Vec::new();
        Message::Hello(hello.clone()).write(&mut bare);
        let seal = if self.guard.hears_more_than_it_seals() {
            SEAL_BYTES
        } else {
            0
        };
        let bytes = HELLO_PAYLOAD_BYTES + seal - CAPABILITIES_BYTES;
        hello.padding = vec![0; bytes.saturating_sub(bare.len())];
        self.send(now, to, &Message::Hello(hello));
        self.seeds.called(to, self.nonces.last());
        token
    }

    fn standing_of(&self, addr: SocketAddr) -> Option<Standing> {
        let peer = self.members.get(addr)?;
        Some(Standing {
            boot: peer.id.boot,
            renewal: peer.id.renewal,
            health: peer.health,
        })
    }

    pub(super) fn hello_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        hello: Hello,
        trailer: &Trailer,
        size: usize,
    ) -> Result<(), Cause> {
        let caller = PeerId::from(hello.me);
        if caller.boot != preamble.boot || !caller.is_reachable() {
            return Err(Cause::Malformed);
        }
        if self.life == Life::Leaving {
            // An answer would bring us back into the caller's list.
            return Err(Cause::Unexpected);
        }
        if self.life == Life::SteppedBack {
            return self.answer_stepped_back(now, from, &hello, size);
        }
        let proven = self.proofs.is_good(now.instant, from, hello.cookie);
        if proven && canonical(hello.to) == self.me.addr {
            self.stats.unreachable_as = None; // it came where we advertise
        }
        // One that is not let in tries again.
        let mut accepted = proven;
        if proven {
            self.note_heard(now, caller.addr, caller.boot);
            if caller.addr == self.me.addr {
                self.address_claimed(now, from, caller);
            } else if self.is_held_by_another(from, &caller) || !self.is_admissible(now, &caller, 0)
            {
                accepted = false;
            } else if !self.is_reached(now, from, &caller, &preamble.session) {
                if self.await_answer(now, from, preamble, &hello, size) {
                    return Ok(());
                }
                accepted = false;
            } else if !self.may_boot(now, &caller) {
                accepted = false;
            } else {
                self.learn(now, caller, 0, Health::Alive, true);
                self.verified.announced(&caller, trailer.capabilities);
                // What was said to another address is of the identity on that one: whoever sees it can have it sent here, with
                // a cookie of ours.
                if hello.known.is_some() && canonical(hello.to) == self.me.addr {
                    self.standing_told(now, from, hello.known);
                }
            }
        }
        let known = if caller.addr == self.me.addr {
            let me = self.me;
            Some(Standing {
                boot: me.boot,
                renewal: me.renewal,
                health: Health::Alive,
            })
        } else {
            self.standing_of(caller.addr)
        };
        let welcome = Welcome {
            token: hello.token,
            cookie: self.proofs.cookie(now.instant, from),
            me: self.me.into(),
            observed: from,
            known,
            accepted,
        };
        self.send_if_no_larger(now, from, &Message::Welcome(welcome), size);
        // One that is not let in stays a stranger, whatever it has shown of its address. What follows from the proof comes after
        // the welcome, which proves our address: the caller would ask for that once more.
        if proven && self.is_member(&caller) {
            self.prove(now, from, preamble, &caller);
        }
        if proven && self.members.is_active(caller.addr) {
            if hello.joining {
                self.serve_all(now, from, hello.token, None);
            }
            self.compare_fingerprint(now, from, preamble);
        }
        Ok(())
    }

    /// Says what we know of the caller's address, while we have stepped back: it may have done so, too,
    /// and ask whether its address is free. Nobody is let in, and whoever claims our own address
    /// gets no answer, which it would take for a process that lives there.
    fn answer_stepped_back(
        &mut self,
        now: Now,
        from: SocketAddr,
        hello: &Hello,
        size: usize,
    ) -> Result<(), Cause> {
        let caller = PeerId::from(hello.me);
        if caller.addr == self.me.addr {
            return Err(Cause::Unexpected);
        }
        let welcome = Welcome {
            token: hello.token,
            cookie: self.proofs.cookie(now.instant, from),
            me: self.me.into(),
            observed: from,
            known: self.standing_of(caller.addr),
            accepted: false,
        };
        self.send_if_no_larger(now, from, &Message::Welcome(welcome), size);
        Ok(())
    }

    pub(super) fn welcome_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        welcome: Welcome,
        trailer: &Trailer,
    ) -> Result<(), Cause> {
        let Some(called) = self.contacts.answered(now.instant, welcome.token) else {
            return Err(Cause::Unexpected);
        };
        self.seeds.answered(called.addr);
        if called.with_cookie && !welcome.accepted {
            self.seeds.not_admitted(called.addr);
        }
        let host = PeerId::from(welcome.me);
        if host.boot != preamble.boot || !host.is_reachable() {
            return Err(Cause::Malformed);
        }
        let asked = canonical(called.addr);
        if host.addr == self.me.addr {
            self.claimant_answered(now, asked, welcome.cookie);
            return Ok(());
        }
        if self.applicant_answered(now, preamble, &welcome, trailer)? {
            return Ok(());
        }
        let observed = canonical(welcome.observed);
        self.compare_observed(now, from, observed);
        self.standing_answered(now, asked, welcome.known);
        if self.life == Life::SteppedBack {
            // It was asked, and no more.
            return Ok(());
        }
        if asked != host.addr && !self.is_member(&host) {
            // The seed has another name for itself. It is a member under that when that has answered.
            if self.answer_budget.take(now.instant) {
                self.say_hello(now, host.addr, 0);
            }
            return Ok(());
        }
        let looks =
            called.with_cookie && self.introducer_answered(now, welcome.accepted, welcome.known);
        if welcome.accepted {
            self.stats.unreachable_as = None;
        } else if called.with_cookie {
            self.not_reached(now, asked, observed, looks);
        }
        // A cookie that was not taken is not tried again before the next call.
        if !welcome.accepted && !called.with_cookie {
            self.say_hello(now, called.addr, welcome.cookie);
        }
        let admissible = self.is_admissible(now, &host, 0);
        if admissible && from == asked {
            // Whoever answers from another address has heard the call, and that address may be anybody's.
            self.prove(now, from, preamble, &host);
        }
        if !welcome.accepted {
            return Ok(());
        }
        self.repeat_farewell(now, from);
        if called.addr != host.addr {
            // The seed has another name for itself; under that it is a member now.
            self.contacts.remove(called.addr);
        }
        if admissible {
            self.learn(now, host, 0, Health::Alive, false);
            if called.addr == host.addr && from == host.addr {
                self.address_answered(now, &host, &preamble.session);
            }
            self.verified.announced(&host, trailer.capabilities);
        }
        if asked == host.addr {
            self.address_answered(now, &host, &preamble.session);
        }
        if self.members.is_active(host.addr) {
            self.sync_all(now, from, welcome.token);
            self.compare_fingerprint(now, from, preamble);
        }
        Ok(())
    }

    /// We were alone, and no longer are: what we have registered is news.
    pub(super) fn joined(&mut self, now: Now, through: PeerId) {
        if let Some(held_back) = self.logs.pass(now.instant, Topic::Joined) {
            tracing::info!(target: "tidings::gossip", through = %through.addr, held_back, "joined");
        }
        self.keys_joined(now);
        self.announce_own_records(now);
        self.kindle_rebirth(now);
        self.try_path_soon(now);
    }
}
