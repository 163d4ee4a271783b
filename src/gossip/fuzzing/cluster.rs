//! A small cluster in virtual time, all of whose datagrams are at hand.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;

use super::{CLUSTER, EPOCH_MS, key, security};
use crate::{
    gossip::{
        Config, Engine, Entropy, Instant, Now, PeerId,
        security::Forger,
        wire::{
            frame::{HEADER_BYTES, PREAMBLE_BYTES},
            message::kind,
        },
    },
    registry::ServiceInstance,
    table::Record,
};

/// Everybody is within these bounds, which are small so that they are come to.
const MEMBERS_MAX: usize = 32;
const TABLE_BYTES: usize = 256 << 10;
const WAITING_BYTES: usize = 32 << 10;
const ABSENT_OWNERS: usize = 8;
/// Twice the members and the records that there may be; each record costs 256 bytes at least.
const NEWS_MAX: usize = 2 * (MEMBERS_MAX + TABLE_BYTES / 256);
/// For each member there may be four timers, and there are those of foca's (64) and of inquiries (256).
const TIMERS_MAX: usize = 4 * MEMBERS_MAX + 64 + 256 + 32;
/// What has to be done in one step of time at most, and in each second of it. A sound cluster of this size comes to 100 in a
/// second.
const EVENTS_MAX: u64 = 5_000;
/// How many datagrams may be under way; at the bound, the next are lost, as in a socket's buffer.
const WIRE_MAX: usize = 512;
const LATENCY: Duration = Duration::from_micros(500);

/// On this port is the node that a fuzzer talks to.
pub(super) const SUBJECT: u16 = 1;
/// The others that run.
pub(super) const PEERS: [u16; 2] = [2, 3];
/// A member of whom nothing is heard.
pub(super) const SILENT: u16 = 4;

pub(super) fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A datagram under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    at: Instant,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: Bytes,
}

#[derive(Debug)]
pub(super) struct Cluster {
    now: Instant,
    /// How far the subject's wall clock is ahead.
    pub(super) clock_ms: i64,
    engines: BTreeMap<SocketAddr, Engine>,
    pub(super) wire: VecDeque<Flight>,
    /// Everything that was sent, where somebody wants to have it.
    pub(super) seen: Option<Vec<Bytes>>,
    pub(super) forger: Option<Forger>,
}

impl Cluster {
    /// Three nodes that know each other and one that is silent, each of the three with a record.
    pub(super) fn new(is_sealed: bool) -> Self {
        let mut cluster = Self {
            now: Instant::from_origin(Duration::from_secs(1_000)),
            clock_ms: 0,
            engines: BTreeMap::new(),
            wire: VecDeque::new(),
            seen: None,
            forger: is_sealed.then(|| Forger::new(key(), CLUSTER)),
        };
        let ports = [SUBJECT, PEERS[0], PEERS[1]];
        let now = cluster.time(addr(SUBJECT));
        let mut members = vec![PeerId::new(addr(SILENT), EPOCH_MS - 1_000, 4)];
        let mut records: Vec<Record> = Vec::new();
        for port in ports {
            cluster.start(port);
            let engine = cluster.engine(port);
            engine
                .register(now, instance("users", &format!("{port}"), 0))
                .expect("it is within all limits");
            members.push(engine.identity());
            records.extend(engine.own_records().cloned());
        }
        for port in ports {
            cluster.engine(port).assume(now, &members, &records);
            cluster.drain(addr(port));
        }
        cluster
    }

    /// Starts a node that knows nobody.
    pub(super) fn start(&mut self, port: u16) {
        let mut config = Config::lan(CLUSTER, addr(port));
        config.max_members = MEMBERS_MAX;
        config.table.table_bytes = TABLE_BYTES;
        config.table.waiting_bytes = WAITING_BYTES;
        config.table.absent_owners = ABSENT_OWNERS;
        if self.forger.is_some() {
            config.security = security();
        }
        let [_, low] = port.to_be_bytes();
        let entropy = Entropy {
            session: [low; 16],
            seed: [low; 32],
        };
        let engine = Engine::new(config, entropy, self.time(addr(port)));
        self.engines
            .insert(addr(port), engine.expect("all fields are in their ranges"));
    }

    pub(super) fn engine(&mut self, port: u16) -> &mut Engine {
        self.engines.get_mut(&addr(port)).expect("it runs")
    }

    /// What time it is for a node.
    pub(super) fn time(&self, addr: SocketAddr) -> Now {
        let since_start = self.now - Instant::from_origin(Duration::from_secs(1_000));
        let passed_ms = u64::try_from(since_start.as_millis()).expect("it does not run that long");
        let is_off = addr.port() == SUBJECT;
        let clock_ms = if is_off { self.clock_ms } else { 0 };
        Now {
            instant: self.now,
            unix_ms: (EPOCH_MS + passed_ms).saturating_add_signed(clock_ms),
        }
    }

    /// Does something with a node, and takes out what it leads to.
    pub(super) fn with<R>(&mut self, port: u16, act: impl FnOnce(&mut Engine, Now) -> R) -> R {
        let now = self.time(addr(port));
        let result = act(self.engine(port), now);
        self.drain(addr(port));
        result
    }

    /// Hands a datagram in. A stranger gets no more than it sent, and nor does anybody else because of it.
    pub(super) fn deliver(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let now = self.time(to);
        let Some(engine) = self.engines.get_mut(&to) else {
            return;
        };
        let was_stranger = engine.is_stranger(now, from);
        engine.handle_datagram(now, from, datagram);
        let is_stranger = engine.is_stranger(now, from);
        let sent = self.drain(to);
        let is_fair = sent <= datagram.len() || self.is_exempt(datagram);
        assert!(
            !was_stranger || !is_stranger || is_fair,
            "{sent} bytes for {} of a stranger",
            datagram.len()
        );
    }

    /// An answer that has the right token is heard from wherever it comes, and a cookie in a member's name is sent back to that
    /// member in a hello, which is larger.
    fn is_exempt(&self, datagram: &[u8]) -> bool {
        let opened = self.forger.as_ref().and_then(|f| f.open(datagram));
        let datagram = opened.as_deref().unwrap_or(datagram);
        matches!(
            datagram.get(HEADER_BYTES + PREAMBLE_BYTES - 1),
            Some(&(kind::COOKIE | kind::PONG | kind::FINDING))
        )
    }

    /// Takes out everything that a node has to say. Gives how many bytes it sends.
    fn drain(&mut self, from: SocketAddr) -> usize {
        let now = self.time(from);
        let engine = self.engines.get_mut(&from).expect("it runs");
        let mut sent = 0;
        while let Some(transmit) = engine.poll_transmit() {
            sent += transmit.payload.len();
            assert!(
                transmit.payload.len() <= 1_200,
                "{} bytes in a datagram",
                transmit.payload.len()
            );
            if let Some(seen) = &mut self.seen {
                seen.push(transmit.payload.clone());
            }
            if self.wire.len() < WIRE_MAX {
                self.wire.push_back(Flight {
                    at: self.now + LATENCY,
                    from,
                    to: transmit.to,
                    payload: transmit.payload,
                });
            }
        }
        if engine.wants_seeds() {
            engine.handle_seeds(now, [addr(SUBJECT), addr(PEERS[0])]);
        }
        engine.publish();
        while engine.poll_event().is_some() {}
        sent
    }

    /// Looks whether all nodes are sound.
    pub(super) fn assert_sound(&self) {
        self.engines.values().for_each(assert_sound);
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let bound = EVENTS_MAX * (1 + duration.as_secs());
        for _ in 0..bound {
            let timeouts = self
                .engines
                .iter()
                .filter_map(|(addr, engine)| Some((engine.poll_timeout()?, *addr)));
            let timeout = timeouts.min().filter(|(at, _)| *at <= end);
            let arrival = self.wire.front().map(|flight| flight.at);
            match (arrival.filter(|at| *at <= end), timeout) {
                (None, None) => {
                    self.now = end;
                    return;
                }
                (Some(at), timeout) if timeout.is_none_or(|(due, _)| at <= due) => {
                    self.now = self.now.max(at);
                    let flight = self.wire.pop_front().expect("just seen");
                    self.deliver(flight.from, flight.to, &flight.payload);
                }
                (_, Some((at, addr))) => {
                    self.now = self.now.max(at);
                    self.with(addr.port(), Engine::handle_timeout);
                }
                (Some(_), None) => unreachable!("the arm before takes it"),
            }
        }
        panic!("a storm: more than {bound} events in {duration:?}");
    }

    /// Time passes, and the subject does not run meanwhile.
    pub(super) fn pause(&mut self, duration: Duration) {
        let subject = addr(SUBJECT);
        let stopped = self.engines.remove(&subject).expect("it runs");
        self.run(duration);
        self.engines.insert(subject, stopped);
        // It finds that out with the first thing that happens, which is not to blame for what it does then.
        let nobody = SocketAddr::from(([10, 9, 9, 9], 9));
        self.with(SUBJECT, |engine, now| {
            engine.handle_datagram(now, nobody, &[]);
        });
    }
}

fn assert_sound(engine: &Engine) {
    engine.assert_books_agree();
    engine.assert_detection_goes_on();
    let stats = engine.stats();
    assert!(stats.known_members <= MEMBERS_MAX, "{stats:?}");
    assert!(stats.record_bytes <= TABLE_BYTES, "{stats:?}");
    assert!(stats.waiting_bytes <= WAITING_BYTES, "{stats:?}");
    assert!(
        stats.absent_owners <= ABSENT_OWNERS + MEMBERS_MAX,
        "{stats:?}"
    );
    assert!(stats.timers <= TIMERS_MAX, "{stats:?}");
    assert!(stats.news_pending <= NEWS_MAX, "{stats:?}");
    assert!(stats.sessions <= 2 * MEMBERS_MAX, "{stats:?}");
    assert!(stats.clocks_off <= 16, "{stats:?}");
    assert!(stats.local_health <= 8, "{stats:?}");
}

/// An instance with so many bytes of metadata.
pub(super) fn instance(service: &str, id: &str, size: usize) -> ServiceInstance {
    let mut builder = ServiceInstance::builder(service)
        .id(id)
        .version("1.4.2")
        .endpoint("http://10.0.0.9:8000");
    for (number, rest) in (0..size).step_by(1_000).enumerate() {
        builder = builder.metadata(format!("{number}"), "v".repeat((size - rest).min(1_000)));
    }
    builder.build().expect("it is within all limits")
}
