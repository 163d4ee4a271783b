//! Following the instances of a service.

use futures_core::Stream;

use super::{BoxFuture, Instances, StopHandle};

/// Tells when the instances of one service changed.
///
/// A watcher remembers the list that it returned last, at first the empty one, and waits until the
/// service's list differs from it. So the first call returns at once if there are instances; the
/// list becoming empty is a change like any other; and ten changes while nobody looked are one: the
/// newest list, always whole. That a [stale](Instances::is_stale) list was confirmed is a change too, also where the instances
/// are the same.
///
/// It is a [`Stream`] of the same lists. The stream yields the error that ended it and then ends;
/// [`next`](Self::next) repeats that error. (With `futures`' `StreamExt` in scope, `watcher.next()`
/// on a `Box<dyn Watcher>` is the stream's, which wraps the same results in an `Option`.)
///
/// Dropping a watcher stops it.
pub trait Watcher: Stream<Item = Result<Instances, WatchError>> + Send + Unpin {
    /// Waits for a list that differs from the one returned last.
    ///
    /// Cancel-safe: when the future is dropped before it is ready, nothing was taken.
    ///
    /// # Errors
    ///
    /// [`WatchError`]; an error never takes a change with it.
    fn next(&mut self) -> BoxFuture<'_, Result<Instances, WatchError>>;

    /// Stops this watcher and no other: [`next`](Self::next) returns [`WatchError::Stopped`], also
    /// to a call that is waiting. Stopping again does nothing.
    fn stop(&self) {
        self.stop_handle().stop();
    }

    /// A handle that stops this watcher, for whoever cannot reach it because it is being waited on.
    fn stop_handle(&self) -> StopHandle;
}

/// Why a watcher has no more lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// This watcher was stopped. A new one starts from the current list.
    #[error("this watcher was stopped: watch the service again")]
    Stopped,
    /// The node has been shut down, and every change before that was returned.
    #[error("the node has been shut down: start another one and watch there")]
    Closed,
}
