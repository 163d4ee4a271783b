//! Unframing what comes in, and who is trusted with what.
//!
//! | sender | may send |
//! |---|---|
//! | its session has sent back a cookie or a token from this address | everything |
//! | a live member's address, under the session and boot that are known of the member | everything but what asks for more than it is itself |
//! | a dead member's address, in whose name it speaks | foca's packets (it is told that it is dead), hello, pings |
//! | any other | hello and pings; anything else is parked, and answered with a cookie |
//!
//! A member's address can be forged as any other one. Somebody who forges it and does not hear the member does not know its
//! session, so what it sends is challenged like a stranger's; see `proving`.
//!
//! A stranger that has proven its address and is not let in stays a stranger: it changes nothing about a member.

use std::net::SocketAddr;

use super::{Engine, proving::Trust};
use crate::gossip::{
    Now,
    identity::canonical,
    security::Body,
    stats::Cause,
    wire::{
        frame::{Header, Preamble},
        message::{Message, Unusable, addressee},
        padding,
        reject::Reject,
    },
};

impl Engine {
    /// Takes in a datagram. What cannot be used is dropped, counted by cause in
    /// [`Self::stats`], and changes nothing.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, datagram: &[u8]) {
        self.stats.datagrams_received += 1;
        self.stats.bytes_received += datagram.len() as u64;
        if self.has_left() {
            return;
        }
        self.notice_pause(now);
        let from = canonical(from);
        if let Err(cause) = self.receive(now, from, datagram) {
            self.drop_datagram(now, from, cause);
        }
    }

    fn receive(&mut self, now: Now, from: SocketAddr, datagram: &[u8]) -> Result<(), Cause> {
        if datagram.len() > self.config.max_datagram {
            return Err(Cause::Oversized);
        }
        if let Some(reject) = Reject::read(datagram) {
            return self.reject_received(from, reject);
        }
        let (header, body) = match Header::read(datagram, self.cluster) {
            Ok(read) => read,
            Err(refusal) => return Err(self.reject(now, from, datagram, refusal.into())),
        };
        let mut opened = std::mem::take(&mut self.opened);
        let result = match self.open(now, from, &header, datagram, &mut opened) {
            Ok(Body::AsItWas) => self.take_in(now, from, &header, body, datagram.len()),
            Ok(Body::Opened) => {
                self.note_sealed(now, from, &header, &opened);
                self.take_in(now, from, &header, &opened, datagram.len())
            }
            Err(cause) => Err(self.reject(now, from, datagram, cause)),
        };
        self.opened = opened;
        result
    }

    /// Takes in a datagram that may be used, of `size` bytes as it came.
    pub(super) fn take_in(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        body: &[u8],
        size: usize,
    ) -> Result<(), Cause> {
        let (preamble, payload) = Preamble::of(header, body)?;
        let (message, trailer) = match Message::read_all(preamble.kind, payload) {
            Ok(read) => read,
            Err(Unusable::UnknownKind) => {
                self.stats.unknown_kinds += 1;
                return Ok(());
            }
            Err(Unusable::Malformed) => return Err(Cause::Malformed),
        };
        if self.is_own_session(preamble.session) {
            // The session id is no secret: only a call of our own that comes back counts.
            if let Message::Hello(hello) = message
                && let Some(called) = self.contacts.called(now.instant, hello.token)
            {
                self.contacts.is_self(now.instant, called);
                self.seeds.is_self(called);
            }
            return Err(Cause::Own);
        }
        self.stats.unknown_extensions += trailer.unknown;
        let message = match message {
            Message::Hello(hello) => {
                return self.hello_received(now, from, &preamble, hello, &trailer, size);
            }
            Message::Welcome(welcome) => {
                return self.welcome_received(now, from, &preamble, welcome, &trailer);
            }
            Message::Cookie(cookie) => {
                return self.cookie_received(now, from, &preamble, cookie);
            }
            message => message,
        };
        // An answer is known by its token, and says nothing of who else is heard there.
        let is_answer = matches!(message, Message::Pong(_) | Message::Finding(_));
        let trust = if is_answer {
            Trust::Unknown
        } else {
            self.trust(now, from, &preamble)
        };
        if !self.may_send(now, trust, from, &preamble, &message) {
            self.challenge(now, from, header, body, size);
            return Err(Cause::Unproven);
        }
        if trust.is_member() {
            self.note_heard(now, from, preamble.boot);
        }
        match message {
            Message::Hello(_) | Message::Welcome(_) | Message::Cookie(_) => {}
            Message::Swim(head, _) if header.is_sealed() && head.advertised.is_none() => {
                return Err(Cause::Malformed);
            }
            Message::Swim(head, packet) => {
                self.swim_received(now, from, &preamble, trust, head, packet)?;
            }
            Message::News(news) => self.items_received(now, from, news.items),
            Message::Digest(digest) => self.digest_received(now, from, &digest),
            Message::Inventory(inventory) => {
                let teller = self.teller(from, from, &preamble);
                self.inventory_received(now, from, inventory, (teller, &trailer.words))?;
            }
            Message::Pull(pull) => self.pull_received(now, from, pull),
            Message::Page(page) => {
                let teller = self.teller(from, from, &preamble);
                self.page_received(now, from, page, (teller, &trailer.words))?;
            }
            Message::Chunk(chunk) => self.chunk_received(now, from, chunk)?,
            Message::Ping(ping) if !trust.is_member() && ping.to != addressee(&self.me) => {
                return Err(Cause::Misaddressed);
            }
            Message::Ping(ping) => {
                let asked = padding::asked(preamble.kind, payload);
                self.ping_received(now, from, ping, asked, size)?;
            }
            Message::Pong(pong) if self.path_answered(now, &preamble, pong) => {}
            Message::Pong(pong) => {
                self.pong_received(now, &preamble, pong)?;
                self.note_heard(now, from, preamble.boot);
            }
            Message::Ask(ask) => self.ask_received(now, from, ask)?,
            Message::Finding(finding) => {
                self.finding_received(now, &preamble, finding)?;
                self.note_heard(now, from, preamble.boot);
            }
            Message::HeldKey(held) => {
                self.held_key_received(now, &preamble, header.is_sealed(), held)?;
            }
        }
        if self.trust(now, from, &preamble).is_member() {
            self.compare_fingerprint(now, from, &preamble);
        }
        Ok(())
    }
}
