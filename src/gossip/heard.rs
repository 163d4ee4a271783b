//! When each member was heard last.
//!
//! Any datagram of a member counts whose sender may be believed, whatever its kind. The sender is
//! known by its boot, because a member may send from another address than the one that it
//! advertises.
//!
//! Bounds: one entry for each live member.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{Instant, identity::PeerId};

/// A member that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hearing {
    /// Its advertised address.
    pub(super) addr: SocketAddr,
    /// How long nobody at all had been heard before; zero where nobody ever was.
    pub(super) silence: Duration,
}

/// Who was heard, and when.
#[derive(Debug, Default)]
pub(super) struct Heard {
    members: BTreeMap<SocketAddr, (u64, Option<Instant>)>,
    by_boot: BTreeMap<u64, SocketAddr>,
    /// Those that were heard, by the time at which they were heard last.
    order: BTreeSet<(Instant, SocketAddr)>,
    /// When anybody was heard last, be it a member or one that was a member.
    last: Option<Instant>,
}

impl Heard {
    /// `id` is a live member from now on. One of the same process keeps its time.
    pub(super) fn add(&mut self, id: PeerId) {
        if self
            .members
            .get(&id.addr)
            .is_some_and(|(boot, _)| *boot == id.boot)
        {
            return;
        }
        self.remove(id.addr);
        self.members.insert(id.addr, (id.boot, None));
        self.by_boot.insert(id.boot, id.addr);
    }

    /// The identity on an address is no live member any more.
    pub(super) fn remove(&mut self, addr: SocketAddr) {
        let Some((boot, at)) = self.members.remove(&addr) else {
            return;
        };
        if self.by_boot.get(&boot) == Some(&addr) {
            self.by_boot.remove(&boot);
        }
        if let Some(at) = at {
            self.order.remove(&(at, addr));
        }
    }

    /// A datagram of the process `boot` has come from `from`. Says which member that is.
    pub(super) fn note(&mut self, now: Instant, from: SocketAddr, boot: u64) -> Option<Hearing> {
        let is_there = |(known, _): &(u64, Option<Instant>)| *known == boot;
        let addr = if self.members.get(&from).is_some_and(is_there) {
            from
        } else {
            *self.by_boot.get(&boot)?
        };
        let (_, at) = self.members.get_mut(&addr)?;
        if let Some(before) = at.replace(now) {
            self.order.remove(&(before, addr));
        }
        self.order.insert((now, addr));
        let before = self.last.replace(now);
        let silence = before.map_or(Duration::ZERO, |before| now - before);
        Some(Hearing { addr, silence })
    }

    /// When a member was heard last.
    pub(super) fn at(&self, addr: SocketAddr) -> Option<Instant> {
        self.members.get(&addr).and_then(|(_, at)| *at)
    }

    /// The members that were heard since then, the one that was silent longest first.
    pub(super) fn since(&self, then: Instant) -> impl Iterator<Item = SocketAddr> {
        let first = (then, SocketAddr::from(([0, 0, 0, 0], 0)));
        self.order.range(first..).map(|(_, addr)| *addr)
    }

    /// Whether any member but `except` was heard since then.
    pub(super) fn any_since(&self, then: Instant, except: SocketAddr) -> bool {
        self.since(then).any(|addr| addr != except)
    }

    /// How many members are kept.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    fn id(port: u16, boot: u64) -> PeerId {
        PeerId {
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            boot,
            renewal: 0,
        }
    }

    #[test]
    fn a_member_is_heard_from_whatever_address_it_sends() {
        let mut heard = Heard::default();
        heard.add(id(1, 10));
        heard.add(id(2, 20));
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let hearing = heard.note(at(5), elsewhere, 20).unwrap();
        assert_eq!(hearing.addr, id(2, 20).addr);
        assert_eq!(heard.at(id(2, 20).addr), Some(at(5)));
        assert_eq!(
            heard.note(at(6), id(1, 10).addr, 99),
            None,
            "another process"
        );
        assert_eq!(heard.at(id(1, 10).addr), None);
    }

    #[test]
    fn the_silence_before_a_datagram_is_that_of_all_members() {
        let mut heard = Heard::default();
        heard.add(id(1, 10));
        heard.add(id(2, 20));
        let silence = |heard: &mut Heard, ms, port, boot| {
            heard
                .note(at(ms), id(port, boot).addr, boot)
                .unwrap()
                .silence
                .as_millis()
        };
        assert_eq!(silence(&mut heard, 100, 1, 10), 0);
        assert_eq!(silence(&mut heard, 2_100, 2, 20), 2_000);
        heard.remove(id(2, 20).addr);
        assert_eq!(silence(&mut heard, 2_500, 1, 10), 400);
    }

    #[test]
    fn who_was_heard_since_is_known_and_one_that_is_gone_was_not_heard() {
        let mut heard = Heard::default();
        for port in 1..=3 {
            heard.add(id(port, u64::from(port)));
            heard.note(
                at(u64::from(port)),
                id(port, u64::from(port)).addr,
                u64::from(port),
            );
        }
        let since = |heard: &Heard, ms| heard.since(at(ms)).map(|a| a.port()).collect::<Vec<_>>();
        assert_eq!(since(&heard, 2), [2, 3]);
        heard.note(at(9), id(2, 2).addr, 2);
        assert_eq!(since(&heard, 2), [3, 2]);
        heard.remove(id(2, 2).addr);
        heard.add(id(3, 7));
        assert_eq!(since(&heard, 0), [1]);
        assert!(!heard.any_since(at(0), id(1, 1).addr));
        assert_eq!(heard.len(), 2);
    }

    #[test]
    fn a_rebirth_is_the_same_process_and_was_heard() {
        let mut heard = Heard::default();
        heard.add(id(1, 10));
        heard.note(at(3), id(1, 10).addr, 10);
        heard.add(id(1, 10).reborn());
        assert_eq!(heard.at(id(1, 10).addr), Some(at(3)));
    }
}
