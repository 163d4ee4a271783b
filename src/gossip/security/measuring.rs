//! For whoever measures sealing: what an engine does with a datagram before and after everything else.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Body, Guard, Security};
use crate::gossip::{
    Now,
    wire::frame::{ClusterTag, Header, Nonces, Preamble},
};

/// A sender and receiver of sealed datagrams whose payloads mean nothing.
#[derive(Debug)]
pub struct Party {
    session: [u8; 16],
    cluster: ClusterTag,
    nonces: Nonces,
    guard: Guard,
    opened: Vec<u8>,
}

impl Party {
    /// One of a cluster that may have a thousand members.
    pub fn new(security: &Security, cluster: &str, session: [u8; 16], now: Now) -> Self {
        Self {
            session,
            cluster: ClusterTag::of(cluster),
            nonces: Nonces::default(),
            guard: Guard::new(security, cluster, 1_000, now.instant),
            opened: Vec::new(),
        }
    }

    /// A datagram with a payload of so many zeros, not sealed yet, and its nonce.
    pub fn write(&mut self, now: Now, payload: usize) -> (u64, Vec<u8>) {
        let nonce = self.nonces.next(now.unix_ms);
        let preamble = Preamble {
            session: self.session,
            nonce,
            boot: 0,
            fingerprint: 0,
            kind: 0,
        };
        let mut datagram = Vec::new();
        preamble.write(self.cluster, &mut datagram);
        datagram.resize(datagram.len() + payload, 0);
        datagram.reserve(crate::gossip::wire::frame::SEAL_BYTES);
        (nonce, datagram)
    }

    /// Seals what was [written](Self::write).
    pub fn seal(&mut self, nonce: u64, datagram: &mut Vec<u8>) {
        self.guard.seal(self.session, nonce, datagram);
    }

    /// Whether a datagram is one that may be used. Then it has been opened, and its nonce is known.
    pub fn open(&mut self, now: Now, datagram: &[u8]) -> bool {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        Header::read(datagram, self.cluster).is_ok_and(|(header, _)| {
            let opened = self
                .guard
                .open(now, from, &header, datagram, &mut self.opened);
            opened == Ok(Body::Opened)
        })
    }
}
