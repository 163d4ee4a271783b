//! What ends by itself, when its time is up: the failed are hidden, and then forgotten as the absent
//! and the empty lists are.
//!
//! Nothing looks at a clock: what was due between two calls is done at the next one, in the order in
//! which it fell due.

use super::{Event, Instant, Owner, Replica, Standing};

impl Replica {
    /// When something is due next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    /// Does what is due: hides the failed, forgets the absent and the empty.
    pub fn expire(&mut self, now: Instant) {
        while let Some((at, owner, service)) = self.deadlines.first().cloned() {
            if at > now {
                break;
            }
            self.deadlines.pop_first();
            match service {
                Some(service) => self.forget_empty(owner, &service),
                None => self.standing_ended(at, owner),
            }
        }
    }

    fn standing_ended(&mut self, at: Instant, owner: Owner) {
        let Some(holding) = self.owners.get(&owner) else {
            return;
        };
        match holding.standing {
            Standing::Failing { until } if until == at => {
                let instances = holding.instances();
                for record in holding.records.iter() {
                    self.visible
                        .hide(owner, record.service(), record.instances());
                }
                self.visible.tell(Event::Failed {
                    member: owner,
                    instances,
                });
                self.set_standing(
                    owner,
                    Standing::Parked {
                        until: at + self.limits.park_for,
                    },
                );
            }
            Standing::Parked { until } | Standing::Waiting { until } if until == at => {
                self.drop_owner(owner);
            }
            _ => {}
        }
    }
}
