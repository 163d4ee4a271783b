//! Seeds: where a node looks for its first peer.
//!
//! A seed is an address or a host name. Names are resolved again at every try, because what stands
//! behind a name changes (a pod is rescheduled, a record gets a second address). The engine says
//! *when* to try ([`Engine::wants_seeds`](crate::gossip::Engine::wants_seeds), 100 ms to 30 s apart,
//! for ever); this file only turns names into addresses.
//!
//! Invariants:
//! - a lookup runs beside the driver's loop and never in it: a resolver that hangs delays nobody;
//! - a name has at most one lookup under way, however long that one takes;
//! - each lookup's addresses are handed in when they arrive: a slow name holds back no quick one;
//! - a name that does not resolve is a warning, at most one a minute for each name.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use super::limiter::Limiter;
use super::lookups::Lookups;
use super::zone;
use crate::gossip::canonical;

/// At most this many addresses of one name are used at one try; the rest are left out.
pub const SEED_ADDRESSES_MAX: usize = 64;

/// The least time between two warnings about one name.
const WARNING_GAP: Duration = Duration::from_secs(60);

/// A seed as it was configured: well-formed, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

impl Seed {
    /// Parses `ip:port`, `[ipv6]:port` or `name:port`; the error says what is wrong with it. A zone
    /// stays in the address.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(address) = zone::parse(text) {
            return match address? {
                address if address.port() == 0 => Err("port 0 is nobody's port"),
                address if address.ip().is_unspecified() => {
                    Err("an unspecified address is no peer's")
                }
                address => Ok(Self::Address(address)),
            };
        }
        if text.contains('/') {
            return Err("a seed is no URL");
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err("the port is missing");
        };
        if host.contains([':', '[', ']']) {
            return Err("an IPv6 address stands in brackets, its port behind them");
        }
        if host.is_empty() {
            return Err("the host is missing");
        }
        if host.len() > 253 || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("that is no host name");
        }
        match port.parse() {
            Ok(0) => Err("port 0 is nobody's port"),
            Ok(port) => Ok(Self::Name {
                host: host.to_owned(),
                port,
            }),
            Err(_) => Err("the port is not a number from 1 to 65535"),
        }
    }

    /// The addresses behind this seed at this moment.
    pub(super) async fn resolve(&self, lookups: &Lookups) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name { host, port } => {
                let found = lookups.lookup(host.clone(), *port).await?.into_iter();
                Ok(found.take(SEED_ADDRESSES_MAX).map(canonical).collect())
            }
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Turns the seeds that are names into addresses, beside the driver's loop.
#[derive(Debug)]
pub(super) struct Resolver {
    addresses: Vec<SocketAddr>,
    names: Vec<Name>,
    threads: Lookups,
    lookups: JoinSet<(usize, io::Result<Vec<SocketAddr>>)>,
}

#[derive(Debug)]
struct Name {
    seed: Seed,
    under_way: bool,
    /// What came of the last lookup that has ended.
    found: Option<Result<Vec<SocketAddr>, String>>,
    warnings: Limiter,
}

/// What came of looking a seed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    /// No lookup has ended yet.
    UnderWay,
    /// The last one failed.
    Failed(&'a str),
    /// The seed has these addresses.
    Found(&'a [SocketAddr]),
}

impl Resolver {
    pub(super) fn new(seeds: Vec<Seed>, threads: Lookups) -> Self {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for seed in seeds {
            match seed {
                Seed::Address(address) => addresses.push(address),
                seed @ Seed::Name { .. } => {
                    names.push(Name {
                        seed,
                        under_way: false,
                        found: None,
                        warnings: Limiter::new(WARNING_GAP),
                    });
                }
            }
        }
        Self {
            addresses,
            names,
            threads,
            lookups: JoinSet::new(),
        }
    }

    /// Starts one try: answers the seeds that are addresses, and looks the names up. What the
    /// names stand for comes out of [`next`](Self::next).
    pub(super) fn begin(&mut self) -> Vec<SocketAddr> {
        for (index, name) in self
            .names
            .iter_mut()
            .enumerate()
            .filter(|(_, name)| !name.under_way)
        {
            let (seed, threads) = (name.seed.clone(), self.threads.clone());
            name.under_way = true;
            self.lookups
                .spawn(async move { (index, seed.resolve(&threads).await) });
        }
        self.addresses.clone()
    }

    /// Every seed, and what came of looking it up.
    pub(super) fn lookups(&self) -> impl Iterator<Item = (Seed, Lookup<'_>)> {
        let addresses = self.addresses.iter().map(|address| {
            let found = std::slice::from_ref(address);
            (Seed::Address(*address), Lookup::Found(found))
        });
        let names = self.names.iter().map(|name| {
            let lookup = match &name.found {
                None => Lookup::UnderWay,
                Some(Err(error)) => Lookup::Failed(error),
                Some(Ok(found)) => Lookup::Found(found),
            };
            (name.seed.clone(), lookup)
        });
        addresses.chain(names)
    }

    /// Whether a lookup is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.lookups.is_empty()
    }

    /// Waits for the next lookup to end; empty when it found nothing. Cancel-safe.
    pub(super) async fn next(&mut self) -> Vec<SocketAddr> {
        let Some(Ok((index, result))) = self.lookups.join_next().await else {
            return Vec::new();
        };
        let name = &mut self.names[index];
        name.under_way = false;
        let error = match result {
            Ok(addresses) if !addresses.is_empty() => {
                name.found = Some(Ok(addresses.clone()));
                return addresses;
            }
            Ok(_) => io::Error::from(io::ErrorKind::NotFound),
            Err(error) => error,
        };
        name.found = Some(Err(error.to_string()));
        if let Some(held_back) = name.warnings.permit() {
            let seed = &name.seed;
            tracing::warn!(target: super::TARGET, %seed, %error, held_back, "seed does not resolve; trying again");
        }
        Vec::new()
    }
}

/// A name that every resolver refuses by itself, without asking anybody: a label has at most 63 bytes.
#[cfg(test)]
pub(super) const UNRESOLVABLE: &str =
    "a-label-of-more-than-sixty-three-bytes-which-no-name-may-contain-at-all.invalid:7946";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_an_address_or_a_name_with_a_port() {
        let address = |text: &str| Seed::Address(text.parse().expect("an address"));
        assert_eq!(Seed::parse("10.0.0.7:7946"), Ok(address("10.0.0.7:7946")));
        assert_eq!(Seed::parse("[::1]:7946"), Ok(address("[::1]:7946")));
        assert_eq!(
            Seed::parse("[::ffff:10.0.0.7]:7946"),
            Ok(address("10.0.0.7:7946"))
        );
        let name = Seed::Name {
            host: "seed.shop.internal".into(),
            port: 7946,
        };
        assert_eq!(Seed::parse("seed.shop.internal:7946"), Ok(name));
    }

    #[test]
    fn a_malformed_seed_says_what_is_wrong_with_it() {
        for (text, reason) in [
            ("seed.internal", "the port is missing"),
            ("", "the port is missing"),
            (":7946", "the host is missing"),
            ("seed.internal:", "the port is not a number from 1 to 65535"),
            (
                "seed.internal:gossip",
                "the port is not a number from 1 to 65535",
            ),
            (
                "seed.internal:70000",
                "the port is not a number from 1 to 65535",
            ),
            ("seed.internal:0", "port 0 is nobody's port"),
            ("10.0.0.7:0", "port 0 is nobody's port"),
            ("0.0.0.0:7946", "an unspecified address is no peer's"),
            (
                "::1:7946",
                "an IPv6 address stands in brackets, its port behind them",
            ),
            (
                "[::1]",
                "an IPv6 address stands in brackets, its port behind them",
            ),
            ("udp://seed.internal:7946", "a seed is no URL"),
            ("seed internal:7946", "that is no host name"),
        ] {
            assert_eq!(Seed::parse(text), Err(reason), "{text:?}");
        }
    }

    #[tokio::test]
    async fn addresses_come_at_once_and_names_when_they_are_resolved() {
        let seeds = ["192.0.2.7:7946", "127.0.0.1:1", "localhost:7946"];
        let seeds = seeds.map(|seed| Seed::parse(seed).expect("well-formed"));
        let mut resolver = Resolver::new(seeds.to_vec(), Lookups::of_system());
        let at_once: Vec<_> = resolver.begin().iter().map(ToString::to_string).collect();
        assert_eq!(at_once, ["192.0.2.7:7946", "127.0.0.1:1"]);
        assert!(resolver.is_busy());
        let localhost = resolver.next().await;
        assert!(!localhost.is_empty() && localhost.iter().all(|found| found.ip().is_loopback()));
        assert!(!resolver.is_busy());
    }

    #[tokio::test]
    async fn a_name_has_one_lookup_under_way_and_can_be_looked_up_again_after_a_failure() {
        let seed = Seed::parse(UNRESOLVABLE).expect("well-formed");
        let mut resolver = Resolver::new(vec![seed], Lookups::of_system());
        for _ in 0..2 {
            assert!(resolver.begin().is_empty());
            resolver.begin();
            assert_eq!(resolver.lookups.len(), 1);
            assert!(resolver.next().await.is_empty());
            assert!(!resolver.is_busy());
        }
    }
}
