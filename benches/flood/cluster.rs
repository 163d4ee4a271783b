//! The nodes, what each of them sees when, and whom it has lost.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidings::node::{Events, EventsError};
use tidings::registry::ServiceInstance;
use tidings::table::Event;
use tidings::{ClusterKey, Node};
use tokio::sync::mpsc;

use crate::host;

const CLUSTER: &str = "flood";
const SERVICE: &str = "flood";
/// How long a start, or a change, may take.
pub(crate) const BOUND: Duration = Duration::from_secs(10);

/// A revision of the instance of the node `of`, and when the node `by` saw it.
struct Sighting {
    by: usize,
    of: usize,
    revision: usize,
    at: Instant,
}

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// On which the flooded node runs.
    pub(crate) victims_thread: Option<String>,
    revision: usize,
    sightings: mpsc::UnboundedReceiver<Sighting>,
    lost: Arc<AtomicU64>,
}

/// A node of the same cluster that has only these seeds.
pub(crate) async fn start(
    key: Option<ClusterKey>,
    seeds: &[SocketAddr],
) -> Result<Node, Box<dyn Error>> {
    let builder = Node::builder().cluster(CLUSTER).bind("127.0.0.1:0");
    Ok(builder.seeds(seeds).keys(key).start().await?)
}

impl Cluster {
    /// Which of them is flooded. The first one is everybody's seed.
    pub(crate) const VICTIM: usize = 1;

    /// Starts nodes that also call `sink`, at which no node listens, and waits until all see all.
    pub(crate) async fn start(
        nodes: usize,
        key: Option<ClusterKey>,
        sink: SocketAddr,
    ) -> Result<Self, Box<dyn Error>> {
        let (seeing, sightings) = mpsc::unbounded_channel();
        let mut cluster = Self {
            nodes: Vec::new(),
            victims_thread: None,
            revision: 0,
            sightings,
            lost: Arc::default(),
        };
        for number in 0..nodes {
            let first = cluster.nodes.first().map(Node::advertised_addr);
            let seeds: Vec<_> = first.into_iter().chain([sink]).collect();
            let before = host::node_threads();
            let node = start(key.clone(), &seeds).await?;
            if number == Self::VICTIM {
                let mut new = host::node_threads();
                new.retain(|thread| !before.contains(thread));
                cluster.victims_thread = new.pop_first();
            }
            let lost = Arc::clone(&cluster.lost);
            tokio::spawn(observe(number, node.events(), seeing.clone(), lost));
            cluster.nodes.push(node);
        }
        let since = Instant::now();
        while !cluster.is_complete() {
            if since.elapsed() > BOUND {
                return Err("the cluster has not come together".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(cluster)
    }

    pub(crate) fn victim(&self) -> &Node {
        &self.nodes[Self::VICTIM]
    }

    /// Whether everybody holds everybody for a member.
    pub(crate) fn is_complete(&self) -> bool {
        let all = self.nodes.len();
        self.nodes.iter().all(|node| node.members().len() == all)
    }

    /// How often a node has dropped another one.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sums up a counter over all nodes.
    pub(crate) fn sum(&self, counter: impl Fn(&tidings::gossip::Stats) -> u64) -> u64 {
        let counters = self.nodes.iter().map(|node| counter(&node.stats().gossip));
        counters.sum()
    }

    /// How long it takes from when a node registers the next revision until all others have seen it; [`BOUND`] where
    /// some have not by then.
    pub(crate) async fn change(&mut self, of: usize) -> Result<Duration, Box<dyn Error>> {
        self.revision += 1;
        let revision = self.revision;
        let builder = ServiceInstance::builder(SERVICE).id(of.to_string());
        let builder = builder.version(revision.to_string());
        let instance = builder.endpoint("http://10.0.0.9:8000").build()?;
        let since = Instant::now();
        self.nodes[of].register(instance).await?;
        let mut missing = self.nodes.len() - 1;
        let mut last = since;
        while missing > 0 {
            let sighting = tokio::time::timeout_at((since + BOUND).into(), self.sightings.recv());
            let Ok(Some(sighting)) = sighting.await else {
                return Ok(BOUND);
            };
            if sighting.of == of && sighting.revision == revision && sighting.by != of {
                missing -= 1;
                last = last.max(sighting.at);
            }
        }
        Ok(last - since)
    }

    pub(crate) async fn abort(self) {
        for node in &self.nodes {
            node.abort();
        }
        for node in self.nodes {
            node.stopped().await;
        }
    }
}

/// Reads one node's events and takes the times.
async fn observe(
    by: usize,
    mut events: Events,
    seeing: mpsc::UnboundedSender<Sighting>,
    lost: Arc<AtomicU64>,
) {
    loop {
        let instance = match events.next().await {
            Ok(Event::Registered { instance, .. } | Event::Updated { instance, .. }) => instance,
            // What a reader that lags has missed may have been a loss.
            Ok(Event::Failed { .. } | Event::Left { .. }) | Err(EventsError::Lagged(_)) => {
                lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Ok(_) => continue,
            Err(_) => return,
        };
        if let (Ok(of), Ok(revision)) = (instance.id().parse(), instance.version().parse()) {
            let at = Instant::now();
            // Nobody asks any more when the cluster is being taken down.
            let _ = seeing.send(Sighting {
                by,
                of,
                revision,
                at,
            });
        }
    }
}
