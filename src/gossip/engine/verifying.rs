//! Who is let in on whose word.
//!
//! A process that nobody here knows, or another one on an address that is known, becomes a member once it is verified
//! ([`verified`](crate::gossip::verified)); until then it is a candidate
//! ([`candidates`](crate::gossip::candidates)), outside the membership, and the process that has its address stays.
//! What is said of the process that is a member goes through as it comes.
//!
//! Pings are those of inquiries, with tokens of their own.

use std::net::SocketAddr;

use super::{Engine, TimerKey};
use crate::gossip::{
    Now,
    at_limit::Limit,
    candidates::{Candidate, Heard, Said},
    identity::PeerId,
    stats::Cause,
    verified::Vouch,
    wire::{
        frame::Preamble,
        message::{Health, Message, Ping, Pong, addressee},
        swim::with_words,
        word::{SessionTag, Word},
    },
};

/// Who tells something of members, and how far that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Teller {
    pub(super) addr: SocketAddr,
    /// Whether its datagram is known to be its own, so that it may vouch.
    pub(super) counts: bool,
    /// Whether it introduces this node to the cluster: what it names is taken over.
    pub(super) introduces: bool,
}

impl Teller {
    /// One whose word counts for nothing.
    pub(super) const fn unproven(addr: SocketAddr) -> Self {
        Self {
            addr,
            counts: false,
            introduces: false,
        }
    }
}

impl Engine {
    /// Who has sent a datagram that tells something of members.
    pub(super) fn teller(&self, addr: SocketAddr, from: SocketAddr, preamble: &Preamble) -> Teller {
        let speaks = self.verified.speaks(addr, preamble.boot, &preamble.session);
        Teller {
            addr,
            counts: from == addr && speaks,
            introduces: false,
        }
    }

    /// Whether something that is said of a process is to be acted on: it is about a member, or its subject is verified now. It is
    /// kept as a candidate otherwise.
    pub(super) fn is_let_in(
        &mut self,
        now: Now,
        teller: &Teller,
        id: PeerId,
        (incarnation, health): (u16, Health),
        word: Word,
    ) -> bool {
        let known = self.members.get(id.addr).map(|peer| peer.id);
        if known.is_some_and(|known| known.boot >= id.boot) {
            // What a joiner takes over was there before it.
            return teller.introduces || self.may_boot(now, &id);
        }
        let vouch = word.vouch.filter(|_| teller.counts).map(|session| Vouch {
            by: teller.addr,
            session,
        });
        if teller.introduces {
            self.verified.introduced(&id, vouch);
            self.verified.announced(&id, word.capabilities);
            self.candidates.take(id.owner());
            return true;
        }
        let said = Said {
            id,
            incarnation,
            health,
            teller: teller.addr,
            vouch,
            suffices: teller.counts && self.verified.is_sole(teller.addr),
            capabilities: word.capabilities,
        };
        let token = self.new_token();
        match self.candidates.heard(now.instant, &said, token) {
            Heard::Nothing => false,
            Heard::Kept => {
                // Somebody else may know more of it.
                self.sync_unfinished();
                self.ping_candidates(now);
                false
            }
            Heard::NoRoom => {
                self.refuse(now.instant, Limit::Candidates, id.addr);
                false
            }
            Heard::Confirmed(session) => {
                if !self.may_boot(now, &id) {
                    return false;
                }
                self.stats.members_vouched += 1;
                match vouch.filter(|_| said.suffices) {
                    Some(vouch) => self.verified.introduced(&id, Some(vouch)),
                    None => self.verified.confirmed(&id, session),
                }
                self.verified.announced(&id, word.capabilities);
                true
            }
        }
    }

    /// A word about the process that is a member already: others may be told on the strength of it.
    pub(super) fn word_heard(&mut self, teller: &Teller, id: &PeerId, word: Word) {
        let is_known = self.members.get(id.addr);
        if is_known.is_none_or(|peer| peer.id.boot != id.boot) {
            return;
        }
        if let Some(session) = word.vouch.filter(|_| teller.counts) {
            let by = teller.addr;
            self.verified.heard(id, Vouch { by, session });
            self.verified.relayed(id, word.capabilities);
        }
    }

    /// A member has answered this node.
    pub(super) fn verify(&mut self, id: &PeerId, session: &[u8; 16]) {
        self.candidates.forgive(id.owner());
        let candidate = self.candidates.take(id.owner());
        self.verified.answered(id, SessionTag::of(session));
        if let Some(candidate) = candidate {
            self.verified.announced(id, candidate.capabilities);
        }
    }

    /// Lets the sender of a packet in: the process of a member, or an earlier one on its address. Any
    /// other is a candidate, which its own packet names.
    pub(super) fn let_sender_in(&mut self, now: Now, src: PeerId) -> Result<(), Cause> {
        let known = self.members.get(src.addr).map(|peer| peer.id);
        if known.is_some_and(|known| known.boot >= src.boot) {
            let may = self.may_boot(now, &src);
            return may.then_some(()).ok_or(Cause::NotAdmitted);
        }
        let teller = Teller::unproven(src.addr);
        let state = (0, Health::Alive);
        self.is_let_in(now, &teller, src, state, Word::default());
        Err(Cause::Unproven)
    }

    pub(super) fn ping_candidates(&mut self, now: Now) {
        while let Some((id, token)) = self.candidates.next_ping(now.instant) {
            let to = addressee(&id);
            self.send(now, id.addr, &Message::Ping(Ping { token, to }));
        }
        if let Some(due) = self.candidates.next_due(now.instant) {
            self.timers.set(TimerKey::Candidates, due);
        } else {
            self.timers.cancel(&TimerKey::Candidates);
        }
    }

    /// Takes in an answer that a candidate gives. Says whether it is one.
    pub(super) fn candidate_answered(&mut self, now: Now, preamble: &Preamble, pong: Pong) -> bool {
        let Some(owner) = self.candidates.answered(pong.token, preamble.boot) else {
            return false;
        };
        if let Some(candidate) = self.candidates.take(owner) {
            self.let_in(now, preamble, &candidate);
        } else if let Some(peer) = self.members.get(owner.addr)
            && peer.id.owner() == owner
        {
            // Others have vouched for it meanwhile.
            let id = peer.id;
            self.address_answered(now, &id, &preamble.session);
        }
        true
    }

    /// A candidate has answered: it is a member now, and others are told.
    fn let_in(&mut self, now: Now, preamble: &Preamble, candidate: &Candidate) {
        let (id, incarnation) = (candidate.id, candidate.incarnation);
        if self.is_admissible(now, &id, 0) && self.may_boot(now, &id) {
            self.stats.members_validated += 1;
            self.learn(now, id, incarnation, Health::Alive, true);
            self.address_answered(now, &id, &preamble.session);
            self.verified.announced(&id, candidate.capabilities);
        }
    }

    /// What is said to others of members beside their state, in a packet of foca's.
    pub(super) fn add_words(&self, bare: &[u8], room: usize) -> Vec<Vec<u8>> {
        let packets = with_words(bare, room, |id| self.verified.word(id));
        debug_assert!(packets.is_ok(), "foca wrote what we cannot read");
        packets.unwrap_or_default()
    }
}
