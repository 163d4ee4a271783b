//! What the file holds of earlier runs, and nobody has confirmed in this one.
//!
//! Two services that are restarted in one outage find each other, and each confirms what the other offers: their tables
//! are fit to be written, and everything else that they remembered would be lost with the file. So an instance of
//! the file stays in it, with the time at which it was last known to be there, until it is one of these:
//!
//! - *confirmed*: the table holds it. Then it is the table's, and what becomes of it is known;
//! - *superseded*: the table holds another instance of its service at one of its endpoints, or as many of its service as
//!   were remembered: these are its successors, under other ids as a rule;
//! - *gone*: it was deregistered, or its owner left or failed, while this process was there to hear it;
//! - *too old*: [`snapshot_max_age`](crate::node::NodeBuilder::snapshot_max_age) since it was last known to be there;
//! - one of more than [`UNCONFIRMED_MAX`]: those that were known last are kept.
//!
//! It is kept for the next start only. Readers are no longer shown it once the table is confirmed: what a live member
//! has never heard of is gone, as a rule, and only an outage makes it worth a try.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::registry::{Endpoint, ServiceInstance};
use crate::table::Event;

/// How many are kept in the file at most: more than a cluster of a thousand processes offers, and some 4 MiB.
pub(super) const UNCONFIRMED_MAX: usize = 16_384;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unconfirmed {
    /// When it was last in a table, in milliseconds since the Unix epoch.
    pub(super) confirmed_at_unix_ms: u64,
    pub(super) instance: Arc<ServiceInstance>,
}

/// All of them, by service.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    services: BTreeMap<String, Service>,
}

#[derive(Debug, Default)]
struct Service {
    /// How many there were when this process started.
    remembered: usize,
    unconfirmed: BTreeMap<String, Unconfirmed>,
}

impl Earlier {
    /// What the file holds. Of one id under one service, the last counts.
    pub(super) fn new(all: impl IntoIterator<Item = Unconfirmed>) -> Self {
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for one in all {
            let service = services.entry(one.instance.name().to_owned()).or_default();
            let id = one.instance.id().to_owned();
            service.unconfirmed.insert(id, one);
            service.remembered = service.unconfirmed.len();
        }
        Self { services }
    }

    /// What is heard of an instance counts more than what was remembered of it, also when it is gone by the next look.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Registered { instance, .. }
            | Event::Updated { instance, .. }
            | Event::Deregistered { instance, .. } => self.forget(instance),
            Event::Left { instances, .. }
            | Event::Failed { instances, .. }
            | Event::Recovered { instances, .. } => {
                for instance in instances {
                    self.forget(instance);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, instance: &ServiceInstance) {
        if let Some(service) = self.services.get_mut(instance.name()) {
            service.unconfirmed.remove(instance.id());
        }
    }

    /// Forgets what `table` confirms or supersedes, and what was last known to be there before `oldest_unix_ms`.
    pub(super) fn review(&mut self, table: &[Arc<ServiceInstance>], oldest_unix_ms: u64) {
        let mut found: BTreeMap<&str, Vec<&ServiceInstance>> = BTreeMap::new();
        if !self.services.is_empty() {
            for instance in table {
                if self.services.contains_key(instance.name()) {
                    found.entry(instance.name()).or_default().push(instance);
                }
            }
        }
        self.services.retain(|name, service| {
            let found = found.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            service.review(found, oldest_unix_ms);
            !service.unconfirmed.is_empty()
        });
    }

    /// Those that were known last, by that time; no more than [`UNCONFIRMED_MAX`].
    pub(super) fn kept(&self) -> Vec<Unconfirmed> {
        let services = self.services.values();
        let all = services.flat_map(|service| service.unconfirmed.values());
        let mut kept: Vec<_> = all.cloned().collect();
        kept.sort_by_key(|one| std::cmp::Reverse(one.confirmed_at_unix_ms));
        kept.truncate(UNCONFIRMED_MAX);
        kept
    }
}

impl Service {
    fn review(&mut self, found: &[&ServiceInstance], oldest_unix_ms: u64) {
        if found.len() >= self.remembered {
            self.unconfirmed.clear();
            return;
        }
        let ids: BTreeSet<_> = found.iter().map(|instance| instance.id()).collect();
        let endpoints = found.iter().flat_map(|instance| instance.endpoints());
        let endpoints: BTreeSet<_> = endpoints.map(Endpoint::as_str).collect();
        self.unconfirmed.retain(|id, one| {
            let at = one.instance.endpoints();
            one.confirmed_at_unix_ms > oldest_unix_ms
                && !ids.contains(id.as_str())
                && !at.iter().any(|at| endpoints.contains(at.as_str()))
        });
    }
}
