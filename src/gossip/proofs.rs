//! Which addresses have proven that they hear what is sent to them.
//!
//! UDP's source address can be forged, so a node that answers a small datagram with a large one can
//! be made to flood somebody. Before anything but a small answer goes to an address that is not a
//! member's, the address has to send back a cookie that was sent to it (as in RFC 9000, section
//! 8.1.2). The cookie is a keyed hash of the address and the minute, so the node keeps no state for
//! those who ask.
//!
//! The first datagram of an unproven address is parked for a second, so that a peer that this node
//! has not heard of yet loses nothing but one round trip. It waits as it is when it has been opened: what was sealed is opened
//! once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Instant, wire::frame::Header};

/// How long a proof holds without being renewed.
const PROVEN_FOR: Duration = Duration::from_secs(120);
/// How many proven addresses are remembered. The one that ends soonest makes room.
const MOST_PROVEN: usize = 4_096;
/// How long a datagram waits for the proof of its sender.
const PARKED_FOR: Duration = Duration::from_secs(1);
/// How many datagrams wait at a time; at the bound the next is dropped.
const MOST_PARKED: usize = 128;
/// How long one cookie key serves, in seconds. The one before it still counts.
const EPOCH_SECS: u64 = 60;

#[derive(Debug)]
pub(super) struct Proofs {
    secret: [u8; 32],
    proven: BTreeMap<SocketAddr, Instant>,
    /// The same by time, the first to end first.
    ends: BTreeSet<(Instant, SocketAddr)>,
    parked: BTreeMap<SocketAddr, (Instant, Header, Vec<u8>)>,
}

impl Proofs {
    pub(super) const fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            proven: BTreeMap::new(),
            ends: BTreeSet::new(),
            parked: BTreeMap::new(),
        }
    }

    fn cookie_of(&self, epoch: u64, addr: SocketAddr) -> u64 {
        let digest = Sha256::new()
            .chain_update(self.secret)
            .chain_update(epoch.to_be_bytes())
            .chain_update(addr.to_string())
            .finalize();
        let cookie = u64::from_be_bytes(digest[..8].try_into().expect("SHA-256 has 32 bytes"));
        (cookie >> 16).max(1) // 48 bits; zero says "none"
    }

    /// The cookie that `addr` has to send back.
    pub(super) fn cookie(&self, now: Instant, addr: SocketAddr) -> u64 {
        self.cookie_of(now.since_origin().as_secs() / EPOCH_SECS, addr)
    }

    /// Whether `cookie` was given to `addr` not long ago.
    pub(super) fn is_good(&self, now: Instant, addr: SocketAddr, cookie: u64) -> bool {
        let epoch = now.since_origin().as_secs() / EPOCH_SECS;
        cookie != 0
            && [Some(epoch), epoch.checked_sub(1)]
                .into_iter()
                .flatten()
                .any(|epoch| self.cookie_of(epoch, addr) == cookie)
    }

    /// The address has shown that it hears us. Gives back the datagram that waited for it.
    pub(super) fn prove(&mut self, now: Instant, addr: SocketAddr) -> Option<(Header, Vec<u8>)> {
        let until = now + PROVEN_FOR;
        if let Some(before) = self.proven.insert(addr, until) {
            self.ends.remove(&(before, addr));
        }
        self.ends.insert((until, addr));
        while let Some((until, first)) = self.ends.first().copied()
            && (until < now || self.proven.len() > MOST_PROVEN)
        {
            self.ends.pop_first();
            self.proven.remove(&first);
        }
        let (until, header, body) = self.parked.remove(&addr)?;
        (until >= now).then_some((header, body))
    }

    pub(super) fn is_proven(&self, now: Instant, addr: SocketAddr) -> bool {
        self.proven.get(&addr).is_some_and(|until| *until >= now)
    }

    /// How many addresses are proven, and how many datagrams wait.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.proven.len(), self.parked.len())
    }

    /// Keeps the first datagram of an unproven address for a moment. Says whether there was room.
    pub(super) fn park(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        header: &Header,
        body: &[u8],
    ) -> bool {
        // Few enough to look at all of them.
        self.parked.retain(|_, (until, ..)| *until >= now);
        if self.parked.contains_key(&addr) {
            return true;
        }
        let has_room = self.parked.len() < MOST_PARKED;
        if has_room {
            self.parked
                .insert(addr, (now + PARKED_FOR, *header, body.to_vec()));
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    const HEADER: Header = Header {
        key_id: 0,
        session: [0; 16],
        nonce: 0,
    };

    #[test]
    fn a_cookie_is_good_for_its_address_and_for_a_minute_or_two() {
        let proofs = Proofs::new([7; 32]);
        let cookie = proofs.cookie(at(59), addr(1));
        assert!(proofs.is_good(at(59), addr(1), cookie));
        assert!(proofs.is_good(at(119), addr(1), cookie));
        assert!(!proofs.is_good(at(120), addr(1), cookie));
        assert!(!proofs.is_good(at(59), addr(2), cookie));
        assert!(!Proofs::new([8; 32]).is_good(at(59), addr(1), cookie));
        assert!(!proofs.is_good(at(0), addr(1), 0));
    }

    #[test]
    fn a_proof_ends_and_gives_back_what_was_parked() {
        let mut proofs = Proofs::new([7; 32]);
        proofs.park(at(0), addr(1), &HEADER, b"first");
        proofs.park(at(0), addr(1), &HEADER, b"second");
        assert_eq!(
            proofs.prove(at(1), addr(1)),
            Some((HEADER, b"first".to_vec()))
        );
        assert_eq!(proofs.prove(at(1), addr(1)), None);
        assert!(proofs.is_proven(at(121), addr(1)));
        assert!(!proofs.is_proven(at(122), addr(1)));
        proofs.park(at(200), addr(2), &HEADER, b"late");
        assert_eq!(proofs.prove(at(202), addr(2)), None);
    }

    #[test]
    fn both_lists_are_bounded() {
        let mut proofs = Proofs::new([7; 32]);
        for port in 0..10_000 {
            proofs.park(at(0), addr(port), &HEADER, b"x");
            proofs.prove(at(u64::from(port)), addr(port));
            proofs.park(at(0), addr(port), &HEADER, b"x");
        }
        assert!(proofs.parked.len() <= MOST_PARKED);
        assert!(proofs.proven.len() <= MOST_PROVEN);
        assert!(proofs.proven.contains_key(&addr(9_999)), "the newest is in");
        assert_eq!(proofs.proven.len(), proofs.ends.len());
    }

    #[test]
    fn what_has_ended_is_forgotten_long_before_a_bound_is_reached() {
        let mut proofs = Proofs::new([7; 32]);
        for port in 1..=1_000 {
            proofs.prove(at(port.into()), addr(port));
            proofs.park(at(port.into()), addr(port + 2_000), &HEADER, b"x");
        }
        assert_eq!(proofs.size(), (121, 2));
        assert_eq!(proofs.proven.len(), proofs.ends.len());
    }
}
