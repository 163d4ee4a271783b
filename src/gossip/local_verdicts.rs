//! Members that this node has dropped for itself alone.
//!
//! A node that hears nobody cannot tell whether the others are gone or its own link is. It drops
//! those that do not answer from what its users see, in the same time as any dead member. Nobody
//! else is told, and for SWIM they stay suspects: *down* is terminal there, and a node that was deaf
//! for half a minute would kill everybody when it hears again.
//!
//! Bounds: one entry for each suspected member.

use std::{collections::BTreeMap, net::SocketAddr};

use super::Instant;

/// Why a member was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// It did not answer.
    Silent,
    /// Its host said that nothing listens there, and so showed that our own network works.
    Refused,
}

/// The verdicts that this node keeps to itself.
#[derive(Debug, Default)]
pub(super) struct LocalVerdicts(BTreeMap<SocketAddr, (Ground, Instant)>);

impl LocalVerdicts {
    /// Whether the member on an address is dropped.
    pub(super) fn contains(&self, addr: SocketAddr) -> bool {
        self.0.contains_key(&addr)
    }

    /// How many members are dropped.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The member on an address is dropped. Says whether it was not before.
    pub(super) fn add(&mut self, now: Instant, addr: SocketAddr, ground: Ground) -> bool {
        let is_new = !self.contains(addr);
        if is_new {
            self.0.insert(addr, (ground, now));
        }
        is_new
    }

    /// Since when the member on an address is dropped.
    pub(super) fn since(&self, addr: SocketAddr) -> Option<Instant> {
        self.0.get(&addr).map(|(_, since)| *since)
    }

    /// The verdict about an address is taken back. Says whether there was one.
    pub(super) fn remove(&mut self, addr: SocketAddr) -> bool {
        self.0.remove(&addr).is_some()
    }

    /// Those that were dropped for their silence, by address.
    pub(super) fn silent(&self) -> Vec<SocketAddr> {
        let silent = self
            .0
            .iter()
            .filter(|(_, (ground, _))| *ground == Ground::Silent);
        silent.map(|(addr, _)| *addr).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_verdict_keeps_its_first_time_and_ground_until_it_is_taken_back() {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let at = |s| Instant::from_origin(Duration::from_secs(s));
        let mut verdicts = LocalVerdicts::default();
        assert!(verdicts.add(at(1), addr(1), Ground::Silent));
        assert!(!verdicts.add(at(2), addr(1), Ground::Refused));
        assert!(verdicts.add(at(2), addr(2), Ground::Refused));
        assert_eq!(verdicts.since(addr(1)), Some(at(1)));
        assert_eq!((verdicts.silent(), verdicts.len()), (vec![addr(1)], 2));
        assert!(verdicts.remove(addr(1)) && !verdicts.remove(addr(1)));
        assert!(!verdicts.contains(addr(1)) && verdicts.contains(addr(2)));
    }
}
