//! Who gets no calls for a while.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::standing::Standing;

/// Linkerd's default is 7 failures in a row, Envoy's `consecutive_5xx` is 5.
const FAILURES_DEFAULT: u32 = 5;
/// Linkerd's least and greatest penalty. (Envoy's are 30 s and 300 s, for a proxy that nobody tells
/// when an instance is gone.)
const FIRST_DEFAULT: Duration = Duration::from_secs(1);
const LONGEST_DEFAULT: Duration = Duration::from_secs(60);

/// When an address gets no calls for a while: after so many failures in a row, for a time that
/// doubles each time until it succeeds again. Once the time is over it is picked like any other, and the
/// next failure ejects it again.
///
/// Of two addresses that can be called at most one is ejected, of three one, and so on: at most half. When
/// a shrinking list leaves more than half ejected, nobody counts as ejected.
///
/// Default: 5 failures; 1 s, at most 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    pub(super) failures: u32,
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Ejection {
    /// After `failures` in a row (0 counts as 1), at first for `first` and at most for `longest`.
    pub fn after(failures: u32, first: Duration, longest: Duration) -> Self {
        Self {
            failures: failures.max(1),
            first,
            longest,
        }
    }

    /// Nobody is ever ejected.
    pub fn never() -> Self {
        Self::after(u32::MAX, Duration::ZERO, Duration::ZERO)
    }

    /// For how long, the `times`-th time in a row, counted from 0.
    fn duration(&self, times: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(times);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self::after(FAILURES_DEFAULT, FIRST_DEFAULT, LONGEST_DEFAULT)
    }
}

/// Who is ejected now.
#[derive(Debug)]
pub(super) struct Ejected {
    settings: Ejection,
    /// How often somebody was, since the start.
    total: AtomicU64,
    /// The length of the list, so that a pick takes no lock while nobody is ejected.
    count: AtomicUsize,
    /// By address.
    list: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    standing: Arc<Standing>,
    until: Duration,
}

/// Who could be picked, were nobody ejected.
pub(super) struct Candidates<'a> {
    pub(super) count: usize,
    pub(super) has: &'a dyn Fn(&str) -> bool,
}

impl Ejected {
    pub(super) fn new(settings: Ejection) -> Self {
        Self {
            settings,
            total: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            list: Mutex::default(),
        }
    }

    /// How often somebody was ejected.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Whether nobody is ejected. Cheap: most picks ask no more than that.
    pub(super) fn is_nobody(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    /// The addresses that are not to be picked at `now`, sorted; none when they are more than half of the
    /// candidates.
    pub(super) fn addresses(&self, now: Duration, candidates: Candidates<'_>) -> Vec<Arc<str>> {
        let list = self.current(now);
        let out: Vec<_> = candidates.among(&list).cloned().collect();
        if out.len() * 2 > candidates.count {
            return Vec::new();
        }
        out
    }

    /// Takes note of a failure at an address of the service. Who is no candidate is not ejected: that would be no
    /// relief to anybody.
    pub(super) fn failed(
        &self,
        service: &str,
        standing: &Arc<Standing>,
        now: Duration,
        candidates: Candidates<'_>,
    ) {
        let failures = standing.failed();
        if failures < self.settings.failures || !(candidates.has)(&standing.address) {
            return;
        }
        let mut list = self.current(now);
        let known = list
            .iter()
            .any(|entry| Arc::ptr_eq(&entry.standing, standing));
        if known || (candidates.among(&list).count() + 1) * 2 > candidates.count {
            return;
        }
        let duration = self.settings.duration(standing.ejected());
        let total = self.total.fetch_add(1, Relaxed) + 1;
        tracing::info!(
            target: "tidings::balance", event = "ejected", service, address = %standing.address, failures,
            duration_ms = duration.as_millis(), total,
            "failed several times in a row and is not called for a while"
        );
        let place = list.partition_point(|entry| entry.standing.address < standing.address);
        let entry = Entry {
            standing: Arc::clone(standing),
            until: now.saturating_add(duration),
        };
        list.insert(place, entry);
        self.count.store(list.len(), Relaxed);
    }

    /// Without those whose time is over, or whose address has left the list. Who is in the list and no
    /// candidate now (unhealthy, draining, filtered out) is still in it, and ejected when it is one again.
    fn current(&self, now: Duration) -> MutexGuard<'_, Vec<Entry>> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        // The other owner is the pool.
        list.retain(|entry| entry.until > now && Arc::strong_count(&entry.standing) > 1);
        self.count.store(list.len(), Relaxed);
        list
    }
}

impl Candidates<'_> {
    /// The addresses of those in `list` who are candidates.
    fn among<'a>(&'a self, list: &'a [Entry]) -> impl Iterator<Item = &'a Arc<str>> {
        let addresses = list.iter().map(|entry| &entry.standing.address);
        addresses.filter(|address| (self.has)(address))
    }
}
