//! What a received datagram costs at 100, 1,000 and 5,000 members, in time and in allocations:
//! `cargo bench --bench membership`.
//!
//! One engine gets to know so many members, each by a hello of its own. Then a thousand of them
//! gossip to it and probe it, and the time is taken from handing a datagram in to having the answers
//! out. foca keeps its members in a list that it scans for every packet, so the first column grows
//! with their number; the second, a datagram of our own kind, for which nothing is scanned, does not.

use std::{
    error::Error,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tidings::{
    gossip::{Config, Engine, Entropy, Now, Transmit},
    registry::ServiceInstance,
};

const SIZES: [u16; 3] = [100, 1_000, 5_000];
/// How many members probe, at each size.
const PROBING: usize = 1_000;
/// Where a datagram says of which kind it is, and two of the kinds.
const KIND_AT: usize = 46;
const SWIM: u8 = 1;
const NEWS: u8 = 5;
const UNIX_MS: u64 = 1_800_000_000_000;

struct Bench {
    center: Engine,
    at: SocketAddr,
    now: Now,
    instance: ServiceInstance,
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:>8}  {:>12}  {:>12}  {:>12}  {:>12}",
        "members", "foca, us", "allocations", "news, us", "allocations"
    );
    for size in SIZES {
        let mut bench = Bench::new()?;
        let mut members: Vec<Engine> = (0..size)
            .map(|n| bench.member(n))
            .collect::<Result<_, _>>()?;
        assert_eq!(bench.center.members().len(), usize::from(size) + 1);
        let (swim, news) = bench.measure(&mut members);
        println!(
            "{size:>8}  {:>12.2}  {:>12}  {:>12.2}  {:>12}",
            micros(swim.0),
            swim.1,
            micros(news.0),
            news.1
        );
    }
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn address(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1_000 + n))
}

fn entropy(n: u16) -> Entropy {
    let [high, low] = n.to_be_bytes();
    let mut session = [high; 16];
    session[0] = low;
    let mut seed = [low; 32];
    seed[0] = high;
    Entropy { session, seed }
}

impl Bench {
    fn new() -> Result<Self, Box<dyn Error>> {
        let at = address(60_000);
        let now = Now {
            unix_ms: UNIX_MS,
            ..Now::default()
        };
        let center = Engine::new(Config::lan("bench", at), entropy(60_000), now)?;
        let builder = ServiceInstance::builder("bench").endpoint("http://10.0.0.9:8000");
        Ok(Self {
            center,
            at,
            now,
            instance: builder.build()?,
        })
    }

    /// A member that knows the center and nobody else: what the center tells of others is lost.
    fn member(&mut self, n: u16) -> Result<Engine, Box<dyn Error>> {
        let mut member = Engine::new(Config::lan("bench", address(n)), entropy(n), self.now)?;
        member.handle_seeds(self.now, [self.at]);
        member.handle_timeout(self.now);
        for _ in 0..2 {
            let hello = member.poll_transmit().ok_or("a hello")?;
            self.center
                .handle_datagram(self.now, address(n), &hello.payload);
            let welcome = std::iter::from_fn(|| self.center.poll_transmit())
                .find(|transmit| transmit.to == address(n))
                .ok_or("a welcome")?;
            member.handle_datagram(self.now, self.at, &welcome.payload);
        }
        while self.center.poll_transmit().is_some() {}
        Ok(member)
    }

    /// The median time and number of allocations for one of foca's packets, answer included, and for a datagram of
    /// news (known already, mostly).
    fn measure(&mut self, members: &mut [Engine]) -> ((Duration, u64), (Duration, u64)) {
        let (mut swim, mut news) = (Vec::new(), Vec::new());
        for (n, member) in (0..).zip(members.iter_mut().take(PROBING)) {
            for Transmit { payload, .. } in self.two_seconds_of(member) {
                let mut took = Duration::ZERO;
                let allocations = allocation_counter::measure(|| {
                    let since = Instant::now();
                    self.center.handle_datagram(self.now, address(n), &payload);
                    while self.center.poll_transmit().is_some() {}
                    took = since.elapsed();
                });
                let cost = (took, allocations.count_total);
                match payload[KIND_AT] {
                    SWIM => swim.push(cost),
                    NEWS => news.push(cost),
                    _ => {}
                }
            }
        }
        assert!(
            !swim.is_empty() && !news.is_empty(),
            "members probe and tell news"
        );
        (median(swim), median(news))
    }

    /// What a member sends while nobody answers: its first burst, news of an instance, a probe.
    fn two_seconds_of(&self, member: &mut Engine) -> Vec<Transmit> {
        let mut sent = Vec::new();
        member
            .register(self.now, self.instance.clone())
            .expect("a valid instance");
        let end = self.now.instant + Duration::from_secs(2);
        while let Some(at) = member.poll_timeout().filter(|at| *at <= end) {
            member.handle_timeout(Now {
                instant: at,
                ..self.now
            });
            sent.extend(std::iter::from_fn(|| member.poll_transmit()));
        }
        sent
    }
}

fn median(costs: Vec<(Duration, u64)>) -> (Duration, u64) {
    let (mut times, mut allocations): (Vec<_>, Vec<_>) = costs.into_iter().unzip();
    times.sort_unstable();
    allocations.sort_unstable();
    (times[times.len() / 2], allocations[allocations.len() / 2])
}
