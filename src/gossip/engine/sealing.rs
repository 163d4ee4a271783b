//! Keys, sealing and opening, sessions, and clocks that are wrong.

use std::{net::SocketAddr, time::Duration};

use rand::RngExt;

use super::{Engine, outbox::Topic};
use crate::gossip::{
    Now,
    security::{Body, ClusterKey, KeyId, KeyringError, Odd, Refused, Rollout},
    stats::Cause,
    wire::frame::{Header, Nonces},
};

impl Engine {
    /// What names the keys of this node, the one that seals first. Two keys can have the same name.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.guard.keyring().ids()
    }

    /// From now on `key` opens too. One that does already is `Ok`. A node that was started without a key refuses.
    pub fn add_key(&mut self, key: ClusterKey) -> Result<(), KeyringError> {
        self.guard.add_key(key)
    }

    /// From now on `key`, which has been added, seals. Every other node has to have it by now: those that do not, do not hear
    /// this one any more.
    pub fn promote_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.guard.promote_key(key)
    }

    /// From now on `key` does not open any more. Those who still seal with it are not heard.
    pub fn remove_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.guard.remove_key(key)
    }

    /// What this node says and hears in the clear. Means nothing as long as it has no key.
    pub const fn rollout(&self) -> Rollout {
        self.guard.rollout()
    }

    /// Changes it, with the next datagram. See [`Rollout`] for the order of steps in which nobody loses anybody.
    pub const fn set_rollout(&mut self, rollout: Rollout) {
        self.guard.set_rollout(rollout);
    }

    /// Opens a datagram into `opened`, if it is sealed, or says why it may not be used.
    pub(super) fn open(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        datagram: &[u8],
        opened: &mut Vec<u8>,
    ) -> Result<Body, Cause> {
        self.guard
            .open(now, from, header, datagram, opened)
            .map_err(|refused| {
                if let Refused::Skewed(Some(odd)) = refused {
                    self.tell_of_clocks(now, from, odd);
                    self.seeds.clock_differs(from, odd.sender_ahead_ms());
                    // So that the sender finds out too. It is no larger than what came, and rare.
                    self.send_cookie(now, from, header, datagram.len());
                }
                refused.into()
            })
    }

    pub(super) fn is_own_session(&self, session: [u8; 16]) -> bool {
        session == self.session || Some(session) == self.former_session
    }

    /// Whoever set the clock back has used nonces of the future. Those who do not know this node yet would not hear it until
    /// that has come, so it goes on as another sender. Not if nobody agrees with the clock: then it may be wrong only now,
    /// and those who know this node hear it as it is.
    pub(super) fn renew_session(&mut self, now: Now) {
        let ahead = Duration::from_millis(self.nonces.ahead_ms(now.unix_ms));
        if self.guard.seals()
            && ahead > self.config.security.clock_skew / 2
            && self.guard.is_clock_agreed(now)
        {
            self.former_session = Some(self.session);
            self.session = self.rng.random();
            self.nonces = Nonces::default();
        }
    }

    fn tell_of_clocks(&mut self, now: Now, from: SocketAddr, odd: Odd) {
        let Some(held_back) = self.logs.pass(now.instant, Topic::Clock) else {
            return;
        };
        let me = self.me.addr;
        match odd {
            Odd::ThisHost { ahead_ms } => tracing::warn!(
                target: "tidings::gossip", node = %me, ahead_ms, held_back,
                "this host's clock is off: at least three peers differ from it alike, and nobody agrees with it. Who does \
                 not know this node already does not hear it. Set the clock, by NTP for one"
            ),
            Odd::Sender { ahead_ms } => tracing::warn!(
                target: "tidings::gossip", node = %me, peer = %from, ahead_ms, held_back,
                "the clock of this peer is off, or what it said once is said again: it is not heard"
            ),
            Odd::Either { sender_ahead_ms } => tracing::warn!(
                target: "tidings::gossip", node = %me, peer = %from, sender_ahead_ms, held_back,
                "the clocks of this host and of this peer are too far apart, or what it said once is said again: it is not \
                 heard"
            ),
        }
    }
}
