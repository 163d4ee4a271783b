//! Signals, in a process of their own: they are the process's, and not a test's.
#![cfg(all(feature = "app", unix))]

use std::future::pending;
use std::process::Command;
use std::time::Duration;

use tidings::app::{App, AppError, BoxError, Server, ServerError, Serving};
use tidings::registry::{BoxFuture, Endpoint};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

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
