//! The files of keys, read again while the node runs, so that a key is changed by editing a secret.
//!
//! Each file is read every [`READ_EVERY`], and sooner when a datagram was sealed under a key that this node does not have:
//! another host may have seen the change first. A file that cannot be used changes nothing.
//!
//! Bounds: one reading at a time, beside the loop, and at least [`READ_GAP`] between two. One warning in
//! [`WARN_EVERY`].

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::TARGET;
use super::builder::KeySource;
use super::key_file::{KeyFileError, Rules};
use super::limiter::Limiter;
use crate::gossip::security::ClusterKey;

/// How often files are read.
const READ_EVERY: Duration = Duration::from_secs(5);
/// The least time between two readings.
const READ_GAP: Duration = Duration::from_secs(1);
/// The least time between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Where a node's keys come from, in the order in which they were given.
#[derive(Clone, Debug)]
pub(super) struct KeySources {
    pub(super) sources: Vec<KeySource<ClusterKey>>,
    pub(super) rules: Rules,
}

impl KeySources {
    /// All keys, as they are now.
    pub(super) fn read(&self) -> Result<Vec<ClusterKey>, KeyFileError> {
        let mut keys = Vec::new();
        for source in &self.sources {
            keys.extend(source.read_all(&self.rules)?);
        }
        Ok(keys)
    }

    /// Whether there is a file among them.
    pub(super) fn has_file(&self) -> bool {
        let is_file = |source: &KeySource<ClusterKey>| matches!(source, KeySource::File(_));
        self.sources.iter().any(is_file)
    }
}

/// Reads them again and again.
#[derive(Debug)]
pub(super) struct KeyWatch {
    sources: KeySources,
    read_at: Instant,
    reading: Option<JoinHandle<Result<Vec<ClusterKey>, KeyFileError>>>,
    /// How many datagrams under unknown keys there were at the last reading.
    unknown: u64,
    warnings: Limiter,
}

impl KeyWatch {
    /// Of sources that have been read just now; none if no file is among them.
    pub(super) fn of(sources: KeySources) -> Option<Self> {
        sources.has_file().then(|| Self {
            sources,
            read_at: Instant::now(),
            reading: None,
            unknown: 0,
            warnings: Limiter::new(WARN_EVERY),
        })
    }

    /// When to look again, if no reading ends before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.reading.is_none().then(|| self.read_at + READ_EVERY)
    }

    /// Begins a reading if it is time for one. `unknown` counts the datagrams under unknown keys.
    pub(super) fn begin(&mut self, unknown: u64) {
        let age = self.read_at.elapsed();
        let is_due = age >= READ_EVERY || unknown != self.unknown && age >= READ_GAP;
        if is_due && self.reading.is_none() {
            self.read_at = Instant::now();
            self.unknown = unknown;
            let sources = self.sources.clone();
            self.reading = Some(tokio::task::spawn_blocking(move || sources.read()));
        }
    }

    /// Waits for the reading to end. Nothing where the files cannot be used.
    pub(super) async fn read(&mut self, node: std::net::SocketAddr) -> Option<Vec<ClusterKey>> {
        let Some(reading) = &mut self.reading else {
            return std::future::pending().await;
        };
        let read = reading.await;
        self.reading = None;
        match read {
            Ok(Ok(keys)) => Some(keys),
            Ok(Err(error)) => {
                self.warn(node, &error);
                None
            }
            // The runtime ends.
            Err(_) => None,
        }
    }

    /// Says, at a bounded rate, why the keys stay as they are.
    pub(super) fn warn(&mut self, node: std::net::SocketAddr, error: &dyn std::error::Error) {
        if let Some(held_back) = self.warnings.permit() {
            let cause = error.source().map(tracing::field::display);
            tracing::warn!(
                target: TARGET, event = "keys_unread", %node, %error, cause, held_back,
                "the keys stay as they are"
            );
        }
    }
}
