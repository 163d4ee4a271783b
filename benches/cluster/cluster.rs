//! Nodes in this process, and what each of them sees when.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidings::node::{Events, EventsError};
use tidings::registry::ServiceInstance;
use tidings::table::Event;
use tidings::{ClusterKey, Node};
use tokio::sync::mpsc;

const SERVICE: &str = "bench";
/// How long anything may take.
const BOUND: Duration = Duration::from_secs(120);

/// Something that a node sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    /// This member is there.
    Member(SocketAddr),
    /// This member has left or failed.
    Gone(SocketAddr),
    /// The instance of the node of this number is there, in this revision.
    Instance { of: usize, revision: u32 },
}

/// A fact, the node that sees it, and when.
struct Sighting {
    by: usize,
    at: Instant,
    fact: Fact,
}

/// How much was sent.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
}

struct Member {
    /// `None` once it has stopped.
    node: Option<Node>,
    address: SocketAddr,
    revision: u32,
}

/// Nodes by number; a number is never used again.
pub(crate) struct Cluster {
    key: Option<ClusterKey>,
    members: Vec<Member>,
    /// What was seen since the last time that was asked about.
    seen: Vec<Sighting>,
    sightings: mpsc::UnboundedReceiver<Sighting>,
    seeing: mpsc::UnboundedSender<Sighting>,
}

impl Cluster {
    /// Of nodes that seal with this key, if there is one.
    pub(crate) fn new(key: Option<ClusterKey>) -> Self {
        let (seeing, sightings) = mpsc::unbounded_channel();
        Self {
            key,
            members: Vec::new(),
            seen: Vec::new(),
            sightings,
            seeing,
        }
    }

    /// Starts a node, whose seed is the first one, and returns its number.
    pub(crate) async fn start(&mut self) -> Result<usize, Box<dyn Error>> {
        let number = self.members.len();
        let seed = self.members.first().map(|first| first.address);
        let builder = Node::builder()
            .cluster("bench")
            .bind("127.0.0.1:0")
            .seeds(seed)
            .keys(self.key.clone());
        let node = builder.on_current_runtime().start().await?;
        let observer = Observer {
            number,
            node: node.clone(),
            seeing: self.seeing.clone(),
        };
        tokio::spawn(observer.observe(node.events()));
        self.members.push(Member {
            address: node.advertised_addr(),
            node: Some(node),
            revision: 0,
        });
        Ok(number)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.members.len()).filter(|&number| self.members[number].node.is_some())
    }

    pub(crate) fn others(&self, except: usize) -> impl Iterator<Item = usize> + use<'_> {
        self.running().filter(move |&number| number != except)
    }

    /// Every running node with every other one.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<'_> {
        self.running()
            .flat_map(|by| self.others(by).map(move |of| (by, of)))
    }

    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.members[number].address
    }

    /// What is seen of the instance that a node registered last.
    pub(crate) fn instance(&self, of: usize) -> Fact {
        Fact::Instance {
            of,
            revision: self.members[of].revision,
        }
    }

    pub(crate) fn sent(&self) -> Sent {
        let stats = self
            .members
            .iter()
            .filter_map(|member| member.node.as_ref())
            .map(Node::stats);
        stats.fold(Sent::default(), |sent, stats| Sent {
            datagrams: sent.datagrams + stats.gossip.datagrams_sent,
            bytes: sent.bytes + stats.gossip.bytes_sent,
        })
    }

    /// Lets a node register the next revision of its instance; does not wait for it.
    pub(crate) fn register_in_background(&mut self, number: usize) {
        let member = &mut self.members[number];
        member.revision += 1;
        let builder = ServiceInstance::builder(SERVICE).id(number.to_string());
        let builder = builder.version(member.revision.to_string());
        let instance = builder
            .endpoint("http://10.0.0.9:8000")
            .build()
            .expect("a valid instance");
        if let Some(node) = member.node.clone() {
            tokio::spawn(async move { node.register(instance).await });
        }
    }

    pub(crate) async fn shut_down(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        if let Some(node) = self.members[number].node.take() {
            node.shutdown().await?;
        }
        Ok(())
    }

    pub(crate) fn abort_one(&mut self, number: usize) {
        if let Some(node) = self.members[number].node.take() {
            node.abort();
        }
    }

    /// Aborts all of them.
    pub(crate) async fn abort(self) {
        let nodes: Vec<Node> = self
            .members
            .into_iter()
            .filter_map(|member| member.node)
            .collect();
        for node in &nodes {
            node.abort();
        }
        for node in nodes {
            node.stopped().await;
        }
    }

    /// Waits until all that is wanted was seen after `since`, and returns how long the last of it took.
    pub(crate) async fn seen_since(
        &mut self,
        since: Instant,
        mut wanted: HashSet<(usize, Fact)>,
    ) -> Result<Duration, Box<dyn Error>> {
        let mut last = since;
        let mut look = |sighting: &Sighting| {
            if sighting.at >= since && wanted.remove(&(sighting.by, sighting.fact)) {
                last = last.max(sighting.at);
            }
            wanted.is_empty()
        };
        self.seen.retain(|sighting| sighting.at >= since);
        let mut done = self.seen.iter().map(&mut look).last().unwrap_or(false);
        while !done {
            let sighting = tokio::time::timeout_at((since + BOUND).into(), self.sightings.recv());
            let Ok(Some(sighting)) = sighting.await else {
                let (missing, one) = (wanted.len(), wanted.iter().next());
                return Err(format!("{missing} not seen in {BOUND:?}, such as {one:?}").into());
            };
            done = look(&sighting);
            self.seen.push(sighting);
        }
        Ok(last - since)
    }
}

/// Reads one node's events and takes the times.
struct Observer {
    number: usize,
    node: Node,
    seeing: mpsc::UnboundedSender<Sighting>,
}

impl Observer {
    async fn observe(self, mut events: Events) {
        self.present();
        loop {
            match events.next().await {
                Ok(event) => self.event(&event),
                Err(EventsError::Lagged(_)) => self.present(),
                Err(_) => return,
            }
        }
    }

    /// What is there already.
    fn present(&self) {
        for member in self.node.members().iter() {
            self.sees(Fact::Member(member.addr));
        }
        for instance in &self.node.service(SERVICE).snapshot() {
            self.instance(instance);
        }
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Joined { member } => self.sees(Fact::Member(member.addr)),
            Event::Recovered { member, instances } => {
                self.sees(Fact::Member(member.addr));
                for instance in instances {
                    self.instance(instance);
                }
            }
            Event::Left { member, .. } | Event::Failed { member, .. } => {
                self.sees(Fact::Gone(member.addr));
            }
            Event::Registered { instance, .. } | Event::Updated { instance, .. } => {
                self.instance(instance);
            }
            _ => {}
        }
    }

    fn instance(&self, instance: &ServiceInstance) {
        if let (Ok(of), Ok(revision)) = (instance.id().parse(), instance.version().parse()) {
            self.sees(Fact::Instance { of, revision });
        }
    }

    fn sees(&self, fact: Fact) {
        // Nobody asks any more when the cluster is being taken down.
        let _ = self.seeing.send(Sighting {
            by: self.number,
            at: Instant::now(),
            fact,
        });
    }
}
