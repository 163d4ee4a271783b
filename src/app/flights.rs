//! How much a server has under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// What a server has under way, for the line of the log that says how much of it was cut.
#[derive(Debug, Default)]
pub(super) struct Flights {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Whether this server tells its requests.
    counts_requests: AtomicBool,
}

/// One request that is under way, until this is dropped; from [`Serving::request`](super::Serving::request).
#[derive(Debug)]
#[must_use = "a request that is dropped is over"]
pub struct InFlight(Arc<Flights>);

/// One connection that is open.
#[derive(Debug)]
pub(super) struct Open(Arc<Flights>);

impl Flights {
    /// One more request.
    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        self.counts_requests.store(true, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// One more connection.
    pub(super) fn connection(self: &Arc<Self>) -> Open {
        self.connections.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    /// How many requests are under way. Of a server that does not tell, how many connections are open: one
    /// that stops closes those that are idle.
    pub(super) fn requests(&self) -> usize {
        if self.counts_requests.load(Relaxed) {
            self.requests.load(Relaxed)
        } else {
            self.connections()
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_where_they_are_told_and_connections_elsewhere() {
        let flights = Arc::<Flights>::default();
        let (first, second) = (flights.connection(), flights.connection());
        assert_eq!(flights.requests(), 2);
        let request = flights.request();
        assert_eq!((flights.requests(), flights.connections()), (1, 2));
        drop((first, request));
        assert_eq!((flights.requests(), flights.connections()), (0, 1));
        drop(second);
        assert_eq!(flights.connections(), 0);
    }
}
