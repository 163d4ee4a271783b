//! What belongs to a tokio runtime, such as a connection.
//!
//! A connection has tasks, and they end with the runtime that they were spawned on; on a runtime that
//! nobody drives they stand still. Nothing else tells that such a connection is dead. So each runtime
//! that calls an address has its own, made when it calls first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;

/// The most runtimes that have one each: more than the threads of most hosts, where each has a runtime.
/// Beyond that the one that was made first is given up, and made again when its runtime calls again.
const RUNTIMES_MAX: usize = 256;

/// One `T` for each runtime that uses it.
#[derive(Debug)]
pub(crate) struct PerRuntime<T> {
    /// For callers outside of any runtime.
    home: Handle,
    /// In the order in which they were made.
    slots: ArcSwap<Vec<Arc<Slot<T>>>>,
    making: Mutex<()>,
}

#[derive(Debug)]
struct Slot<T> {
    /// A runtime that ends leaves its id to others.
    runtime: Id,
    has_ended: Arc<AtomicBool>,
    /// A task that waits for the end of its runtime.
    sentinel: AbortHandle,
    value: Arc<T>,
}

impl<T> PerRuntime<T> {
    /// None was made yet. `home` is the runtime of callers outside of any.
    pub(crate) fn new(home: Handle) -> Self {
        Self {
            home,
            slots: ArcSwap::default(),
            making: Mutex::default(),
        }
    }

    /// That of the present runtime. `make` is called within it.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.home.clone());
        let id = runtime.id();
        let slots = self.slots.load();
        match slots.iter().find(|slot| slot.is_of(id)) {
            Some(slot) => Arc::clone(&slot.value),
            None => self.make(&runtime, make),
        }
    }

    #[cold]
    fn make(&self, runtime: &Handle, make: impl FnOnce() -> T) -> Arc<T> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let id = runtime.id();
        let present = self.slots.load_full();
        if let Some(slot) = present.iter().find(|slot| slot.is_of(id)) {
            return Arc::clone(&slot.value);
        }
        let _inside = runtime.enter();
        let slot = Slot::new(runtime, make());
        let value = Arc::clone(&slot.value);
        let is_alive = |slot: &&Arc<Slot<T>>| !slot.has_ended.load(Ordering::Acquire);
        let mut slots: Vec<_> = present.iter().filter(is_alive).cloned().collect();
        if slots.len() >= RUNTIMES_MAX {
            slots.remove(0);
        }
        slots.push(Arc::new(slot));
        self.slots.store(Arc::new(slots));
        value
    }
}

impl<T> Slot<T> {
    fn new(runtime: &Handle, value: T) -> Self {
        let has_ended = Arc::<AtomicBool>::default();
        let end = End(Arc::clone(&has_ended));
        let sentinel = runtime.spawn(async move {
            let _end = end;
            std::future::pending::<()>().await;
        });
        Self {
            runtime: runtime.id(),
            has_ended,
            sentinel: sentinel.abort_handle(),
            value: Arc::new(value),
        }
    }

    fn is_of(&self, runtime: Id) -> bool {
        self.runtime == runtime && !self.has_ended.load(Ordering::Acquire)
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        self.sentinel.abort();
    }
}

/// Dropped with the runtime.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    /// One that counts what it makes.
    struct Counted {
        made: AtomicUsize,
        per_runtime: PerRuntime<usize>,
    }

    impl Counted {
        fn new(home: &Runtime) -> Self {
            Self {
                made: AtomicUsize::new(0),
                per_runtime: PerRuntime::new(home.handle().clone()),
            }
        }

        fn get(&self) -> usize {
            let make = || self.made.fetch_add(1, Ordering::SeqCst);
            *self.per_runtime.get(make)
        }

        fn get_on(&self, runtime: &Runtime) -> usize {
            runtime.block_on(async { self.get() })
        }
    }

    #[test]
    fn each_runtime_has_one_and_keeps_it() {
        let [first, second] = [runtime(), runtime()];
        let counted = Counted::new(&first);
        for _ in 0..3 {
            assert_eq!(counted.get_on(&first), 0);
            assert_eq!(counted.get_on(&second), 1);
            assert_eq!(counted.get(), 0, "outside of any it is that of the home");
        }
    }

    #[test]
    fn what_belongs_to_a_runtime_that_ended_is_given_up() {
        let home = runtime();
        let counted = Counted::new(&home);
        for made in 0..10 {
            assert_eq!(counted.get_on(&runtime()), made);
            assert!(counted.per_runtime.slots.load().len() <= 2);
        }
    }

    #[test]
    fn at_the_limit_the_first_makes_room() {
        let home = runtime();
        let counted = Counted::new(&home);
        let runtimes: Vec<_> = (0..=RUNTIMES_MAX).map(|_| runtime()).collect();
        for runtime in &runtimes {
            counted.get_on(runtime);
        }
        assert_eq!(counted.per_runtime.slots.load().len(), RUNTIMES_MAX);
        assert_eq!(counted.get_on(&runtimes[RUNTIMES_MAX]), RUNTIMES_MAX);
        assert_eq!(counted.get_on(&runtimes[0]), RUNTIMES_MAX + 1);
    }
}
