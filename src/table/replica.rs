//! The writing side of the table: whose records there are, and which of them can be seen.
//!
//! # Invariants
//!
//! 1. A record is visible if and only if its owner is live, or failed less than
//!    [`Limits::failure_grace`] ago.
//! 2. For each owner and service there is one record, and its `seq` never goes back while it is
//!    known. Forgotten are empty lists, after a time, and owners that are not live.
//! 3. The fingerprint covers exactly the records of live owners that are not empty lists. That an
//!    owner is leaving ([`LEAVING`]) counts.
//! 4. Every visible change is told by an [`Event`], and no event about an instance is emitted
//!    without one: replayed from the start, the events give what readers see. Stale instances
//!    ([`Replica::show_stale`]) are the exception: no event tells of them.
//! 5. What is held for owners that are not live is bounded in number, bytes and time.
//!
//! `tests/model.rs` holds all of it against a model that keeps only the records and counts the rest
//! anew.

mod books;
mod bounds;
mod holding;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use holding::{Holding, Standing};

use super::{
    directory::Directory,
    event::Event,
    fingerprint::Fingerprint,
    instant::Instant,
    record::{LEAVING, Owner, Record},
    visible::Visible,
};
use crate::registry::ServiceInstance;

pub use bounds::{Bound, Limits};

/// What became of a record that was offered to the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is newer than what was held, and its owner is live.
    New,
    /// It is newer than what was held; its owner is not live, so it waits out of sight.
    Waiting,
    /// Exactly this is held already.
    Same,
    /// What is held supersedes it.
    Stale,
    /// A bound was reached; the replica is unchanged.
    Refused(Bound),
}

/// The replica that one node holds of everybody's records.
#[derive(Debug)]
pub struct Replica {
    limits: Limits,
    owners: BTreeMap<Owner, Holding>,
    visible: Visible,
    fingerprint: Fingerprint,
    deadlines: BTreeSet<(Instant, Owner, Option<Arc<str>>)>,
    live: usize,
    waiting: usize,
    bytes: usize,
    waiting_bytes: usize,
    records: usize,
}

impl Replica {
    /// An empty replica.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            owners: BTreeMap::new(),
            visible: Visible::default(),
            fingerprint: Fingerprint::default(),
            deadlines: BTreeSet::new(),
            live: 0,
            waiting: 0,
            bytes: 0,
            waiting_bytes: 0,
            records: 0,
        }
    }

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
            Standing::Parked { .. } | Standing::Waiting { .. } => Applied::Waiting,
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

    /// The owner is a live member now: what it has registered becomes visible.
    pub fn owner_up(&mut self, owner: Owner) {
        let before = self.standing(owner);
        if before == Some(Standing::Live) {
            return;
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

    fn left(&mut self, owner: Owner) {
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

    /// The record of `owner` for `service`, visible or not.
    pub fn record(&self, owner: Owner, service: &str) -> Option<&Record> {
        self.owners.get(&owner)?.records.get(service)
    }

    /// The records of live owners, empty lists included, ordered by owner and service, from just
    /// after `after`.
    pub fn live_records_after<'a>(
        &'a self,
        after: Option<(Owner, &str)>,
    ) -> impl Iterator<Item = &'a Record> {
        let start = after.map(|(owner, _)| owner);
        let after = after.map(|(owner, service)| (owner, Arc::<str>::from(service)));
        let owners = match start {
            Some(owner) => self.owners.range(owner..),
            None => self.owners.range(..),
        };
        owners
            .filter(|(_, holding)| holding.standing == Standing::Live)
            .flat_map(|(_, holding)| holding.records.iter())
            .skip_while(move |record| {
                after.as_ref().is_some_and(|(owner, service)| {
                    (record.owner(), record.service()) <= (*owner, service)
                })
            })
    }

    /// The sum over the live owners' records.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// What happened since this was called last.
    pub fn take_events(&mut self) -> VecDeque<Event> {
        self.visible.take_events()
    }

    /// Says in the event stream what only the membership knows.
    pub fn tell(&mut self, event: Event) {
        self.visible.tell(event);
    }

    /// Makes every change since the last call visible to readers.
    pub fn publish(&mut self, directory: &Directory) {
        self.visible.publish(directory);
    }

    /// Shows instances that are remembered from an earlier run, as stale, until [`Self::drop_stale`], until
    /// [`Self::expire_stale`] is called after `until`, or until the table holds one of the same service and id. The caller
    /// bounds how many.
    pub fn show_stale(
        &mut self,
        instances: impl IntoIterator<Item = Arc<ServiceInstance>>,
        until: Instant,
    ) {
        self.visible.show_stale(instances, until);
    }

    /// Shows those no more that are too old by now.
    pub fn expire_stale(&mut self, now: Instant) {
        self.visible.expire_stale(now);
    }

    /// When the next one is too old.
    pub fn stale_until(&self) -> Option<Instant> {
        self.visible.stale().expires_at()
    }

    /// From now on only what the table holds is shown.
    pub fn drop_stale(&mut self) {
        self.visible.drop_stale();
    }

    /// How many stale instances are shown.
    pub fn stale(&self) -> usize {
        self.visible.stale().len()
    }

    /// Whether any is shown.
    pub fn is_stale(&self) -> bool {
        !self.visible.stale().is_empty()
    }

    /// All records, visible or not, ordered by owner and service.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let holdings = self.owners.values();
        holdings.flat_map(|holding| holding.records.iter())
    }

    /// Whether anything is known of that owner: it is live, has failed, or is waited for.
    pub fn knows(&self, owner: Owner) -> bool {
        self.owners.contains_key(&owner)
    }

    /// The records of one owner, visible or not, by service.
    pub fn records_of(&self, owner: Owner) -> impl Iterator<Item = &Record> {
        let holding = self.owners.get(&owner).into_iter();
        holding.flat_map(|holding| holding.records.iter())
    }

    /// What the records of owners that have not been members yet cost, in bytes.
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// How many owners are known that are not live.
    pub fn absent_owners(&self) -> usize {
        self.owners.len() - self.live
    }

    /// How many owners are known that never were live.
    pub const fn waiting_owners(&self) -> usize {
        self.waiting
    }

    /// How many owners and empty lists are to be forgotten, or hidden, some time.
    pub fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    /// How many records are held, and what they cost in bytes.
    pub const fn size(&self) -> (usize, usize) {
        (self.records, self.bytes)
    }
}
