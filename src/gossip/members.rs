//! What this node believes of every other one: foca's membership, indexed.
//!
//! foca keeps its members in a list that only a scan can search, and has no word for a suspicion or
//! a refutation. This room applies the same updates by the same rules (SWIM, section 4.2: a higher
//! incarnation wins, at the same one *suspect* overrides *alive*, *down* is terminal; a higher
//! identity replaces a lower one on its address), and so knows at every moment what foca knows, in
//! a logarithmic look-up. The engine's tests compare the two after every step.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use rand::{Rng, RngExt};

use super::{identity::PeerId, wire::message::Health};
use crate::table::{Fingerprint, ItemHash, ItemHasher};

/// One member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) incarnation: u16,
    pub(super) health: Health,
    hash: ItemHash,
    /// Where it stands in the list of active members.
    index: usize,
}

impl Peer {
    pub(super) fn is_active(&self) -> bool {
        self.health != Health::Down
    }

    /// Whether an update about an identity on its address says anything new.
    pub(super) fn is_changed_by(&self, id: &PeerId, incarnation: u16, health: Health) -> bool {
        if self.id == *id {
            overrides(self.health, self.incarnation, health, incarnation)
        } else {
            !self.id.supersedes(id)
        }
    }

    /// Which bucket of the fingerprint it belongs to.
    pub(super) const fn bucket(&self) -> u8 {
        self.hash.bucket
    }
}

/// A change of what is believed of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) before: Option<(PeerId, Health)>,
    pub(super) after: (PeerId, Health),
}

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Whether the identity that the update is about is a member now.
    pub(super) is_active: bool,
    pub(super) change: Option<Change>,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    peers: BTreeMap<SocketAddr, Peer>,
    active: Vec<SocketAddr>,
    suspects: usize,
    fingerprint: Fingerprint,
    /// What has changed and has not been taken; at most one entry for each address that is known, and this
    /// node's own.
    changed: BTreeSet<SocketAddr>,
}

impl Members {
    /// Applies an update by foca's rules.
    pub(super) fn apply(&mut self, id: PeerId, incarnation: u16, health: Health) -> Outcome {
        let Some(known) = self.peers.get(&id.addr).copied() else {
            self.put(id, incarnation, health, None);
            let change = Change {
                before: None,
                after: (id, health),
            };
            return Outcome {
                is_active: health != Health::Down,
                change: Some(change),
            };
        };
        if !known.is_changed_by(&id, incarnation, health) {
            return Outcome {
                is_active: known.id == id && known.is_active(),
                change: None,
            };
        }
        let before = Some((known.id, known.health));
        self.put(id, incarnation, health, Some(known));
        let change = Change {
            before,
            after: (id, health),
        };
        Outcome {
            is_active: health != Health::Down,
            change: Some(change),
        }
    }

    fn put(&mut self, id: PeerId, incarnation: u16, health: Health, known: Option<Peer>) {
        self.changed.insert(id.addr);
        if let Some(known) = known {
            self.suspects -= usize::from(known.health == Health::Suspect);
            if known.is_active() {
                self.fingerprint.remove(known.hash);
            }
        }
        self.suspects += usize::from(health == Health::Suspect);
        let hash = member_hash(&id);
        let was_active = known.is_some_and(|known| known.is_active());
        let mut index = known.map_or(0, |known| known.index);
        if health == Health::Down {
            if was_active {
                self.leave_active(index);
            }
        } else {
            self.fingerprint.add(hash);
            if !was_active {
                index = self.active.len();
                self.active.push(id.addr);
            }
        }
        self.peers.insert(
            id.addr,
            Peer {
                id,
                incarnation,
                health,
                hash,
                index,
            },
        );
    }

    fn leave_active(&mut self, index: usize) {
        self.active.swap_remove(index);
        if let Some(moved) = self.active.get(index) {
            self.peers
                .get_mut(moved)
                .expect("every active member is known")
                .index = index;
        }
    }

    /// Forgets an identity that is down.
    pub(super) fn forget_down(&mut self, id: &PeerId) {
        if self
            .peers
            .get(&id.addr)
            .is_some_and(|peer| peer.id == *id && !peer.is_active())
        {
            self.peers.remove(&id.addr);
            // Whoever does not take them should not make them pile up.
            self.changed.remove(&id.addr);
        }
    }

    pub(super) fn get(&self, addr: SocketAddr) -> Option<&Peer> {
        self.peers.get(&addr)
    }

    pub(super) fn is_active(&self, addr: SocketAddr) -> bool {
        self.get(addr).is_some_and(Peer::is_active)
    }

    /// All that are known, the dead too, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values()
    }

    /// All that are known and whose address comes after `after`.
    pub(super) fn iter_after(&self, after: Option<SocketAddr>) -> impl Iterator<Item = &Peer> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(Unbounded, Excluded);
        self.peers.range((start, Unbounded)).map(|(_, peer)| peer)
    }

    /// How many are known, the dead too.
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(super) fn active_len(&self) -> usize {
        self.active.len()
    }

    pub(super) const fn suspects(&self) -> usize {
        self.suspects
    }

    /// Notes that there may be something new to tell of this address.
    pub(super) fn note_changed(&mut self, addr: SocketAddr) {
        self.changed.insert(addr);
    }

    /// Notes that nothing of this address is to be seen any more, where it is known.
    pub(super) fn note_gone(&mut self, addr: SocketAddr) {
        if self.peers.contains_key(&addr) {
            self.changed.insert(addr);
        }
    }

    /// An address of which there is something new since it was taken last.
    pub(super) fn take_changed(&mut self) -> Option<SocketAddr> {
        self.changed.pop_first()
    }

    pub(super) fn changed_len(&self) -> usize {
        self.changed.len()
    }

    pub(super) const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Up to `count` different active members, at random.
    pub(super) fn choose(&self, count: usize, rng: &mut impl Rng) -> Vec<SocketAddr> {
        let count = count.min(self.active.len());
        let mut chosen: Vec<SocketAddr> = Vec::with_capacity(count);
        // Floyd's sampling: `count` draws, whatever the size of the list.
        for limit in self.active.len() - count..self.active.len() {
            let pick = self.active[rng.random_range(0..=limit)];
            chosen.push(if chosen.contains(&pick) {
                self.active[limit]
            } else {
                pick
            });
        }
        chosen
    }
}

/// The hash of a member: identity only, because an incarnation changes with every refutation.
pub(super) fn member_hash(id: &PeerId) -> ItemHash {
    ItemHasher::new("member")
        .addr(id.addr)
        .end_of_key()
        .part(&id.boot.to_be_bytes())
        .part(&id.renewal.to_be_bytes())
        .finish()
}

/// SWIM's order of precedence among updates about one identity (section 4.2).
fn overrides(known: Health, known_incarnation: u16, health: Health, incarnation: u16) -> bool {
    match (known, health) {
        (Health::Down, _) => false,
        (_, Health::Down) => true,
        (Health::Alive, Health::Suspect) => incarnation >= known_incarnation,
        _ => incarnation > known_incarnation,
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn id(port: u16, boot: u64) -> PeerId {
        PeerId {
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            boot,
            renewal: 0,
        }
    }

    #[test]
    fn trap_12_an_identity_is_small_and_copied() {
        fn is_copy<T: Copy>() {}
        is_copy::<PeerId>();
        assert!(
            size_of::<PeerId>() <= 48,
            "members are a list that is scanned"
        );
    }

    #[test]
    fn choosing_gives_different_active_members() {
        let mut members = Members::default();
        for port in 1..=20 {
            members.apply(id(port, 1), 0, Health::Alive);
        }
        for port in 11..=20 {
            members.apply(id(port, 1), 0, Health::Down);
        }
        let mut rng = StdRng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut chosen = members.choose(3, &mut rng);
            seen.extend(chosen.iter().copied());
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), 3);
        }
        assert_eq!(
            seen.len(),
            10,
            "each active one is chosen at some time, and no other"
        );
    }

    #[test]
    fn the_fingerprint_counts_active_identities_and_no_incarnations() {
        let mut members = Members::default();
        members.apply(id(1, 1), 0, Health::Alive);
        let before = members.fingerprint().total();
        members.apply(id(1, 1), 7, Health::Suspect);
        assert_eq!(members.fingerprint().total(), before);
        members.apply(id(1, 1), 7, Health::Down);
        assert_eq!(members.fingerprint().total(), 0);
        members.apply(id(1, 2), 0, Health::Alive);
        assert_ne!(members.fingerprint().total(), before);
    }
}
