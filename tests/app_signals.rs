//! Signals, in a process of their own: they are the process's, and not a test's.
#![cfg(all(feature = "app", unix))]

use std::future::pending;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tidings::app::{App, AppError, BoxError, HookError, Server, ServerError, Serving};
use tidings::registry::{BoxFuture, Endpoint, Registrar, RegistrarError, ServiceInstance};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep, timeout};

/// A signal reaches every app of the process, so one test runs at a time.
static SIGNALS: Mutex<()> = Mutex::const_new(());

/// A server that finishes at once, or not unless it is cut.
struct Fake {
    finishes: bool,
}

impl Server for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        Vec::new()
    }

    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            serving.accepts();
            serving.stopping().await;
            if !self.finishes {
                pending::<()>().await;
            }
            Ok(())
        })
    }
}

/// A registrar that takes everything and tells nobody.
struct Nowhere;

impl Registrar for Nowhere {
    fn register(&self, _: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(async { Ok(()) })
    }

    fn deregister(&self, _: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        Box::pin(async { Ok(()) })
    }
}

fn send(signal: &str) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{signal}"))
        .arg(std::process::id().to_string());
    assert!(kill.status().unwrap().success(), "the signal was not sent");
}

/// Runs an app, sends a signal once it has started, and another once it stops.
async fn run(server: Option<Fake>, first: &str, second: Option<&str>) -> Result<(), AppError> {
    let hour = Duration::from_secs(3600);
    let (has_started, started) = oneshot::channel();
    let (is_stopping, stopping) = oneshot::channel();
    let mut app = App::builder()
        .name("user")
        .stop_timeout(hour)
        .drain_delay(if second.is_some() {
            hour
        } else {
            Duration::ZERO
        })
        .after_start(move || async move {
            has_started
                .send(())
                .map_err(|()| "nobody waits for the start")
        })
        .before_stop(move || async move {
            is_stopping
                .send(())
                .map_err(|()| "nobody waits for the stop")
        });
    if let Some(server) = server {
        app = app.server(server);
    }
    let running = tokio::spawn(app.build().unwrap().run());
    started.await.unwrap();
    send(first);
    stopping.await.unwrap();
    if let Some(second) = second {
        // One that comes at once is the same wish.
        send(first);
        sleep(Duration::from_millis(1_100)).await;
        assert!(!running.is_finished());
        send(second);
    }
    let ended = timeout(Duration::from_secs(30), running).await;
    ended.expect("it stops within 30 s").unwrap()
}

#[tokio::test]
async fn each_signal_stops_the_app_and_a_second_one_ends_its_waiting() {
    let _alone = SIGNALS.lock().await;
    for signal in ["TERM", "INT", "QUIT"] {
        run(None, signal, None).await.unwrap();
    }
    let finishes = Fake { finishes: true };
    run(Some(finishes), "TERM", Some("TERM")).await.unwrap();
    let never = Fake { finishes: false };
    let error = run(Some(never), "TERM", Some("INT")).await.unwrap_err();
    let is_cut = matches!(
        &error,
        AppError::Server {
            source: ServerError::NotFinished { .. },
            ..
        }
    );
    assert!(is_cut, "{error}");
}

/// Hooks that hang, before and after the servers stop, and a leave that hangs.
#[tokio::test]
async fn a_second_signal_ends_the_wait_for_each_hook() {
    let _alone = SIGNALS.lock().await;
    let hour = Duration::from_secs(3_600);
    for place in 0..3 {
        let (has_started, started) = oneshot::channel();
        let (is_hanging, hanging) = oneshot::channel();
        let hang = move || async move {
            is_hanging.send(()).map_err(|()| "nobody waits for it")?;
            pending::<Result<(), BoxError>>().await
        };
        let app = App::builder()
            .name("user")
            .server(Fake { finishes: true })
            .stop_budget(hour)
            .hook_timeout(hour)
            .after_start(move || async move { has_started.send(()).map_err(|()| "nobody waits") });
        let app = match place {
            0 => app.before_stop(hang),
            1 => app.after_stop(hang),
            _ => app.leave(hang),
        };
        let running = tokio::spawn(app.build().unwrap().run());
        started.await.unwrap();
        send("TERM");
        hanging.await.unwrap();
        sleep(Duration::from_millis(1_100)).await;
        assert!(!running.is_finished());
        let told = Instant::now();
        send("TERM");
        let ended = timeout(Duration::from_secs(30), running).await;
        let error = ended.expect("it stops within 30 s").unwrap().unwrap_err();
        let is_of_hook = matches!(
            error,
            AppError::Hook {
                source: HookError::Hurried,
                ..
            }
        );
        assert!(is_of_hook, "{error}");
        assert!(
            told.elapsed() < Duration::from_secs(3),
            "{:?}",
            told.elapsed()
        );
    }
}

/// What a shell sends twice, to the process and to its group, is one wish, however late the app gets to the second.
#[tokio::test]
async fn a_signal_that_comes_again_at_once_cuts_no_delay_also_when_a_hook_is_slow() {
    let _alone = SIGNALS.lock().await;
    let delay = Duration::from_secs(2);
    let slow = Duration::from_millis(1_200);
    let (has_started, started) = oneshot::channel();
    let (is_draining, draining) = oneshot::channel();
    let app = App::builder()
        .name("user")
        .registrar(Arc::new(Nowhere))
        .drain_delay(delay)
        .after_start(move || async move { has_started.send(()).map_err(|()| "nobody waits") })
        .before_stop(move || async move {
            send("INT");
            sleep(slow).await;
            Ok::<_, BoxError>(())
        })
        .before_stop(move || async move {
            is_draining.send(Instant::now()).map_err(|_| "nobody waits")
        });
    let running = tokio::spawn(app.build().unwrap().run());
    started.await.unwrap();
    send("INT");
    let drains = draining.await.unwrap();
    let ended = timeout(Duration::from_secs(30), running).await;
    ended.expect("it stops within 30 s").unwrap().unwrap();
    assert!(drains.elapsed() >= delay, "{:?}", drains.elapsed());
}
