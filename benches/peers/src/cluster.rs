//! Nodes of one subject, in this process.
//!
//! All share one runtime with as many threads as there are cores, as in `benches/cluster`; those that are to
//! crash or to fall silent have a [`Host`] each.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

use crate::host::Host;
use crate::sightings::{Fact, Missing, Sightings};
use crate::subjects::{Start, Subject};
use crate::{Failure, NAME};

/// How long the end of a cluster waits for its threads.
const END: Duration = Duration::from_secs(5);

struct Member<S> {
    /// `None` once it has crashed: a handle may hold a socket, too.
    subject: Option<Arc<S>>,
    address: SocketAddr,
    revision: u32,
    handle: Handle,
    /// `None` for one on the shared runtime.
    host: Option<Host>,
    is_up: bool,
}

/// A node that is on its way.
struct Starting<S> {
    subject: JoinHandle<Result<S, Failure>>,
    handle: Handle,
    host: Option<Host>,
}

/// Nodes by number; a number is never used again.
pub(crate) struct Cluster<S> {
    runtime: Runtime,
    members: Vec<Member<S>>,
    sightings: Sightings,
    size: usize,
}

impl<S: Subject> Cluster<S> {
    /// No node yet, in a cluster that is said to have `size` of them.
    pub(crate) fn new(size: usize) -> Result<Self, Failure> {
        Ok(Self {
            runtime: Runtime::new()?,
            members: Vec::new(),
            sightings: Sightings::new(),
            size,
        })
    }

    /// Starts all nodes at once, the last ones on hosts of their own. The first is the seed of all others.
    pub(crate) fn start_all(&mut self, hosted: usize) -> Result<(), Failure> {
        self.start_one()?; // the others have to know its port
        let shared = self.size.saturating_sub(hosted).max(1);
        let mut starting = Vec::new();
        for number in 1..self.size {
            let host = (number >= shared).then(Host::new).transpose()?;
            starting.push(self.begin(number, host));
        }
        for node in starting {
            self.finish(node)?;
        }
        Ok(())
    }

    /// Starts one more node, and returns its number.
    pub(crate) fn start_one(&mut self) -> Result<usize, Failure> {
        let number = self.members.len();
        let node = self.begin(number, None);
        self.finish(node)?;
        Ok(number)
    }

    fn begin(&self, number: usize, host: Option<Host>) -> Starting<S> {
        let handle = host.as_ref().map_or(self.runtime.handle(), Host::handle);
        let handle = handle.clone();
        let subject = handle.spawn(S::start(Start {
            number,
            seed: self.members.first().map(|first| first.address),
            cluster_size: self.size,
            eyes: self.sightings.eyes(number),
        }));
        Starting {
            subject,
            handle,
            host,
        }
    }

    fn finish(&mut self, node: Starting<S>) -> Result<(), Failure> {
        let subject = self.runtime.block_on(node.subject)??;
        self.members.push(Member {
            address: subject.address(),
            subject: Some(Arc::new(subject)),
            revision: 0,
            handle: node.handle,
            host: node.host,
            is_up: true,
        });
        Ok(())
    }

    /// The numbers of the nodes that run.
    pub(crate) fn running(&self) -> impl DoubleEndedIterator<Item = usize> + use<'_, S> {
        (0..self.members.len()).filter(|&number| self.members[number].is_up)
    }

    pub(crate) fn others(&self, except: usize) -> impl Iterator<Item = usize> + use<'_, S> {
        self.running().filter(move |&number| number != except)
    }

    /// Every running node with every other one.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<'_, S> {
        self.running()
            .flat_map(|by| self.others(by).map(move |of| (by, of)))
    }

    pub(crate) fn member(&self, number: usize) -> Fact {
        Fact::Member(self.members[number].address)
    }

    pub(crate) fn gone(&self, number: usize) -> Fact {
        Fact::Gone(self.members[number].address)
    }

    pub(crate) fn is_registered(&self, number: usize) -> bool {
        self.members[number].revision > 0
    }

    /// What is seen of the last registration of a node.
    pub(crate) fn registration(&self, number: usize) -> Fact {
        let member = &self.members[number];
        Fact::Registration {
            of: member.address,
            revision: member.revision,
        }
    }

    /// Lets a node register its next revision; does not wait for it.
    pub(crate) fn register(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.revision += 1;
        let revision = member.revision;
        let subject = member.subject.clone().expect("it has not crashed");
        member.handle.spawn(async move {
            if let Err(error) = subject.register(revision).await {
                eprintln!("{NAME}: node {number} could not register: {error}");
            }
        });
    }

    /// Crashes one that has a host of its own: its port is closed when this returns.
    pub(crate) fn crash(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.is_up = false;
        member.host.take().expect("it has a host").crash();
        member.subject = None;
    }

    /// Silences one that has a host of its own: its port stays open.
    pub(crate) fn silence(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.is_up = false;
        let host = member.host.as_mut().expect("it has a host");
        host.fall_silent();
    }

    pub(crate) fn wait(
        &self,
        since: Instant,
        bound: Duration,
        wanted: HashSet<(usize, Fact)>,
    ) -> Result<Duration, Missing> {
        self.sightings.wait(since, bound, wanted)
    }

    /// Ends all of them, without a goodbye.
    pub(crate) fn end(self) {
        self.runtime.shutdown_timeout(END);
        for host in self.members.into_iter().filter_map(|member| member.host) {
            host.crash();
        }
    }
}
