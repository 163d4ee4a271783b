//! How many new processes are let in.
//!
//! A process that is new here (an address that is not known, or a higher boot on one that is) changes everybody's
//! books: it is told to all, its place is kept for `remember_down` after it has gone, and its records are asked for. A stranger
//! that is let in costs a hundred times what its datagram did. So there are so many at once and so many in a second, over all;
//! and on one address [`IN_A_ROW`] identities in [`WINDOW`], rebirths included: who counts up its boot takes nobody
//! else's turn.
//!
//! What is not let in stays outside and tries again; who is a member already is not touched. What a joiner takes
//! over from the member that it has called is not counted.
//!
//! Bounds: an entry for each known address of which there was another identity within [`WINDOW`].

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use super::{Instant, budget::Budget};

/// How many identities may follow each other on one address. A process whose clock was set back, and that was held dead,
/// needs three.
const IN_A_ROW: u32 = 8;
/// In what time.
const WINDOW: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(super) struct Boots {
    budget: Budget,
    /// Since when they are counted on an address, and how many there were.
    recent: BTreeMap<SocketAddr, (Instant, u32)>,
    /// The same by time.
    windows: VecDeque<(Instant, SocketAddr)>,
}

/// How an identity is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum New {
    /// On an address that is not known.
    Stranger,
    /// Another process on a known address.
    Boot,
    /// The same process, reborn.
    Rebirth,
}

impl Boots {
    pub(super) fn new(per_second: u32, at_once: u32, now: Instant) -> Self {
        Self {
            budget: Budget::new(per_second, at_once, now),
            recent: BTreeMap::new(),
            windows: VecDeque::new(),
        }
    }

    /// Whether a new identity may be let in. Only one that is let in has had its turn.
    pub(super) fn admit(&mut self, now: Instant, addr: SocketAddr, new: New) -> bool {
        let has_turns = new != New::Stranger;
        if has_turns && self.turns_taken(now, addr) >= IN_A_ROW {
            return false;
        }
        let admitted = new == New::Rebirth || self.budget.take(now);
        if admitted && has_turns {
            self.take_turn(now, addr);
        }
        admitted
    }

    fn turns_taken(&mut self, now: Instant, addr: SocketAddr) -> u32 {
        while let Some((since, first)) = self.windows.front().copied()
            && now - since >= WINDOW
        {
            self.windows.pop_front();
            self.recent.remove(&first);
        }
        self.recent.get(&addr).map_or(0, |(_, count)| *count)
    }

    fn take_turn(&mut self, now: Instant, addr: SocketAddr) {
        let (_, count) = self.recent.entry(addr).or_insert_with(|| {
            self.windows.push_back((now, addr));
            (now, 0)
        });
        *count += 1;
    }

    /// How many addresses are counted.
    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn who_counts_up_its_boot_takes_nobody_elses_turn() {
        let mut boots = Boots::new(50, 100, at(0));
        let taken = (0..1_000).filter(|_| boots.admit(at(0), addr(1), New::Boot));
        assert_eq!(taken.count(), 8);
        let others = (2..1_000).filter(|port| boots.admit(at(0), addr(*port), New::Stranger));
        assert_eq!(others.count(), 92);
        assert!(
            boots.admit(at(8_000), addr(1), New::Boot),
            "its time comes again"
        );
    }

    #[test]
    fn rebirths_cost_nobody_a_turn_and_leave_nothing_behind() {
        let mut boots = Boots::new(50, 100, at(0));
        assert!((1..5_000).all(|port| boots.admit(at(0), addr(port), New::Rebirth)));
        assert!(boots.admit(at(0), addr(6_000), New::Stranger));
        assert_eq!(boots.len(), 4_999);
        assert!(boots.admit(at(8_000), addr(1), New::Rebirth));
        assert_eq!((boots.len(), boots.windows.len()), (1, 1));
    }

    #[test]
    fn who_finds_no_place_among_all_has_not_had_its_turn() {
        let mut boots = Boots::new(1, 1, at(0));
        assert!(boots.admit(at(0), addr(1), New::Stranger));
        assert!((0..20).all(|_| !boots.admit(at(0), addr(2), New::Boot)));
        assert_eq!(boots.len(), 0);
        assert!(boots.admit(at(1_000), addr(2), New::Boot));
    }

    #[test]
    fn who_has_had_its_turns_takes_no_place_among_all() {
        let mut boots = Boots::new(1, 9, at(0));
        let taken = (0..20).filter(|_| boots.admit(at(0), addr(1), New::Boot));
        assert_eq!(taken.count(), 8);
        assert!(boots.admit(at(0), addr(2), New::Stranger));
    }
}
