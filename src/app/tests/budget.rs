//! A stop has one budget, whatever hangs in it, and a second signal ends what is waited for.

use tokio::time::Instant;

use super::*;
use crate::app::{HookError, ServerError, Stage};
use crate::registry::Membership;

const BUDGET: Duration = secs(25);

/// Runs the app, stops it once it is registered, and returns how it ended and how long that took.
async fn stop(app: AppBuilder, book: &Book) -> (Result<(), AppError>, Duration) {
    let app = app.build().unwrap();
    let handle = app.stop_handle();
    let running = tokio::spawn(app.run());
    book.shows("after start").await;
    let began = Instant::now();
    handle.stop();
    let ended = within(running).await.unwrap();
    (ended, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn whatever_hangs_the_stop_takes_no_longer_than_its_budget() {
    let all_well = [Answer::Well; 3];
    let no_drain = [Answer::Well, Answer::Hang, Answer::Well];
    let no_deregister = [Answer::Well, Answer::Well, Answer::Hang];
    let nothing = [Answer::Well, Answer::Hang, Answer::Hang];
    for budget in [secs(2), BUDGET, secs(120)] {
        for answers in [all_well, no_drain, no_deregister, nothing] {
            for hooks in [0, 1, 3] {
                let book = Book::new();
                let mut app = App::builder()
                    .name("user")
                    .registrar(Recorder::answering(&book, answers))
                    .without_signals()
                    .server(Fake::new("stuck", Deed::NeverFinish, &book))
                    .after_start(hook(&book, "after start"))
                    .stop_budget(budget);
                for _ in 0..hooks {
                    app = app
                        .before_stop(hanging(&book, "before stop"))
                        .after_stop(hanging(&book, "after stop"));
                }
                let app = app
                    .before_stop(hook(&book, "last before stop"))
                    .after_stop(hook(&book, "last after stop"))
                    .leave(hook(&book, "left"));
                let (_, took) = stop(app, &book).await;
                let slack = Duration::from_millis(10);
                assert!(
                    took <= budget + slack,
                    "{budget:?}, {hooks} hooks: {took:?}"
                );
                for happens in [
                    "register draining",
                    "last before stop",
                    "deregister",
                    "stuck stops",
                    "stuck is cut",
                    "last after stop",
                    "left",
                ] {
                    assert!(book.has(happens), "{happens}: {:?}", book.entries());
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_leave_that_hangs_is_within_the_budget() {
    let book = Book::new();
    let app = App::builder()
        .name("user")
        .registrar(Recorder::new(&book))
        .without_signals()
        .after_start(hook(&book, "after start"))
        .leave(hanging(&book, "leaving"));
    let (ended, took) = stop(app, &book).await;
    let is_of_leave = matches!(
        ended,
        Err(AppError::Hook {
            stage: Stage::Leave,
            source: HookError::Timeout { .. },
            ..
        })
    );
    assert!(is_of_leave && took <= BUDGET, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn draining_is_announced_before_a_hook_can_delay_it() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::well("http", &book))
        .after_start(hook(&book, "after start"))
        .before_stop(hanging(&book, "hangs"));
    let app = app.build().unwrap();
    let handle = app.stop_handle();
    let running = tokio::spawn(app.run());
    book.shows("after start").await;
    let began = Instant::now();
    handle.stop();
    book.shows("register draining").await;
    assert!(began.elapsed() < Duration::from_millis(100));
    within(running).await.unwrap().unwrap_err();
    let entries = book.entries();
    let at = |entry: &str| entries.iter().position(|written| written == entry);
    assert!(at("register draining") < at("hangs"), "{entries:?}");
}

#[tokio::test(start_paused = true)]
async fn by_default_requests_have_18_s_beside_a_leave_and_23_s_without() {
    for (leaves, expected) in [(true, 18), (false, 23)] {
        let book = Book::new();
        let app = App::builder()
            .name("user")
            .registrar(Recorder::new(&book))
            .without_signals()
            .server(Fake::new("stuck", Deed::NeverFinish, &book))
            .after_start(hook(&book, "after start"));
        let app = if leaves {
            app.leave(hook(&book, "left"))
        } else {
            app
        };
        let (ended, took) = stop(app, &book).await;
        let Err(AppError::Server { source, .. }) = ended else {
            panic!("it was not cut");
        };
        let ServerError::NotFinished { waited } = source else {
            panic!("{source}");
        };
        assert_eq!(waited.as_secs(), expected);
        assert!(took <= BUDGET, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_and_a_timeout_that_are_longer_than_the_budget_end_with_it() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book))
        .server(Fake::new("stuck", Deed::NeverFinish, &book))
        .after_start(hook(&book, "after start"))
        .drain_delay(secs(3_600))
        .stop_timeout(secs(3_600))
        .hook_timeout(secs(3_600));
    let (_, took) = stop(app, &book).await;
    assert!(took <= BUDGET, "{took:?}");
    assert!(book.has("deregister") && book.has("left"));
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_never_answered_costs_no_more_than_the_budget() {
    let book = Book::new();
    let recorder = Recorder::answering(&book, [Answer::Hang, Answer::Hang, Answer::Hang]);
    let app = builder(&recorder)
        .server(Fake::well("http", &book))
        .registrar_timeout(secs(600))
        .build()
        .unwrap();
    let handle = app.stop_handle();
    let running = tokio::spawn(app.run());
    book.shows("register up").await;
    let began = Instant::now();
    handle.stop();
    within(running).await.unwrap().unwrap_err();
    assert!(began.elapsed() <= BUDGET, "{:?}", began.elapsed());
    assert!(book.has("deregister") && book.has("left"));
}

#[tokio::test(start_paused = true)]
async fn no_budget_at_all_is_refused_before_anything_starts() {
    let book = Book::new();
    let app = builder(&Recorder::new(&book)).stop_budget(Duration::ZERO);
    let error = run(app).await.unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("`stop_budget` is 0ns: "), "{said}");
    assert!(said.contains("such as 25 s"), "{said}");
    assert!(book.entries().is_empty());
}

/// A cluster that a registrar is a member of.
struct Cluster(Arc<Recorder>);

impl Membership for Cluster {
    fn registrar(&self) -> Arc<dyn Registrar> {
        self.0.clone()
    }

    fn leave(&self) -> BoxFuture<'static, Result<(), BoxError>> {
        let book = self.0.book.clone();
        Box::pin(async move {
            book.write("left");
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_node_it_registers_there_and_leaves_last_of_all() {
    let book = Book::new();
    let app = App::builder()
        .name("user")
        .without_signals()
        .node(Arc::new(Cluster(Recorder::new(&book))))
        .server(Fake::well("http", &book))
        .after_stop(hook(&book, "after stop"));
    run_until(app, &book, "register up").await.unwrap();
    let ends = [
        "register up",
        "register draining",
        "deregister",
        "http stops",
        "http has stopped",
        "after stop",
        "left",
    ];
    assert_eq!(book.entries()[2..], ends);
}
