//! Letting a process in when the address that it advertises has answered, and hearing that ours does not.
//!
//! ```text
//! joiner, sends from F           introducer
//!   | hello(cookie, me = A)   ->   |   F is proven; A is not
//!   | <- hello(token) to A         |   no larger than the joiner's
//!   | welcome(token)          ->   |   in the joiner's session: A reaches the joiner
//!   | <- welcome(accepted) to F    |
//! ```
//!
//! Where F is A nothing is asked. Where A is silent, or another process answers there, the next hello
//! of the joiner is refused: its welcome is not accepted, though it brought a good cookie. From that,
//! and from the address under which the introducer sees it, the joiner knows what is wrong.
//!
//! The joiner then calls the address that it advertises: another process that answers there holds it,
//! see `claims`.

use std::net::SocketAddr;

use super::{Engine, outbox::Topic};
use crate::gossip::{
    Now,
    applicants::{Turn, Waiting},
    at_limit::Limit,
    identity::PeerId,
    stats::Cause,
    wire::{
        frame::Preamble,
        message::{Hello, Welcome},
        word::Trailer,
    },
};

impl Engine {
    /// Whether the caller is heard at the address that it advertises.
    pub(super) fn is_reached(
        &self,
        now: Now,
        from: SocketAddr,
        caller: &PeerId,
        session: &[u8; 16],
    ) -> bool {
        from == caller.addr
            || self.is_member(caller) && self.proofs.is_known_as(caller.owner(), session)
            || self.applicants.has_answered(now.instant, caller, session)
    }

    /// Calls the address that the caller advertises. Says whether the hello waits for the answer; it
    /// is refused otherwise.
    pub(super) fn await_answer(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        hello: &Hello,
        size: usize,
    ) -> bool {
        let caller = PeerId::from(hello.me);
        let waiting = Waiting {
            from,
            preamble: *preamble,
            hello: Hello {
                padding: Vec::new(),
                ..hello.clone()
            },
            size,
        };
        let waits = match self.applicants.apply(now.instant, waiting) {
            Turn::Wait => return true,
            Turn::Call { waits } => waits,
            Turn::Full => {
                self.refuse(now.instant, Limit::Applicants, from);
                return false;
            }
        };
        if self.answer_budget.take(now.instant) {
            let token = self.say_hello(now, caller.addr, 0);
            self.applicants.called(caller.addr, preamble.session, token);
        }
        waits
    }

    /// A call was answered. If it went to the address of an applicant, that is let in when it was the
    /// applicant that answered. Says whether it was such a call.
    pub(super) fn applicant_answered(
        &mut self,
        now: Now,
        preamble: &Preamble,
        welcome: &Welcome,
        trailer: &Trailer,
    ) -> Result<bool, Cause> {
        let host = PeerId::from(welcome.me);
        let answer = self
            .applicants
            .answered(now.instant, &host, preamble.session, welcome.token);
        let Some((is_applicant, waiting)) = answer else {
            return Ok(false);
        };
        if let Some(waiting) = waiting {
            let Waiting {
                from,
                preamble,
                hello,
                size,
            } = waiting;
            // The capabilities are those of the process that has just answered.
            self.hello_received(now, from, &preamble, hello, trailer, size)?;
        }
        if is_applicant {
            self.address_answered(now, &host, &preamble.session);
        }
        Ok(true)
    }

    /// A peer does not let us in, though it has seen that we hear what it sends to `observed`: it
    /// does not reach us where we advertise. `looks` says that our own address is being called already.
    pub(super) fn not_reached(
        &mut self,
        now: Now,
        peer: SocketAddr,
        observed: SocketAddr,
        looks: bool,
    ) {
        let advertised = self.me.addr;
        if observed == advertised {
            return; // a limit of the peer's
        }
        // It answers: to be let in as soon as we are reached, we go on asking.
        self.contacts.goes_on(now.instant, peer);
        self.stats.unreachable_as = Some(observed);
        if let Some(held_back) = self.logs.pass(now.instant, Topic::Unreachable) {
            tracing::warn!(
                target: "tidings::gossip",
                %advertised,
                %observed,
                %peer,
                held_back,
                "peers do not reach this node at the address that it advertises, so they do not let it in; they see it \
                 under the observed one. Set the address at which it is reached with `.advertise(..)`"
            );
            if !looks {
                self.say_hello(now, advertised, 0);
            }
        }
    }
}
