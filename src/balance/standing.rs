//! How the last calls to an address went.

use std::sync::Arc;
#[cfg(feature = "reqwest")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
#[cfg(feature = "reqwest")]
use std::time::Duration;

/// The failures of one address, for [`Ejection`](super::Ejection). Survives updates of the list.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) address: Arc<str>,
    /// In a row.
    failures: AtomicU32,
    /// How often it was ejected since it last succeeded.
    ejections: AtomicU32,
    /// When a call was overtaken first since it last succeeded: nanoseconds since the origin; 0 if none was.
    #[cfg(feature = "reqwest")]
    overtaken_at: AtomicU64,
}

impl Standing {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            #[cfg(feature = "reqwest")]
            overtaken_at: AtomicU64::new(0),
        }
    }

    pub(super) fn succeeded(&self) {
        // Read first: while all is well, nobody writes to what others read.
        if self.failures.load(Relaxed) > 0 {
            self.failures.store(0, Relaxed);
            self.ejections.store(0, Relaxed);
        }
        #[cfg(feature = "reqwest")]
        if self.overtaken_at.load(Relaxed) > 0 {
            self.overtaken_at.store(0, Relaxed);
        }
    }

    /// A call that `began` then is overtaken. Says whether another one was before it began, and none succeeded since.
    #[cfg(feature = "reqwest")]
    pub(super) fn overtaken(&self, began: Duration, now: Duration) -> bool {
        let nanos = |at: Duration| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX).max(1);
        let first = self
            .overtaken_at
            .compare_exchange(0, nanos(now), Relaxed, Relaxed);
        first.is_err_and(|first| first <= nanos(began))
    }

    /// Counts a failure and returns how many there were in a row.
    pub(super) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Counts an ejection and returns how many there were before.
    pub(super) fn ejected(&self) -> u32 {
        self.ejections.fetch_add(1, Relaxed)
    }
}

/// What a balancer keeps for each address.
pub(super) struct Kept<C> {
    pub(super) connection: C,
    pub(super) standing: Arc<Standing>,
}
