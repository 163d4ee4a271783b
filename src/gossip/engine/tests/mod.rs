//! Engines against each other, in virtual time, over a network that a test can bend.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    gossip::wire::{frame::Preamble, message::Health, word::Word},
    registry::ServiceInstance,
    table::Owner,
};

mod address;
mod admission;
mod amplification;
#[cfg(feature = "testing")]
mod assumed;
mod attacks;
mod compatibility;
mod detection;
mod determinism;
mod evidence;
mod failure;
mod fakes;
mod fallback;
mod faults;
mod health;
mod hostile;
mod inquiring;
mod joining;
mod key_rollover;
mod large_datagrams;
mod large_records;
mod leaving_cluster;
mod limits;
mod majority;
mod moving;
mod pausing;
mod reconciliation;
mod reflection;
mod registering;
mod rejecting;
mod rivals;
mod sealing;
mod seen_elsewhere;
mod signing;
mod swarm;
mod unreachable;

/// The wall clock at the world's origin.
const EPOCH_MS: u64 = 1_800_000_000_000;

/// What the network does to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Deliver,
    Lose,
}

type Link = Box<dyn FnMut(SocketAddr, SocketAddr, &[u8]) -> Fate>;

struct Node {
    engine: Engine,
    seeds: Vec<SocketAddr>,
    /// How far this host's wall clock is ahead of the world's.
    clock_ms: i64,
    events: Vec<Event>,
    /// The other members by what events have told.
    told: BTreeSet<Owner>,
}

struct World {
    now: Instant,
    rng: StdRng,
    nodes: BTreeMap<SocketAddr, Node>,
    wire: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Bytes)>,
    sent: u64,
    link: Link,
    lost: u64,
    /// Addresses that lead to another one.
    aliases: BTreeMap<SocketAddr, SocketAddr>,
    /// Whether the hosts of ended processes say that nobody listens.
    hosts_answer: bool,
    /// Their words on the way: to whom, and about which address.
    refusals: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr)>,
    /// How long each datagram takes, besides a jitter of 200 to 800 us.
    latency: Duration,
    /// Processes that are stopped, and what waits in their sockets.
    stopped: BTreeMap<SocketAddr, Vec<(SocketAddr, Bytes)>>,
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn instance(service: &str, id: &str) -> ServiceInstance {
    ServiceInstance::builder(service)
        .id(id)
        .endpoint("http://10.0.0.9:8000")
        .build()
        .unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: Instant::from_origin(secs(1_000)),
            rng: StdRng::seed_from_u64(seed),
            nodes: BTreeMap::new(),
            wire: BTreeMap::new(),
            sent: 0,
            link: Box::new(|_, _, _| Fate::Deliver),
            lost: 0,
            aliases: BTreeMap::new(),
            hosts_answer: false,
            refusals: BTreeMap::new(),
            latency: Duration::ZERO,
            stopped: BTreeMap::new(),
        }
    }

    /// Nodes on ports 1 to `n`, all with the first as their seed, that know each other.
    fn cluster(seed: u64, n: u16) -> Self {
        Self::cluster_with(seed, n, |_| {})
    }

    fn cluster_with(seed: u64, n: u16, tune: impl Fn(&mut Config)) -> Self {
        let mut world = Self::new(seed);
        for port in 1..=n {
            world.start_with(port, &[1], 0, &tune);
        }
        world
            .until(secs(30), World::is_converged)
            .expect("a sound cluster converges");
        world
    }

    fn start(&mut self, port: u16, seeds: &[u16]) {
        self.start_with(port, seeds, 0, |_| {});
    }

    fn start_with(
        &mut self,
        port: u16,
        seeds: &[u16],
        clock_ms: i64,
        tune: impl FnOnce(&mut Config),
    ) {
        let mut config = Config::lan("test", addr(port));
        tune(&mut config);
        let entropy = Entropy {
            session: self.rng.random(),
            seed: self.rng.random(),
        };
        let engine = Engine::new(config, entropy, self.time(clock_ms)).unwrap();
        let seeds = seeds.iter().map(|port| addr(*port)).collect();
        let node = Node {
            engine,
            seeds,
            clock_ms,
            events: Vec::new(),
            told: BTreeSet::new(),
        };
        self.nodes.insert(addr(port), node);
    }

    fn time(&self, clock_ms: i64) -> Now {
        let since_start = self.now - Instant::from_origin(secs(1_000));
        let unix_ms = EPOCH_MS + u64::try_from(since_start.as_millis()).unwrap();
        Now {
            instant: self.now,
            unix_ms: unix_ms.saturating_add_signed(clock_ms),
        }
    }

    /// Ends a process without a word.
    fn crash(&mut self, port: u16) {
        self.nodes.remove(&addr(port)).expect("it ran");
        self.stopped.remove(&addr(port));
    }

    fn engine(&self, port: u16) -> &Engine {
        &self.nodes[&addr(port)].engine
    }

    fn events(&self, port: u16) -> &[Event] {
        &self.nodes[&addr(port)].events
    }

    /// Does something with an engine at the present time, and takes out what it leads to.
    fn with<R>(&mut self, port: u16, act: impl FnOnce(&mut Engine, Now) -> R) -> R {
        let now = self.time(self.nodes[&addr(port)].clock_ms);
        let node = self.nodes.get_mut(&addr(port)).expect("it runs");
        let result = act(&mut node.engine, now);
        self.drain(addr(port));
        result
    }

    fn register(&mut self, port: u16, service: &str, id: &str) {
        self.with(port, |engine, now| {
            engine.register(now, instance(service, id))
        })
        .unwrap();
    }

    /// The ids that the node on `port` sees of a service.
    fn seen(&self, port: u16, service: &str) -> Vec<String> {
        let seen = self.engine(port).directory().get(service);
        seen.iter()
            .map(|instance| instance.id().to_owned())
            .collect()
    }

    fn all_see(&self, service: &str, ids: &[&str]) -> bool {
        self.nodes
            .keys()
            .all(|addr| self.seen(addr.port(), service) == ids)
    }

    fn drain(&mut self, from: SocketAddr) {
        let now = self.time(self.nodes[&from].clock_ms);
        let node = self.nodes.get_mut(&from).expect("it runs");
        if node.engine.wants_seeds() {
            node.engine.handle_seeds(now, node.seeds.clone());
        }
        if node
            .engine
            .poll_timeout()
            .is_some_and(|at| at <= now.instant)
        {
            node.engine.handle_timeout(now);
        }
        node.engine.publish();
        while let Some(event) = node.engine.poll_event() {
            match &event {
                Event::Joined { member } => assert!(node.told.insert(*member), "{event}, twice"),
                Event::Recovered { member, .. } => assert!(node.told.insert(*member), "{event}"),
                Event::Left { member, .. } | Event::Failed { member, .. } => {
                    assert!(node.told.remove(member), "{event}, and was no member");
                }
                _ => {}
            }
            node.events.push(event);
        }
        let others = node.engine.members();
        let others = others
            .iter()
            .filter(|member| !member.is_self)
            .map(|m| Owner {
                addr: m.addr,
                boot: m.boot,
            });
        assert!(
            node.told.iter().copied().eq(others),
            "members, and events of them"
        );
        node.engine.assert_books_agree();
        node.engine.assert_detection_goes_on();
        while let Some(Transmit { to, payload }) = node.engine.poll_transmit() {
            assert!(
                payload.len() <= 1_200,
                "a datagram of {} bytes",
                payload.len()
            );
            if (self.link)(from, to, &payload) == Fate::Lose {
                self.lost += 1;
                continue;
            }
            let jitter = Duration::from_micros(self.rng.random_range(200..800));
            let latency = self.latency + jitter;
            self.sent += 1;
            self.wire
                .insert((self.now + latency, self.sent), (from, to, payload));
        }
    }

    /// Goes on to the next thing that happens, if it happens by `end`.
    fn step(&mut self, end: Instant) -> bool {
        let timeouts = self
            .nodes
            .iter()
            .filter(|(addr, _)| !self.stopped.contains_key(addr))
            .filter_map(|(addr, node)| Some((node.engine.poll_timeout()?, *addr)));
        let timeout = timeouts.min();
        let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
        let refusal = self.refusals.first_key_value().map(|((at, _), _)| *at);
        let next = [timeout.map(|(at, _)| at), arrival, refusal]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (from, to, payload)) = self.wire.pop_first().expect("just seen");
            self.deliver(from, to, &payload);
        } else if refusal == Some(next) {
            self.deliver_refusal();
        } else if let Some((_, addr)) = timeout {
            self.with(addr.port(), super::Engine::handle_timeout);
        }
        true
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let to = self.aliases.get(&to).copied().unwrap_or(to);
        if let Some(socket) = self.stopped.get_mut(&to) {
            socket.push((from, Bytes::copy_from_slice(payload)));
        } else if self.nodes.contains_key(&to) {
            self.with(to.port(), |engine, now| {
                engine.handle_datagram(now, from, payload);
            });
        } else if self.hosts_answer {
            self.refuse(from, to);
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    /// Runs until `done`, and says how long it took; nothing if it takes longer than `bound`.
    fn until(&mut self, bound: Duration, mut done: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        loop {
            if done(self) {
                return Some(self.now - start);
            }
            if !self.step(start + bound) {
                return done(self).then(|| self.now - start);
            }
        }
    }

    /// Whether everybody knows everybody who runs, and all tables are the same.
    fn is_converged(&self) -> bool {
        let running: BTreeSet<_> = self.nodes.keys().copied().collect();
        let mut fingerprints = self.nodes.values().map(|node| node.engine.fingerprint());
        let first = fingerprints.next();
        fingerprints.all(|other| Some(other) == first)
            && self.nodes.values().all(|node| {
                let members = node.engine.members();
                members
                    .iter()
                    .map(|member| member.addr)
                    .collect::<BTreeSet<_>>()
                    == running
            })
    }

    /// Cuts the ports in `island` off from the rest.
    fn partition(&mut self, island: &[u16]) {
        let island: BTreeSet<_> = island.iter().map(|port| addr(*port)).collect();
        self.link = Box::new(move |from, to, _| {
            if island.contains(&from) == island.contains(&to) {
                Fate::Deliver
            } else {
                Fate::Lose
            }
        });
    }

    fn heal(&mut self) {
        self.link = Box::new(|_, _, _| Fate::Deliver);
    }

    fn losing(&mut self, seed: u64, percent: u32) {
        let mut rng = StdRng::seed_from_u64(seed);
        self.link = Box::new(move |_, _, _| {
            if rng.random_ratio(percent, 100) {
                Fate::Lose
            } else {
                Fate::Deliver
            }
        });
    }

    /// What the node on `port` told of the process on `of`, without its own changes.
    fn failures(&self, port: u16) -> usize {
        self.events(port)
            .iter()
            .filter(|event| matches!(event, Event::Failed { .. }))
            .count()
    }
}

/// The kind of a datagram, and its payload.
fn kind_of(datagram: &[u8]) -> u8 {
    Preamble::read(datagram, ClusterTag::of("test"))
        .unwrap()
        .0
        .kind
}
