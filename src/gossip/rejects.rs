//! How often a hello that cannot be used is answered with a reject.
//!
//! Bounds: one reject a second for each address, and [`RATE`] a second in all. So at most as many addresses are
//! remembered as rejects leave in a second.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{Instant, budget::Budget};

/// How many rejects may leave in a second, and how many at once.
const RATE: u32 = 100;
/// The least time between two rejects to one address.
const GAP: Duration = Duration::from_secs(1);

/// Whether a reject may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    Yes,
    /// This address had one within the last second.
    TooSoon,
    /// Too many leave already.
    AtLimit,
}

#[derive(Debug)]
pub(super) struct Rejects {
    budget: Budget,
    last: BTreeMap<SocketAddr, Instant>,
}

impl Rejects {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            budget: Budget::new(RATE, RATE, now),
            last: BTreeMap::new(),
        }
    }

    /// Asks for a reject to `to`, and counts it.
    pub(super) fn permit(&mut self, now: Instant, to: SocketAddr) -> Permit {
        // Few enough to look at all of them.
        self.last.retain(|_, last| now - *last < GAP);
        if self.last.contains_key(&to) {
            return Permit::TooSoon;
        }
        if !self.budget.take(now) {
            return Permit::AtLimit;
        }
        self.last.insert(to, now);
        Permit::Yes
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.last.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn an_address_gets_one_reject_a_second() {
        let mut rejects = Rejects::new(at(0));
        assert_eq!(rejects.permit(at(0), addr(1)), Permit::Yes);
        assert_eq!(rejects.permit(at(999), addr(1)), Permit::TooSoon);
        assert_eq!(rejects.permit(at(999), addr(2)), Permit::Yes);
        assert_eq!(rejects.permit(at(1_000), addr(1)), Permit::Yes);
    }

    #[test]
    fn a_flood_from_many_addresses_gets_100_rejects_a_second() {
        let mut rejects = Rejects::new(at(0));
        let mut permitted = 0;
        for port in 1..=60_000 {
            let now = at(u64::from(port) / 6);
            permitted += u32::from(rejects.permit(now, addr(port)) == Permit::Yes);
            assert!(rejects.len() <= 2 * RATE as usize);
        }
        assert!((1_090..=1_101).contains(&permitted), "{permitted} in 10 s");
    }
}
