//! What nodes see, and when: every time that is measured is taken here.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Something that a node sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// This member is there.
    Member(SocketAddr),
    /// This member is held for dead.
    Gone(SocketAddr),
    /// What this member has registered is there, in this revision.
    Registration { of: SocketAddr, revision: u32 },
}

/// A fact, the number of the node that sees it, and when.
struct Sighting {
    by: usize,
    at: Instant,
    fact: Fact,
}

/// One node's way to say what it sees.
#[derive(Clone)]
pub(crate) struct Eyes {
    by: usize,
    seeing: mpsc::Sender<Sighting>,
}

impl Eyes {
    /// Takes the time.
    pub(crate) fn sees(&self, fact: Fact) {
        let (by, at) = (self.by, Instant::now());
        // Nobody asks any more when the cluster is being taken down.
        let _ = self.seeing.send(Sighting { by, at, fact });
    }
}

/// What all nodes of a cluster see.
pub(crate) struct Sightings {
    seeing: mpsc::Sender<Sighting>,
    sightings: mpsc::Receiver<Sighting>,
}

impl Sightings {
    pub(crate) fn new() -> Self {
        let (seeing, sightings) = mpsc::channel();
        Self { seeing, sightings }
    }

    pub(crate) fn eyes(&self, by: usize) -> Eyes {
        let seeing = self.seeing.clone();
        Eyes { by, seeing }
    }

    /// Waits until all that is wanted was seen after `since`, and returns how long the last of it took.
    pub(crate) fn wait(
        &self,
        since: Instant,
        bound: Duration,
        mut wanted: HashSet<(usize, Fact)>,
    ) -> Result<Duration, Missing> {
        let mut last = since;
        while !wanted.is_empty() {
            let left = (since + bound).saturating_duration_since(Instant::now());
            let Ok(sighting) = self.sightings.recv_timeout(left) else {
                let (count, one) = (wanted.len(), wanted.into_iter().next());
                return Err(Missing { count, one, bound });
            };
            if sighting.at >= since && wanted.remove(&(sighting.by, sighting.fact)) {
                last = last.max(sighting.at);
            }
        }
        Ok(last - since)
    }
}

/// What was not seen in time.
#[derive(Debug)]
pub(crate) struct Missing {
    count: usize,
    one: Option<(usize, Fact)>,
    bound: Duration,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, one, bound } = self;
        write!(f, "{count} not seen in {bound:?}")?;
        match one {
            Some((by, fact)) => write!(f, ", such as {fact:?} by node {by}"),
            None => Ok(()),
        }
    }
}
