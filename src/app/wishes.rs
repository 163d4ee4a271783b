//! Who wants an app to stop.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::signals::Signals;
use crate::registry::{BoxFuture, StopHandle};

/// A signal that comes sooner after the first is the same wish: some process managers and shells
/// send it to the process and to its group. What counts is when it comes, and not when the app gets
/// to it: a hook may be slow.
const ECHO: Duration = Duration::from_secs(1);

/// All that can ask.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) signals: Option<Signals>,
    pub(super) handle: StopHandle,
    /// Nobody waits for the app any more.
    pub(super) abandoned: StopHandle,
    others: Vec<BoxFuture<'static, ()>>,
    /// The others, each a task: a panic is only its own.
    running: JoinSet<()>,
    stopped: Option<Instant>,
}

/// Whoever wants it to stop sooner than in its time.
pub(super) struct Hurry {
    said: watch::Receiver<Option<&'static str>>,
    /// Hears signals when they come, whatever the app waits for meanwhile.
    _hearing: JoinSet<()>,
}

impl Wishes {
    pub(super) fn new(others: Vec<BoxFuture<'static, ()>>) -> Self {
        Self {
            others,
            ..Self::default()
        }
    }

    /// Why it shall stop, once it shall.
    pub(super) async fn stop(&mut self) -> &'static str {
        for other in self.others.drain(..) {
            self.running.spawn(other);
        }
        let why = tokio::select! {
            biased;
            signal = signal(self.signals.as_mut()) => signal,
            () = self.handle.stopped() => "stop handle",
            Some(_) = self.running.join_next() => "stop_on",
            () = self.abandoned.stopped() => "nobody waits for it",
        };
        self.stopped = Some(Instant::now());
        why
    }

    /// Heeds one more signal from now on, which is none that comes within [`ECHO`] of the first.
    pub(super) fn hurry(&mut self) -> Hurry {
        let (hurry, said) = watch::channel(None);
        let (mut signals, stopped) = (self.signals.take(), self.stopped);
        let mut hearing = JoinSet::new();
        hearing.spawn(async move {
            loop {
                let signal = signal(signals.as_mut()).await;
                if stopped.is_none_or(|stopped| stopped.elapsed() >= ECHO) {
                    hurry.send_replace(Some(signal));
                }
            }
        });
        Hurry {
            said,
            _hearing: hearing,
        }
    }
}

impl Hurry {
    /// The name of one more signal, if it has come.
    pub(super) fn heard(&self) -> Option<&'static str> {
        *self.said.borrow()
    }

    /// Ready from one more signal on: its name.
    pub(super) async fn said(&mut self) -> &'static str {
        let said = self.said.wait_for(Option::is_some).await;
        let said = said.ok().and_then(|said| *said);
        match said {
            Some(signal) => signal,
            // The runtime is being shut down.
            None => pending().await,
        }
    }
}

async fn signal(signals: Option<&mut Signals>) -> &'static str {
    match signals {
        Some(signals) => signals.next().await,
        None => pending().await,
    }
}
