//! A node that has seeds and no peer says so, and why.
//!
//! Without a word a wrong key, another cluster's name or a seed where nobody listens looks like a healthy node that nobody
//! finds. So a node that had no live member for [`AFTER`] is *isolated*: it logs one warning that lists each seed with what
//! is known of it, again every [`EVERY`] while that lasts, and tells of it by an event. A node without seeds waits to be
//! found, and so does one whose seeds are all itself, as the first process of a cluster that gives all of them the same
//! list: neither is ever isolated.
//!
//! Everything here is without clock: the driver hands in the time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::gossip::{Instant, SeedState};

/// How long a node may be alone.
pub(super) const AFTER: Duration = Duration::from_secs(5);
/// The time between two warnings.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// How many addresses one warning lists.
const LISTED_MAX: usize = 16;

/// A seed, as it was configured, and what is known of one of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeedStatus {
    /// As it was given to [`seeds`](super::NodeBuilder::seeds).
    pub seed: String,
    /// Its address; of a name, one of those that it was resolved to, if it was.
    pub addr: Option<SocketAddr>,
    /// What is known of it.
    pub state: SeedState,
}

impl fmt::Display for SeedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, addr, state } = self;
        match addr.map(|addr| addr.to_string()) {
            Some(addr) if addr != *seed => write!(f, "{seed} ({addr}): {state}"),
            _ => write!(f, "{seed}: {state}"),
        }
    }
}

/// All of them in one line, as a log has them.
pub(super) fn list(seeds: &[SeedStatus]) -> String {
    let listed = seeds.iter().take(LISTED_MAX).map(ToString::to_string);
    let mut list = listed.collect::<Vec<_>>().join("; ");
    if seeds.len() > LISTED_MAX {
        list = format!("{list}; and {} more", seeds.len() - LISTED_MAX);
    }
    list
}

/// What to check, each thing once.
pub(super) fn advice(seeds: &[SeedStatus]) -> String {
    let mut advice: Vec<_> = seeds
        .iter()
        .filter_map(|seed| seed.state.advice())
        .collect();
    advice.sort_unstable();
    advice.dedup();
    advice.join("; ")
}

/// Whether there is somebody to join: a seed that is not known to be this node itself.
pub(super) fn has_others(seeds: &[SeedStatus]) -> bool {
    seeds.iter().any(|seed| seed.state != SeedState::Itself)
}

/// What a turn of the driver finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The node has its first peer, or its first one after it was isolated.
    Joined,
    /// The node has been alone for so long: for a warning, and the first time for an event.
    Isolated { alone_for: Duration, is_first: bool },
}

/// Follows whether a node has a peer.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    alone_since: Option<Instant>,
    /// When to warn, again.
    warn_at: Option<Instant>,
    is_isolated: bool,
    /// Whether it has had a peer since it was isolated last.
    has_joined: bool,
}

impl Isolation {
    /// `has_others` is asked only of a node that is alone.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        has_peer: bool,
        has_others: impl FnOnce() -> bool,
    ) -> Option<Turn> {
        if has_peer {
            (self.alone_since, self.warn_at, self.is_isolated) = (None, None, false);
            let is_first = !std::mem::replace(&mut self.has_joined, true);
            return is_first.then_some(Turn::Joined);
        }
        let since = *self.alone_since.get_or_insert(now);
        if !has_others() {
            (self.warn_at, self.is_isolated) = (None, false);
            return None;
        }
        let warn_at = *self.warn_at.get_or_insert(since + AFTER);
        if now < warn_at {
            return None;
        }
        self.warn_at = Some(now + EVERY);
        self.has_joined = false;
        Some(Turn::Isolated {
            alone_for: now - since,
            is_first: !std::mem::replace(&mut self.is_isolated, true),
        })
    }

    /// Whether it has a peer, or had one less than [`AFTER`] ago, or has nobody to join.
    pub(super) const fn is_joined(&self) -> bool {
        self.has_joined || self.alone_since.is_some() && self.warn_at.is_none()
    }

    /// When to look again, if nothing happens before.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.warn_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    fn isolated(alone_for: u64, is_first: bool) -> Turn {
        Turn::Isolated {
            alone_for: Duration::from_secs(alone_for),
            is_first,
        }
    }

    #[test]
    fn a_node_that_is_alone_is_told_of_after_5_s_and_each_minute() {
        let mut isolation = Isolation::default();
        let told = (0..=130).filter_map(|s| Some((s, isolation.observe(at(s), false, || true)?)));
        let told: Vec<_> = told.collect();
        let expected = [(5, true), (65, false), (125, false)];
        assert_eq!(told, expected.map(|(s, first)| (s, isolated(s, first))));
        assert!(!isolation.is_joined());
        assert_eq!(isolation.deadline(), Some(at(185)));
    }

    #[test]
    fn a_peer_within_5_s_is_joining_and_no_isolation() {
        let mut isolation = Isolation::default();
        assert_eq!(isolation.observe(at(0), false, || true), None);
        assert!(!isolation.is_joined());
        assert_eq!(isolation.observe(at(4), true, || true), Some(Turn::Joined));
        assert!(isolation.is_joined() && isolation.deadline().is_none());
        assert_eq!(isolation.observe(at(9), true, || true), None);
    }

    #[test]
    fn a_node_that_is_left_alone_for_less_than_5_s_stays_joined() {
        let mut isolation = Isolation::default();
        isolation.observe(at(0), true, || true);
        assert_eq!(isolation.observe(at(10), false, || true), None);
        assert!(isolation.is_joined());
        assert_eq!(isolation.observe(at(14), true, || true), None);
        assert_eq!(isolation.observe(at(20), false, || true), None);
        assert_eq!(
            isolation.observe(at(25), false, || true),
            Some(isolated(5, true))
        );
        assert!(!isolation.is_joined());
        assert_eq!(isolation.observe(at(30), true, || true), Some(Turn::Joined));
    }

    #[test]
    fn a_node_with_nobody_to_join_has_joined_and_is_never_isolated() {
        let mut isolation = Isolation::default();
        for s in 0..1_000 {
            assert_eq!(isolation.observe(at(s), false, || false), None);
            assert!(isolation.is_joined() && isolation.deadline().is_none());
        }
        assert_eq!(
            isolation.observe(at(1_000), true, || false),
            Some(Turn::Joined)
        );
    }

    #[test]
    fn a_seed_that_turns_out_to_be_the_node_ends_the_isolation() {
        let mut isolation = Isolation::default();
        for s in 0..=5 {
            isolation.observe(at(s), false, || true);
        }
        assert!(!isolation.is_joined());
        isolation.observe(at(6), false, || false);
        assert!(isolation.is_joined());
    }

    fn status(seed: &str, addr: &str, state: SeedState) -> SeedStatus {
        SeedStatus {
            seed: seed.to_owned(),
            addr: addr.parse().ok(),
            state,
        }
    }

    #[test]
    fn a_warning_lists_each_seed_and_each_advice_once() {
        let error = "no such host".to_owned();
        let seeds = [
            status("10.0.0.7:1", "10.0.0.7:1", SeedState::PortClosed),
            status("a.b:1", "10.0.0.8:1", SeedState::PortClosed),
            status("c.d:1", "", SeedState::DoesNotResolve { error }),
        ];
        assert_eq!(
            list(&seeds),
            "10.0.0.7:1: port closed, nothing listens there; \
             a.b:1 (10.0.0.8:1): port closed, nothing listens there; \
             c.d:1: name does not resolve: no such host"
        );
        let closed = SeedState::PortClosed.advice().unwrap();
        assert_eq!(advice(&seeds).matches(closed).count(), 1);
        assert!(advice(&seeds).contains("resolves on this host"));
    }

    #[test]
    fn a_warning_lists_16_addresses_and_counts_the_rest() {
        let seeds = vec![status("a.b:1", "10.0.0.8:1", SeedState::NotCalled); 20];
        let list = list(&seeds);
        assert_eq!(list.matches("a.b:1").count(), 16);
        assert!(list.ends_with("; and 4 more"));
    }
}
