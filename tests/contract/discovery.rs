//! "Discovery".

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tidings::registry::{Discovery, DiscoveryError, Registrar, WaitError};

use super::{
    BOUND, Fixture, USERS, deregister, get, ids, look, register, users, waiting, within, woken,
};

pub(crate) async fn it_is_object_safe<F: Fixture>(fixture: &F) {
    let registrar: Arc<dyn Registrar> = fixture.subject().clone();
    let discovery: Arc<dyn Discovery> = fixture.subject().clone();
    registrar
        .register(users("a").build().unwrap())
        .await
        .unwrap();
    let found = tokio::spawn(async move { discovery.get_service(USERS).await })
        .await
        .unwrap();
    assert_eq!(ids(&found.unwrap()), ["a"]);
}

pub(crate) async fn get_service_is_what_the_table_holds_now<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["a"]);
    register(subject, users("b")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["a", "b"]);
    deregister(subject, users("a")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["b"]);
    deregister(subject, users("b")).await;
    assert!(get(subject, USERS).await.is_empty());
}

pub(crate) async fn an_unknown_name_is_an_empty_list<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    for name in ["order-service", "user-servic", "user-service ", ""] {
        assert!(get(subject, name).await.is_empty(), "{name:?}");
    }
}

pub(crate) async fn the_order_is_that_of_the_ids_whatever_the_order_of_registering<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    for id in ["m", "z", "a", "10", "9"] {
        register(subject, users(id)).await;
    }
    assert_eq!(ids(&get(subject, USERS).await), ["10", "9", "a", "m", "z"]);
    register(subject, users("m").version("2")).await;
    assert_eq!(ids(&get(subject, USERS).await), ["10", "9", "a", "m", "z"]);
}

pub(crate) async fn a_watcher_is_there_at_once_whether_or_not_the_name_exists<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    for (name, has_list) in [(USERS, true), ("order-service", false)] {
        let watcher = subject.watch(name).now_or_never().expect("at once");
        assert_eq!(look(&mut *watcher.unwrap()).is_some(), has_list, "{name}");
    }
    assert!(
        get(subject, "order-service").await.is_empty(),
        "watching makes no service"
    );
}

pub(crate) async fn waiting_for_what_is_there_returns_at_once<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    register(subject, users("b")).await;
    for min in [0, 1, 2] {
        // More than was asked for is no reason to hold some back.
        let found = subject.wait_for(USERS, min, Duration::ZERO).await.unwrap();
        assert_eq!(ids(&found), ["a", "b"]);
    }
    let none = subject
        .wait_for("order-service", 0, BOUND)
        .now_or_never()
        .expect("at once");
    assert!(none.unwrap().is_empty());
}

pub(crate) async fn waiting_ends_when_enough_instances_are_there<F: Fixture>(fixture: &F) {
    let subject = Arc::clone(fixture.subject());
    let wait_for_two = {
        let subject = Arc::clone(&subject);
        async move { subject.wait_for(USERS, 2, BOUND).await }
    };
    let waiting = waiting(wait_for_two).await;
    register(&*subject, users("a")).await;
    register(&*subject, users("b")).await;
    assert_eq!(
        ids(&woken(waiting).await.unwrap()),
        ["a", "b"],
        "one is not two"
    );
}

pub(crate) async fn waiting_ends_with_the_time_and_says_what_was_missing<F: Fixture>(fixture: &F) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    let timeout = Duration::from_millis(50);
    let started = Instant::now();
    let error = within("wait_for", subject.wait_for(USERS, 2, timeout))
        .await
        .unwrap_err();
    assert!(started.elapsed() >= timeout);
    let service = USERS.to_owned();
    assert_eq!(
        error,
        WaitError::Timeout {
            service,
            wanted: 2,
            found: 1,
            waited: timeout
        }
    );
    let message = error.to_string();
    assert!(
        message.contains("`user-service` has 1 instances after 50ms, 2 were wanted"),
        "{message}"
    );
}

pub(crate) async fn waiting_ends_with_a_shut_down<F: Fixture>(fixture: &F) {
    let subject = Arc::clone(fixture.subject());
    let waiting = waiting(async move { subject.wait_for(USERS, 1, BOUND * 2).await }).await;
    fixture.shut_down().await;
    assert_eq!(woken(waiting).await, Err(WaitError::Closed));
}

pub(crate) async fn after_a_shut_down_discovering_is_an_error_that_says_so<F: Fixture>(
    fixture: &F,
) {
    let subject = &**fixture.subject();
    register(subject, users("a")).await;
    fixture.shut_down().await;
    let error = within("get_service", subject.get_service(USERS))
        .await
        .unwrap_err();
    assert_eq!(error, DiscoveryError::Closed);
    assert!(error.to_string().contains("shut down"), "{error}");
    let watching = within("watch", subject.watch(USERS)).await;
    assert_eq!(watching.map(|_| ()).unwrap_err(), DiscoveryError::Closed);
    let waiting = within("wait_for", subject.wait_for(USERS, 1, BOUND)).await;
    assert_eq!(waiting, Err(WaitError::Closed));
}
