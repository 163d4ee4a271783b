//! An app whose health is checked.

use super::*;
use crate::health::{Check, Standing};

/// An app with a check that the handle speaks for.
fn checked(recorder: &Arc<Recorder>) -> (App, crate::health::TtlHandle) {
    let (check, handle) = Check::ttl("worker", secs(36_000));
    let app = builder(recorder)
        .server(Fake::well("http", &recorder.book))
        .health(|monitor| monitor.check(check).on_current_runtime());
    (app.build().unwrap(), handle)
}

#[tokio::test(start_paused = true)]
async fn it_is_unhealthy_until_its_checks_pass_and_draining_wins() {
    let book = Book::new();
    let (app, handle) = checked(&Recorder::new(&book));
    let (stop, mut status) = (app.stop_handle(), app.status());
    let running = tokio::spawn(app.run());
    book.shows("register unhealthy").await;
    handle.pass();
    within(status.standing(Standing::Up)).await.unwrap();
    book.shows("register up").await;
    stop.stop();
    book.shows("register draining").await;
    handle.fail("no");
    within(running).await.unwrap().unwrap();
    let mut told = book.entries();
    told.retain(|entry| entry.contains("register"));
    assert_eq!(
        told,
        [
            "register unhealthy",
            "register up",
            "register draining",
            "deregister"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn its_status_is_that_of_its_instance_from_before_the_start_to_after_the_stop() {
    let book = Book::new();
    let (app, handle) = checked(&Recorder::new(&book));
    let (stop, mut status) = (app.stop_handle(), app.status());
    assert_eq!(status.current().standing, Standing::Deregistered);
    let running = tokio::spawn(app.run());
    let unhealthy = within(status.standing(Standing::Unhealthy)).await.unwrap();
    assert_eq!(unhealthy.failing(), "worker: no result yet");
    handle.pass();
    within(status.standing(Standing::Up)).await.unwrap();
    stop.stop();
    within(status.standing(Standing::Draining)).await.unwrap();
    within(status.standing(Standing::Deregistered))
        .await
        .unwrap();
    within(running).await.unwrap().unwrap();
    within(async { while status.changed().await.is_some() {} }).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_deregistered_as_critical_is_not_registered_to_drain() {
    let book = Book::new();
    let (check, _handle) = Check::ttl("worker", secs(36_000));
    let policy = crate::health::Policy {
        deregister_after: Some(secs(60)),
        ..Default::default()
    };
    let app = builder(&Recorder::new(&book))
        .health(move |monitor| monitor.check(check).policy(policy).on_current_runtime());
    let started = tokio::time::Instant::now();
    run_until(app, &book, "deregister").await.unwrap();
    assert!(!book.has("register draining"));
    assert!(started.elapsed() < secs(62), "{:?}", started.elapsed());
}
