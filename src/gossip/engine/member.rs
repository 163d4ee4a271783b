//! The members as the users of the engine see them: those that are live, suspects included, and this
//! node, by address.

use std::net::SocketAddr;

use super::Engine;
use crate::gossip::{members::Peer, wire::message::Health};

/// How a member is believed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemberState {
    /// It answers.
    Alive,
    /// Somebody got no answer from it. Its instances stay visible; it has some seconds to object.
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
        self.members.active_len() > 0
    }

    /// The members of the cluster, this node included, by address.
    pub fn members(&self) -> Vec<Member> {
        let others = self.members.iter().filter_map(member_of);
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
        Some((addr, self.members.get(addr).and_then(member_of)))
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

fn member_of(peer: &Peer) -> Option<Member> {
    peer.is_active().then_some(Member {
        addr: peer.id.addr,
        boot: peer.id.boot,
        state: match peer.health {
            Health::Suspect => MemberState::Suspect,
            _ => MemberState::Alive,
        },
        is_self: false,
    })
}
