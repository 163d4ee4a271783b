//! Lookups of host names, on threads of their own.
//!
//! The system's resolver blocks, for half a minute where a name server drops everything. It is asked
//! on a thread for each name, and never on the runtime's pool for blocking work: the disk is there,
//! and what is read from it is the fallback for names that do not resolve.
//!
//! Bounds: [`LOOKUP_THREADS`] threads for each node, also while lookups hang that nobody waits for
//! any more. Further lookups wait for one of them to end, in the order in which they came.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// How many lookups may block a thread at the same time. More than anybody lists seeds: one that
/// hangs should not hold up the next.
const LOOKUP_THREADS: usize = 64;

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A node's lookups. Clones share one bound.
#[derive(Clone)]
pub(super) struct Lookups {
    threads: Arc<Semaphore>,
    lookup: Arc<Lookup>,
}

impl Lookups {
    /// Those that ask the operating system.
    pub(super) fn of_system() -> Self {
        Self::by(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    /// Those that ask `lookup`, which may block.
    pub(super) fn by(
        lookup: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(LOOKUP_THREADS)),
            lookup: Arc::new(lookup),
        }
    }

    /// The addresses behind `host`. A lookup whose caller stops waiting keeps its thread until the
    /// resolver answers.
    pub(super) async fn lookup(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let threads = Arc::clone(&self.threads);
        let permit = threads.acquire_owned().await.map_err(io::Error::other)?;
        let lookup = Arc::clone(&self.lookup);
        let (tell, found) = oneshot::channel();
        std::thread::Builder::new()
            .name("tidings-lookup".to_owned())
            .spawn(move || {
                let result = lookup(&host, port);
                drop(permit);
                // The caller may have stopped waiting.
                let _ = tell.send(result);
            })?;
        found
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the lookup ended")))
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups")
            .field("free", &self.threads.available_permits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_name_is_looked_up_and_one_that_does_not_resolve_says_so() {
        let lookups = Lookups::of_system();
        let found = lookups.lookup("127.0.0.1".to_owned(), 7946).await;
        let expected = vec![SocketAddr::from(([127, 0, 0, 1], 7946))];
        assert_eq!(found.expect("an address"), expected);
        let label = "a".repeat(64);
        assert!(lookups.lookup(label, 7946).await.is_err());
    }

    #[tokio::test]
    async fn lookups_take_64_threads_and_the_next_one_waits() {
        let barrier = Arc::new(Barrier::new(LOOKUP_THREADS + 1));
        let begun = Arc::new(AtomicUsize::new(0));
        let (gate, count) = (Arc::clone(&barrier), Arc::clone(&begun));
        let lookups = Lookups::by(move |_, _| {
            if count.fetch_add(1, Ordering::SeqCst) < LOOKUP_THREADS {
                gate.wait();
            }
            Ok(Vec::new())
        });
        let mut waiting = JoinSet::new();
        for name in 0..=LOOKUP_THREADS {
            let lookups = lookups.clone();
            waiting.spawn(async move { lookups.lookup(name.to_string(), 1).await });
        }
        while begun.load(Ordering::SeqCst) < LOOKUP_THREADS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(lookups.threads.available_permits(), 0);
        assert_eq!(begun.load(Ordering::SeqCst), LOOKUP_THREADS);
        barrier.wait();
        while let Some(ended) = waiting.join_next().await {
            ended.expect("no panic").expect("no error");
        }
        assert_eq!(begun.load(Ordering::SeqCst), LOOKUP_THREADS + 1);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_lookup_that_hangs_leaves_the_pool_for_blocking_work_free() {
        let barrier = Arc::new(Barrier::new(2));
        let gate = Arc::clone(&barrier);
        let lookups = Lookups::by(move |_, _| {
            gate.wait();
            Ok(Vec::new())
        });
        let mut hanging = JoinSet::new();
        hanging.spawn(async move { lookups.lookup("seed".to_owned(), 1).await });
        tokio::task::yield_now().await;
        let work = tokio::task::spawn_blocking(|| 7).await;
        assert_eq!(work.expect("it ran"), 7);
        assert!(hanging.try_join_next().is_none(), "it hangs still");
        barrier.wait();
        assert!(hanging.join_next().await.expect("one").is_ok());
    }
}
