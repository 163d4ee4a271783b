//! How far the address of a sender is known, and how it comes to be.
//!
//! ```text
//! member                         this node
//!   | news                    ->   |   parked: that session has not been heard at that address
//!   | <- cookie(mark of the news)  |   no larger than the news
//!   | hello(cookie)           ->   |   if it has sent the news: proven, and the news is served
//! ```
//!
//! A peer that is challenged for a datagram that it has not sent says nothing. So whoever forges an
//! address makes one small datagram go there for each of its own.

use std::net::SocketAddr;

use super::{Engine, membership::sender, standing::Life};
use crate::{
    gossip::{
        Now,
        at_limit::Limit,
        identity::PeerId,
        proofs::Hearing,
        stats::Cause,
        wire::{
            frame::{Header, Preamble},
            message::{Cookie, Item, Message},
        },
    },
    table::Owner,
};

/// How far the address of a sender is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The session has sent back what nobody knows who is not heard at the address.
    Proven,
    /// A live member's address, and the session has answered there.
    Answered,
    /// A live member's address, and the first session that was heard of its boot.
    Heard,
    /// A dead member's.
    Dead,
    /// Any other, or a live member's with another session or boot than the member's.
    Unknown,
}

impl Trust {
    /// Whether it is a member that speaks, as far as is known.
    pub(super) const fn is_member(self) -> bool {
        matches!(self, Self::Proven | Self::Answered | Self::Heard)
    }

    /// Whether an answer may be larger than the question.
    pub(super) const fn has_answered(self) -> bool {
        matches!(self, Self::Proven | Self::Answered)
    }
}

impl Engine {
    /// How far the sender is known. The first session of a member's boot is taken for the member's.
    pub(super) fn trust(&mut self, now: Now, from: SocketAddr, preamble: &Preamble) -> Trust {
        if self.bearer(now, from, &preamble.session).is_some() {
            return Trust::Proven;
        }
        match self.members.get(from) {
            Some(peer) if peer.is_active() => {
                if peer.id.boot != preamble.boot {
                    return Trust::Unknown;
                }
                let owner = peer.id.owner();
                match self.proofs.hear(owner, &preamble.session) {
                    Hearing::Answered => Trust::Answered,
                    Hearing::First => Trust::Heard,
                    Hearing::Another => Trust::Unknown,
                }
            }
            Some(_) => Trust::Dead,
            None => Trust::Unknown,
        }
    }

    /// The process that has shown, under this session, that it hears what is sent to this address.
    fn bearer(&self, now: Now, from: SocketAddr, session: &[u8; 16]) -> Option<Owner> {
        let is_live = |owner: &Owner| self.is_live(owner);
        self.proofs.bearer(now.instant, from, session, is_live)
    }

    /// Whether somebody has shown that it hears what is sent to this address.
    pub(super) fn has_proof(&self, now: Now, addr: SocketAddr) -> bool {
        let is_live = |owner: &Owner| self.is_live(owner);
        self.proofs.has_proof(now.instant, addr, is_live)
    }

    /// Whether this process is a live member, reborn or not.
    pub(super) fn is_live(&self, owner: &Owner) -> bool {
        let peer = self.members.get(owner.addr);
        peer.is_some_and(|peer| peer.is_active() && peer.id.boot == owner.boot)
    }

    /// Whether a sender may send what is no hello. One that is held dead may say so much as that it
    /// lives; as anybody else it is a stranger.
    pub(super) fn may_send(
        &self,
        now: Now,
        trust: Trust,
        from: SocketAddr,
        preamble: &Preamble,
        message: &Message<'_>,
    ) -> bool {
        match message {
            // An answer is heard only with a token that went to the member that gives it, and the
            // answer to a ping is no larger than it.
            Message::Pong(_) | Message::Finding(_) | Message::Ping(_) => true,
            Message::Swim(head, _) => {
                let src = sender(from, preamble, head);
                if trust.is_member() {
                    // Nobody becomes a member by a packet of foca's, nor speaks for another one.
                    let bearer = self.bearer(now, from, &preamble.session);
                    let speaks_for_itself = bearer.is_none_or(|owner| owner == src.owner());
                    src.addr == self.me.addr || speaks_for_itself && self.is_live(&src.owner())
                } else {
                    trust == Trust::Dead
                        && self.members.get(from).is_some_and(|peer| peer.id == src)
                }
            }
            _ if asks_for_more(message) => trust == Trust::Proven,
            _ => trust.is_member(),
        }
    }

    /// Keeps the datagram for a moment, and asks its sender to prove its address.
    pub(super) fn challenge(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        body: &[u8],
        size: usize,
    ) {
        if !self.proofs.park(now.instant, from, header, body) {
            self.refuse(now.instant, Limit::Parked, from);
        }
        self.send_cookie(now, from, header, size);
    }

    /// Asks the sender of a datagram to prove its address, unless that takes more than its `size`
    /// in bytes.
    pub(super) fn send_cookie(
        &mut self,
        now: Now,
        to: SocketAddr,
        challenged: &Header,
        size: usize,
    ) {
        let cookie = self.proofs.cookie(now.instant, to);
        let message = Message::Cookie(Cookie::echoing(cookie));
        let mut payload = Vec::new();
        let kind = message.write(&mut payload);
        let datagram = self.frame_with(now, kind, &payload, challenged.mark());
        if datagram.len() <= size {
            self.transmit(to, datagram);
        }
    }

    /// A peer wants our address proven. It is answered if it challenges what we have sent, where
    /// that went: the answer is larger than the question. The peer may send from another address
    /// than it advertises, so the one from which the cookie comes says nothing.
    pub(super) fn cookie_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        cookie: Cookie,
    ) -> Result<(), Cause> {
        if self.life == Life::SteppedBack {
            // A hello that proves our address would bring us back into the caller's list.
            return Err(Cause::Unexpected);
        }
        let challenged = if cookie.echoes {
            self.sent.challenged(now.instant, preamble.fingerprint)
        } else {
            let member = self.member_behind(from, preamble.boot);
            member.filter(|addr| self.sent.may_be_challenged(now.instant, *addr))
        };
        let Some(to) = challenged.filter(|_| self.answer_budget.take(now.instant)) else {
            return Err(Cause::Unexpected);
        };
        self.say_hello(now, to, cookie.value());
        Ok(())
    }

    /// The live member that sends from this address. One that sends from elsewhere than it
    /// advertises is known by its boot.
    fn member_behind(&self, from: SocketAddr, boot: u64) -> Option<SocketAddr> {
        if self.members.is_active(from) {
            return Some(from);
        }
        let mut members = self.members.iter();
        let member = members.find(|peer| peer.is_active() && peer.id.boot == boot);
        member.map(|peer| peer.id.addr)
    }

    /// `bearer` has shown that it hears what is sent to `from`: what it sent before counts, and so
    /// does what it sends. The preamble is that of the datagram which shows it.
    pub(super) fn prove(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        bearer: &PeerId,
    ) {
        let (session, owner, members) = (preamble.session, bearer.owner(), &self.members);
        let is_live = |owner: &Owner| {
            let peer = members.get(owner.addr);
            peer.is_some_and(|peer| peer.is_active() && peer.id.boot == owner.boot)
        };
        let parked = self
            .proofs
            .prove(now.instant, from, session, owner, is_live);
        if from == bearer.addr {
            self.address_answered(now, bearer, &session);
        }
        if let Some((header, body)) = parked
            && let Err(cause) = self.take_in(now, from, &header, &body, body.len())
        {
            self.drop_datagram(now, from, cause);
        }
        self.sync_proven(now, from, preamble.fingerprint);
    }

    /// What was sent to the address that `id` advertises has been answered by the process of this
    /// session. Everything that shows so ends here: a cookie or a token of a call that came back, a
    /// pong, the ack of a probe.
    pub(super) fn address_answered(&mut self, now: Now, id: &PeerId, session: &[u8; 16]) {
        self.note_heard(now, id.addr, id.boot);
        if self.is_live(&id.owner()) {
            self.proofs.answered(id.owner(), *session);
            self.verify(id, session);
        }
    }

    /// Whether this is what the probe under way waits for, from its target itself.
    pub(super) fn answers_probe(&self, header: &foca::Header<PeerId>) -> bool {
        self.probe.is_some_and(|probe| {
            probe.target == header.src && header.message == foca::Message::Ack(probe.number)
        })
    }
}

/// Whether what is sent for a message may be larger than it: the pages of a table, or requests for the chunks of records.
fn asks_for_more(message: &Message<'_>) -> bool {
    match message {
        Message::Digest(_) | Message::Pull(_) => true,
        Message::News(news) => {
            let is_notice = |item: &Item<'_>| matches!(item, Item::Notice { .. });
            news.items.iter().any(is_notice)
        }
        _ => false,
    }
}
