//! A record is offered: whether it is taken, and what it replaces.
//!
//! Only what supersedes the record that is held is taken, and only within the
//! [`Limits`](super::Limits): one that is refused changes nothing. At one bound something makes
//! room: of an owner with as many records as it may have, the empty list goes that would be
//! forgotten first.

use super::{Bound, Instant, Record, Replica, Standing};

/// What became of a record that was offered to the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is newer than what was held, and its owner is live.
    New,
    /// It is newer than what was held; its owner never was live, so it waits out of sight.
    Waiting,
    /// It is newer than what was held; its owner has failed, so it is kept out of sight in case it returns.
    Parked,
    /// Exactly this is held already.
    Same,
    /// What is held supersedes it.
    Stale,
    /// A bound was reached; the replica is unchanged.
    Refused(Bound),
}

impl Replica {
    /// Offers a record.
    pub fn apply(&mut self, now: Instant, record: Record) -> Applied {
        let owner = record.owner();
        if let Some(held) = self.record(owner, record.service()) {
            if held.hash() == record.hash() {
                return Applied::Same;
            }
            if !record.supersedes(held) {
                return Applied::Stale;
            }
        }
        if let Err(bound) = self.admit(&record) {
            return Applied::Refused(bound);
        }
        self.make_room(&record);
        if !self.owners.contains_key(&owner) {
            let until = now + self.limits.wait_for;
            self.set_standing(owner, Standing::Waiting { until });
        }
        self.remember_until(now + self.limits.forget_empty_after, &record);
        let applied = self.put(record);
        if matches!(self.owners[&owner].standing, Standing::Failing { .. })
            && self.has_said_goodbye(owner)
        {
            // The word that it leaves came after the word that it is gone.
            self.left(owner);
        }
        applied
    }

    /// Notes when an empty list may be forgotten, or that this one is not empty.
    fn remember_until(&mut self, forget_at: Instant, record: &Record) {
        let (owner, service) = (record.owner(), record.service());
        let holding = self
            .owners
            .get_mut(&owner)
            .expect("the caller made sure the owner is known");
        if let Some(earlier) = holding.forget.remove(service) {
            self.deadlines
                .remove(&(earlier, owner, Some(service.clone())));
        }
        if record.is_tombstone() {
            holding.forget.insert(service.clone(), forget_at);
            self.deadlines
                .insert((forget_at, owner, Some(service.clone())));
        }
    }

    /// Replaces the record of its owner and service; bounds have been checked, and the owner is known.
    fn put(&mut self, record: Record) -> Applied {
        let (owner, service) = (record.owner(), record.service().clone());
        let holding = self
            .owners
            .get_mut(&owner)
            .expect("the caller made sure the owner is known");
        let cost = record.cost_bytes();
        let standing = holding.standing;
        let previous = holding.records.insert(record.clone());
        let freed = previous.as_ref().map_or(0, Record::cost_bytes);
        holding.bytes = holding.bytes + cost - freed;
        self.bytes = self.bytes + cost - freed;
        self.records += usize::from(previous.is_none());
        if matches!(standing, Standing::Waiting { .. }) {
            self.waiting_bytes = self.waiting_bytes + cost - freed;
        }
        if standing == Standing::Live {
            if let Some(previous) = previous.as_ref().filter(|record| !record.is_tombstone()) {
                self.fingerprint.remove(previous.hash());
            }
            if !record.is_tombstone() {
                self.fingerprint.add(record.hash());
            }
        }
        match standing {
            Standing::Live | Standing::Failing { .. } => {
                let before = previous.as_ref().map_or(&[][..], Record::instances);
                self.visible
                    .replace(owner, &service, before, record.instances());
                Applied::New
            }
            Standing::Parked { .. } => Applied::Parked,
            Standing::Waiting { .. } => Applied::Waiting,
        }
    }

    fn admit(&self, record: &Record) -> Result<(), Bound> {
        let holding = self.owners.get(&record.owner());
        let held = holding.and_then(|holding| holding.records.get(record.service()));
        let cost = record.cost_bytes();
        // What is replaced makes room, or nothing could be taken back at the bound.
        let freed = held.map_or(0, Record::cost_bytes);
        if self.bytes - freed + cost > self.limits.table_bytes {
            return Err(Bound::TableBytes);
        }
        if holding.is_none() && self.waiting >= self.limits.absent_owners {
            return Err(Bound::AbsentOwners);
        }
        let waits = holding.is_none_or(|h| matches!(h.standing, Standing::Waiting { .. }));
        if waits && self.waiting_bytes - freed + cost > self.limits.waiting_bytes {
            return Err(Bound::WaitingBytes);
        }
        // Empty lists make room, see below.
        let kept = holding.map_or(0, |holding| holding.records.len() - holding.forget.len());
        if held.is_none() && kept >= self.limits.records_per_owner {
            return Err(Bound::RecordsPerOwner);
        }
        Ok(())
    }

    /// An owner at its bound of records loses the empty list that would be forgotten first: whoever
    /// registers under ever new names must not be stopped by the memory of old ones.
    fn make_room(&mut self, record: &Record) {
        let owner = record.owner();
        let Some(holding) = self.owners.get(&owner) else {
            return;
        };
        let known = holding.records.contains(record.service());
        if known || holding.records.len() < self.limits.records_per_owner {
            return;
        }
        let first = holding
            .forget
            .iter()
            .min_by_key(|(service, at)| (*at, *service));
        if let Some((service, at)) = first.map(|(service, at)| (service.clone(), *at)) {
            self.deadlines.remove(&(at, owner, Some(service.clone())));
            self.forget_empty(owner, &service);
        }
    }
}
