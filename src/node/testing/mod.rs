//! A network in memory, for tests of what a service does when its cluster splits.
//!
//! Real [`Node`]s run on it: the same driver, engine, handles, watchers and events as over UDP, without a socket.
//! Under `#[tokio::test(start_paused = true)]` time is virtual, so that thirty seconds of a partition take
//! milliseconds. With one seed the network draws the same latencies and losses, and gives the nodes the same
//! randomness: on a runtime with one thread a test repeats.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use tidings::{Node, ServiceInstance, testing::Network};
//!
//! let network = Network::new();
//! let a = Node::builder().cluster("shop").network(&network).bind("10.0.0.1:7946").start().await?;
//! let b = Node::builder()
//!     .cluster("shop")
//!     .network(&network)
//!     .bind("10.0.0.2:7946")
//!     .seeds(["10.0.0.1:7946"])
//!     .start()
//!     .await?;
//! b.register(ServiceInstance::builder("payments").build()?).await?;
//! a.wait_for("payments", 1, Duration::from_secs(1)).await?;
//!
//! network.partition([&a], [&b]);
//! tokio::time::sleep(Duration::from_secs(30)).await;
//! assert!(a.get_service("payments").await?.is_empty());
//! network.heal();
//! a.wait_for("payments", 1, Duration::from_secs(5)).await?;
//! assert!(network.stats().cut > 0, "the partition happened");
//! # Ok(())
//! # }
//! ```

mod port;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use self::port::Place;
pub(super) use self::port::Port;
use super::Node;
pub use super::snapshot::read_snapshot;
use crate::gossip::{Entropy, canonical};

/// How long a datagram takes on a sound network: 0.2 to 0.8 ms, each value as likely.
const LATENCY: Range<Duration> = Duration::from_micros(200)..Duration::from_micros(800);
/// What the wall clock of every node shows when its network is made: 2027-01-15, 08:00 UTC.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// A time that no test comes to the end of: longer ones are cut to it, as clocks end somewhere.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
/// The first port that is given to whoever asks for any.
const FIRST_FREE_PORT: u16 = 49_152;

/// A network in memory. A clone is the same network.
#[derive(Clone, Debug)]
pub struct Network(Arc<Mutex<State>>);

/// What a network has done with datagrams so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStats {
    /// On their way, or there.
    pub carried: u64,
    /// Lost by [`Network::partition`] or [`Network::one_way`].
    pub cut: u64,
    /// Lost by [`Network::loss`].
    pub lost: u64,
    /// Sent to an address that nobody is bound to.
    pub unreachable: u64,
    /// Lost because the receiver's buffer was full.
    pub overflowed: u64,
}

/// A node, or the address that it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(SocketAddr);

impl From<&Node> for Peer {
    fn from(node: &Node) -> Self {
        Self(node.local_addr())
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self(canonical(address))
    }
}

#[derive(Debug)]
struct State {
    rng: StdRng,
    origin: Instant,
    places: BTreeMap<SocketAddr, Arc<Place>>,
    /// From whom to whom nothing passes.
    cuts: Vec<(BTreeSet<SocketAddr>, BTreeSet<SocketAddr>)>,
    loss: f64,
    latency: Range<Duration>,
    /// Numbers datagrams, so that those of one moment arrive in the order in which they were sent.
    sent: u64,
    stats: NetworkStats,
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Network {
    /// A sound network, with the seed 0.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// A sound network that draws everything from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            origin: Instant::now(),
            places: BTreeMap::new(),
            cuts: Vec::new(),
            loss: 0.0,
            latency: LATENCY,
            sent: 0,
            stats: NetworkStats::default(),
        })))
    }

    /// From now on neither side hears the other, besides what is cut already. Who is on both sides hears nobody of
    /// either. An address that nobody is bound to yet is cut off all the same.
    pub fn partition<A: Into<Peer>, B: Into<Peer>>(
        &self,
        one: impl IntoIterator<Item = A>,
        other: impl IntoIterator<Item = B>,
    ) {
        let (one, other) = (addresses(one), addresses(other));
        let mut state = self.lock();
        state.cuts.push((one.clone(), other.clone()));
        state.cuts.push((other, one));
    }

    /// From now on what `from` sends does not reach `to`, besides what is cut already.
    pub fn one_way<A: Into<Peer>, B: Into<Peer>>(
        &self,
        from: impl IntoIterator<Item = A>,
        to: impl IntoIterator<Item = B>,
    ) {
        let cut = (addresses(from), addresses(to));
        self.lock().cuts.push(cut);
    }

    /// From now on that share of the datagrams is lost, each by itself.
    ///
    /// # Panics
    ///
    /// If it is not 0 to 1.
    pub fn loss(&self, share: f64) {
        assert!(
            (0.0..=1.0).contains(&share),
            "loss is {share}, and has to be a share from 0 to 1"
        );
        self.lock().loss = share;
    }

    /// From now on each datagram takes a time of that range. Default 0.2 to 0.8 ms.
    ///
    /// # Panics
    ///
    /// If the range is empty.
    pub fn latency(&self, range: Range<Duration>) {
        assert!(
            !range.is_empty(),
            "latency is {range:?}, and has to be a range with its end above its start"
        );
        self.lock().latency = range;
    }

    /// Ends all cuts, the loss, and the latency that was set: the network is sound. Who is paused stays so.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.cuts.clear();
        state.loss = 0.0;
        state.latency = LATENCY;
    }

    /// Stops a node for that time, as a suspended process is: it does nothing, and its datagrams wait. One that is
    /// paused already goes on when the later of the two ends; `Duration::MAX` is for ever.
    ///
    /// # Panics
    ///
    /// If nobody is bound to the address.
    pub fn pause(&self, node: impl Into<Peer>, time: Duration) {
        self.place("pause", node.into())
            .pause(Instant::now() + time.min(FOR_EVER));
    }

    /// Ends a node without a goodbye. Its address is free. Its host stays, and answers whoever sends there
    /// that nobody listens, as a Linux peer would hear it; to end the host as well, cut it off before
    /// ([`Self::partition`]).
    ///
    /// # Panics
    ///
    /// If nobody is bound to the address.
    pub fn crash(&self, node: impl Into<Peer>) {
        let peer = node.into();
        let place = self.place("crash", peer);
        self.lock().places.remove(&peer.0);
        place.crash();
    }

    /// What has become of datagrams so far: whoever tests a fault shows that it happened.
    pub fn stats(&self) -> NetworkStats {
        self.lock().stats
    }

    fn place(&self, what: &str, Peer(address): Peer) -> Arc<Place> {
        let state = self.lock();
        let place = state.places.get(&address).cloned();
        let bound: Vec<_> = state.places.keys().map(ToString::to_string).collect();
        drop(state);
        place.unwrap_or_else(|| {
            let bound = bound.join(", ");
            panic!("{what}: nobody is bound to {address} on this network; these are: {bound}")
        })
    }

    /// Binds an address, with any free port for port 0.
    pub(super) fn bind(&self, address: SocketAddr) -> io::Result<Port> {
        let mut state = self.lock();
        let mut address = address;
        if address.ip().is_unspecified() {
            let why = "a network in memory has no interfaces; bind the address that peers send to";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
        }
        if address.port() == 0 {
            let mut ports = FIRST_FREE_PORT..=u16::MAX;
            let free = |port: &u16| {
                let candidate = SocketAddr::new(address.ip(), *port);
                !state.places.contains_key(&candidate)
            };
            let port = ports.find(free).ok_or(io::ErrorKind::AddrNotAvailable)?;
            address.set_port(port);
        }
        if state.places.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let place = Arc::new(Place::default());
        state.places.insert(address, Arc::clone(&place));
        Ok(Port::new(self.clone(), address, place))
    }

    /// Frees the address of a port that goes, unless somebody else has it by now.
    fn free(&self, address: SocketAddr, place: &Arc<Place>) {
        let mut state = self.lock();
        let held = state.places.get(&address);
        if held.is_some_and(|held| Arc::ptr_eq(held, place)) {
            state.places.remove(&address);
        }
    }

    /// Carries a datagram, or loses it.
    fn send(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let mut state = self.lock();
        let Some(takes) = state.passes(from, to) else {
            return;
        };
        state.sent += 1;
        let arrives = (Instant::now() + takes.min(FOR_EVER), state.sent);
        let Some(place) = state.places.get(&to).cloned() else {
            state.stats.unreachable += 1;
            state.refuse(from, to, arrives);
            return;
        };
        if place.put(arrives, from, payload) {
            state.stats.carried += 1;
        } else {
            state.stats.overflowed += 1;
        }
    }

    /// Randomness for a node that starts.
    pub(super) fn entropy(&self) -> Entropy {
        let rng = &mut self.lock().rng;
        Entropy {
            session: rng.random(),
            seed: rng.random(),
        }
    }

    /// What wall clocks show at present: they go with the runtime's clock.
    pub(super) fn unix_ms(&self) -> u64 {
        let since = self.lock().origin.elapsed().as_millis();
        EPOCH_MS.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole datagrams and whole settings.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How long a datagram from one to the other takes, unless it is lost.
    fn passes(&mut self, from: SocketAddr, to: SocketAddr) -> Option<Duration> {
        let is_cut = |(senders, receivers): &(BTreeSet<_>, BTreeSet<_>)| {
            senders.contains(&from) && receivers.contains(&to)
        };
        if self.cuts.iter().any(is_cut) {
            self.stats.cut += 1;
            return None;
        }
        if self.loss > 0.0 && self.rng.random_bool(self.loss) {
            self.stats.lost += 1;
            return None;
        }
        let Range { start, end } = self.latency;
        let share = self.rng.random_range(0.0..1.0);
        Some(start + end.saturating_sub(start).mul_f64(share))
    }

    /// Tells `from` that nobody is bound to `to`: the answer to a datagram that has arrived there.
    fn refuse(&mut self, from: SocketAddr, to: SocketAddr, (arrived, number): (Instant, u64)) {
        if let Some(sender) = self.places.get(&from).cloned()
            && let Some(takes) = self.passes(to, from)
        {
            sender.refuse((arrived + takes, number), to);
        }
    }
}

fn addresses<P: Into<Peer>>(peers: impl IntoIterator<Item = P>) -> BTreeSet<SocketAddr> {
    peers.into_iter().map(|peer| peer.into().0).collect()
}
