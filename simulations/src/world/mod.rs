//! A world: hosts, processes and a network in virtual time, and what is done to them.
//!
//! # What it promises
//!
//! - *One seed, one course.* Time goes from one thing in the queue to the next; things of the same time happen
//!   in the order in which they were put in. Every random choice comes from a source of its concern
//!   (network, faults, workload, each process), seeded from the run's seed. Its [`Trace`] covers every
//!   datagram and event.
//! - *The world knows what is so.* [`Truth`] is written by what is done to the world, not by what
//!   processes say. [`Mirror`]s hold what each process was told.
//! - *It judges nothing.* What happens is handed out as [`Happening`]s; the [checkers](crate::checkers) and the
//!   [measures](crate::run) look at them.
//!
//! | file | concern |
//! |---|---|
//! | `queue` | what is still to happen |
//! | `host` | a process as its driver runs it |
//! | `turn` | a process' turn, and what comes of it |
//! | `network` | what becomes of a datagram |
//! | `life` | processes start and end |
//! | `script`, `faults`, `workload` | what is done to the world, and when |
//! | `attacker` | who sees every datagram, and sends what it likes |
//! | `happening` | what is handed out |
//! | `truth`, `mirror`, `bits` | what is so, and what each process was told |
//! | `trace` | the hash over everything, and the last things that happened |

mod attacker;
pub mod bits;
mod faults;
mod happening;
mod host;
mod life;
mod mirror;
mod network;
mod queue;
mod script;
mod trace;
mod truth;
mod turn;
mod workload;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tidings::gossip::{Entropy, Instant, Now};

pub(crate) use self::life::engine_config;
pub use self::{
    attacker::{Harm, Way},
    faults::{FaultId, FaultRun},
    happening::Happening,
    host::{Guest, Host},
    life::Spawn,
    mirror::{Impossible, Mirror, Told},
    network::{Counts, Fate, Network},
    trace::Trace,
    truth::{End, Key, KeyId, Life, LifeId, NameId, Truth, Version},
    workload::Refusals,
};
use self::{mirror::Expected, queue::Queue, script::Step};
use crate::scenario::{Scenario, Start};

/// The wall clock of hosts whose clock is right, at the world's time 0: 2027-01-15, 08:00 UTC.
const EPOCH_MS: u64 = 1_800_000_000_000;
/// The engines' time at the world's time 0. Not their zero, so that nothing depends on that.
const ORIGIN: Duration = Duration::from_secs(1_000);

/// What is in the queue.
enum Due {
    /// A datagram arrives at a host.
    Arrives {
        host: usize,
        at: SocketAddr,
        from: SocketAddr,
        payload: bytes::Bytes,
    },
    /// The word that nothing listens at `to` arrives at a process that has sent there.
    Refused {
        host: usize,
        life: LifeId,
        to: SocketAddr,
    },
    /// A process wakes up.
    Wakes { host: usize, life: LifeId },
    /// Something is done to the world.
    Step(Step),
}

/// A world.
pub struct World {
    scenario: Scenario,
    seed: u64,
    spawn: Spawn,
    now: Instant,
    queue: Queue<Due>,
    hosts: Vec<Host>,
    by_addr: BTreeMap<SocketAddr, usize>,
    /// Addresses that were ever given out.
    addresses: u32,
    network: Network,
    truth: Truth,
    mirrors: Vec<Mirror>,
    expected: Expected,
    /// Which processes' mirrors are as the truth is.
    agreeing: bits::Bits,
    faults: Vec<FaultRun>,
    fault_rng: StdRng,
    work_rng: StdRng,
    turn_rng: StdRng,
    happened: Vec<Happening>,
    trace: Trace,
    /// Whether the processes of the start are there.
    is_settled: bool,
    /// Whether the scenario's duration is over: nothing new begins.
    is_over: bool,
    /// Instances made: the version of each is its number.
    written: u64,
    /// Writes, takings back included.
    writes: u64,
    /// What each part of the workload has written or taken back.
    work_done: Vec<u64>,
    refused_at_start: Refusals,
    at_hand: Option<usize>,
    receive_overflows: u64,
    attacker: Option<attacker::Attacker>,
}

impl World {
    /// A world at its time 0.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        Self::with_processes(scenario, seed, life::spawn)
    }

    /// The same with processes of another make: a checker's test needs some that are broken.
    pub fn with_processes(scenario: &Scenario, seed: u64, spawn: Spawn) -> Self {
        let rng = |concern: u64| StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(concern));
        let mut world = Self {
            scenario: scenario.clone(),
            seed,
            spawn,
            now: Instant::from_origin(ORIGIN),
            queue: Queue::new(),
            hosts: Vec::new(),
            by_addr: BTreeMap::new(),
            addresses: 0,
            network: Network::new(scenario.network.clone(), rng(1)),
            truth: Truth::default(),
            mirrors: Vec::new(),
            expected: Expected::default(),
            agreeing: bits::Bits::default(),
            faults: Vec::new(),
            fault_rng: rng(2),
            work_rng: rng(3),
            turn_rng: rng(4),
            happened: Vec::new(),
            trace: Trace::new(),
            is_settled: false,
            is_over: false,
            written: 0,
            writes: 0,
            work_done: vec![0; scenario.work.len()],
            refused_at_start: Refusals::default(),
            at_hand: None,
            receive_overflows: 0,
            attacker: attacker::Attacker::of(scenario, rng(5)),
        };
        for _ in 0..scenario.nodes {
            world.add_host();
        }
        match scenario.start {
            Start::Converged => world.start_settled(),
            Start::Bootstrap => world.start_apart(),
        }
        world.is_settled = true;
        world.expect_anew();
        world.schedule_script();
        world
    }

    /// The scenario.
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The seed from which everything is drawn.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The present time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// A time of the engines as the world's own, in seconds.
    pub fn seconds(at: Instant) -> f64 {
        at.since_origin().as_secs_f64() - ORIGIN.as_secs_f64()
    }

    /// The engines' time at a time of the world.
    pub fn instant(after_start: Duration) -> Instant {
        Instant::from_origin(ORIGIN + after_start)
    }

    /// All hosts that ever were.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Whether the scenario's duration is over.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// The network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// What is so.
    pub const fn truth(&self) -> &Truth {
        &self.truth
    }

    /// What a process was told.
    pub fn mirror(&self, life: LifeId) -> &Mirror {
        &self.mirrors[life]
    }

    /// The faults that began.
    pub fn faults(&self) -> &[FaultRun] {
        &self.faults
    }

    /// The hash over everything, and the last things that happened.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Where what happens is told, a line each.
    pub fn trace_to(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The process of a life that has not ended.
    pub fn guest(&self, life: LifeId) -> Option<&Guest> {
        let guest = self.hosts[self.truth.life(life).host].guest.as_ref();
        guest.filter(|guest| guest.life == life)
    }

    /// The host that the present step is about, if it is about one.
    pub const fn at_hand(&self) -> Option<usize> {
        self.at_hand
    }

    /// Datagrams that found a full receive buffer.
    pub const fn receive_overflows(&self) -> u64 {
        self.receive_overflows
    }

    /// How many hostile datagrams came, by the way in which they are.
    pub fn hostile(&self) -> BTreeMap<Way, u64> {
        let attacker = self.attacker.as_ref();
        attacker.map_or_else(BTreeMap::new, |attacker| attacker.sent().clone())
    }

    /// How often each part of the scenario's workload wrote something.
    pub fn work_done(&self) -> &[u64] {
        &self.work_done
    }

    /// For each host: for how long it had a process, in seconds.
    pub fn seconds_alive(&self) -> Vec<f64> {
        let mut seconds = vec![0.0; self.hosts.len()];
        for life in self.truth.lives() {
            let end = life.ended.map_or(self.now, |(at, _)| at);
            seconds[life.host] += (end - life.started).as_secs_f64();
        }
        seconds
    }

    /// Whether each living process was told exactly what is so.
    pub fn all_agree(&self) -> bool {
        self.agreeing.len() == self.truth.alive()
    }

    /// The living processes that were told otherwise.
    pub fn disagreeing(&self) -> Vec<LifeId> {
        let lives = self.truth.lives().iter().enumerate();
        lives
            .filter(|(life, state)| state.is_alive() && !self.agreeing.contains(*life))
            .map(|(life, _)| life)
            .collect()
    }

    /// Does the next thing, if it happens by `end`; else it is `end` now.
    pub fn step(&mut self, end: Instant) -> bool {
        let Some((at, due)) = self.queue.take_by(end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(at);
        self.at_hand = match &due {
            Due::Arrives { host, .. } | Due::Refused { host, .. } | Due::Wakes { host, .. } => {
                Some(*host)
            }
            Due::Step(step) => step.host(),
        };
        match due {
            Due::Arrives {
                host,
                at,
                from,
                payload,
            } => self.arrive(host, at, from, payload),
            Due::Refused { host, life, to } => self.refused(host, life, to),
            Due::Wakes { host, life } => self.wake(host, life),
            Due::Step(step) => self.take_step(step),
        }
        true
    }

    /// What happened since this was asked last, in order.
    pub fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happened)
    }

    fn note(&mut self, happening: Happening) {
        self.happened.push(happening);
    }

    fn add_host(&mut self) -> usize {
        let host = self.hosts.len();
        let addr = self.new_address();
        self.hosts.push(Host::new(addr));
        self.by_addr.insert(addr, host);
        host
    }

    /// An address that nobody had before.
    fn new_address(&mut self) -> SocketAddr {
        self.addresses += 1;
        let [_, b, c, d] = self.addresses.to_be_bytes();
        SocketAddr::from(([10, b, c, d], 7_946))
    }

    /// What a host's clocks show.
    fn clock(&self, host: usize) -> Now {
        let since_start = self.now - Instant::from_origin(ORIGIN);
        let unix_ms = EPOCH_MS + u64::try_from(since_start.as_millis()).expect("some hours");
        Now {
            instant: self.now,
            unix_ms: unix_ms.saturating_add_signed(self.hosts[host].clock_ms),
        }
    }

    /// The truth has changed: who agrees with it is asked anew.
    fn expect_anew(&mut self) {
        self.expected = Expected::of(&self.truth);
        let mut agreeing = bits::Bits::default();
        for (life, state) in self.truth.lives().iter().enumerate() {
            if state.is_alive() && self.agrees(life) {
                agreeing.insert(life);
            }
        }
        self.agreeing = agreeing;
    }

    fn agrees(&self, life: LifeId) -> bool {
        self.mirrors[life].sum() == self.expected.for_life(&self.truth, life)
    }

    /// Randomness for a new process.
    fn entropy(&self, life: LifeId) -> Entropy {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..16].copy_from_slice(&(life as u64).to_be_bytes());
        let mut rng = StdRng::from_seed(seed);
        Entropy {
            session: rng.random(),
            seed: rng.random(),
        }
    }
}
