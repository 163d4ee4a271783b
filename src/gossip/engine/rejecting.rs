//! Rejects: a hello that this node cannot use is answered in the clear, so that its sender can tell its operator why nobody
//! answers. See [`Reject`].
//!
//! A reject never answers a reject, nor anything smaller than a hello: so it takes a third of what it answers. Members get
//! none. [`Rejects`](crate::gossip::rejects::Rejects) bounds how many leave.

use std::net::SocketAddr;

use super::{Engine, joining::HELLO_PAYLOAD_BYTES};
use crate::gossip::{
    Now, SeedState,
    at_limit::Limit,
    identity::canonical,
    rejects::Permit,
    stats::Cause,
    wire::{
        frame::{HEADER_BYTES, PREAMBLE_BYTES},
        reject::{REJECT_BYTES, Reason, Reject},
    },
};

/// The smallest hello there is.
const HELLO_BYTES: usize = HEADER_BYTES + PREAMBLE_BYTES + HELLO_PAYLOAD_BYTES;
const _: () = assert!(REJECT_BYTES < HELLO_BYTES / 2);

impl Engine {
    /// What is known of the address of a seed: why it has not let this node in, as far as this node can tell.
    ///
    /// Hints that nothing authenticates are in it, see [`SeedState`].
    pub fn seed_state(&self, addr: SocketAddr) -> SeedState {
        let addr = canonical(addr);
        if addr == self.me.addr {
            SeedState::Itself
        } else if self.members.is_active(addr) {
            SeedState::Answers
        } else {
            self.seeds.state(addr)
        }
    }

    /// A datagram cannot be used. If it may be a hello, its sender is told; and if it comes from a seed, it says something
    /// about the seed. Gives the cause back.
    pub(super) fn reject(
        &mut self,
        now: Now,
        from: SocketAddr,
        datagram: &[u8],
        cause: Cause,
    ) -> Cause {
        let reason = match cause {
            Cause::UnknownKey | Cause::Forged => Reason::OtherKey,
            Cause::Sealed => Reason::NoKey,
            Cause::Plaintext => Reason::Unsealed,
            Cause::OtherCluster => Reason::OtherCluster,
            _ => return cause,
        };
        if self.members.is_active(from) {
            return cause;
        }
        self.seeds.dropped(from, cause);
        if datagram.len() >= HELLO_BYTES {
            match self.rejects.permit(now.instant, from) {
                Permit::Yes => self.send_reject(from, datagram, reason),
                Permit::TooSoon => {}
                Permit::AtLimit => self.refuse(now.instant, Limit::Rejects, from),
            }
        }
        cause
    }

    fn send_reject(&mut self, to: SocketAddr, datagram: &[u8], reason: Reason) {
        if let Some(reject) = Reject::answer(datagram, reason) {
            self.stats.rejects_sent += 1;
            self.transmit(to, reject);
        }
    }

    /// A reject counts only if it answers one of the last hellos to a seed that has not answered, and then as a hint for the
    /// log.
    pub(super) fn reject_received(
        &mut self,
        from: SocketAddr,
        reject: Reject,
    ) -> Result<(), Cause> {
        let is_answer = reject.cluster == self.cluster && self.is_own_session(reject.session);
        if is_answer && self.seeds.rejected(from, reject.nonce, reject.reason) {
            self.stats.rejects_heard += 1;
            return Ok(());
        }
        Err(Cause::Unexpected)
    }
}
