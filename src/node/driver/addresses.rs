//! What the loop does when the host's addresses change, and while the host has none that others
//! reach.

use std::net::{IpAddr, SocketAddr};

use tracing::{info, warn};

use super::Driver;
use crate::node::TARGET;
use crate::node::advertise::follow::{Following, Found};
use crate::node::endpoints;
use crate::registry::ServiceInstance;

impl Driver {
    /// Goes where the host's address goes.
    pub(in crate::node) fn following(mut self, following: Following) -> Self {
        self.following = Some(following);
        self
    }

    /// Whether this node waits on loopback for an address of its host: nothing goes out to other
    /// hosts and nothing that they send is taken in, or they would learn of a member that none of
    /// them reaches.
    pub(super) fn waits_for_address(&self) -> bool {
        self.following.is_some() && self.advertised.ip().is_loopback()
    }

    /// Whether a datagram from `from`, or to it, is none for a node that waits for an address.
    pub(super) fn is_out_of_reach(&self, from: SocketAddr) -> bool {
        !from.ip().is_loopback() && self.waits_for_address()
    }

    /// Members of an earlier run are called when that is possible.
    #[cfg(feature = "snapshot")]
    pub(super) fn call_remembered(&mut self, mut members: Vec<SocketAddr>) {
        if self.waits_for_address() {
            self.held_back.clone_from(&members);
        }
        members.retain(|&addr| self.is_callable(addr));
        self.engine.handle_remembered(self.clock.now(), members);
    }

    /// Notes where seeds are.
    pub(super) fn note_seeds(&self, seeds: &[SocketAddr]) {
        if let Some(following) = &self.following {
            following.note_seeds(seeds);
        }
    }

    /// Acts on what a look at the interfaces found.
    pub(super) fn address_found(&mut self, found: Found) {
        match found {
            Found::Move { to, interface, why } => self.move_to(to, &interface, why),
            Found::Waiting { candidates } => self.tell_waiting(&candidates),
        }
    }

    fn move_to(&mut self, to: IpAddr, interface: &str, why: &'static str) {
        let before = self.advertised;
        let node = SocketAddr::new(to, before.port());
        if !self.engine.move_to(self.clock.now(), node) {
            return;
        }
        self.advertised = node;
        self.channels.published.set_advertised(node);
        self.report.moved(node);
        let mut remembered = std::mem::take(&mut self.held_back);
        remembered.retain(|&addr| self.is_callable(addr));
        self.engine.handle_remembered(self.clock.now(), remembered);
        #[cfg(feature = "snapshot")]
        if let Some(keeper) = &mut self.snapshots {
            keeper.moved(node);
        }
        info!(
            target: TARGET, event = "moved", %node, %before, interface,
            "{why}: the node goes on there as a new member, and what it registered on an unspecified host is offered there"
        );
    }

    fn tell_waiting(&self, candidates: &[IpAddr]) {
        let node = self.advertised;
        if candidates.is_empty() {
            warn!(
                target: TARGET, event = "no_address", %node,
                "this host has no address that others reach: the node waits for one; it stays alone, or unreached at its old address, until then"
            );
        } else {
            warn!(
                target: TARGET, event = "no_address", %node, ?candidates,
                "this host has several addresses and none of them is the advertised one: choose the one that peers reach with .advertise(..)"
            );
        }
    }

    /// Something was registered: says where nobody on another host can call it.
    pub(super) fn look_at_endpoints(&mut self, instance: &ServiceInstance) {
        let Some(endpoint) = endpoints::unreachable(instance, self.advertised) else {
            return;
        };
        if let Some(held_back) = self.endpoint_warnings.permit() {
            warn!(
                target: TARGET, event = "loopback_endpoint", node = %self.advertised,
                service = instance.name(), id = instance.id(), %endpoint, held_back,
                "this endpoint is on loopback, and the node advertises another address: callers on other hosts reach their own host there; register the host's address, or 0.0.0.0 for the advertised one"
            );
        }
    }
}
