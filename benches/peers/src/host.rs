//! A host for one node: a thread with a runtime of its own, that can crash and that can fall silent.
//!
//! Both are done to the runtime and not to the node, so that they are the same for every subject: no library
//! is asked to end, and none gets to say goodbye.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

pub(crate) struct Host {
    handle: Handle,
    stop: oneshot::Sender<()>,
    /// While this is there, the thread of a silent host stands still.
    silence: Option<mpsc::Sender<()>>,
    thread: JoinHandle<()>,
}

impl Host {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            // Whoever drops the host stops it too.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        });
        Ok(Self {
            handle,
            stop,
            silence: None,
            thread,
        })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Nothing runs any more from here on; the sockets stay open, and nobody reads them.
    pub(crate) fn fall_silent(&mut self) {
        let (silence, until_dropped) = mpsc::channel::<()>();
        let (standing_still, still) = mpsc::channel();
        self.handle.spawn(async move {
            let _ = standing_still.send(());
            // Blocks the runtime's only thread: that is what it is for.
            let _ = until_dropped.recv();
        });
        let _ = still.recv();
        self.silence = Some(silence);
    }

    /// Drops all tasks with all that they own, and returns when that is done.
    pub(crate) fn crash(self) {
        let _ = self.stop.send(());
        drop(self.silence);
        let _ = self.thread.join();
    }
}
