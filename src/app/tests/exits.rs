//! Whatever goes wrong: what had started is stopped, and the first cause is the error.

use std::sync::mpsc;

use super::*;
use crate::app::{HookError, ServerError, Stage};
use crate::health::{MonitorError, StopError};
use crate::registry::Status;

/// The error of a server, with its name.
fn of_server(result: Result<(), AppError>) -> (String, ServerError) {
    match result {
        Err(AppError::Server { server, source }) => (server, source),
        other => panic!("no server failed: {other:?}"),
    }
}

/// The error of a hook, with its stage and place.
fn of_hook(result: Result<(), AppError>) -> (Stage, usize, HookError) {
    match result {
        Err(AppError::Hook {
            stage,
            place,
            source,
        }) => (stage, place, source),
        other => panic!("no hook failed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_deregistered_before_the_others_stop() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("bad", Deed::FailAfter(secs(60)), &book))
        .server(Fake::well("good", &book))
        .before_stop(hook(&book, "before stop"))
        .after_stop(hook(&book, "after stop"));
    let (server, error) = of_server(run(app).await);
    assert_eq!(server, "bad");
    assert_eq!(error.to_string(), "for this test");
    assert_eq!(
        book.entries()[5..],
        [
            "bad fails",
            "register draining",
            "before stop",
            "deregister",
            "good stops",
            "good has stopped",
            "after stop",
            "left",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn when_the_only_server_has_failed_nobody_waits_for_the_delay() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("bad", Deed::FailAfter(secs(60)), &book))
        .drain_delay(secs(1000));
    let started = tokio::time::Instant::now();
    of_server(run(app).await);
    assert_eq!(started.elapsed().as_secs(), 60);
    assert!(book.has("deregister"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_panics_or_ends_has_failed() {
    for deed in [Deed::PanicAfter(secs(60)), Deed::EndAfter(secs(60))] {
        let book = Book::new();
        let app = builder(&Recorder::new(&book))
            .server(Fake::new("bad", deed, &book))
            .server(Fake::well("good", &book));
        let (server, error) = of_server(run(app).await);
        assert_eq!(server, "bad");
        match deed {
            Deed::PanicAfter(_) => {
                assert!(matches!(&error, ServerError::Panicked(said) if said == "for this test"));
            }
            _ => assert!(matches!(error, ServerError::Ended), "{error}"),
        }
        let ends = ["deregister", "good stops", "good has stopped", "left"];
        assert_eq!(book.entries()[6..], ends);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_during_the_start_keeps_it_from_being_registered() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("bad", Deed::FailAfter(secs(1)), &book))
        .server(Fake::new("slow", Deed::AcceptAfter(secs(5)), &book));
    assert_eq!(of_server(run(app).await).0, "bad");
    assert!(!book.has("register up"));
    assert!(book.has("slow has stopped") && book.has("left"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_accept_in_time_is_an_error_and_nothing_is_registered() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("good", &book))
        .server(Fake::new("mute", Deed::NeverAccept, &book))
        .start_timeout(secs(3))
        .stop_timeout(secs(3));
    let (server, error) = of_server(run(app).await);
    assert_eq!(server, "mute");
    assert!(matches!(error, ServerError::NotAccepting { waited } if waited == secs(3)));
    assert!(!book.has("register up"));
    assert!(book.has("good has stopped") && book.has("left"));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_before_the_start_starts_nothing_and_what_it_opened_can_be_closed() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .before_start(hook(&book, "opens"))
        .before_start(failing(&book, "fails"))
        .before_start(hook(&book, "not run"))
        .before_stop(hook(&book, "not run"))
        .after_stop(hook(&book, "closes"));
    let (stage, place, error) = of_hook(run(app).await);
    assert_eq!((stage, place), (Stage::BeforeStart, 2));
    assert_eq!(error.to_string(), "for this test");
    assert_eq!(book.entries(), ["opens", "fails", "closes", "left"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_after_the_start_deregisters_and_stops_the_servers() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .after_start(failing(&book, "fails"));
    let (stage, place, _) = of_hook(run(app).await);
    assert_eq!((stage, place), (Stage::AfterStart, 1));
    let ends = [
        "register draining",
        "deregister",
        "http stops",
        "http has stopped",
        "left",
    ];
    assert_eq!(book.entries()[4..], ends);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_during_the_stop_holds_nothing_up() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .before_stop(failing(&book, "fails first"))
        .before_stop(hook(&book, "before stop"))
        .after_stop(failing(&book, "fails too"));
    let (stage, place, _) = of_hook(run_until(app, &book, "register up").await);
    assert_eq!(
        (stage, place),
        (Stage::BeforeStop, 1),
        "the first is the cause"
    );
    assert_eq!(
        book.entries()[3..],
        [
            "register draining",
            "fails first",
            "before stop",
            "deregister",
            "http stops",
            "http has stopped",
            "fails too",
            "left",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_or_hangs_is_an_error_of_that_hook() {
    let book = Book::new();
    let panics = || async {
        assert!(book_is_closed(), "for this test");
        Ok::<_, BoxError>(())
    };
    let app = builder(&Recorder::new(&book)).server(Fake::well("http", &book));
    let (stage, _, error) = of_hook(run(app.after_start(panics)).await);
    assert_eq!(stage, Stage::AfterStart);
    assert!(matches!(&error, HookError::Panicked(said) if said == "for this test"));
    assert!(book.has("deregister") && book.has("http has stopped"));

    for stage in [
        Stage::BeforeStart,
        Stage::AfterStart,
        Stage::BeforeStop,
        Stage::Leave,
    ] {
        let book = Book::new();
        let app = builder(&Recorder::new(&book)).hook_timeout(secs(7));
        let app = app.server(Fake::well("http", &book));
        let hangs = hanging(&book, "hangs");
        let (is_asked, app) = match stage {
            Stage::BeforeStart => (false, app.before_start(hangs)),
            Stage::AfterStart => (false, app.after_start(hangs)),
            Stage::BeforeStop => (true, app.before_stop(hangs)),
            _ => (true, app.leave(hangs)),
        };
        let result = if is_asked {
            run_until(app, &book, "register up").await
        } else {
            run(app).await
        };
        let (failed, _, error) = of_hook(result);
        assert_eq!(failed, stage);
        assert!(matches!(error, HookError::Timeout { waited } if waited == secs(7)));
        assert_eq!(book.has("register up"), book.has("deregister"));
        assert_eq!(book.has("http starts"), book.has("http has stopped"));
        assert!(book.has("left"));
    }
}

fn book_is_closed() -> bool {
    false
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_refuses_stops_the_servers() {
    let book = Book::new();
    let recorder = Recorder::answering(&book, [Answer::Error, Answer::Well, Answer::Well]);
    let app = builder(&recorder)
        .server(Fake::well("http", &book))
        .after_start(hook(&book, "after start"));
    let error = run(app).await.unwrap_err();
    let expected = |error: &MonitorError| matches!(error, MonitorError::Registrar(refusal) if *refusal == too_much());
    assert!(
        matches!(&error, AppError::Register(error) if expected(error)),
        "{error}"
    );
    let happened = ["register up", "http stops", "http has stopped", "left"];
    assert_eq!(book.entries()[2..], happened);
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_hangs_or_panics_when_it_registers_is_asked_to_deregister() {
    for answer in [Answer::Hang, Answer::Panic] {
        let book = Book::new();
        let recorder = Recorder::answering(&book, [answer, Answer::Well, Answer::Well]);
        let app = builder(&recorder)
            .server(Fake::well("http", &book))
            .registrar_timeout(secs(4));
        let started = tokio::time::Instant::now();
        let error = run(app).await.unwrap_err();
        match answer {
            Answer::Hang => {
                assert!(
                    matches!(error, AppError::Register(MonitorError::Timeout { waited }) if waited == secs(4))
                );
                assert_eq!(started.elapsed().as_secs(), 4);
            }
            _ => assert!(
                matches!(error, AppError::Register(MonitorError::ThreadEnded)),
                "{error}"
            ),
        }
        let happened = [
            "register up",
            "deregister",
            "http stops",
            "http has stopped",
            "left",
        ];
        assert_eq!(book.entries()[2..], happened);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_does_not_deregister_is_an_error_and_the_servers_stop() {
    for answer in [Answer::Error, Answer::Hang, Answer::Panic] {
        let book = Book::new();
        let recorder = Recorder::answering(&book, [Answer::Well, Answer::Well, answer]);
        let app = builder(&recorder)
            .server(Fake::well("http", &book))
            .registrar_timeout(secs(4));
        let error = run_until(app, &book, "register up").await.unwrap_err();
        let AppError::Deregister(error) = error else {
            panic!("{error}");
        };
        match answer {
            Answer::Error => assert_eq!(error, StopError::Registrar(too_much())),
            Answer::Hang => assert_eq!(error, StopError::Timeout { waited: secs(4) }),
            _ => assert_eq!(error, StopError::Gone),
        }
        assert!(book.has("http has stopped") && book.has("left"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_does_not_take_that_it_drains_costs_no_more_than_a_call() {
    for answer in [Answer::Error, Answer::Hang, Answer::Panic] {
        let book = Book::new();
        let recorder = Recorder::answering(&book, [Answer::Well, answer, Answer::Well]);
        let app = builder(&recorder)
            .server(Fake::well("http", &book))
            .registrar_timeout(secs(4));
        let started = tokio::time::Instant::now();
        run_until(app, &book, "register up").await.unwrap();
        assert!(started.elapsed() <= secs(5) + Duration::from_millis(10));
        assert!(book.has("deregister") && book.has("http has stopped"));
    }
}

/// A registrar that blocks whichever thread registers as `when` with it, as long as the test runs.
struct Blocking {
    book: Book,
    when: Status,
    until: Mutex<mpsc::Receiver<()>>,
}

impl Registrar for Blocking {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        self.book.write(format!("register {}", instance.status()));
        if instance.status() == self.when {
            let _ = self.until.lock().unwrap().recv();
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        self.book.write("deregister");
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Virtual time stands still where a thread is blocked, so this is in real time.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_registrar_that_blocks_its_thread_is_left_behind_and_asked_to_deregister() {
    for when in [Status::Up, Status::Draining] {
        for on_own_thread in [false, true] {
            let book = Book::new();
            let (let_go, until) = mpsc::channel();
            let app = App::builder().name("user").without_signals();
            let app = app.registrar(Arc::new(Blocking {
                book: book.clone(),
                when,
                until: Mutex::new(until),
            }));
            let app = if on_own_thread {
                app.health(|monitor| monitor)
            } else {
                app
            };
            let app = app
                .server(Fake::well("http", &book))
                .leave(hook(&book, "left"))
                .drain_delay(Duration::ZERO)
                .registrar_timeout(Duration::from_millis(50));
            let ended = timeout(secs(30), run_until(app, &book, "register up")).await;
            let ended =
                ended.unwrap_or_else(|_| panic!("{when}, {on_own_thread}: {:?}", book.entries()));
            let is_error = matches!(ended, Err(AppError::Register(MonitorError::Timeout { .. })));
            assert_eq!(is_error, when == Status::Up, "{ended:?}");
            let ends = ["deregister", "http stops", "http has stopped", "left"];
            assert_eq!(book.entries().last_chunk().unwrap(), &ends);
            drop(let_go);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_was_closed_meanwhile_is_no_error() {
    let book = Book::new();
    let recorder = Recorder::answering(&book, [Answer::Well, Answer::Closed, Answer::Closed]);
    let app = builder(&recorder).server(Fake::well("http", &book));
    run_until(app, &book, "register up").await.unwrap();
    assert!(book.has("http has stopped") && book.has("left"));
}

#[test]
fn where_there_is_no_runtime_it_says_so() {
    let app = App::builder().name("user").build().unwrap();
    let waker = std::task::Waker::noop();
    let mut running = Box::pin(app.run());
    let polled = running
        .as_mut()
        .poll(&mut std::task::Context::from_waker(waker));
    let std::task::Poll::Ready(Err(error)) = polled else {
        panic!("it waits");
    };
    assert!(matches!(error, AppError::NoRuntime));
}
