//! Who wants an app to stop.

use std::future::pending;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::signals::Signals;
use crate::registry::{BoxFuture, StopHandle};

/// A signal that comes sooner after the first is the same wish: some process managers and shells
/// send it to the process and to its group.
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

    /// Ready on one more signal.
    pub(super) async fn hurry(&mut self) -> &'static str {
        loop {
            let signal = signal(self.signals.as_mut()).await;
            if self.stopped.is_none_or(|stopped| stopped.elapsed() >= ECHO) {
                return signal;
            }
        }
    }
}

async fn signal(signals: Option<&mut Signals>) -> &'static str {
    match signals {
        Some(signals) => signals.next().await,
        None => pending().await,
    }
}
