//! Framing what goes out, counting it, and log lines that cannot flood.
//!
//! Bounds: [`TRANSMIT_BYTES_MAX`] of datagrams that the driver has not sent; what comes on top is dropped, as a full send
//! buffer would drop it. One log line on each topic in [`LOG_EVERY`].

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{Engine, Transmit};
use crate::gossip::{
    Instant, Now,
    at_limit::Limit,
    identity::PeerId,
    stats::Cause,
    wire::{
        frame::{HEADER_BYTES, PREAMBLE_BYTES, Preamble, SEAL_BYTES, mark, payload_budget},
        message::{Message, SwimHead, addressee},
        swim::{HEAD_BYTES, SwimPacket},
        word::write_capabilities,
    },
};

/// The least time between two log lines on one topic.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How many bytes of datagrams may wait for the driver: a hundred times what a turn of the driver sends.
const TRANSMIT_BYTES_MAX: usize = 16 << 20;
/// What each takes besides its payload.
const TRANSMIT_OVERHEAD_BYTES: usize = 128;

/// What a datagram that waits takes.
pub(super) fn cost(transmit: &Transmit) -> usize {
    transmit.payload.len() + TRANSMIT_OVERHEAD_BYTES
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Dropped(Cause),
    Untrusted,
    Limit(Limit),
    Clock,
    Foca,
    OwnRecord,
    DeclaredDown,
    Reborn,
    SteppedBack,
    AddressClaimed,
    Observed,
    Unreachable,
    Joined,
    Alone,
    PathSize,
}

/// Lets one line on each topic through in [`LOG_EVERY`], with the number of those it held back.
#[derive(Debug, Default)]
pub(super) struct LogGate(BTreeMap<Topic, (Instant, u64)>);

impl LogGate {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many were held back since the last line, if it is time for one.
    pub(super) fn pass(&mut self, now: Instant, topic: Topic) -> Option<u64> {
        match self.0.get_mut(&topic) {
            Some((since, held_back)) if now - *since < LOG_EVERY => {
                *held_back += 1;
                None
            }
            Some(entry) => {
                let held_back = entry.1;
                *entry = (now, 0);
                Some(held_back)
            }
            None => {
                self.0.insert(topic, (now, 0));
                Some(0)
            }
        }
    }
}

impl Engine {
    /// What a payload may take.
    pub(super) const fn payload_budget(&self) -> usize {
        payload_budget(self.config.max_datagram)
    }

    pub(super) fn send(&mut self, now: Now, to: SocketAddr, message: &Message<'_>) {
        let datagram = self.frame(now, message);
        self.transmit(to, datagram);
    }

    /// Sends `message` unless it is larger than `limit` bytes, headers and seal included.
    pub(super) fn send_if_no_larger(
        &mut self,
        now: Now,
        to: SocketAddr,
        message: &Message<'_>,
        limit: usize,
    ) {
        let datagram = self.frame(now, message);
        if datagram.len() <= limit {
            self.transmit(to, datagram);
        }
    }

    pub(super) fn frame(&mut self, now: Now, message: &Message<'_>) -> Vec<u8> {
        let mut payload = Vec::with_capacity(256);
        let kind = message.write(&mut payload);
        if matches!(message, Message::Hello(_) | Message::Welcome(_)) {
            write_capabilities(&mut payload);
        }
        self.frame_payload(now, kind, &payload)
    }

    /// A datagram around a payload that was encoded already.
    pub(super) fn frame_payload(&mut self, now: Now, kind: u8, payload: &[u8]) -> Vec<u8> {
        let fingerprint = self.fingerprint();
        self.history.note(now.instant, fingerprint);
        self.frame_with(now, kind, payload, fingerprint)
    }

    /// The same, with something else in the place of the fingerprint.
    pub(super) fn frame_with(
        &mut self,
        now: Now,
        kind: u8,
        payload: &[u8],
        fingerprint: u64,
    ) -> Vec<u8> {
        self.renew_session(now);
        let nonce = self.nonces.next(now.unix_ms);
        let preamble = Preamble {
            session: self.session,
            nonce,
            boot: self.me.boot,
            fingerprint,
            kind,
        };
        let size = HEADER_BYTES + PREAMBLE_BYTES + payload.len() + SEAL_BYTES;
        let mut out = Vec::with_capacity(size);
        preamble.write(self.cluster, &mut out);
        out.extend_from_slice(payload);
        debug_assert!(
            payload.len() <= self.payload_budget(),
            "a payload of {}",
            payload.len()
        );
        self.sent.framed(now.instant, mark(&self.session, nonce));
        self.guard.seal(self.session, nonce, &mut out);
        out
    }

    pub(super) fn transmit(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        let transmit = Transmit {
            to,
            payload: Bytes::from(datagram),
        };
        let cost = cost(&transmit);
        if self.transmit_bytes + cost > TRANSMIT_BYTES_MAX {
            return self.refuse(self.last_input, Limit::Transmits, to);
        }
        self.stats.datagrams_sent += 1;
        self.stats.bytes_sent += transmit.payload.len() as u64;
        self.transmit_bytes += cost;
        self.sent.goes_to(to);
        self.transmits.push_back(transmit);
    }

    /// Something is refused at a limit: it is counted, and now and then warned about.
    pub(super) fn refuse(&mut self, now: Instant, limit: Limit, about: SocketAddr) {
        self.stats.at_limit.count(limit);
        if let Some(held_back) = self.logs.pass(now, Topic::Limit(limit)) {
            let limit = limit.name();
            tracing::warn!(target: "tidings::gossip", limit, %about, held_back, "refused at a limit");
        }
    }

    /// Sends what follows the full head of a packet of foca's, with the short head in its place.
    pub(super) fn send_swim(&mut self, now: Now, to: PeerId, packet: &[u8]) {
        // Nothing authenticates where a datagram comes from, so what is sealed says itself who speaks.
        let says_who = self.guard.seals() || self.config.bind != self.me.addr;
        let advertised = says_who.then_some(self.me.addr);
        let head = SwimHead {
            renewal: self.me.renewal,
            advertised,
            to: addressee(&to),
        };
        self.send(now, to.addr, &Message::Swim(head, packet));
    }

    /// Sends a packet that foca would understand but has no call for.
    pub(super) fn send_swim_of_ours(
        &mut self,
        now: Now,
        to: PeerId,
        message: foca::Message<PeerId>,
        updates: Vec<foca::Member<PeerId>>,
    ) {
        let header = foca::Header {
            src: self.me,
            src_incarnation: self.incarnation,
            dst: to,
            message,
        };
        let mut packet = Vec::new();
        SwimPacket {
            header,
            updates,
            unknown_extensions: 0,
        }
        .write(&mut packet);
        self.send_swim(now, to, &packet[HEAD_BYTES..]);
    }

    pub(super) fn drop_datagram(&mut self, now: Now, from: SocketAddr, cause: Cause) {
        self.stats.count(cause);
        if cause.is_usual() {
            tracing::trace!(target: "tidings::gossip", %from, cause = cause.name(), "datagram dropped");
        } else if let Some(held_back) = self.logs.pass(now.instant, Topic::Dropped(cause)) {
            let cause = cause.name();
            tracing::warn!(target: "tidings::gossip", %from, cause, held_back, "datagram dropped");
        }
    }
}
