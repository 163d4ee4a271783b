//! For whoever measures sealing and signing: what an engine does with a datagram before and after everything else, and with a
//! record that has to be signed.

use std::net::{Ipv4Addr, SocketAddr};

use super::{Body, Guard, PublicKey, SIGNATURE_BYTES, Security, SigningKey, Statement};
use crate::{
    gossip::{
        Now,
        wire::frame::{ClusterTag, Header, Nonces, Preamble},
    },
    table::Owner,
};

/// Signs a record of this content.
pub fn sign(key: &SigningKey, content: &[u8]) -> [u8; SIGNATURE_BYTES] {
    key.sign(&statement(content))
}

/// Whether a record of this content was signed so.
pub fn has_signed(key: &PublicKey, content: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    key.has_signed(&statement(content), signature)
}

fn statement(content: &[u8]) -> Statement<'_> {
    Statement {
        cluster: "bench",
        owner: Owner {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            boot: 1,
        },
        service: "user-service",
        seq: 1,
        content,
    }
}

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
