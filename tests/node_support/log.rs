//! What nodes write to the log, collected.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// Collects the lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Of everything on this thread from `info` on, as long as the guard lives.
    pub(crate) fn collect() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// The lines of `node` with `event`.
    pub(crate) fn of(&self, node: SocketAddr, event: &str) -> Vec<String> {
        let text = self.text();
        let (node, event) = (format!("node={node}"), format!("event=\"{event}\""));
        let wanted = |line: &&str| line.contains(&node) && line.contains(&event);
        text.lines().filter(wanted).map(str::to_owned).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.text().lines().count()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }
}
