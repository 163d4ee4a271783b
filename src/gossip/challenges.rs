//! What this node has sent lately, by which it knows whether a challenge answers it.
//!
//! A peer that wants this node's address proven sends a cookie, and with it an *echo*: a mark of the
//! datagram that it challenges. The mark is made of that datagram's session and nonce
//! ([`Header::mark`](super::wire::frame::Header::mark)). A cookie whose mark is of nothing that this
//! node has sent was caused by somebody else who forged this node's address, and is not answered.
//!
//! Builds before the echo send a bare cookie. It is answered where something went to its address
//! within the last [`BARE_FOR`].
//!
//! A challenge is answered once: what else went to the same address meanwhile is answered by it, too.
//!
//! Bounds: the last [`MOST`] datagrams, for [`KEPT_FOR`].

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use super::Instant;

/// How many datagrams are remembered.
const MOST: usize = 1_024;
/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(3);
/// How long one without an echo may have been under way.
const BARE_FOR: Duration = Duration::from_secs(1);

/// The datagrams that may be challenged.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The datagram that was framed last.
    framed: Option<(Instant, u64)>,
    recent: VecDeque<(Instant, SocketAddr, u64)>,
}

impl Sent {
    /// A datagram with this mark was framed.
    pub(super) const fn framed(&mut self, now: Instant, mark: u64) {
        self.framed = Some((now, mark));
    }

    /// The datagram that was framed last goes to `to`.
    pub(super) fn goes_to(&mut self, to: SocketAddr) {
        let Some((now, mark)) = self.framed else {
            return;
        };
        while let Some((at, ..)) = self.recent.front()
            && (now - *at > KEPT_FOR || self.recent.len() >= MOST)
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, to, mark));
    }

    /// Where the datagram with this mark went, once.
    pub(super) fn challenged(&mut self, now: Instant, mark: u64) -> Option<SocketAddr> {
        let is_it =
            |(at, _, sent): &&(Instant, SocketAddr, u64)| *sent == mark && now - *at <= KEPT_FOR;
        let (_, to, _) = *self.recent.iter().find(is_it)?;
        self.recent.retain(|(_, addr, _)| *addr != to);
        Some(to)
    }

    /// Whether something went to `to` so lately that a cookie without an echo may be about it, once.
    pub(super) fn may_be_challenged(&mut self, now: Instant, to: SocketAddr) -> bool {
        let is_to =
            |(at, addr, _): &(Instant, SocketAddr, u64)| *addr == to && now - *at <= BARE_FOR;
        let may = self.recent.iter().any(is_to);
        if may {
            self.recent.retain(|(_, addr, _)| *addr != to);
        }
        may
    }

    /// How many are remembered.
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

    fn note(sent: &mut Sent, now: Instant, to: SocketAddr, mark: u64) {
        sent.framed(now, mark);
        sent.goes_to(to);
    }

    #[test]
    fn a_challenge_of_what_was_sent_is_known_once() {
        let mut sent = Sent::default();
        note(&mut sent, at(0), addr(1), 11);
        note(&mut sent, at(1), addr(1), 12);
        note(&mut sent, at(1), addr(2), 13);
        assert_eq!(sent.challenged(at(2), 14), None);
        assert_eq!(sent.challenged(at(2), 11), Some(addr(1)));
        assert_eq!(sent.challenged(at(2), 12), None, "answered with it");
        assert_eq!(sent.challenged(at(3_001), 13), Some(addr(2)));
    }

    #[test]
    fn a_challenge_that_comes_late_is_not_known() {
        let mut sent = Sent::default();
        note(&mut sent, at(0), addr(1), 11);
        assert_eq!(sent.challenged(at(3_001), 11), None);
        assert!(!sent.may_be_challenged(at(1_001), addr(1)));
        assert!(sent.may_be_challenged(at(1_000), addr(1)));
        assert!(!sent.may_be_challenged(at(1_000), addr(1)), "once");
    }

    #[test]
    fn no_more_is_remembered_than_is_of_use() {
        let mut sent = Sent::default();
        for mark in 0..5_000 {
            note(&mut sent, at(mark / 10), addr(1), mark);
        }
        assert_eq!(sent.len(), MOST);
        note(&mut sent, at(9_000), addr(1), 5_000);
        assert_eq!(sent.len(), 1);
    }
}
