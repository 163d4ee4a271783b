//! The node's address has changed: it goes on under another identity.
//!
//! A host gets another address from DHCP, or its first one. Whatever was said of the old address is
//! about an address at which nobody is reached any more, so the identity there leaves: its goodbye
//! and foca's word that it is down go out from the new address, and the others see it leave instead
//! of watching it fail. A new identity begins at the new address, with a boot of its own, as if the
//! process had been started there; a few members are called at once, because nobody takes news from
//! an address before it has answered. What this node has registered is written again under the new
//! owner. Endpoints that were registered on an unspecified host get the new address.
//!
//! Members, records of others, watchers and what is stale stay as they are: nothing was missed.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use rand::RngExt;

use super::{Engine, standing::Life};
use crate::{
    gossip::{
        Instant, Now,
        identity::{PeerId, canonical},
        members::Peer,
        wire::message::Health,
    },
    registry::ServiceInstance,
    table::LEAVING,
};

/// How long the goodbye of the old address is told to members that take the new one in.
const FAREWELL_FOR: Duration = Duration::from_secs(10);
/// How many members are called after a move. Those that answer pass the new identity on.
const CALLED: usize = 8;

/// What was registered on an unspecified host, as it was given. At most one for each instance that
/// this node has registered.
#[derive(Debug, Default)]
pub(super) struct Unresolved(BTreeMap<(Arc<str>, String), ServiceInstance>);

impl Unresolved {
    /// `given` was registered, and its hosts are `resolved`'s.
    pub(super) fn note(&mut self, given: ServiceInstance, resolved: &ServiceInstance) {
        let key = (Arc::from(given.name()), given.id().to_owned());
        if given == *resolved {
            self.0.remove(&key);
        } else {
            self.0.insert(key, given);
        }
    }

    pub(super) fn forget(&mut self, service: &Arc<str>, id: &str) {
        self.0.remove(&(service.clone(), id.to_owned()));
    }
}

/// The goodbye of the identity that was given up last, as an item of news, and until when it is told.
#[derive(Debug, Default)]
pub(super) struct Farewell(Option<(Vec<u8>, Instant)>);

impl Engine {
    /// Gives up the advertised address for `addr`, and goes on there as a new identity. Says whether
    /// it did: not when the node is leaving, nor when it is there already.
    ///
    /// The driver's socket has to hear what is sent to `addr`.
    pub fn move_to(&mut self, now: Now, addr: SocketAddr) -> bool {
        let addr = canonical(addr);
        if matches!(self.life, Life::Leaving | Life::Left) || addr == self.me.addr {
            return false;
        }
        let before = self.me;
        if self.life == Life::SteppedBack {
            // The other process may have that address.
            self.life = Life::Running;
        } else {
            self.say_farewell(now);
        }
        self.clear_place(now, addr);
        let next = self.first_identity_at(now, addr);
        self.cancel_rebirth();
        self.config.advertise = addr;
        self.started = next;
        self.resolve_again(addr);
        self.take_identity(now, next);
        self.bury(now, before);
        self.observed = None;
        self.stats.unreachable_as = None;
        for peer in self.members.choose(CALLED, &mut self.rng) {
            self.say_hello(now, peer, 0);
        }
        self.retry_seeds_soon(now);
        tracing::info!(target: "tidings::gossip", %before, now = %self.me, "moved to another address");
        true
    }

    /// Whoever was known at the new address is not there any more: we are.
    fn clear_place(&mut self, now: Now, addr: SocketAddr) {
        if let Some(known) = self.members.get(addr).copied().filter(Peer::is_active) {
            let down = foca::Member::new(known.id, known.incarnation, foca::State::Down);
            self.tell_foca([down], true);
            self.follow(now, known.id, known.incarnation, Health::Down);
            self.run_effects(now);
        }
        self.contacts.remove(addr);
    }

    fn first_identity_at(&mut self, now: Now, addr: SocketAddr) -> PeerId {
        let next = PeerId::new(addr, now.unix_ms, self.rng.random());
        match self.members.get(addr) {
            Some(known) if !next.supersedes(&known.id) => PeerId::taking_over(known.id),
            _ => next,
        }
    }

    /// Writes the goodbye of the present identity, and spreads it: members that have it take the end
    /// of the identity for a leave. It is the first that comes from the new address, so that each
    /// member keeps it while it asks whether that address answers.
    fn say_farewell(&mut self, now: Now) {
        if self.members.active_len() > 0 {
            self.rewrite_own(now, &Arc::from(LEAVING));
            self.tell_goodbye(now);
            let until = now.instant + FAREWELL_FOR;
            self.farewell.0 = self.goodbye().map(|item| (item, until));
        }
    }

    /// A member has taken in the new identity. What it kept of us may be foca's word that the old one
    /// is down, which overtook the goodbye.
    pub(super) fn repeat_farewell(&mut self, now: Now, to: SocketAddr) {
        if let Some((item, until)) = self.farewell.0.take()
            && until >= now.instant
        {
            self.send_news(now, to, 1, &item);
            self.farewell.0 = Some((item, until));
        }
    }

    /// Puts the instances with unspecified hosts at `addr`. Where that is of a family that a listener
    /// does not hear, the instance is not offered until the node moves to one of the other.
    fn resolve_again(&mut self, addr: SocketAddr) {
        for ((service, id), given) in &self.unresolved.0 {
            let resolved = given.clone().resolve_hosts(addr.ip());
            let unheard = resolved.has_unspecified_host().map(ToString::to_string);
            if let Some(endpoint) = &unheard {
                tracing::warn!(
                    target: "tidings::gossip", %service, id, endpoint, %addr,
                    "no longer offered: its listener does not hear the family of the new address; \
                     register the host's own with .advertise_host(..)"
                );
            }
            self.own
                .set(service, id, Some(resolved).filter(|_| unheard.is_none()));
        }
    }

    /// Holds the former identity down, in our books as in foca's: nobody's word makes it a member.
    fn bury(&mut self, now: Now, before: PeerId) {
        let down = foca::Member::new(before, 0, foca::State::Down);
        self.tell_foca([down], true);
        self.members.apply(before, 0, Health::Down);
        self.run_effects(now);
        self.contacts.remove(before.addr);
    }
}
