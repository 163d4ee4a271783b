//! What a stop says of what it cut.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tidings::app::{App, Server};
use tracing_subscriber::fmt::MakeWriter;

use crate::{InFlight, millis, within};

/// What was logged on this thread, where all of a test runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Logs of the app, while what is returned lives.
fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("tidings=info")
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// Stops an app whose server has so many requests in flight, which never end, and returns what it says.
pub(crate) async fn cut_with(server: impl Server, in_flight: InFlight, requests: usize) -> String {
    let (log, _guard) = logged();
    let app = App::builder()
        .name("user")
        .server(server)
        .drain_delay(millis(0))
        .stop_timeout(millis(100))
        .without_signals()
        .build()
        .unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    in_flight.are(requests).await;
    stop.stop();
    within(running).await.unwrap().unwrap_err();
    let lines = log.lines();
    let is_cut = |line: &&String| line.contains("event=\"cut\"");
    let cut = lines
        .iter()
        .find(is_cut)
        .unwrap_or_else(|| panic!("{lines:#?}"));
    cut.clone()
}

#[tokio::test]
async fn servers_without_a_registrar_are_warned_about() {
    for has_registrar in [false, true] {
        let (log, _guard) = logged();
        let mut app = App::builder().name("user").without_signals();
        if has_registrar {
            let replica = crate::registry::Replica {
                registry: crate::registry::Registry::default(),
                in_flight: InFlight::default(),
                busy: Arc::default(),
            };
            app = app.registrar(Arc::new(replica));
        }
        let listener = tidings::app::Listener::bind("http", "127.0.0.1:0").await;
        let server =
            tidings::integrations::axum::AxumServer::new(listener.unwrap(), axum::Router::new());
        let app = app.server(server).drain_delay(millis(0)).build().unwrap();
        app.stop_handle().stop();
        within(app.run()).await.unwrap();
        let warns = |line: &String| line.contains("WARN") && line.contains("no registrar");
        assert_eq!(
            log.lines().iter().any(warns),
            !has_registrar,
            "{:#?}",
            log.lines()
        );
    }
}
