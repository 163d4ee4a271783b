//! The list of a service, and the news that there is a newer one.
//!
//! No task stands between a publication and a pick. The [`Source`] polls the discovery's watcher with
//! a waker of its own, the [`Signal`]. Whoever publishes a list wakes it, on its own thread, and that
//! counts the signal up. A pick compares two numbers, and takes the newer list first where they
//! differ. So the end of a runtime cannot leave a client with an old list.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::registry::{BoxFuture, Discovery, DiscoveryError, Instances, WatchError, Watcher};

/// Between two attempts to watch a service whose watcher has ended, though its discovery has not.
pub(super) const RETRY_GAP: Duration = Duration::from_secs(1);
/// Lists that one look takes. A watcher that always has another one does not hold up a call.
const LISTS_MAX: usize = 16;

type Opening = BoxFuture<'static, Result<Box<dyn Watcher>, DiscoveryError>>;

/// Where the lists come from.
pub(super) struct Source {
    discovery: Arc<dyn Discovery>,
    service: Arc<str>,
    signal: Arc<Signal>,
    waker: Waker,
    /// The signal's count up to which everything was taken.
    seen: AtomicU64,
    stage: Mutex<Stage>,
}

enum Stage {
    /// The discovery has to wait before it can watch. One in this process does not.
    Opening(Opening),
    Watching(Box<dyn Watcher>),
    /// The watcher ended, and another one is asked for from this moment on.
    Retrying(Instant),
    /// The discovery has ended.
    Ended,
}

/// Tells that there is something to look at.
pub(super) struct Signal {
    news: AtomicU64,
    /// Whether the task that takes lists between calls has ended.
    unfollowed: AtomicBool,
    changed: watch::Sender<()>,
}

/// What one look found.
enum Found {
    List(Instances),
    Nothing,
    /// Why the watcher has no more lists.
    End(String),
}

impl Source {
    /// Begins to watch. What would have to wait is left to later looks.
    pub(super) fn open(
        discovery: Arc<dyn Discovery>,
        service: &str,
    ) -> Result<(Self, Instances), DiscoveryError> {
        let service: Arc<str> = service.into();
        let signal = Arc::new(Signal {
            news: AtomicU64::new(0),
            unfollowed: AtomicBool::new(false),
            changed: watch::Sender::new(()),
        });
        let waker = Waker::from(Arc::clone(&signal));
        let mut stage = Stage::Opening(watching(&discovery, &service));
        let mut first = Instances::new();
        let mut cx = Context::from_waker(&waker);
        if let Stage::Opening(opening) = &mut stage
            && let Poll::Ready(opened) = opening.as_mut().poll(&mut cx)
        {
            let mut watcher = opened?;
            // The watcher's own first list, since it waits from then on for one that differs from
            // it. An error comes again.
            if let Poll::Ready(Some(Ok(list))) = Pin::new(&mut *watcher).poll_next(&mut cx) {
                first = list;
                // It has not been asked to wake anybody yet.
                signal.tell();
            }
            stage = Stage::Watching(watcher);
        }
        let source = Self {
            discovery,
            service,
            signal,
            waker,
            seen: AtomicU64::new(0),
            stage: Mutex::new(stage),
        };
        Ok((source, first))
    }

    pub(super) const fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Whether there is nothing to look at. Two atomic loads.
    pub(super) fn is_quiet(&self) -> bool {
        self.seen.load(Ordering::Acquire) == self.signal.news.load(Ordering::Acquire)
    }

    /// Hands each newer list to `take`, oldest first. Waits for another look that is under way, so that
    /// no call goes by a list that was replaced before it began.
    pub(super) fn look(&self, mut take: impl FnMut(&Instances)) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..LISTS_MAX {
            let news = self.signal.news.load(Ordering::Acquire);
            if self.seen.load(Ordering::Acquire) == news {
                return;
            }
            match self.find(&mut stage) {
                Found::List(list) => {
                    take(&list);
                    self.signal.changed.send_replace(());
                }
                // Whoever comes next looks whether it is time.
                Found::Nothing if matches!(*stage, Stage::Retrying(_)) => return,
                Found::Nothing => self.seen.store(news, Ordering::Release),
                Found::End(reason) => *stage = self.retried(&reason),
            }
        }
    }

    /// When another watcher is to be asked for, if the last one has ended.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match *stage {
            Stage::Retrying(at) => Some(at),
            _ => None,
        }
    }

    fn find(&self, stage: &mut Stage) -> Found {
        // A discovery of somebody else's may panic; then its watcher is not used any more.
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll(stage)));
        polled.unwrap_or_else(|panic| Found::End(format!("it panicked: {}", said(&*panic))))
    }

    fn poll(&self, stage: &mut Stage) -> Found {
        let mut cx = Context::from_waker(&self.waker);
        loop {
            match stage {
                Stage::Opening(opening) => match opening.as_mut().poll(&mut cx) {
                    Poll::Pending => return Found::Nothing,
                    Poll::Ready(Ok(watcher)) => *stage = Stage::Watching(watcher),
                    Poll::Ready(Err(error @ DiscoveryError::Closed)) => {
                        *stage = Stage::Ended;
                        tracing::warn!(
                            target: "tidings::balance", event = "unfollowed",
                            service = &*self.service, %error,
                            "the service is not followed any more: calls go to those who were there last"
                        );
                    }
                },
                Stage::Watching(watcher) => {
                    return match Pin::new(&mut **watcher).poll_next(&mut cx) {
                        Poll::Pending => Found::Nothing,
                        Poll::Ready(Some(Ok(list))) => Found::List(list),
                        Poll::Ready(Some(Err(WatchError::Closed))) => {
                            // It says whether it has ended, too.
                            *stage = Stage::Opening(watching(&self.discovery, &self.service));
                            continue;
                        }
                        Poll::Ready(Some(Err(error))) => Found::End(error.to_string()),
                        Poll::Ready(None) => Found::End("its watcher has ended".to_owned()),
                    };
                }
                Stage::Retrying(at) if Instant::now() < *at => return Found::Nothing,
                Stage::Retrying(_) => {
                    *stage = Stage::Opening(watching(&self.discovery, &self.service));
                }
                Stage::Ended => return Found::Nothing,
            }
        }
    }

    fn retried(&self, reason: &str) -> Stage {
        tracing::warn!(
            target: "tidings::balance", event = "watcher_ended", service = &*self.service,
            error = reason, "the service is watched again in a second: calls go to those of the last list"
        );
        self.signal.tell();
        Stage::Retrying(Instant::now() + RETRY_GAP)
    }
}

impl Signal {
    /// There is something to look at.
    pub(super) fn tell(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.changed.send_replace(());
    }

    /// Told of all news, and of each list that was taken.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The task that takes lists between calls has ended.
    pub(super) fn unfollow(&self) {
        self.unfollowed.store(true, Ordering::Release);
        self.tell();
    }

    /// Whether it has. Only the first to ask is told so.
    pub(super) fn take_unfollowed(&self) -> bool {
        self.unfollowed.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.tell();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.tell();
    }
}

fn watching(discovery: &Arc<dyn Discovery>, service: &Arc<str>) -> Opening {
    let (discovery, service) = (Arc::clone(discovery), Arc::clone(service));
    Box::pin(async move { discovery.watch(&service).await })
}

/// What a panic said.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
