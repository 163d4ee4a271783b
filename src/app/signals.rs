//! What the operating system says to a process that shall end.

use std::future::Future;
use std::io;

/// A future that is ready on SIGTERM, SIGINT or SIGQUIT; elsewhere than on Unix, on Ctrl-C.
///
/// It listens from now on, not from its first poll on, and from now on none of them ends the
/// process by itself, also after the future is gone. So it is taken once, where the process is to
/// stop in order.
///
/// # Errors
///
/// When the operating system refuses the handler.
///
/// # Panics
///
/// Outside of a tokio runtime with IO.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut signals = Signals::listen()?;
    Ok(async move {
        signals.next().await;
    })
}

#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The name of the next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> &'static str {
        // None of them ever ends.
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub(super) async fn next(&mut self) -> &'static str {
        self.0.recv().await;
        "Ctrl-C"
    }
}
