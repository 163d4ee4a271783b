//! What the membership says of an owner, and what that means for its records.
//!
//! An owner that joins shows what waited for it. One that has said goodbye, or whose address another
//! process has taken over, takes its records along at once. One that failed stays visible for a
//! moment, and is then kept out of sight in case it returns: both end by time, in `expiry`.

use super::{Event, Instant, Owner, Replica, Standing};
use crate::table::LEAVING;

impl Replica {
    /// The owner is a live member now: what it has registered becomes visible. Says whether that waited for it.
    pub fn owner_up(&mut self, owner: Owner) -> bool {
        let before = self.standing(owner);
        if before == Some(Standing::Live) {
            return false;
        }
        self.set_standing(owner, Standing::Live);
        let holding = &self.owners[&owner];
        for record in holding.counted() {
            self.fingerprint.add(record.hash());
        }
        match before {
            Some(Standing::Failing { .. }) => {}
            Some(Standing::Parked { .. }) => {
                for record in holding.records.iter() {
                    self.visible
                        .show(owner, record.service(), record.instances());
                }
                let instances = holding.instances();
                self.visible.tell(Event::Recovered {
                    member: owner,
                    instances,
                });
            }
            _ => {
                self.visible.tell(Event::Joined { member: owner });
                for record in holding.records.iter() {
                    self.visible
                        .replace(owner, record.service(), &[], record.instances());
                }
            }
        }
        matches!(before, Some(Standing::Waiting { .. }))
    }

    /// The owner is this node itself: live from the start, and without a word. What others have
    /// said in its name before does not count.
    pub fn adopt(&mut self, owner: Owner) {
        self.retire(owner);
        self.set_standing(owner, Standing::Live);
    }

    /// The owner was this node, which bears another boot now: its records go, one by one.
    pub fn retire(&mut self, owner: Owner) {
        let Some(holding) = self.owners.get(&owner) else {
            return;
        };
        if matches!(holding.standing, Standing::Live | Standing::Failing { .. }) {
            for record in holding.records.iter() {
                self.visible
                    .replace(owner, record.service(), record.instances(), &[]);
            }
        }
        self.drop_owner(owner);
    }

    /// The owner is no longer a member. One that has said that it leaves goes at once; one that
    /// failed stays visible for a moment, in which it may turn out to be alive.
    pub fn owner_down(&mut self, now: Instant, owner: Owner) {
        let Some(holding) = self.owners.get(&owner) else {
            return;
        };
        if holding.standing != Standing::Live {
            return;
        }
        if self.has_said_goodbye(owner) {
            self.left(owner);
        } else {
            self.withdraw_hashes(owner);
            let until = now + self.limits.failure_grace;
            self.set_standing(owner, Standing::Failing { until });
        }
    }

    /// Another process has taken over the owner's address: its records end at once.
    pub fn owner_replaced(&mut self, owner: Owner) {
        let Some(holding) = self.owners.get(&owner) else {
            return;
        };
        let could_be_seen = matches!(holding.standing, Standing::Live | Standing::Failing { .. });
        if could_be_seen && self.has_said_goodbye(owner) {
            return self.left(owner);
        }
        let instances = self.drop_owner(owner);
        if could_be_seen {
            self.visible.tell(Event::Failed {
                member: owner,
                instances,
            });
        }
    }

    pub(super) fn left(&mut self, owner: Owner) {
        let instances = self.drop_owner(owner);
        self.visible.tell(Event::Left {
            member: owner,
            instances,
        });
    }

    /// Whether the owner has said that it is leaving.
    pub fn has_said_goodbye(&self, owner: Owner) -> bool {
        self.owners
            .get(&owner)
            .is_some_and(|holding| holding.records.contains(LEAVING))
    }
}
