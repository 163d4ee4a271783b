use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::{FutureExt, StreamExt};

use super::{ServiceWatcher, WatchError, Watcher};
use crate::registry::{Instances, ServiceInstance};
use crate::table::Directory;

fn list<const N: usize>(ids: [&str; N]) -> Instances {
    ids.into_iter()
        .map(|id| {
            ServiceInstance::builder("user-service")
                .id(id)
                .build()
                .unwrap()
        })
        .collect()
}

/// One look: what `next` returns without waiting.
fn look(watcher: &mut ServiceWatcher) -> Option<Result<Instances, WatchError>> {
    Watcher::next(watcher).now_or_never()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A watcher that waits, and how often it has been woken.
fn waiting(directory: &Directory) -> (ServiceWatcher, Arc<Wakes>) {
    let mut watcher = directory.watch("user-service");
    let wakes = Arc::<Wakes>::default();
    let counting = Waker::from(Arc::clone(&wakes));
    assert!(
        watcher
            .poll_change(&mut Context::from_waker(&counting))
            .is_pending()
    );
    (watcher, wakes)
}

#[test]
fn it_starts_with_the_list_unless_that_is_empty() {
    let directory = Directory::new();
    let mut early = directory.watch("user-service");
    assert_eq!(look(&mut early), None);
    directory.publish("user-service", list(["a"]));
    let mut late = directory.watch("user-service");
    assert_eq!(look(&mut early), Some(Ok(list(["a"]))));
    assert_eq!(look(&mut late), Some(Ok(list(["a"]))));
    assert_eq!(look(&mut late), None);
}

#[test]
fn a_slow_watcher_sees_the_last_state_once() {
    let directory = Directory::new();
    let mut watcher = directory.watch("user-service");
    for ids in [["a", "b"], ["b", "c"], ["c", "d"]] {
        directory.publish("user-service", list(ids));
    }
    assert_eq!(look(&mut watcher), Some(Ok(list(["c", "d"]))));
    assert_eq!(look(&mut watcher), None);
}

#[test]
fn becoming_empty_is_a_change() {
    let directory = Directory::new();
    let mut watcher = directory.watch("user-service");
    directory.publish("user-service", list(["a"]));
    look(&mut watcher);
    directory.publish("user-service", Instances::new());
    assert_eq!(look(&mut watcher), Some(Ok(Instances::new())));
}

#[test]
fn a_list_that_went_away_and_came_back_is_no_change() {
    let directory = Directory::new();
    let mut watcher = directory.watch("user-service");
    directory.publish("user-service", list(["a"]));
    directory.publish("user-service", Instances::new());
    assert_eq!(look(&mut watcher), None);
    directory.publish("user-service", list(["a"]));
    look(&mut watcher);
    directory.publish("user-service", list(["b"]));
    directory.publish("user-service", list(["a"]));
    assert_eq!(look(&mut watcher), None);
}

#[test]
fn a_change_a_stop_and_a_close_wake_a_watcher_that_waits() {
    let directory = Directory::new();
    let (_watcher, wakes) = waiting(&directory);
    directory.publish("order-service", list(["a"]));
    assert_eq!(
        wakes.0.load(Ordering::SeqCst),
        0,
        "a change of another service"
    );
    directory.publish("user-service", list(["a"]));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);

    let directory = Directory::new();
    let (watcher, wakes) = waiting(&directory);
    watcher.stop();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);

    let (_watcher, wakes) = waiting(&directory);
    directory.close();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
}

#[test]
fn a_change_wakes_every_watcher_that_waits() {
    let directory = Directory::new();
    let waiting: Vec<_> = (0..10).map(|_| waiting(&directory)).collect();
    directory.publish("user-service", list(["a"]));
    assert!(
        waiting
            .iter()
            .all(|(_, wakes)| wakes.0.load(Ordering::SeqCst) == 1)
    );
}

#[test]
fn a_call_that_was_dropped_took_nothing() {
    let directory = Directory::new();
    let (mut watcher, wakes) = waiting(&directory);
    assert_eq!(look(&mut watcher), None, "a second call, and it is dropped");
    directory.publish("user-service", list(["a"]));
    assert_eq!(
        wakes.0.load(Ordering::SeqCst),
        0,
        "the last caller is woken, and that one is gone"
    );
    assert_eq!(look(&mut watcher), Some(Ok(list(["a"]))));
}

#[test]
fn stopping_ends_this_watcher_for_good_and_no_other() {
    let directory = Directory::new();
    let (mut stopped, mut other) = (
        directory.watch("user-service"),
        directory.watch("user-service"),
    );
    directory.publish("user-service", list(["a"]));
    stopped.stop();
    stopped.stop();
    for _ in 0..2 {
        assert_eq!(
            look(&mut stopped),
            Some(Err(WatchError::Stopped)),
            "also with a change unseen"
        );
    }
    assert_eq!(look(&mut other), Some(Ok(list(["a"]))));
}

#[test]
fn a_close_is_seen_after_the_last_change() {
    let directory = Directory::new();
    let mut watcher = directory.watch("user-service");
    directory.publish("user-service", list(["a"]));
    directory.close();
    assert_eq!(look(&mut watcher), Some(Ok(list(["a"]))));
    for _ in 0..2 {
        assert_eq!(look(&mut watcher), Some(Err(WatchError::Closed)));
    }
    watcher.stop();
    assert_eq!(
        look(&mut watcher),
        Some(Err(WatchError::Stopped)),
        "after a stop always this"
    );
    let mut late = directory.watch("user-service");
    assert_eq!(look(&mut late), Some(Ok(list(["a"]))), "what was known");
    assert_eq!(look(&mut late), Some(Err(WatchError::Closed)));
}

#[test]
fn as_a_stream_it_ends_after_the_error() {
    let directory = Directory::new();
    directory.publish("user-service", list(["a"]));
    directory.close();
    let watcher = directory.watch("user-service");
    let items = watcher.collect::<Vec<_>>().now_or_never();
    assert_eq!(items, Some(vec![Ok(list(["a"])), Err(WatchError::Closed)]));
}

#[test]
fn the_stream_is_over_once_next_has_returned_the_error() {
    let directory = Directory::new();
    let mut watcher = directory.watch("user-service");
    watcher.stop();
    assert_eq!(look(&mut watcher), Some(Err(WatchError::Stopped)));
    let polled = watcher.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(None));
}

#[test]
fn dropping_it_is_stopping_it() {
    let directory = Directory::new();
    let watcher = directory.watch("user-service");
    let handle = watcher.stop_handle();
    drop(watcher);
    assert!(handle.is_stopped());
}

#[test]
fn a_hundred_thousand_watch_and_drop_cycles_leave_memory_where_it_was() {
    let directory = Directory::new();
    directory.publish("service-7", list(["a"]));
    let cycle = |n: usize| {
        let mut watcher = directory.watch(&format!("service-{n}"));
        // Waits, so that listeners are made too.
        look(&mut watcher);
        look(&mut watcher);
    };
    // What the first cycles of a thread set up for good.
    (0..100).for_each(cycle);
    let used = allocation_counter::measure(|| (0..100_000).for_each(cycle));
    assert_eq!((used.count_current, used.bytes_current), (0, 0), "{used:?}");
}
