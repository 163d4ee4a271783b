//! The writing side of the table: whose records there are, and which of them can be seen.
//!
//! Each concern has a file of its own; what is asked of the replica as a whole is here:
//!
//! | file | concern |
//! |---|---|
//! | `apply` | a record is offered: whether it is taken, and what it replaces |
//! | `owners` | an owner comes, fails, leaves or is replaced |
//! | `expiry` | what ends by itself, when its time is up |
//! | `bounds` | how much is held, and for how long |
//! | `holding` | what is held of one owner |
//! | `books` | the counters, sums and deadlines that change with it |
//!
//! # Invariants
//!
//! 1. A record is visible if and only if its owner is live, or failed less than
//!    [`Limits::failure_grace`] ago.
//! 2. For each owner and service there is one record, and its `seq` never goes back while it is
//!    known. Forgotten are empty lists, after a time, and owners that are not live.
//! 3. The fingerprint covers exactly the records of live owners that are not empty lists. That an
//!    owner is leaving ([`LEAVING`](super::LEAVING)) counts.
//! 4. Every visible change is told by an [`Event`], and no event about an instance is emitted
//!    without one: replayed from the start, the events give what readers see. Stale instances
//!    ([`Replica::show_stale`]) are the exception: no event tells of them.
//! 5. What is held for owners that are not live is bounded in number, bytes and time.
//!
//! `tests/model.rs` holds all of it against a model that keeps only the records and counts the rest
//! anew.

mod apply;
mod books;
mod bounds;
mod expiry;
mod holding;
mod owners;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use holding::{Holding, Standing};

use super::{
    directory::Directory,
    event::{Event, Told},
    fingerprint::Fingerprint,
    instant::Instant,
    record::{Owner, Record},
    visible::Visible,
};
use crate::registry::ServiceInstance;

pub use apply::Applied;
pub use bounds::{Bound, Limits};

/// The replica that one node holds of everybody's records.
#[derive(Debug)]
pub struct Replica {
    limits: Limits,
    owners: BTreeMap<Owner, Holding>,
    visible: Visible,
    fingerprint: Fingerprint,
    deadlines: BTreeSet<(Instant, Owner, Option<Arc<str>>)>,
    /// The addresses of failed owners whose end was told since they were taken last.
    gone: BTreeSet<SocketAddr>,
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
            gone: BTreeSet::new(),
            live: 0,
            waiting: 0,
            bytes: 0,
            waiting_bytes: 0,
            records: 0,
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
        let told = self.visible.take_events().into_iter();
        told.map(|told| told.event).collect()
    }

    /// The same, with what was before each update.
    pub(crate) fn take_told(&mut self) -> VecDeque<Told> {
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

    /// Whether the owner has been declared failed and its records are still visible.
    pub fn is_failing(&self, owner: Owner) -> bool {
        matches!(self.standing(owner), Some(Standing::Failing { .. }))
    }

    /// The addresses of owners that were [failing](Self::is_failing) and are no longer, except for those that live, since
    /// this was called last.
    pub fn take_gone(&mut self) -> BTreeSet<SocketAddr> {
        std::mem::take(&mut self.gone)
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
