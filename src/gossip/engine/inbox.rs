//! Unframing what comes in, and who is trusted with what.
//!
//! | sender's address | may send |
//! |---|---|
//! | proven by a cookie, by one that is let in | everything |
//! | a live member's | everything but what asks for more than it is itself, see [`Engine::asks_for_more`] |
//! | a dead member's, in whose name it speaks | foca's packets (it is told that it is dead), hello |
//! | any other | hello; anything else is parked, and answered with a cookie |
//!
//! A member's address can be forged as any other one, and who has proven an address of its own can have any other one
//! taken for a member's. So pages go only where somebody has shown that they are heard.
//!
//! Who has proven its address and is not let in is any other: it changes nothing about a member.

use std::net::SocketAddr;

use super::{Engine, membership::sender};
use crate::gossip::{
    Now,
    at_limit::Limit,
    identity::canonical,
    security::Body,
    stats::Cause,
    wire::{
        frame::{Header, Preamble},
        message::{Cookie, Item, Message, Unusable},
    },
};

/// How far the address of a sender is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// A live member's, or proven.
    Known,
    /// A dead member's.
    Dead,
    Unknown,
}

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
        let (header, body) = Header::read(datagram, self.cluster)?;
        let mut opened = std::mem::take(&mut self.opened);
        let result = match self.open(now, from, &header, datagram, &mut opened) {
            Ok(Body::AsItWas) => self.take_in(now, from, &header, body, datagram.len()),
            Ok(Body::Opened) => {
                self.note_sealed(now, from, &header, &opened);
                self.take_in(now, from, &header, &opened, datagram.len())
            }
            Err(cause) => Err(cause),
        };
        self.opened = opened;
        result
    }

    /// Takes in a datagram that may be used, of `size` bytes as it came.
    fn take_in(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        body: &[u8],
        size: usize,
    ) -> Result<(), Cause> {
        let (preamble, payload) = Preamble::of(header, body)?;
        let (message, unknown_extensions) = match Message::read(preamble.kind, payload) {
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
            }
            return Err(Cause::Own);
        }
        self.stats.unknown_extensions += unknown_extensions;
        let trust = self.trust(now, from);
        // A hello proves nothing before it brings a cookie.
        let is_hello = matches!(message, Message::Hello(_));
        if trust == Trust::Known && !is_hello {
            self.note_heard(now, from, preamble.boot);
        }
        match message {
            Message::Hello(hello) => {
                return self.hello_received(now, from, &preamble, hello, size);
            }
            Message::Welcome(welcome) => {
                return self.welcome_received(now, from, &preamble, welcome);
            }
            Message::Cookie(cookie) => {
                return self.cookie_received(now, from, &preamble, cookie);
            }
            _ if !self.may_send(trust, from, &preamble, &message)
                || Self::asks_for_more(&message) && !self.proofs.is_proven(now.instant, from) =>
            {
                self.challenge(now, from, header, body, size);
                return Err(Cause::Unproven);
            }
            Message::Swim(head, _) if header.is_sealed() && head.advertised.is_none() => {
                return Err(Cause::Malformed);
            }
            Message::Swim(head, packet) => {
                self.swim_received(now, from, &preamble, head, packet)?;
            }
            Message::News(news) => self.items_received(now, from, news.items),
            Message::Digest(digest) => self.digest_received(now, from, &digest),
            Message::Inventory(inventory) => self.inventory_received(now, from, inventory)?,
            Message::Pull(pull) => self.pull_received(now, from, pull),
            Message::Page(page) => self.page_received(now, from, page)?,
            Message::Chunk(chunk) => self.chunk_received(now, from, chunk)?,
            Message::Ping(ping) => self.ping_received(now, from, ping)?,
            Message::Pong(pong) => self.pong_received(now, &preamble, pong)?,
            Message::Ask(ask) => self.ask_received(now, from, ask)?,
            Message::Finding(finding) => self.finding_received(now, &preamble, finding)?,
            Message::HeldKey(held) => {
                self.held_key_received(now, &preamble, header.is_sealed(), held)?;
            }
        }
        if self.trust(now, from) == Trust::Known {
            self.compare_fingerprint(now, from, &preamble);
        }
        Ok(())
    }

    /// Whether a sender may send what is no hello. One that is held dead may say so much as that it
    /// lives; as anybody else it is a stranger.
    fn may_send(
        &self,
        trust: Trust,
        from: SocketAddr,
        preamble: &Preamble,
        message: &Message<'_>,
    ) -> bool {
        match (trust, message) {
            // An answer is heard only with a token that went to the member that gives it.
            (Trust::Known, _) | (_, Message::Pong(_) | Message::Finding(_)) => true,
            (Trust::Dead, Message::Swim(head, _)) => {
                let src = sender(from, preamble, head);
                self.members.get(from).is_some_and(|peer| peer.id == src)
            }
            _ => false,
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

    pub(super) fn trust(&self, now: Now, from: SocketAddr) -> Trust {
        match self.members.get(from) {
            Some(peer) if peer.is_active() => Trust::Known,
            known => {
                if self.proofs.is_proven(now.instant, from) {
                    Trust::Known
                } else if known.is_some() {
                    Trust::Dead
                } else {
                    Trust::Unknown
                }
            }
        }
    }

    /// Keeps the datagram for a moment, and asks its sender to prove its address.
    fn challenge(&mut self, now: Now, from: SocketAddr, header: &Header, body: &[u8], size: usize) {
        if !self.proofs.park(now.instant, from, header, body) {
            self.refuse(now.instant, Limit::Parked, from);
        }
        self.send_cookie(now, from, size);
    }

    /// Asks a sender to prove its address, unless that takes more than the `size` bytes that it sent.
    pub(super) fn send_cookie(&mut self, now: Now, to: SocketAddr, size: usize) {
        let cookie = self.proofs.cookie(now.instant, to);
        let message = Message::Cookie(Cookie::new(cookie));
        self.send_if_no_larger(now, to, &message, size);
    }

    /// The sender has proven its address: what it sent before counts, and so does what it sends.
    pub(super) fn prove(&mut self, now: Now, from: SocketAddr) {
        if let Some((header, body)) = self.proofs.prove(now.instant, from)
            && let Err(cause) = self.take_in(now, from, &header, &body, body.len())
        {
            self.drop_datagram(now, from, cause);
        }
        self.sync_proven(now, from);
    }
}
