//! Stopping something from outside.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use event_listener::{Event, EventListener};

/// Stops one [`Watcher`](super::Watcher), or what else has handed it out, from any thread, any
/// number of times.
///
/// Whoever implements `Watcher` keeps one made by [`StopHandle::new`], hands out clones, looks at
/// [`is_stopped`](Self::is_stopped) before anything else, waits on [`stopped`](Self::stopped)
/// beside what it waits for, and calls [`stop`](Self::stop) when it is dropped.
#[derive(Clone, Default)]
pub struct StopHandle(Arc<State>);

#[derive(Default)]
struct State {
    stopped: AtomicBool,
    event: Event,
}

impl StopHandle {
    /// A handle of something that was not stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops it. Again does nothing.
    pub fn stop(&self) {
        if !self.0.stopped.swap(true, Ordering::AcqRel) {
            self.0.event.notify(usize::MAX);
        }
    }

    /// Whether it was stopped; a watcher also when it was dropped.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// A future that is ready once it was stopped, at once if it was already.
    pub fn stopped(&self) -> Stopped {
        Stopped {
            handle: self.clone(),
            listener: None,
        }
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopHandle")
            .field("is_stopped", &self.is_stopped())
            .finish()
    }
}

/// Waits for a [`StopHandle::stop`]. May be kept and polled again, also after it was ready.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Stopped {
    handle: StopHandle,
    listener: Option<EventListener>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.handle.is_stopped() {
                self.listener = None;
                return Poll::Ready(());
            }
            match &mut self.listener {
                // Only now, and look again: a stop before this would not be heard.
                None => self.listener = Some(self.handle.0.event.listen()),
                Some(listener) => {
                    if Pin::new(listener).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.listener = None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn stopping_is_idempotent_and_seen_by_every_clone() {
        let handle = StopHandle::new();
        let clone = handle.clone();
        assert!(!clone.is_stopped());
        handle.stop();
        handle.stop();
        assert!(clone.is_stopped());
    }

    #[test]
    fn whoever_waits_is_woken_by_the_stop() {
        let handle = StopHandle::new();
        let waiting = [handle.stopped(), handle.stopped()]
            .map(|stopped| std::thread::spawn(move || block_on(stopped)));
        handle.stop();
        for thread in waiting {
            thread.join().unwrap();
        }
    }

    #[test]
    fn it_may_be_polled_again_after_it_was_ready() {
        let handle = StopHandle::new();
        let mut stopped = handle.stopped();
        assert!((&mut stopped).now_or_never().is_none());
        handle.stop();
        assert!((&mut stopped).now_or_never().is_some());
        assert!((&mut stopped).now_or_never().is_some());
    }

    /// Runs a future on this thread.
    fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future);
    }
}
