//! A change of the cluster's key that follows a list: asking members for the new key, answering, and the
//! times at which keys begin to seal and cease to open. Its rules are those of `security/rollover`.
//!
//! Bounds: 20 questions each 200 ms, and a member is asked again after 1 to 16 s; [`ANSWERS`] answers a second.

use std::net::SocketAddr;

use super::{Engine, TimerKey, standing::Life};
use crate::gossip::{
    Now,
    members::Peer,
    security::{ClusterKey, KeyringError},
    stats::Cause,
    wire::{
        frame::{Header, Preamble},
        message::{HeldKey, Message},
    },
};

/// How many questions are answered in a second, and at once.
pub(super) const ANSWERS: u32 = 200;

impl Engine {
    /// Follows a list of keys that changes, as a file does: the first is to seal, all of them open. Call it when the
    /// list has been read, first with the keys with which the engine was made. Says whether the list has changed.
    ///
    /// A new key opens at once. A new first one seals as soon as every live member has shown that it holds
    /// the key, and after 120 s at the latest. A key that is gone from the list opens for another 120 s, counted from
    /// when it last sealed where that is later. What [`Self::add_key`] and the others of its kind do stays until the list
    /// itself changes.
    ///
    /// An empty list, and one that would make more than twice
    /// [`KEYS_MAX`](crate::gossip::security::KEYS_MAX) keys with those that still open, is refused and changes nothing.
    pub fn follow_keys(
        &mut self,
        now: Now,
        list: impl IntoIterator<Item = ClusterKey>,
    ) -> Result<bool, KeyringError> {
        let list: Vec<_> = list.into_iter().collect();
        let keys: Vec<_> = list.iter().map(ClusterKey::id).collect();
        let is_new = self.guard.follow(now.instant, list)?;
        if is_new {
            let node = self.me.addr;
            tracing::info!(target: "tidings::gossip", event = "keys_read", %node, ?keys, "another list of keys");
        }
        self.keys_due(now);
        Ok(is_new)
    }

    /// How many datagrams were sealed under a key that this node does not have: perhaps its list is out of date.
    pub const fn unknown_keys(&self) -> u64 {
        self.stats.dropped.unknown_key
    }

    /// Does what is due of a change of the key.
    pub(super) fn keys_due(&mut self, now: Now) {
        let live = || self.members.iter().filter(|peer| peer.is_active());
        let advanced = self
            .guard
            .advance_rollover(now.instant, live().map(|peer| &peer.id));
        let node = self.me.addr;
        if let Some(key) = advanced.sealing {
            tracing::info!(target: "tidings::gossip", event = "key_seals", %node, %key, "another key seals");
        }
        for key in advanced.removed {
            tracing::info!(target: "tidings::gossip", event = "key_removed", %node, %key, "a key does not open any more");
        }
        self.ask_for_key(now);
        match self.guard.rollover_due(now.instant) {
            Some(at) => self.timers.set(TimerKey::Keys, at),
            None => self.timers.cancel(&TimerKey::Keys),
        }
    }

    /// Asks a few members whether they hold the key that is to seal, beginning after our own address: so not
    /// everybody asks the same ones first.
    fn ask_for_key(&mut self, now: Now) {
        if self.life != Life::Running {
            return;
        }
        let me = self.me.addr;
        let after = self.members.iter_after(Some(me));
        let before = self.members.iter().take_while(|peer| peer.id.addr < me);
        let live = after.chain(before).filter(|peer| peer.is_active());
        let asked = self
            .guard
            .ask_for_key(now.instant, live.map(|peer| &peer.id));
        let Some((key, members)) = asked else {
            return;
        };
        let question = HeldKey {
            key,
            me,
            asks: true,
        };
        for to in members {
            self.send(now, to, &Message::HeldKey(question));
        }
    }

    /// A member says that it holds a key, and perhaps asks whether we do.
    pub(super) fn held_key_received(
        &mut self,
        now: Now,
        preamble: &Preamble,
        is_sealed: bool,
        held: HeldKey,
    ) -> Result<(), Cause> {
        // In the clear anybody can say so.
        if !is_sealed || !self.guard.seals() {
            return Err(Cause::Unexpected);
        }
        let Some(member) = self.process(held.me, preamble.boot) else {
            return Err(Cause::Unexpected);
        };
        self.guard.key_shown(&member.id, held.key);
        let may_answer = held.asks && self.life == Life::Running && self.guard.holds_key(held.key);
        if may_answer && self.key_answers.take(now.instant) {
            let answer = HeldKey {
                key: held.key,
                me: self.me.addr,
                asks: false,
            };
            self.send(now, member.id.addr, &Message::HeldKey(answer));
        }
        Ok(())
    }

    /// A sealed datagram was opened just now: whose it is holds the key that opened it.
    pub(super) fn note_sealed(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        opened: &[u8],
    ) {
        if self.is_own_session(header.session) {
            return;
        }
        let Ok((preamble, _)) = Preamble::of(header, opened) else {
            return;
        };
        if self.members.active_len() == 0 {
            self.guard.adopt_key(now.instant);
        } else if let Some(member) = self.process(from, preamble.boot) {
            self.guard.sealed_by(&member.id);
        }
    }

    /// The live member at `addr`, if it is that process.
    fn process(&self, addr: SocketAddr, boot: u64) -> Option<Peer> {
        let peer = self.members.get(addr)?;
        (peer.is_active() && peer.id.boot == boot).then_some(*peer)
    }

    /// We were alone, and no longer are: the key that seals was found by trying.
    pub(super) fn keys_joined(&mut self, now: Now) {
        self.guard.rollover_joined(now.instant);
        self.keys_due(now);
    }
}
