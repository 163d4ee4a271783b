//! Following a service.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::balancer::Shared;
use crate::registry::{Discovery, DiscoveryError, Instances, WatchError, Watcher};

/// A service and its list, as far as both are known without waiting.
pub(super) struct Followed {
    watcher: Option<Box<dyn Watcher>>,
    pub(super) first: Instances,
}

/// Begins to watch `service`. What would have to wait is left to [`follow`]; a
/// [`Discovery`] in this process never waits.
pub(super) fn begin(
    discovery: &Arc<dyn Discovery>,
    service: &str,
) -> Result<Followed, DiscoveryError> {
    let (mut watcher, mut first) = (None, Instances::new());
    if let Poll::Ready(watching) = poll_once(discovery.watch(service)) {
        let mut watching = watching?;
        // The watcher's own first list, since it waits from then on for one that differs from it. An
        // error comes again.
        if let Poll::Ready(Ok(list)) = poll_once(Watcher::next(&mut *watching)) {
            first = list;
        }
        watcher = Some(watching);
    }
    Ok(Followed { watcher, first })
}

/// Hands each new list to `shared`, until the discovery ends.
pub(super) async fn follow<C>(
    shared: Arc<Shared<C>>,
    discovery: Arc<dyn Discovery>,
    followed: Followed,
) {
    let Err(error) = watch(&shared, &discovery, followed).await;
    tracing::warn!(
        target: "tidings::balance", service = shared.service(), %error,
        "the service is not followed any more: calls go to those who were there last"
    );
}

/// Returns only an error.
async fn watch<C>(
    shared: &Shared<C>,
    discovery: &Arc<dyn Discovery>,
    followed: Followed,
) -> Result<Infallible, WatchError> {
    let mut watcher = match followed.watcher {
        Some(watcher) => watcher,
        None => match discovery.watch(shared.service()).await {
            Ok(watcher) => watcher,
            Err(DiscoveryError::Closed) => return Err(WatchError::Closed),
        },
    };
    loop {
        let list = Watcher::next(&mut *watcher).await?;
        take(shared, &list);
    }
}

/// A list on which what the caller handed in (a filter, what makes a connection) panics is one list that was
/// not taken, and not the end of all that follow it.
fn take<C>(shared: &Shared<C>, list: &Instances) {
    // What both share is whole: a pool's list is replaced at once, or not at all.
    let taken = catch_unwind(AssertUnwindSafe(|| shared.take(list)));
    if let Err(panic) = taken {
        let said = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        tracing::error!(
            target: "tidings::balance", service = shared.service(), instances = list.len(), panic = said,
            "a filter or a connection's maker panicked: calls go to those of the list before, until the next"
        );
    }
}

fn poll_once<F: Future + Unpin>(mut future: F) -> Poll<F::Output> {
    Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()))
}
