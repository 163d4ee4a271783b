//! Taking lists between calls.
//!
//! A pick takes the newest list by itself. The task here does it for a client that is not called for a
//! while: connections to instances that are gone are given up then, too. It ends with the runtime that
//! it runs on; the next pick finds that out and begins another on its own runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use super::balancer::Shared;
use super::source::{Signal, Source, said};
use crate::registry::Instances;

/// A service that is followed, until this is dropped.
pub(super) struct Following<C> {
    pub(super) shared: Arc<Shared<C>>,
    source: Source,
    /// Begins a task on a runtime.
    spawn: Box<dyn Fn(&Handle) -> AbortHandle + Send + Sync>,
    task: Mutex<Option<AbortHandle>>,
}

impl<C: Send + Sync + 'static> Following<C> {
    /// Follows from now on, on `runtime`.
    pub(super) fn begin(shared: Arc<Shared<C>>, source: Source, runtime: &Handle) -> Arc<Self> {
        let following = Arc::new_cyclic(|this: &Weak<Self>| {
            let (this, signal) = (this.clone(), Arc::clone(source.signal()));
            let spawn = move |runtime: &Handle| {
                let (news, end) = (signal.subscribe(), End(Arc::clone(&signal)));
                runtime
                    .spawn(follow(this.clone(), news, end))
                    .abort_handle()
            };
            Self {
                shared,
                source,
                spawn: Box::new(spawn),
                task: Mutex::default(),
            }
        });
        following.spawn(runtime);
        following
    }
}

impl<C> Following<C> {
    pub(super) const fn signal(&self) -> &Arc<Signal> {
        self.source.signal()
    }

    /// Takes what is new. Costs two atomic loads if nothing is.
    pub(super) fn refresh(&self) {
        if !self.source.is_quiet() {
            self.catch_up();
        }
    }

    #[cold]
    fn catch_up(&self) {
        self.source.look(|list| take(&self.shared, list));
        if !self.source.signal().take_unfollowed() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            // The next pick within a runtime begins the task.
            return self.source.signal().unfollow();
        };
        tracing::info!(
            target: "tidings::balance", event = "runtime_ended", service = self.shared.service(),
            "the runtime on which this client followed its service has ended: it goes on with the present one"
        );
        self.spawn(&runtime);
    }

    fn spawn(&self, runtime: &Handle) {
        let task = (self.spawn)(runtime);
        let mut running = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        *running = Some(task);
    }
}

impl<C> Drop for Following<C> {
    fn drop(&mut self) {
        let running = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = running {
            task.abort();
        }
    }
}

/// Says that the task has ended, however it did.
struct End(Arc<Signal>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.unfollow();
    }
}

async fn follow<C: Send + Sync + 'static>(
    following: Weak<Following<C>>,
    mut news: watch::Receiver<()>,
    _end: End,
) {
    loop {
        news.mark_unchanged();
        let retry_at = {
            let Some(following) = following.upgrade() else {
                return;
            };
            following.refresh();
            following.source.retry_at()
        };
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = sleep_until(retry_at.unwrap_or_else(tokio::time::Instant::now)), if retry_at.is_some() => {
                let Some(following) = following.upgrade() else { return };
                following.signal().tell();
            }
        }
    }
}

/// A list on which what the caller handed in (a filter, what makes a connection) panics is one list that was
/// not taken, and not the end of all that follow it.
fn take<C>(shared: &Shared<C>, list: &Instances) {
    // What both share is whole: a pool's list is replaced at once, or not at all.
    let taken = catch_unwind(AssertUnwindSafe(|| shared.take(list)));
    if let Err(panic) = taken {
        tracing::error!(
            target: "tidings::balance", service = shared.service(), instances = list.len(),
            panic = said(&*panic),
            "a filter or a connection's maker panicked: calls go to those of the list before, until the next"
        );
    }
}
