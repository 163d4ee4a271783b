//! All services' lists: one writer, readers that never wait.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use event_listener::Event;
use rpds::HashTrieMapSync;

use super::{ServiceHandle, ServiceWatcher};
use crate::registry::Instances;

/// The published lists of all services. A clone is the same directory.
///
/// Reading takes no lock. Publishing, closing, and making or dropping the last handle or watcher of
/// a service take one for the time of a map update.
#[derive(Clone)]
pub struct Directory(Arc<Shared>);

impl Directory {
    /// An empty directory.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            cells: ArcSwap::from_pointee(Cells::new_sync()),
            writer: Mutex::new(()),
            closed: AtomicBool::new(false),
        }))
    }

    /// Makes `instances` the list of `service`; an empty one means that the service is gone.
    ///
    /// A list equal to the published one changes nothing. Any other bumps the service's version by
    /// one and wakes its watchers. After [`close`](Self::close) this does nothing.
    pub fn publish(&self, service: &str, instances: Instances) {
        let writer = self.0.lock();
        if self.is_closed() {
            return;
        }
        let cell = match self.0.find(service) {
            Some(cell) => cell,
            None if instances.is_empty() => return,
            None => self.0.insert(&writer, service),
        };
        let published = cell.snapshot.load();
        if published.instances == instances {
            return;
        }
        let version = published.version + 1;
        drop(published);
        cell.snapshot
            .store(Arc::new(Snapshot { version, instances }));
        cell.changed.notify(usize::MAX);
        self.0.remove_if_idle(&writer, &cell);
    }

    /// Ends it: each watcher returns what it has not seen yet and then
    /// [`WatchError::Closed`](crate::registry::WatchError::Closed). The lists stay as they are, for
    /// handles. Closing again does nothing.
    pub fn close(&self) {
        let _writer = self.0.lock();
        if self.0.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // In the order of names: a simulator sees in which order tasks are woken.
        for (_, cell) in self.0.sorted() {
            cell.changed.notify(usize::MAX);
        }
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// The list of `service`, empty for a name that nobody has registered. No lock, no allocation.
    pub fn get(&self, service: &str) -> Instances {
        let cells = self.0.cells.load();
        cells.get(service).map_or_else(Instances::new, |cell| {
            cell.snapshot.load().instances.clone()
        })
    }

    /// A handle of `service`, whether or not there is such a service (yet).
    pub fn service(&self, service: &str) -> ServiceHandle {
        ServiceHandle::new(self.lease(service))
    }

    /// A watcher of `service`, whether or not there is such a service (yet).
    pub fn watch(&self, service: &str) -> ServiceWatcher {
        ServiceWatcher::new(self.lease(service))
    }

    /// The names of all services with at least one instance, sorted.
    pub fn services(&self) -> Vec<String> {
        let with_instances = |(_, cell): &(_, Arc<Cell>)| !cell.is_empty();
        let names = |(name, _): (Arc<str>, _)| String::from(&*name);
        self.0
            .sorted()
            .into_iter()
            .filter(with_instances)
            .map(names)
            .collect()
    }

    fn lease(&self, service: &str) -> Lease {
        let writer = self.0.lock();
        let cell = self
            .0
            .find(service)
            .unwrap_or_else(|| self.0.insert(&writer, service));
        cell.leases.fetch_add(1, Ordering::Relaxed);
        Lease {
            cell,
            directory: Arc::clone(&self.0),
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("services", &self.services())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// One service's list and its version: 0 for the empty list of a new cell, one more with each
/// change.
pub(super) struct Snapshot {
    pub(super) version: u64,
    pub(super) instances: Instances,
}

/// One service's place in the directory.
pub(super) struct Cell {
    pub(super) name: Arc<str>,
    pub(super) snapshot: ArcSwap<Snapshot>,
    /// Notified after each change, and when the directory is closed.
    pub(super) changed: Event,
    /// How many leases there are. Leaves zero only under the writer's lock.
    leases: AtomicUsize,
}

impl Cell {
    fn is_empty(&self) -> bool {
        self.snapshot.load().instances.is_empty()
    }
}

/// Keeps a cell in the directory while somebody looks at it.
pub(super) struct Lease {
    pub(super) cell: Arc<Cell>,
    directory: Arc<Shared>,
}

impl Lease {
    /// Whether the directory was closed. Once it is, the cell does not change any more.
    pub(super) fn is_closed(&self) -> bool {
        self.directory.is_closed()
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        // This lease keeps the count above zero, so nobody is removing the cell.
        self.cell.leases.fetch_add(1, Ordering::Relaxed);
        Self {
            cell: Arc::clone(&self.cell),
            directory: Arc::clone(&self.directory),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.cell.leases.fetch_sub(1, Ordering::AcqRel) == 1 {
            let writer = self.directory.lock();
            self.directory.remove_if_idle(&writer, &self.cell);
        }
    }
}

/// By name. Its order is random and never shown.
type Cells = HashTrieMapSync<Arc<str>, Arc<Cell>>;

struct Shared {
    cells: ArcSwap<Cells>,
    /// Held by whoever changes `cells`, a snapshot, or `closed`.
    writer: Mutex<()>,
    closed: AtomicBool,
}

/// Proof that the writer's lock is held.
type Writer<'a> = MutexGuard<'a, ()>;

impl Shared {
    fn lock(&self) -> Writer<'_> {
        // It guards no data of its own, and each change under it is one atomic store: a panic
        // leaves nothing half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn find(&self, service: &str) -> Option<Arc<Cell>> {
        self.cells.load().get(service).cloned()
    }

    fn insert(&self, _writer: &Writer<'_>, service: &str) -> Arc<Cell> {
        let cell = Arc::new(Cell {
            name: Arc::from(service),
            snapshot: ArcSwap::from_pointee(Snapshot {
                version: 0,
                instances: Instances::new(),
            }),
            changed: Event::new(),
            leases: AtomicUsize::new(0),
        });
        let cells = self
            .cells
            .load()
            .insert(Arc::clone(&cell.name), Arc::clone(&cell));
        self.cells.store(Arc::new(cells));
        cell
    }

    /// Removes the cell once nobody looks at it and it has nothing to show.
    fn remove_if_idle(&self, _writer: &Writer<'_>, cell: &Arc<Cell>) {
        if cell.leases.load(Ordering::Acquire) > 0 || !cell.is_empty() {
            return;
        }
        let cells = self.cells.load();
        // Between a last lease's end and this lock another may have come and gone, and with it the
        // cell.
        if cells
            .get(&cell.name)
            .is_some_and(|current| Arc::ptr_eq(current, cell))
        {
            self.cells.store(Arc::new(cells.remove(&cell.name)));
        }
    }

    fn sorted(&self) -> Vec<(Arc<str>, Arc<Cell>)> {
        let cells = self.cells.load_full();
        let mut cells: Vec<_> = cells
            .iter()
            .map(|(name, cell)| (Arc::clone(name), Arc::clone(cell)))
            .collect();
        cells.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        cells
    }
}
