//! "Watcher".

use futures_util::{FutureExt, StreamExt};
use tidings::registry::{Discovery, Instances, WatchError, Watcher};

use super::{
    Fixture, USERS, deregister, get, ids, look, next, next_waiting, register, users, watch, within,
    woken,
};

pub(crate) async fn the_first_call_returns_at_once_when_there_are_instances<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    assert_eq!(look(&mut *watcher), Some(Ok(get(subject, USERS).await)));
}

pub(crate) async fn the_first_call_waits_for_the_first_change_when_there_are_none<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    let first = next_waiting(watch(subject, USERS).await).await;
    register(subject, users("a")).await;
    assert_eq!(ids(&woken(first).await.unwrap()), ["a"]);
}

pub(crate) async fn each_later_call_returns_when_the_list_differs_from_what_was_seen_last<
    F: Fixture,
>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    next(&mut *watcher).await;
    let mut later = Watcher::next(&mut *watcher);
    assert!(
        (&mut later).now_or_never().is_none(),
        "the list is the one that was seen"
    );
    register(subject, users("b")).await;
    assert_eq!(ids(&within("next", later).await.unwrap()), ["a", "b"]);
    assert_eq!(look(&mut *watcher), None);
    deregister(subject, users("a")).await;
    assert_eq!(ids(&next(&mut *watcher).await), ["b"]);
    register(subject, users("b").version("2")).await;
    assert_eq!(next(&mut *watcher).await[0].version(), "2");
    let later = next_waiting(watcher).await;
    register(subject, users("b").version("3")).await;
    assert_eq!(woken(later).await.unwrap()[0].version(), "3");
}

pub(crate) async fn a_list_that_came_back_to_what_was_seen_is_no_change<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    next(&mut *watcher).await;
    register(subject, users("b")).await;
    deregister(subject, users("b")).await;
    assert_eq!(look(&mut *watcher), None);
    register(subject, users("c")).await;
    assert_eq!(ids(&next(&mut *watcher).await), ["a", "c"]);
}

pub(crate) async fn a_change_of_another_service_is_no_change<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, "order-service").await;
    register(subject, users("a")).await;
    assert_eq!(look(&mut *watcher), None);
}

pub(crate) async fn a_change_reaches_every_watcher<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(next_waiting(watch(subject, USERS).await).await);
    }
    register(subject, users("a")).await;
    for waiting in waiting {
        assert_eq!(ids(&woken(waiting).await.unwrap()), ["a"]);
    }
}

pub(crate) async fn every_list_is_the_full_list<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, USERS).await;
    for (id, expected) in [
        ("b", vec!["b"]),
        ("a", vec!["a", "b"]),
        ("c", vec!["a", "b", "c"]),
    ] {
        register(subject, users(id)).await;
        let list = next(&mut *watcher).await;
        assert_eq!(ids(&list), expected);
        assert_eq!(list, get(subject, USERS).await);
    }
}

pub(crate) async fn the_list_going_empty_is_a_change<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    next(&mut *watcher).await;
    deregister(subject, users("a")).await;
    assert_eq!(next(&mut *watcher).await, Instances::new());
    assert_eq!(look(&mut *watcher), None, "and only once");
    register(subject, users("a")).await;
    assert_eq!(ids(&next(&mut *watcher).await), ["a"]);
}

pub(crate) async fn ten_changes_while_nobody_looked_are_one<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, USERS).await;
    for version in 1..=10 {
        register(subject, users("a").version(version.to_string())).await;
    }
    assert_eq!(next(&mut *watcher).await[0].version(), "10");
    assert_eq!(look(&mut *watcher), None);
}

pub(crate) async fn an_error_never_consumes_an_update<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let mut watcher = watch(subject, USERS).await;
    let seen = next(&mut *watcher).await;
    register(subject, users("b")).await;
    fixture.shut_down().await;
    // What was registered may have been taken back on the way out; either way it is not what was
    // seen.
    assert_ne!(next(&mut *watcher).await, seen);
    for _ in 0..2 {
        let over = within("next", Watcher::next(&mut *watcher)).await;
        assert_eq!(over, Err(WatchError::Closed));
    }
}

pub(crate) async fn a_shut_down_ends_a_call_that_waits<F: Fixture>(fixture: &F) {
    let waiting = next_waiting(watch(&**fixture.subject(), USERS).await).await;
    fixture.shut_down().await;
    assert_eq!(woken(waiting).await, Err(WatchError::Closed));
}

pub(crate) async fn stopping_is_idempotent_and_lasts<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, USERS).await;
    assert!(!watcher.stop_handle().is_stopped());
    watcher.stop();
    watcher.stop();
    watcher.stop_handle().stop();
    assert!(watcher.stop_handle().is_stopped());
    assert_eq!(look(&mut *watcher), Some(Err(WatchError::Stopped)));
    register(subject, users("a")).await;
    assert_eq!(look(&mut *watcher), Some(Err(WatchError::Stopped)));
}

pub(crate) async fn stopping_reaches_a_call_that_waits<F: Fixture>(fixture: &F) {
    let watcher = watch(&**fixture.subject(), USERS).await;
    let handle = watcher.stop_handle();
    let waiting = next_waiting(watcher).await;
    handle.stop();
    assert_eq!(woken(waiting).await, Err(WatchError::Stopped));
}

pub(crate) async fn stopping_ends_no_other_watcher<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let stopped = watch(subject, USERS).await;
    let waiting = next_waiting(watch(subject, USERS).await).await;
    stopped.stop();
    drop(stopped);
    register(subject, users("a")).await;
    assert_eq!(ids(&woken(waiting).await.unwrap()), ["a"]);
    let mut later = watch(subject, USERS).await;
    assert_eq!(
        ids(&next(&mut *later).await),
        ["a"],
        "nor one made afterwards"
    );
}

pub(crate) async fn dropping_a_pending_call_loses_nothing<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, USERS).await;
    for id in ["a", "b", "c"] {
        let mut pending = Watcher::next(&mut *watcher);
        assert!((&mut pending).now_or_never().is_none());
        // The change comes while the call waits, and the call is dropped before it is polled again.
        register(subject, users(id)).await;
        drop(pending);
        assert_eq!(next(&mut *watcher).await, get(subject, USERS).await);
    }
    // Dropped first: the change comes while nobody waits.
    assert_eq!(look(&mut *watcher), None);
    deregister(subject, users("b")).await;
    assert_eq!(ids(&next(&mut *watcher).await), ["a", "c"]);
    // And the call after a dropped one is woken as any other.
    assert_eq!(look(&mut *watcher), None);
    let waiting = next_waiting(watcher).await;
    deregister(subject, users("a")).await;
    assert_eq!(ids(&woken(waiting).await.unwrap()), ["c"]);
}

pub(crate) async fn it_is_a_stream_that_ends_after_the_error<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    let mut watcher = watch(subject, USERS).await;
    let handle = watcher.stop_handle();
    register(subject, users("a")).await;
    let first = within("the stream", StreamExt::next(&mut watcher)).await;
    assert_eq!(first, Some(Ok(get(subject, USERS).await)));
    register(subject, users("b")).await;
    let second = within("the watcher", Watcher::next(&mut *watcher)).await;
    assert_eq!(ids(&second.unwrap()), ["a", "b"], "both ways take turns");
    handle.stop();
    // Bounded, for a stream that does not end.
    let rest: Vec<_> = within("the stream", watcher.take(3).collect()).await;
    assert_eq!(rest, [Err(WatchError::Stopped)]);
}

pub(crate) async fn dropping_it_is_stopping_it<F: Fixture>(fixture: &F) {
    let watcher = watch(&**fixture.subject(), USERS).await;
    let handle = watcher.stop_handle();
    drop(watcher);
    assert!(handle.is_stopped());
}

pub(crate) async fn a_hundred_thousand_watch_and_drop_cycles_leave_memory_where_it_was<
    F: Fixture,
>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let cycle = |n: usize| {
        // A name that exists, and names that nobody will ask for again.
        let name = if n.is_multiple_of(2) {
            USERS.to_owned()
        } else {
            format!("service-{n}")
        };
        let watching = subject.watch(&name).now_or_never().expect("at once");
        let mut watcher = watching.unwrap();
        // The list, if there is one, and then a call that waits.
        while look(&mut *watcher).is_some() {}
    };
    // What the first cycles on a thread set up for good.
    (0..1_000).for_each(cycle);
    let used = allocation_counter::measure(|| (0..100_000).for_each(cycle));
    assert!(used.count_total > 0, "the counter counts");
    assert_eq!((used.count_current, used.bytes_current), (0, 0), "{used:?}");
}
