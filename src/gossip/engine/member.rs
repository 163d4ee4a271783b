//! The members as the users of the engine see them: those that are live, suspects included, and this
//! node, by address. Those that were dropped here alone are not among them.
//!
//! One that was declared dead stays for the grace in which its records do
//! ([`failure_grace`](crate::table::Limits::failure_grace)): it leaves the list when [`Event::Failed`] is told, and one that is back
//! before never left it. So members and events say the same.
//!
//! [`Event::Failed`]: crate::table::Event::Failed

use std::net::SocketAddr;

use super::Engine;
use crate::gossip::{members::Peer, wire::message::Health};

/// How a member is believed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberState {
    /// It answers.
    Alive,
    /// Somebody got no answer from it. Its instances stay visible; it has some seconds to object. When nobody heard of it by
    /// then, it stays so for 50 ms more, until [`Event::Failed`](crate::table::Event::Failed) is told.
    Suspect,
}

/// A member of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Member {
    /// Its advertised address.
    pub addr: SocketAddr,
    /// Which process on that address it is; a later one has a higher boot.
    pub boot: u64,
    /// How it is believed to be.
    pub state: MemberState,
    /// Whether it is this node.
    pub is_self: bool,
}

impl Engine {
    /// Whether there is a live member besides this node.
    pub fn has_peer(&self) -> bool {
        self.visible_members() > 0
    }

    /// The members of the cluster, this node included, by address.
    pub fn members(&self) -> Vec<Member> {
        let others = self.members.iter().filter_map(|peer| self.as_member(peer));
        let mut members: Vec<_> = std::iter::once(self.self_as_member())
            .chain(others)
            .collect();
        members.sort_unstable_by_key(|member| member.addr);
        members
    }

    /// The next address of which [`Self::members`] says something else than when it was taken here last, and what it
    /// says now. Whoever keeps a list of the members need not copy all of them for each that changes.
    pub fn poll_member(&mut self) -> Option<(SocketAddr, Option<Member>)> {
        let addr = self.members.take_changed()?;
        if addr == self.me.addr {
            return Some((addr, Some(self.self_as_member())));
        }
        let peer = self.members.get(addr);
        Some((addr, peer.and_then(|peer| self.as_member(peer))))
    }

    /// What there is to see of a peer; nothing once its failure or its goodbye has been told.
    fn as_member(&self, peer: &Peer) -> Option<Member> {
        let is_listed = self.is_visible(peer.id.addr) || self.replica.is_failing(peer.id.owner());
        is_listed.then_some(Member {
            addr: peer.id.addr,
            boot: peer.id.boot,
            state: match peer.health {
                Health::Alive => MemberState::Alive,
                Health::Suspect | Health::Down => MemberState::Suspect,
            },
            is_self: false,
        })
    }

    /// Has [`Self::poll_member`] tell of those whose grace has ended.
    pub(super) fn note_gone(&mut self) {
        for addr in self.replica.take_gone() {
            self.members.note_gone(addr);
        }
    }

    const fn self_as_member(&self) -> Member {
        Member {
            addr: self.me.addr,
            boot: self.me.boot,
            state: MemberState::Alive,
            is_self: true,
        }
    }
}
