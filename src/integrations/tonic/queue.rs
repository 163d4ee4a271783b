//! The calls to an address that wait until their request is read.
//!
//! They wait for a connection, or for a place on it, one behind the other, and each only for the connect
//! timeout. tokio's timers would do, but setting one and taking it back costs more than all else that a call needs
//! here, and hardly one of them fires. All calls to an address wait equally long, so that they are over in the order
//! in which they began. So they stand in a queue, and one task sleeps for the first of them.
//!
//! Whoever comes takes one out of the front that waits no more, and the task takes all of those. So there are
//! never more in the queue than began within one timeout, and hardly more than have waited at the same time.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tonic::body::Body;

use crate::balance::{Awaited, Loan, Retained};

pub(super) struct Queue {
    timeout: Duration,
    /// Where the address's connection is made, too.
    runtime: Handle,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// By deadline, but for what calls that begin at the same time on several threads differ.
    calls: VecDeque<Entry>,
    /// Whether there is a task.
    is_watched: bool,
}

struct Entry {
    deadline: Instant,
    request: Awaited<Body>,
}

/// A place in the queue, until it is dropped.
pub(super) struct Place<'a> {
    queue: &'a Queue,
    body: &'a Retained<Body>,
    loan: u32,
    began: Instant,
    is_in: bool,
    /// Then nobody waits any more.
    is_read: bool,
}

impl Queue {
    /// For calls from the current runtime's connection.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            runtime: Handle::current(),
            waiting: Arc::default(),
        }
    }

    /// A call that `began` then waits until this loan of `body` is read.
    pub(super) fn enter<'a>(
        &'a self,
        body: &'a Retained<Body>,
        loan: u32,
        began: Instant,
    ) -> Place<'a> {
        Place {
            queue: self,
            body,
            loan,
            began,
            is_in: false,
            is_read: false,
        }
    }

    fn push(&self, entry: Entry) {
        let mut waiting = lock(&self.waiting);
        waiting.pop(|entry| entry.request.is_over());
        waiting.calls.push_back(entry);
        let was_watched = mem::replace(&mut waiting.is_watched, true);
        drop(waiting);
        if !was_watched {
            let watching = Watching {
                waiting: Arc::clone(&self.waiting),
                has_ended: false,
            };
            self.runtime.spawn(watch(watching));
        }
    }
}

impl Waiting {
    /// Takes the first one out, if `is_over`.
    fn pop(&mut self, is_over: impl Fn(&Entry) -> bool) -> Option<Entry> {
        if !self.calls.front().is_some_and(is_over) {
            return None;
        }
        self.calls.pop_front()
    }
}

impl Place<'_> {
    /// Ready when the call has waited for too long. Then its loan is void.
    pub(super) fn poll_expired(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.is_read {
            return Poll::Pending;
        }
        match self.body.poll_read(self.loan, cx) {
            Loan::Void => return Poll::Ready(()),
            Loan::Awaited => {}
            Loan::Read => {
                self.is_read = true;
                return Poll::Pending;
            }
        }
        if mem::replace(&mut self.is_in, true) {
            return Poll::Pending;
        }
        // What is too long for the clock is for ever.
        if let Some(deadline) = self.began.checked_add(self.queue.timeout) {
            self.queue.push(Entry {
                deadline,
                request: self.body.awaited(self.loan),
            });
        }
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.is_in && !self.is_read {
            self.body.settle();
        }
    }
}

/// A task that ends with its runtime leaves the next call to begin another.
struct Watching {
    waiting: Arc<Mutex<Waiting>>,
    has_ended: bool,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if !self.has_ended {
            lock(&self.waiting).is_watched = false;
        }
    }
}

/// Ends when nobody waits.
async fn watch(mut watching: Watching) {
    loop {
        let waiting = &watching.waiting;
        let now = Instant::now();
        let is_over = |entry: &Entry| entry.deadline <= now || entry.request.is_over();
        loop {
            let popped = lock(waiting).pop(is_over);
            let Some(entry) = popped else { break };
            entry.request.expire();
        }
        let deadline = {
            let mut waiting = lock(waiting);
            let Some(first) = waiting.calls.front() else {
                waiting.is_watched = false;
                drop(waiting);
                watching.has_ended = true;
                return;
            };
            first.deadline
        };
        sleep_until(deadline).await;
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body_util::{BodyExt, Full};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(1);

    fn body() -> (Retained<Body>, Body) {
        let body = Body::new(Full::new(bytes::Bytes::from("a")));
        let (retained, lent) = Retained::with_loan(body);
        (retained, Body::new(lent))
    }

    async fn expired(queue: &Queue, body: &Retained<Body>) {
        let mut place = queue.enter(body, 0, Instant::now());
        poll_fn(|cx| place.poll_expired(cx)).await;
    }

    fn len(queue: &Queue) -> usize {
        lock(&queue.waiting).calls.len()
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_waits_for_the_timeout_and_no_longer() {
        let queue = Queue::new(TIMEOUT);
        let began = Instant::now();
        let wait = async |after: Duration| {
            tokio::time::sleep(after).await;
            let (body, _lent) = body();
            expired(&queue, &body).await;
            began.elapsed().saturating_sub(after).as_millis()
        };
        let waits = [0, 300, 999, 1_000, 5_000].map(Duration::from_millis);
        let waited = futures_util::future::join_all(waits.map(wait)).await;
        assert_eq!(waited, [1_000, 1_000, 1_000, 1_000, 1_000]);
        tokio::time::sleep(TIMEOUT).await;
        assert!(!lock(&queue.waiting).is_watched && len(&queue) == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_read_waits_for_ever() {
        let queue = Queue::new(TIMEOUT);
        let (body, lent) = body();
        let read = async {
            tokio::time::sleep(TIMEOUT / 2).await;
            lent.collect().await.unwrap().to_bytes()
        };
        let waiting = tokio::time::timeout(10 * TIMEOUT, expired(&queue, &body));
        let (waited, read) = futures_util::join!(waiting, read);
        assert!(waited.is_err() && read == "a");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_over_leave_the_queue() {
        let queue = Queue::new(TIMEOUT);
        for _ in 0..100 {
            let (body, _lent) = body();
            let mut waiting = Box::pin(expired(&queue, &body));
            assert!(futures_util::poll!(&mut waiting).is_pending());
        }
        assert_eq!(len(&queue), 1);
    }
}
