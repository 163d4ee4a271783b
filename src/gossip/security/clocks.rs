//! Whose clock is wrong.
//!
//! A datagram from out of the skew, of a session that is not known, is never used. But to tell the operator, the tags of a few
//! are looked at: those that are authentic say how far apart two clocks are.
//!
//! - If at least [`ODD`] peers, by as many sessions, are off in the same direction, and nobody who was heard within
//!   [`RECENT`] agrees with our clock, then this host is the odd one.
//! - If somebody agrees, the peer is.
//! - If there is too little to go by, both are named.
//!
//! Datagrams that were captured and are said again look like clocks that are behind. So an attacker could make a healthy node
//! say that it is ahead, with what it captured of three senders, if that node hears nobody else for a minute. As long as it
//! hears a single peer it blames the senders; and nobody can make up a clock that is ahead of ours without the key.
//!
//! Bounds: [`TRIES_PER_SECOND`] tags, [`PEERS`] addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::sessions::SessionId;
use crate::gossip::{Instant, Now, budget::Budget};

/// How many tags of datagrams from out of the skew are looked at in a second.
const TRIES_PER_SECOND: u32 = 4;
/// How many addresses are remembered; the one seen longest ago makes room.
const PEERS: usize = 16;
/// How many peers have to differ from us in the same way.
const ODD: usize = 3;
/// How long what was heard counts.
const RECENT: Duration = Duration::from_secs(60);
/// By how much a clock goes wrong in that time without having been set: far less.
const SET: Duration = Duration::from_secs(1);

/// What two clocks that are too far apart say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Odd {
    /// This host's clock is so many milliseconds ahead of its peers' (behind, if negative), by the middle of those seen.
    ThisHost { ahead_ms: i64 },
    /// The sender's clock is so many milliseconds ahead of ours, and others agree with us.
    Sender { ahead_ms: i64 },
    /// Likewise, and nobody says which of the two is right.
    Either { sender_ahead_ms: i64 },
}

impl Odd {
    /// By how many milliseconds the sender's clock is ahead of this host's, or peers' clocks are by the middle of those seen.
    pub(in crate::gossip) const fn sender_ahead_ms(self) -> i64 {
        match self {
            Self::ThisHost { ahead_ms } => ahead_ms.saturating_neg(),
            Self::Sender { ahead_ms } => ahead_ms,
            Self::Either { sender_ahead_ms } => sender_ahead_ms,
        }
    }
}

#[derive(Debug)]
struct Sighting {
    session: SessionId,
    ahead_ms: i64,
    at: Instant,
}

#[derive(Debug)]
pub(super) struct Clocks {
    budget: Budget,
    off: BTreeMap<SocketAddr, Sighting>,
    /// When a clock was heard last that agrees with ours.
    agreed: Option<Now>,
}

impl Clocks {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            budget: Budget::new(TRIES_PER_SECOND, TRIES_PER_SECOND, now),
            off: BTreeMap::new(),
            agreed: None,
        }
    }

    /// Whether a tag may be looked at now.
    pub(super) fn may_try(&mut self, now: Instant) -> bool {
        self.budget.take(now)
    }

    /// An authentic datagram that is used, from within the skew.
    pub(super) fn agreed(&mut self, now: Now, from: SocketAddr) {
        self.agreed = Some(now);
        if !self.off.is_empty() {
            self.off.remove(&from);
        }
    }

    /// Whether somebody who was heard lately agrees with our clock, as it is set now.
    pub(super) fn is_agreed(&self, now: Now) -> bool {
        self.agreed.is_some_and(|then| {
            let passed = now.instant - then.instant;
            let unset = i128::from(then.unix_ms).saturating_add_unsigned(passed.as_millis());
            passed < RECENT && unset.abs_diff(now.unix_ms.into()) < SET.as_millis()
        })
    }

    /// How many addresses had a clock that is off, when they were heard last.
    pub(super) fn off(&self) -> usize {
        self.off.len()
    }

    /// Takes in an authentic datagram from out of the skew.
    pub(super) fn sighted(
        &mut self,
        now: Now,
        from: SocketAddr,
        session: SessionId,
        ahead_ms: i64,
    ) -> Odd {
        let at = now.instant;
        self.off.retain(|_, seen| at - seen.at < RECENT);
        if self.off.len() >= PEERS && !self.off.contains_key(&from) {
            let oldest = self.off.iter().min_by_key(|(_, seen)| seen.at);
            if let Some(oldest) = oldest.map(|(addr, _)| *addr) {
                self.off.remove(&oldest);
            }
        }
        let sighting = Sighting {
            session,
            ahead_ms,
            at,
        };
        self.off.insert(from, sighting);
        if self.is_agreed(now) {
            return Odd::Sender { ahead_ms };
        }
        let alike = self.off.values();
        let alike = alike.filter(|seen| seen.ahead_ms.signum() == ahead_ms.signum());
        let alike: BTreeSet<_> = alike.map(|seen| (seen.session, seen.ahead_ms)).collect();
        let sessions: BTreeSet<_> = alike.iter().map(|(session, _)| session).collect();
        if sessions.len() < ODD {
            return Odd::Either {
                sender_ahead_ms: ahead_ms,
            };
        }
        let mut offsets: Vec<_> = alike.iter().map(|(_, ahead_ms)| *ahead_ms).collect();
        offsets.sort_unstable();
        Odd::ThisHost {
            ahead_ms: offsets[offsets.len() / 2].saturating_neg(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Now {
        Now {
            instant: Instant::from_origin(Duration::from_secs(s)),
            unix_ms: 1_800_000_000_000 + s * 1_000,
        }
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn sight(clocks: &mut Clocks, s: u64, peer: u8, ahead_ms: i64) -> Odd {
        clocks.sighted(at(s), addr(peer.into()), [peer; 16], ahead_ms)
    }

    #[test]
    fn three_peers_that_are_off_alike_make_this_host_the_odd_one() {
        let mut clocks = Clocks::new(at(0).instant);
        let sender_ahead_ms = 3_600_000;
        let either = Odd::Either { sender_ahead_ms };
        assert_eq!(sight(&mut clocks, 1, 1, sender_ahead_ms), either);
        assert_eq!(sight(&mut clocks, 2, 2, sender_ahead_ms), either);
        sight(&mut clocks, 2, 4, -50_000);
        let odd = sight(&mut clocks, 3, 3, sender_ahead_ms + 7);
        assert_eq!(
            odd,
            Odd::ThisHost {
                ahead_ms: -sender_ahead_ms
            }
        );
    }

    #[test]
    fn whoever_hears_one_that_agrees_is_not_the_odd_one() {
        let mut clocks = Clocks::new(at(0).instant);
        clocks.agreed(at(1), addr(99));
        for peer in 1..=9 {
            let odd = sight(&mut clocks, 60, peer, -40_000);
            assert_eq!(odd, Odd::Sender { ahead_ms: -40_000 });
        }
        let odd = sight(&mut clocks, 61, 9, -40_000);
        assert!(matches!(odd, Odd::ThisHost { .. }), "a minute later");
    }

    #[test]
    fn an_agreement_ends_when_the_clock_is_set() {
        let mut clocks = Clocks::new(at(0).instant);
        clocks.agreed(at(1), addr(99));
        assert!(clocks.is_agreed(at(2)) && !clocks.is_agreed(at(61)));
        for set_to in [0, 9] {
            let now = Now {
                unix_ms: at(set_to).unix_ms,
                ..at(2)
            };
            assert!(!clocks.is_agreed(now), "{set_to}");
        }
    }

    #[test]
    fn one_captured_sender_said_again_from_many_addresses_is_one() {
        let mut clocks = Clocks::new(at(0).instant);
        for port in 0..100 {
            let odd = clocks.sighted(at(1), addr(port), [7; 16], -40_000 - i64::from(port));
            assert!(matches!(odd, Odd::Either { .. }));
        }
        assert_eq!(clocks.off(), PEERS);
    }

    #[test]
    fn what_was_seen_a_minute_ago_does_not_count() {
        let mut clocks = Clocks::new(at(0).instant);
        sight(&mut clocks, 0, 1, 90_000);
        sight(&mut clocks, 0, 2, 90_000);
        let odd = sight(&mut clocks, 60, 3, 90_000);
        assert!(matches!(odd, Odd::Either { .. }));
        assert_eq!(clocks.off(), 1);
    }

    #[test]
    fn four_tags_a_second_are_looked_at() {
        let mut clocks = Clocks::new(at(0).instant);
        let tries =
            |clocks: &mut Clocks, s| (0..100).filter(|_| clocks.may_try(at(s).instant)).count();
        assert_eq!(tries(&mut clocks, 0), 4);
        assert_eq!(tries(&mut clocks, 1), 4);
    }
}
