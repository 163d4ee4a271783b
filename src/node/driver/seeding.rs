//! The node's seeds: looked up when the engine wants them, and handed to it.

use std::net::SocketAddr;

use tracing::debug;

use super::Driver;
use crate::gossip::canonical;
use crate::node::TARGET;

impl Driver {
    /// Starts a try of the seeds if the engine wants one.
    pub(super) fn try_seeds(&mut self) {
        if self.engine.wants_seeds() {
            let addresses = self.resolver.begin();
            self.hand_in(addresses);
        }
    }

    /// Hands seed addresses to the engine, without those that are this node itself or that its
    /// socket cannot reach.
    pub(super) fn hand_in(&mut self, mut addresses: Vec<SocketAddr>) {
        self.note_seeds(&addresses);
        addresses.retain(|&seed| self.is_callable(seed));
        self.engine.handle_seeds(self.clock.now(), addresses);
    }

    pub(super) fn is_callable(&self, addr: SocketAddr) -> bool {
        let callable =
            !self.is_self(addr) && self.socket.reaches(addr) && !self.is_out_of_reach(addr);
        if !callable {
            debug!(target: TARGET, node = %self.advertised, seed = %addr, "seed skipped: this node itself, of another address family or link, or not reached yet");
        }
        callable
    }

    pub(super) fn is_self(&self, seed: SocketAddr) -> bool {
        let bound = canonical(self.socket.local_addr());
        let through_loopback =
            bound.ip().is_unspecified() && seed.ip().is_loopback() && seed.port() == bound.port();
        seed == bound || seed == self.advertised || through_loopback
    }
}
