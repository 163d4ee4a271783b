//! Who may end it, when, and what then becomes of what is in flight.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::app::ServerError;

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_finished_within_the_stop_budget() {
    let book = Book::new();
    let app =
        builder(&Recorder::new(&book)).server(Fake::new("http", Deed::Serve(secs(17)), &book));
    run_until(app, &book, "register up").await.unwrap();
    assert!(book.has("http has stopped"));

    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("http", Deed::Serve(secs(50)), &book))
        .stop_budget(secs(70));
    run_until(app, &book, "register up").await.unwrap();
    assert!(book.has("http has stopped"));
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_the_stop_timeout_is_cut_and_an_error() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("stuck", Deed::NeverFinish, &book))
        .server(Fake::well("http", &book))
        .stop_timeout(secs(3))
        .after_stop(hook(&book, "after stop"));
    let started = Instant::now();
    let error = run_until(app, &book, "register up").await.unwrap_err();
    let AppError::Server { server, source } = error else {
        panic!("{error}");
    };
    assert_eq!(server, "stuck");
    assert!(matches!(source, ServerError::NotFinished { waited } if waited == secs(3)));
    assert!(started.elapsed() < secs(6), "{:?}", started.elapsed());
    assert_eq!(
        book.entries().last_chunk().unwrap(),
        &["stuck is cut", "after stop", "left"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_while_it_stops_is_the_error() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("bad", Deed::FailAfter(secs(1)), &book))
        .server(Fake::well("good", &book))
        .drain_delay(secs(2));
    let error = run_until(app, &book, "register up").await.unwrap_err();
    assert!(matches!(error, AppError::Server { server, .. } if server == "bad"));
    assert!(book.has("deregister") && book.has("good has stopped"));
}

#[tokio::test(start_paused = true)]
async fn an_app_that_nobody_waits_for_any_more_stops_in_the_same_order() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("http", Deed::Serve(secs(3)), &book))
        .before_stop(hook(&book, "before stop"));
    let mut running = Box::pin(app.build().unwrap().run());
    tokio::select! {
        _ = &mut running => panic!("it ended"),
        () = book.shows("register up") => {}
    }
    drop(running);
    book.shows("left").await;
    assert_eq!(
        book.entries()[3..],
        [
            "register draining",
            "before stop",
            "deregister",
            "http stops",
            "http has stopped",
            "left"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_cancelled_while_it_registers_leaves_nothing_registered() {
    let book = Book::new();
    let recorder = Recorder::answering(&book, [Answer::Hang, Answer::Well, Answer::Well]);
    let app = builder(&recorder).server(Fake::well("http", &book)).build();
    let parent = tokio::spawn(app.unwrap().run());
    book.shows("register up").await;
    parent.abort();
    book.shows("left").await;
    let happened = [
        "register up",
        "deregister",
        "http stops",
        "http has stopped",
        "left",
    ];
    assert_eq!(book.entries()[2..], happened);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_never_polled_has_started_nothing() {
    let book = Book::new();
    drop(builder(&Recorder::new(&book)).build().unwrap().run());
    sleep(secs(60)).await;
    assert!(book.entries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_stop_ends_a_start_that_takes_long() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .before_start(hanging(&book, "hangs"));
    run_until(app, &book, "hangs").await.unwrap();
    assert_eq!(book.entries(), ["hangs", "left"]);

    let book = Book::new();
    let app =
        builder(&Recorder::new(&book)).server(Fake::new("slow", Deed::AcceptAfter(secs(5)), &book));
    run_until(app, &book, "slow starts").await.unwrap();
    let happened = [
        "slow starts",
        "slow accepts",
        "slow stops",
        "slow has stopped",
        "left",
    ];
    assert_eq!(book.entries(), happened);
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_stop_that_comes_before_the_start_is_heard() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book)).server(Fake::well("http", &book));
    let app = app.build().unwrap();
    app.stop_handle().stop();
    within(app.run()).await.unwrap();
    assert_eq!(book.entries(), ["left"]);
}

#[tokio::test(start_paused = true)]
async fn any_of_the_wishes_it_was_given_stops_it() {
    let book = Book::new();
    let (stop, stopped) = oneshot::channel::<()>();
    let app = builder(&Recorder::new(&book))
        .stop_on(pending())
        .stop_on(async { drop(stopped.await) });
    let running = tokio::spawn(app.build().unwrap().run());
    book.shows("register up").await;
    drop(stop);
    within(running).await.unwrap().unwrap();
    assert!(book.has("deregister"));
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_panics_stops_it_in_order() {
    let book = Book::new();
    let (panics, panicking) = oneshot::channel::<()>();
    let app = builder(&Recorder::new(&book)).stop_on(async { panicking.await.unwrap() });
    let running = tokio::spawn(app.build().unwrap().run());
    book.shows("register up").await;
    drop(panics);
    within(running).await.unwrap().unwrap();
    assert!(book.has("deregister") && book.has("left"));
}
