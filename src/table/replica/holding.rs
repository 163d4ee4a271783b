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
    pub(super) records: BTreeMap<Arc<str>, Record>,
    /// When each empty list among the records may be forgotten.
    pub(super) forget: BTreeMap<Arc<str>, Instant>,
    pub(super) bytes: usize,
}

impl Holding {
    /// All instances of all services.
    pub(super) fn instances(&self) -> Vec<Arc<ServiceInstance>> {
        self.records
            .values()
            .flat_map(|record| record.instances().iter().cloned())
            .collect()
    }

    /// The records that the fingerprint covers. Empty lists are not among them: each node forgets
    /// them at a time of its own.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Record> {
        self.records
            .values()
            .filter(|record| !record.is_tombstone())
    }
}
