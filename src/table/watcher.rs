//! Following one service of a [`Directory`](super::Directory).

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use event_listener::EventListener;
use futures_core::Stream;

use super::directory::Lease;
use crate::registry::{BoxFuture, Instances, StopHandle, Stopped, WatchError, Watcher};

/// The [`Watcher`] of one service; from [`Directory::watch`](super::Directory::watch).
///
/// It holds the last list that it returned, and of the directory nothing but the service's place.
/// It needs no task: the comparing is done by whoever polls it.
pub struct ServiceWatcher {
    lease: Lease,
    /// What the reader has got: the version decides quickly, the list decides. At first nothing.
    seen: Instances,
    seen_version: u64,
    /// Kept over polls, so that a dropped `next()` takes no wake-up with it.
    changed: Option<EventListener>,
    stop: StopHandle,
    stopped: Stopped,
    /// Whether an error was returned: the stream is over then.
    ended: bool,
}

impl ServiceWatcher {
    pub(super) fn new(lease: Lease) -> Self {
        let stop = StopHandle::new();
        Self {
            lease,
            seen: Instances::new(),
            seen_version: 0,
            changed: None,
            stopped: stop.stopped(),
            stop,
            ended: false,
        }
    }

    /// The name of the service that is watched.
    pub fn service(&self) -> &str {
        &self.lease.cell.name
    }

    /// [`Watcher::next`], without a box for the future.
    pub async fn next(&mut self) -> Result<Instances, WatchError> {
        poll_fn(|cx| self.poll_change(cx)).await
    }

    /// [`Watcher::stop`].
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// [`Watcher::stop_handle`].
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// The one way forward, of `next` and of the stream.
    fn poll_change(&mut self, cx: &mut Context<'_>) -> Poll<Result<Instances, WatchError>> {
        loop {
            if Pin::new(&mut self.stopped).poll(cx).is_ready() {
                return self.end(WatchError::Stopped);
            }
            // In this order: what is not closed yet may change after the look, and then it wakes us
            // again; what is closed has changed for the last time.
            let closed = self.lease.is_closed();
            if let Some(instances) = self.unseen() {
                return Poll::Ready(Ok(instances));
            }
            if closed {
                return self.end(WatchError::Closed);
            }
            match &mut self.changed {
                // Only now, and look again: a change before this would not be heard.
                None => self.changed = Some(self.lease.cell.changed.listen()),
                Some(changed) => {
                    if Pin::new(changed).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.changed = None;
                }
            }
        }
    }

    /// The list, if it differs from what was seen last. A list that went away and came back does
    /// not.
    fn unseen(&mut self) -> Option<Instances> {
        let snapshot = self.lease.cell.snapshot.load();
        if snapshot.version == self.seen_version {
            return None;
        }
        self.seen_version = snapshot.version;
        if snapshot.instances == self.seen {
            return None;
        }
        self.seen = snapshot.instances.clone();
        Some(self.seen.clone())
    }

    fn end(&mut self, error: WatchError) -> Poll<Result<Instances, WatchError>> {
        self.changed = None;
        self.ended = true;
        Poll::Ready(Err(error))
    }
}

impl Watcher for ServiceWatcher {
    fn next(&mut self) -> BoxFuture<'_, Result<Instances, WatchError>> {
        Box::pin(self.next())
    }

    fn stop_handle(&self) -> StopHandle {
        self.stop_handle()
    }
}

impl Stream for ServiceWatcher {
    type Item = Result<Instances, WatchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            Poll::Ready(None)
        } else {
            self.poll_change(cx).map(Some)
        }
    }
}

impl Drop for ServiceWatcher {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl fmt::Debug for ServiceWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceWatcher")
            .field("service", &self.service())
            .field("seen", &self.seen)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}
