//! Which senders have shown that they hear what is sent to their addresses.
//!
//! UDP's source address can be forged, so a node that answers a small datagram with a large one can
//! be made to flood somebody. Before anything but a small answer goes to an address, its bearer has
//! to send back a cookie that was sent to it (as in RFC 9000, section 8.1.2), or the token of a call.
//! The cookie is a keyed hash of the address and the minute, so the node keeps no state for those
//! who ask.
//!
//! A proof binds an address to the *session* of the process that answered: the random id in the
//! clear header of each of its datagrams. A datagram from the same address with another session is
//! not proven, whoever is a member there. A proof holds while its bearer is a live member, and
//! otherwise for two minutes.
//!
//! Most members of a large cluster never exchange a cookie, and need none: they ask each other for
//! nothing that is larger than the question. Their sessions are *heard*: the first session of a
//! member's boot is taken for the member's, until its address answers under another one. A sealed
//! session is authentic; in the clear, somebody who does not hear the member does not know it.
//!
//! The first datagram of a sender that is not proven is parked for a second, so that a peer that this
//! node has not heard of yet loses nothing but one round trip. It waits as it is when it has been
//! opened: what was sealed is opened once. It counts only when its own session is proven.
//!
//! Bounds: [`MOST_PROVEN`] proofs, or as many as there may be members; the one that ends soonest makes
//! room. One heard session for each live member. [`MOST_PARKED`] datagrams.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Instant, wire::frame::Header};
use crate::table::Owner;

/// The random id of a sender's run.
type Session = [u8; 16];

/// How long a proof holds without being renewed, unless its bearer is a live member.
const PROVEN_FOR: Duration = Duration::from_secs(120);
/// How many proofs are kept at least. The one that ends soonest makes room.
const MOST_PROVEN: usize = 4_096;
/// How long a datagram waits for the proof of its sender.
const PARKED_FOR: Duration = Duration::from_secs(1);
/// How many datagrams wait at a time; at the bound the next is dropped.
const MOST_PARKED: usize = 128;
/// How long one cookie key serves, in seconds. The one before it still counts.
const EPOCH_SECS: u64 = 60;

/// What an address has shown.
#[derive(Debug, Clone, Copy)]
struct Proof {
    session: Session,
    /// The process that has shown it.
    bearer: Owner,
    until: Instant,
}

/// The session under which a live member is heard at its own address.
#[derive(Debug, Clone, Copy)]
struct Heard {
    boot: u64,
    session: Session,
    /// Whether the session has answered what this node sent to the address.
    has_answered: bool,
}

/// How a member's session is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// It has answered.
    Answered,
    /// It was the first that was heard of this boot.
    First,
    /// The member is heard under another one.
    Another,
}

#[derive(Debug)]
pub(super) struct Proofs {
    secret: [u8; 32],
    most: usize,
    proven: BTreeMap<SocketAddr, Proof>,
    /// The same by time, the first to end first.
    ends: BTreeSet<(Instant, SocketAddr)>,
    heard: BTreeMap<SocketAddr, Heard>,
    parked: BTreeMap<(SocketAddr, Session), (Instant, Header, Vec<u8>)>,
}

impl Proofs {
    pub(super) fn new(secret: [u8; 32], max_members: usize) -> Self {
        Self {
            secret,
            most: max_members.max(MOST_PROVEN),
            proven: BTreeMap::new(),
            ends: BTreeSet::new(),
            heard: BTreeMap::new(),
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

    /// A process has shown that it hears what is sent to `addr`. Gives back the datagram of that
    /// session which waited for it.
    pub(super) fn prove(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        session: Session,
        bearer: Owner,
        is_live: impl Fn(&Owner) -> bool,
    ) -> Option<(Header, Vec<u8>)> {
        let until = now + PROVEN_FOR;
        let proof = Proof {
            session,
            bearer,
            until,
        };
        if let Some(before) = self.proven.insert(addr, proof) {
            self.ends.remove(&(before.until, addr));
        }
        self.ends.insert((until, addr));
        self.make_room(now, is_live);
        let (until, header, body) = self.parked.remove(&(addr, session))?;
        (until >= now).then_some((header, body))
    }

    /// Forgets proofs that have ended, and renews those of live members.
    fn make_room(&mut self, now: Instant, is_live: impl Fn(&Owner) -> bool) {
        while let Some((until, first)) = self.ends.first().copied()
            && (until < now || self.proven.len() > self.most)
        {
            self.ends.pop_first();
            let Some(proof) = self.proven.get_mut(&first) else {
                continue;
            };
            if until < now && is_live(&proof.bearer) {
                proof.until = now + PROVEN_FOR;
                self.ends.insert((proof.until, first));
            } else {
                self.proven.remove(&first);
            }
        }
    }

    /// The process with this session, if it has shown that it hears what is sent to `addr`.
    pub(super) fn bearer(
        &self,
        now: Instant,
        addr: SocketAddr,
        session: &Session,
        is_live: impl Fn(&Owner) -> bool,
    ) -> Option<Owner> {
        let proof = self.proven.get(&addr)?;
        let holds = proof.session == *session && (proof.until >= now || is_live(&proof.bearer));
        holds.then_some(proof.bearer)
    }

    /// Whether some process has shown that it hears what is sent to `addr`.
    pub(super) fn has_proof(
        &self,
        now: Instant,
        addr: SocketAddr,
        is_live: impl Fn(&Owner) -> bool,
    ) -> bool {
        self.proven
            .get(&addr)
            .is_some_and(|proof| proof.until >= now || is_live(&proof.bearer))
    }

    /// A live member's boot speaks from its address under this session.
    pub(super) fn hear(&mut self, member: Owner, session: &Session) -> Hearing {
        match self.heard.get(&member.addr) {
            Some(heard) if heard.boot == member.boot => {
                if heard.session != *session {
                    Hearing::Another
                } else if heard.has_answered {
                    Hearing::Answered
                } else {
                    Hearing::First
                }
            }
            _ => {
                self.heard.insert(
                    member.addr,
                    Heard {
                        boot: member.boot,
                        session: *session,
                        has_answered: false,
                    },
                );
                Hearing::First
            }
        }
    }

    /// Whether this is the session under which the member has answered at its own address.
    pub(super) fn is_known_as(&self, member: Owner, session: &Session) -> bool {
        self.heard.get(&member.addr).is_some_and(|heard| {
            heard.boot == member.boot && heard.session == *session && heard.has_answered
        })
    }

    /// A live member has answered, under this session, what was sent to its address.
    pub(super) fn answered(&mut self, member: Owner, session: Session) {
        let heard = Heard {
            boot: member.boot,
            session,
            has_answered: true,
        };
        self.heard.insert(member.addr, heard);
    }

    /// A process is no live member any more: what it has shown says nothing of what it hears now.
    pub(super) fn forget(&mut self, owner: &Owner) {
        if self
            .heard
            .get(&owner.addr)
            .is_some_and(|heard| heard.boot == owner.boot)
        {
            self.heard.remove(&owner.addr);
        }
        let of_it: Vec<_> = self
            .proven
            .iter()
            .filter(|(_, proof)| proof.bearer == *owner)
            .map(|(addr, proof)| (proof.until, *addr))
            .collect();
        for end in of_it {
            self.ends.remove(&end);
            self.proven.remove(&end.1);
        }
    }

    /// How many addresses are proven, and how many datagrams wait.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.proven.len(), self.parked.len())
    }

    /// How many members' sessions are known.
    pub(super) fn heard(&self) -> usize {
        self.heard.len()
    }

    /// Keeps the first datagram of an unproven sender for a moment. Says whether there was room.
    pub(super) fn park(
        &mut self,
        now: Instant,
        addr: SocketAddr,
        header: &Header,
        body: &[u8],
    ) -> bool {
        // Few enough to look at all of them.
        self.parked.retain(|_, (until, ..)| *until >= now);
        let sender = (addr, header.session);
        if self.parked.contains_key(&sender) {
            return true;
        }
        let has_room = self.parked.len() < MOST_PARKED;
        if has_room {
            self.parked
                .insert(sender, (now + PARKED_FOR, *header, body.to_vec()));
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

    fn owner(port: u16) -> Owner {
        Owner {
            addr: addr(port),
            boot: 7,
        }
    }

    const SESSION: Session = [1; 16];
    const OTHER: Session = [2; 16];

    const fn header(session: Session) -> Header {
        Header {
            key_id: 0,
            session,
            nonce: 0,
        }
    }

    const HEADER: Header = header(SESSION);

    fn is_proven(
        proofs: &Proofs,
        now: Instant,
        addr: SocketAddr,
        session: &Session,
        is_live: impl Fn(&Owner) -> bool,
    ) -> bool {
        proofs.bearer(now, addr, session, is_live).is_some()
    }

    fn proofs() -> Proofs {
        Proofs::new([7; 32], 8)
    }

    const fn nobody(_: &Owner) -> bool {
        false
    }

    const fn everybody(_: &Owner) -> bool {
        true
    }

    #[test]
    fn a_cookie_is_good_for_its_address_and_for_a_minute_or_two() {
        let proofs = proofs();
        let cookie = proofs.cookie(at(59), addr(1));
        assert!(proofs.is_good(at(59), addr(1), cookie));
        assert!(proofs.is_good(at(119), addr(1), cookie));
        assert!(!proofs.is_good(at(120), addr(1), cookie));
        assert!(!proofs.is_good(at(59), addr(2), cookie));
        assert!(!Proofs::new([8; 32], 8).is_good(at(59), addr(1), cookie));
        assert!(!proofs.is_good(at(0), addr(1), 0));
    }

    #[test]
    fn a_proof_ends_and_gives_back_what_was_parked() {
        let mut proofs = proofs();
        proofs.park(at(0), addr(1), &HEADER, b"first");
        proofs.park(at(0), addr(1), &HEADER, b"second");
        let served = proofs.prove(at(1), addr(1), SESSION, owner(1), nobody);
        assert_eq!(served, Some((HEADER, b"first".to_vec())));
        let served = proofs.prove(at(1), addr(1), SESSION, owner(1), nobody);
        assert_eq!(served, None);
        assert!(is_proven(&proofs, at(121), addr(1), &SESSION, nobody));
        assert!(!is_proven(&proofs, at(122), addr(1), &SESSION, nobody));
        proofs.park(at(200), addr(2), &HEADER, b"late");
        let served = proofs.prove(at(202), addr(2), SESSION, owner(2), nobody);
        assert_eq!(served, None);
    }

    #[test]
    fn a_proof_holds_for_its_session_alone_and_while_its_bearer_lives() {
        let mut proofs = proofs();
        proofs.park(at(0), addr(1), &header(OTHER), b"forged");
        let served = proofs.prove(at(0), addr(1), SESSION, owner(1), everybody);
        assert_eq!(served, None, "another session's proof serves nothing");
        assert!(!is_proven(&proofs, at(0), addr(1), &OTHER, everybody));
        assert!(is_proven(&proofs, at(9_000), addr(1), &SESSION, everybody));
        // Others come and go: the live one's is renewed.
        proofs.prove(at(9_000), addr(2), SESSION, owner(2), everybody);
        assert!(is_proven(&proofs, at(9_001), addr(1), &SESSION, nobody));
        proofs.forget(&owner(1));
        assert!(!is_proven(&proofs, at(9_001), addr(1), &SESSION, everybody));
        assert_eq!(proofs.proven.len(), proofs.ends.len());
    }

    #[test]
    fn a_members_session_is_the_first_until_another_answers() {
        let mut proofs = proofs();
        assert_eq!(proofs.hear(owner(1), &SESSION), Hearing::First);
        assert_eq!(proofs.hear(owner(1), &OTHER), Hearing::Another);
        proofs.answered(owner(1), OTHER);
        assert_eq!(proofs.hear(owner(1), &OTHER), Hearing::Answered);
        assert_eq!(proofs.hear(owner(1), &SESSION), Hearing::Another);
        let reborn = Owner {
            boot: 8,
            ..owner(1)
        };
        assert_eq!(proofs.hear(reborn, &SESSION), Hearing::First);
        proofs.forget(&owner(1));
        assert_eq!(proofs.heard(), 1, "that was an earlier one");
        proofs.forget(&reborn);
        assert_eq!(proofs.heard(), 0);
    }

    #[test]
    fn both_lists_are_bounded() {
        for is_live in [nobody, everybody] {
            let mut proofs = proofs();
            for port in 0..10_000 {
                proofs.park(at(0), addr(port), &HEADER, b"x");
                let now = at(u64::from(port));
                proofs.prove(now, addr(port), SESSION, owner(port), is_live);
                proofs.park(at(0), addr(port), &HEADER, b"x");
            }
            assert!(proofs.parked.len() <= MOST_PARKED);
            assert!(proofs.proven.len() <= MOST_PROVEN);
            assert!(proofs.proven.contains_key(&addr(9_999)), "the newest is in");
            assert_eq!(proofs.proven.len(), proofs.ends.len());
        }
    }

    #[test]
    fn what_has_ended_is_forgotten_long_before_a_bound_is_reached() {
        let mut proofs = proofs();
        for port in 1..=1_000 {
            proofs.prove(at(port.into()), addr(port), SESSION, owner(port), nobody);
            proofs.park(at(port.into()), addr(port + 2_000), &HEADER, b"x");
        }
        assert_eq!(proofs.size(), (121, 2));
        assert_eq!(proofs.proven.len(), proofs.ends.len());
    }
}
