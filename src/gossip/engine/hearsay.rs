//! What a peer that we reconcile with says of members.
//!
//! # Word of a death
//!
//! Down is terminal, so a peer's word alone never makes it true here: it is imported as a suspicion,
//! with our own timer, and the member and others are asked at once. If it lives it refutes, and the peer, who
//! holds it dead, is the one who has to learn.
//!
//! Bounds: what we send because of such words comes from a budget of its own; what it does not cover is heard again.

use super::{Engine, inquiries::For, verifying::Teller};
use crate::gossip::{
    Now,
    at_limit::Limit,
    identity::PeerId,
    wire::{
        message::{Health, MemberItem, Standing},
        word::Word,
    },
};

impl Engine {
    /// A peer says how it believes a member to be.
    pub(super) fn member_listed(
        &mut self,
        now: Now,
        teller: &Teller,
        item: MemberItem,
        word: Word,
    ) {
        let id = PeerId::from(item.id);
        if id.addr == self.me.addr {
            if id != self.me {
                let by = self.sync.peer().unwrap_or(id.addr);
                self.address_claimed(now, by, id);
            } else if item.health != Health::Alive {
                // It will hear from us that we live, or tell us in its welcome that we are dead.
                if let Some(peer) = self.sync.peer()
                    && self.may_act_on_hearsay(now, id)
                {
                    self.say_hello(now, peer, 0);
                }
            }
            return;
        }
        if !self.feeds_foca() {
            return;
        }
        let is_known = self.members.get(id.addr).is_some();
        // Death of somebody unknown is no news.
        if !is_known && item.health == Health::Down || !self.is_admissible(now, &id, 0) {
            return;
        }
        if item.health != Health::Down {
            self.word_heard(teller, &id, word);
            let state = (item.incarnation, item.health);
            if !self.is_let_in(now, teller, id, state, word) {
                self.sync_withholds();
                return;
            }
        }
        let known = self
            .members
            .get(id.addr)
            .map(|peer| (peer.id, peer.incarnation, peer.health));
        match (known, item.health) {
            (Some((known_id, ..)), _) if known_id.supersedes(&id) => {}
            (Some((known_id, _, Health::Suspect)), Health::Down) => {
                let suspicion = self.suspicions.get(&id.addr);
                if known_id == id && suspicion.is_some_and(|suspicion| !suspicion.is_ours) {
                    self.accuse(now, id);
                }
            }
            (Some((known_id, _, Health::Down)), health) => {
                if known_id != id {
                    if health != Health::Down {
                        self.learn(now, id, item.incarnation, health, true);
                    }
                } else if health != Health::Down {
                    // Alive there, dead here: if it lives, it has to be reborn, so tell it.
                    if self.may_act_on_hearsay(now, id) {
                        self.say_hello(now, id.addr, 0);
                    }
                }
            }
            (Some((known_id, incarnation, Health::Alive)), Health::Down) => {
                if known_id == id {
                    if self.may_act_on_hearsay(now, id) {
                        self.import_death(now, id, incarnation);
                    }
                } else if self.may_act_on_hearsay(now, id) {
                    // A later process was on that address and is gone; the one that lives there has a clock that
                    // was set back, and others will not take it in before it bears a higher identity.
                    let known = Standing {
                        boot: id.boot,
                        renewal: id.renewal,
                        health: Health::Down,
                    };
                    self.call(now, id.addr, 0, Some(known));
                }
            }
            (known, health) => {
                let fresh = known.is_none_or(|(known_id, incarnation, _)| {
                    known_id != id || item.incarnation > incarnation || health == Health::Suspect
                });
                if fresh {
                    self.sync_moved(now);
                    self.learn(now, id, item.incarnation, health, false);
                }
            }
        }
    }

    /// Whether a peer's word about a member may make us send something: one datagram of its could name forty.
    fn may_act_on_hearsay(&mut self, now: Now, about: PeerId) -> bool {
        let may = self.hearsay_budget.take(now.instant);
        if !may {
            self.refuse(now.instant, Limit::Hearsay, about.addr);
        }
        may
    }

    /// Whether word of a death is looked into that SWIM spreads: this node suspects most members,
    /// and that one has answered it. The two were cut off together, it seems, and those who tell of the
    /// death are those who could not reach it.
    pub(super) fn doubts_death(&self, now: Now, id: &PeerId) -> bool {
        self.config.detection.local_verdicts
            && self.is_member(id)
            && self.suspicions.len() * 2 > self.members.active_len()
            && self.was_heard_in_sweep(now, id.addr)
    }

    /// Somebody tells of a death that this node doubts.
    pub(super) fn look_into_death(&mut self, now: Now, id: PeerId) {
        let Some(peer) = self.members.get(id.addr).copied() else {
            return;
        };
        if self.may_act_on_hearsay(now, id) {
            self.import_death(now, id, peer.incarnation);
        }
    }

    /// A peer holds a member dead that we hold alive: suspect it, and ask it at once.
    fn import_death(&mut self, now: Now, id: PeerId, incarnation: u16) {
        self.sync_moved(now);
        self.learn(now, id, incarnation, Health::Suspect, true);
        self.accuse(now, id);
        // A member that waits to be reborn refutes nothing, and answers all the same.
        self.inquire(now, id, For::Us);
    }
}
