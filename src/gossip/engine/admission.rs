//! What of a packet is let in: to our books, and to foca.
//!
//! Before foca sees a packet, what it must not see is taken out: word of our own address (foca would pass a higher boot on as
//! down, trap 11), boots from the far future, strangers beyond the bound or too many at once, all that one says who is
//! held dead, and a target that is no member. What foca would not take in anyway takes nobody's turn.
//!
//! What is said of this node itself is about nobody who would have to be let in: whatever limit is reached, a suspicion of it is
//! heard, and can be refuted.

use super::{Engine, verifying::Teller};
use crate::gossip::{
    Now,
    at_limit::Limit,
    boots::New,
    foca_runtime::foca_config,
    identity::PeerId,
    wire::swim::{HEAD_BYTES, SwimPacket, Words, health},
};

impl Engine {
    /// Whether what is said of an identity can be believed. At the bound of members a stranger is
    /// refused, and nobody is put out for one. `coming` strangers are about to be let in already.
    pub(super) fn is_admissible(&mut self, now: Now, id: &PeerId, coming: usize) -> bool {
        let known = self.members.get(id.addr).is_some();
        let room = known || self.members.len() + coming < self.config.max_members;
        let admissible = room && id.is_reachable() && !id.is_from_the_future(now.unix_ms);
        self.stats.updates_refused += u64::from(!admissible);
        if !room {
            self.refuse(now.instant, Limit::Members, id.addr);
        }
        admissible
    }

    /// Whether an identity that is to be let in is none, or not one too many, of those that are new.
    pub(super) fn may_boot(&mut self, now: Now, id: &PeerId) -> bool {
        let new = match self.members.get(id.addr).map(|peer| peer.id) {
            None => New::Stranger,
            Some(known) if !id.supersedes(&known) => return true,
            Some(known) if known.boot == id.boot => New::Rebirth,
            Some(_) => New::Boot,
        };
        let admitted = self.boots.admit(now.instant, id.addr, new);
        if !admitted {
            self.stats.updates_refused += 1;
            self.refuse(now.instant, Limit::Boots, id.addr);
        }
        admitted
    }

    /// Whether foca takes anything from this sender: not from one that it holds dead, nor from one that another identity has
    /// replaced.
    pub(super) fn hears(&self, src: &PeerId) -> bool {
        self.members.get(src.addr).is_none_or(|peer| {
            if peer.id == *src {
                peer.is_active()
            } else {
                src.supersedes(&peer.id)
            }
        })
    }

    /// Whether foca would refuse a packet for its size. Only a large one has to be written to be measured: what it may bring
    /// that foca is not shown counts for nothing.
    pub(super) fn is_too_large_for_foca(&self, wire_bytes: usize, packet: &SwimPacket) -> bool {
        let most = foca_config(&self.config, 1).max_packet_size.get();
        if wire_bytes + HEAD_BYTES <= most {
            return false;
        }
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        bytes.len() > most
    }

    /// Takes word of our own address out of a packet, and has it looked into.
    pub(super) fn hear_rivals(&mut self, now: Now, packet: &mut SwimPacket) {
        let mut rivals = Vec::new();
        packet.updates.retain(|update| {
            let id = update.id();
            let is_rival = id.addr == self.me.addr && *id != self.me;
            if is_rival {
                rivals.push(*id);
            }
            !is_rival
        });
        // A packet has room for many. All say that somebody makes claims; the highest says enough.
        if let Some(rival) = rivals.into_iter().max() {
            self.address_claimed(now, packet.header.src.addr, rival);
        }
    }

    /// Takes out what is known, and what is not let in.
    pub(super) fn filter_updates(
        &mut self,
        now: Now,
        teller: &Teller,
        packet: &mut SwimPacket,
        words: &Words,
    ) {
        // The sender itself may be a stranger.
        let mut coming = usize::from(self.members.get(packet.header.src.addr).is_none());
        let mut suspicion_of_us = self.suspicion_of_us(packet);
        let mut doubtful = Vec::new();
        packet.updates.retain(|update| {
            let id = update.id();
            if update.state() == foca::State::Down && self.doubts_death(now, id) {
                doubtful.push(*id);
                return false;
            }
            if *id == self.me {
                // That is about nobody who would have to be let in. That we are dead our peers tell us themselves.
                let is_heard = update.state() == foca::State::Suspect
                    && suspicion_of_us == Some(update.incarnation());
                suspicion_of_us = suspicion_of_us.filter(|_| !is_heard);
                return is_heard;
            }
            let word = words.get(id).copied().unwrap_or_default();
            self.word_heard(teller, id, word);
            let known = self.members.get(id.addr);
            let is_news = known.is_none_or(|peer| {
                peer.is_changed_by(id, update.incarnation(), health(update.state()))
            });
            // Most of what comes is known: foca would search its list for each, to find that nothing changes.
            // And death of somebody unknown is no news, and would fill the list with the dead.
            let is_stranger = known.is_none();
            if !is_news || is_stranger && update.state() == foca::State::Down {
                return false;
            }
            let state = (update.incarnation(), health(update.state()));
            let admissible = self.is_admissible(now, id, coming)
                && self.is_let_in(now, teller, *id, state, word);
            coming += usize::from(admissible && is_stranger);
            admissible
        });
        for id in doubtful {
            self.look_into_death(now, id);
        }
    }

    /// The incarnation at which a packet says that we are suspected, the highest one of several: foca answers each with
    /// a round of gossip, and to refute that one is to refute them all.
    fn suspicion_of_us(&self, packet: &SwimPacket) -> Option<u16> {
        let updates = packet.updates.iter();
        let suspicions = updates
            .filter(|update| *update.id() == self.me && update.state() == foca::State::Suspect);
        suspicions.map(foca::Member::incarnation).max()
    }

    /// Whom foca would send to because the packet names it is a live member; foca itself sends to any address that is named. A packet
    /// that names another keeps its updates.
    pub(super) fn check_target(&mut self, packet: &mut SwimPacket) {
        let (foca::Message::PingReq { target, .. } | foca::Message::IndirectAck { target, .. }) =
            &packet.header.message
        else {
            return;
        };
        if !self.members.is_active(target.addr) {
            self.stats.updates_refused += 1;
            packet.header.message = foca::Message::Gossip;
        }
    }
}
