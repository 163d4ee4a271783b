//! What is held of one owner.

use std::{collections::BTreeMap, sync::Arc};

use super::{Instant, Record};
use crate::registry::ServiceInstance;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A live member.
    Live,
    /// Declared failed; still visible.
    Failing { until: Instant },
    /// Was visible once, kept in case it returns.
    Parked { until: Instant },
    /// Not a member yet.
    Waiting { until: Instant },
}

impl Standing {
    /// When it ends by itself.
    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Live => None,
            Self::Failing { until } | Self::Parked { until } | Self::Waiting { until } => {
                Some(until)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Holding {
    pub(super) standing: Standing,
    pub(super) records: Records,
    /// When each empty list among the records may be forgotten.
    pub(super) forget: BTreeMap<Arc<str>, Instant>,
    pub(super) bytes: usize,
}

impl Holding {
    /// All instances of all services.
    pub(super) fn instances(&self) -> Vec<Arc<ServiceInstance>> {
        self.records
            .iter()
            .flat_map(|record| record.instances().iter().cloned())
            .collect()
    }

    /// The records that the fingerprint covers. Empty lists are not among them: each node forgets
    /// them at a time of its own.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| !record.is_tombstone())
    }
}

/// One owner's records, by service. Most owners have a handful, and every node holds all owners: so it is a
/// sorted list, of eight bytes a record, where a map's first node would take 280.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<Record>);

impl Records {
    fn find(&self, service: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|record| (**record.service()).cmp(service))
    }

    pub(super) fn get(&self, service: &str) -> Option<&Record> {
        self.find(service).ok().map(|index| &self.0[index])
    }

    pub(super) fn contains(&self, service: &str) -> bool {
        self.find(service).is_ok()
    }

    /// Puts a record in the place of the one of its service, and gives that back.
    pub(super) fn insert(&mut self, record: Record) -> Option<Record> {
        match self.find(record.service()) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index], record)),
            Err(index) => {
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1 + self.0.len() / 2);
                }
                self.0.insert(index, record);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, service: &str) -> Option<Record> {
        let index = self.find(service).ok()?;
        Some(self.0.remove(index))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}
