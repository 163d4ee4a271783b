//! Peers say from where they see this node. Where that is another address than the advertised one,
//! others may not reach it, and only this node can tell its operator.

use std::net::SocketAddr;

use super::{Engine, outbox::Topic};
use crate::gossip::Now;

/// What is wrong with an advertised address, given under which one a peer sees the node, and what to
/// do about it. Nothing where the two agree, or where the peer is on this host: what leaves there
/// has a loopback address whatever the node advertises.
fn advice(advertised: SocketAddr, observed: SocketAddr, peer: SocketAddr) -> Option<&'static str> {
    if observed == advertised || peer.ip().is_loopback() || observed.ip().is_loopback() {
        return None;
    }
    Some(if advertised.ip().is_loopback() {
        "this node advertises loopback, and peers on other hosts cannot reach it: \
         set the address that they reach with .advertise(..)"
    } else if advertised.ip() == observed.ip() {
        "peers see this node under another port than it advertises: if a port mapping is between \
         them, set the port that they reach with .advertise(..)"
    } else {
        "peers see this node under another address than it advertises: if they do not reach it at \
         the advertised one, set the one that they reach with .advertise(..)"
    })
}

impl Engine {
    /// The peer at `peer` sees us under `observed`.
    pub(super) fn compare_observed(&mut self, now: Now, peer: SocketAddr, observed: SocketAddr) {
        let advertised = self.me.addr;
        let Some(advice) = advice(advertised, observed, peer) else {
            return;
        };
        if self.observed != Some(observed)
            && let Some(held_back) = self.logs.pass(now.instant, Topic::Observed)
        {
            self.observed = Some(observed);
            tracing::warn!(
                target: "tidings::gossip", %advertised, %observed, %peer, held_back, "{advice}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(advertised: &str, observed: &str, peer: &str) -> Option<&'static str> {
        let address = |text: &str| text.parse().expect("an address");
        advice(address(advertised), address(observed), address(peer))
    }

    #[test]
    fn each_way_to_be_unreachable_has_its_advice() {
        let peer = "10.0.0.7:7946";
        let loopback = of("127.0.0.1:7946", "10.0.0.9:7946", peer);
        assert!(loopback.expect("advice").contains("loopback"));
        let port = of("10.0.0.9:7946", "10.0.0.9:31000", peer);
        assert!(port.expect("advice").contains("another port"));
        let address = of("10.0.0.9:7946", "192.0.2.9:7946", peer);
        assert!(address.expect("advice").contains("another address"));
    }

    #[test]
    fn what_agrees_and_what_a_peer_on_this_host_sees_is_nothing_to_tell() {
        let advertised = "10.0.0.9:7946";
        assert_eq!(of(advertised, advertised, "10.0.0.7:7946"), None);
        assert_eq!(of(advertised, "127.0.0.1:7946", "127.0.0.1:7947"), None);
    }
}
