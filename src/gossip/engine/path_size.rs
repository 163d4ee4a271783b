//! Trials of the largest datagram: when, with whom, and what is said of them. See [`PathSize`].
//!
//! [`PathSize`]: crate::gossip::path_size::PathSize

use std::{net::SocketAddr, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Engine, TimerKey, outbox::Topic, standing::Life};
use crate::gossip::{
    LargeDatagrams, Now,
    path_size::{LOST_TRIALS, Question, Step, Way},
    wire::{
        frame::{HEADER_BYTES, PREAMBLE_BYTES, Preamble, SEAL_BYTES},
        message::{Message, Ping, Pong, addressee},
        padding::{self, Answer},
    },
};

/// The first trial after a join is due after this part of the pause, unless pages that were asked for do not come.
const AFTER_JOIN: u32 = 20;
/// After a verdict that large datagrams get lost, and after a trial with a member that did not answer at all, the next
/// trial is due after this part of the pause.
const IN_DOUBT: u32 = 5;

/// A random source of its own, from the engine's seed.
pub(super) fn rng(mut seed: [u8; 32]) -> StdRng {
    seed[0] ^= 0xA5;
    StdRng::from_seed(seed)
}

impl Engine {
    /// This node has a peer again.
    pub(super) fn try_path_soon(&mut self, now: Now) {
        let pause = self.path_pause(AFTER_JOIN);
        self.timers
            .set_earlier(TimerKey::PathSize, now.instant + pause);
    }

    /// What was asked for, and is large, does not come.
    pub(super) fn doubt_path(&mut self, now: Now) {
        let tried = self
            .path_tried
            .map(|at| at + self.config.path_interval / IN_DOUBT);
        if !self.path_size.is_trying() && tried.is_none_or(|until| now.instant >= until) {
            self.timers.set_earlier(TimerKey::PathSize, now.instant);
        }
    }

    pub(super) fn path_size_due(&mut self, now: Now) {
        if self.life != Life::Running {
            self.path_size.give_up();
            if matches!(self.life, Life::Defunct | Life::SteppedBack) {
                self.try_path_after(now, IN_DOUBT);
            }
            return;
        }
        if !self.path_size.is_trying() && !self.begin_path_trial(now) {
            // The next join sets the timer.
            return;
        }
        match self.path_size.step() {
            Some(Step::Ask(to, questions)) => {
                for (question, token) in questions {
                    let to_id = addressee(&to);
                    self.ask_path(now, to.addr, question, Ping { token, to: to_id });
                }
                let gap = self.config.probe_timeout;
                self.timers.set(TimerKey::PathSize, now.instant + gap);
            }
            Some(Step::TryAnother) => self.timers.set(TimerKey::PathSize, now.instant),
            Some(Step::Lost(way)) => {
                self.tell_of_lost_datagrams(now, way);
                self.try_path_after(now, IN_DOUBT);
            }
            Some(Step::NoAnswer) | None => self.try_path_after(now, IN_DOUBT),
        }
    }

    /// Sets the next trial, after a part of the pause.
    fn try_path_after(&mut self, now: Now, part: u32) {
        let pause = self.path_pause(part);
        self.timers.set(TimerKey::PathSize, now.instant + pause);
    }

    /// A part of the pause, more or less a quarter.
    fn path_pause(&mut self, part: u32) -> Duration {
        let pause = self.config.path_interval / part;
        pause.mul_f64(self.path_rng.random_range(0.75..1.25))
    }

    /// With a member that no trial was lost with, if there is one. Says whether there is a member at all.
    fn begin_path_trial(&mut self, now: Now) -> bool {
        // Of as many at least one is fresh, where there are as many.
        let drawn = self.members.choose(LOST_TRIALS, &mut self.path_rng);
        let is_fresh = |addr: &&SocketAddr| !self.path_size.lost_with().any(|lost| lost == **addr);
        let chosen = drawn.iter().find(is_fresh).or_else(|| drawn.first());
        let Some(peer) = chosen
            .and_then(|addr| self.members.get(*addr))
            .map(|peer| peer.id)
        else {
            return false;
        };
        let tokens = self.path_rng.random();
        self.path_size.begin(peer, tokens);
        self.path_tried = Some(now.instant);
        true
    }

    fn ask_path(&mut self, now: Now, to: SocketAddr, question: Question, ping: Ping) {
        let mut payload = Vec::with_capacity(self.payload_budget());
        let kind = Message::Ping(ping).write(&mut payload);
        let bytes = self.payload_budget();
        match question {
            Question::LargeBoth => padding::append(&mut payload, bytes, Answer::Large),
            Question::LargeOut => padding::append(&mut payload, bytes, Answer::Small),
            Question::Small => {}
        }
        let datagram = self.frame_payload(now, kind, &payload);
        self.transmit(to, datagram);
    }

    /// The pong to a ping of `size` bytes, padded where the ping asks for that. The answer is never larger than the ping.
    pub(super) fn pong(
        &mut self,
        now: Now,
        to: SocketAddr,
        pong: Pong,
        asked: Option<Answer>,
        size: usize,
    ) {
        let pong = Message::Pong(pong);
        if asked != Some(Answer::Large) || !self.answer_budget.take(now.instant) {
            return self.send(now, to, &pong);
        }
        let mut payload = Vec::with_capacity(self.payload_budget());
        let kind = pong.write(&mut payload);
        let seal = if self.guard.seals() { SEAL_BYTES } else { 0 };
        let room = size.saturating_sub(HEADER_BYTES + PREAMBLE_BYTES + seal);
        let room = room.min(self.payload_budget());
        padding::append(&mut payload, room, Answer::Small);
        let datagram = self.frame_payload(now, kind, &payload);
        self.transmit(to, datagram);
    }

    /// Takes in a pong that answers a trial. Says whether it does.
    pub(super) fn path_answered(&mut self, now: Now, preamble: &Preamble, pong: Pong) -> bool {
        let Some((_, over)) = self.path_size.answered(preamble.boot, pong.token) else {
            return false;
        };
        if let Some(before) = over {
            self.try_path_after(now, 1);
            if before == LargeDatagrams::Lost {
                let (node, size) = (self.me.addr, self.config.max_datagram);
                tracing::info!(target: "tidings::gossip", %node, size, "large datagrams arrive again");
            }
        }
        true
    }

    fn tell_of_lost_datagrams(&mut self, now: Now, way: Way) {
        let Some(held_back) = self.logs.pass(now.instant, Topic::PathSize) else {
            return;
        };
        let (node, size) = (self.me.addr, self.config.max_datagram);
        let direction = match way {
            Way::Out => "from this node",
            Way::In => "to this node",
        };
        tracing::warn!(
            target: "tidings::gossip", %node, size, direction, held_back,
            "large datagrams get lost and small ones arrive: this node misses services, or the others miss its own. \
             Check the MTU of this host's interfaces, tunnels and overlays (UDP datagrams of `size` bytes have to pass, \
             with 28 bytes of headers over IPv4 and 48 over IPv6), or set a smaller `max_datagram` on all nodes where it \
             is above 1,200"
        );
    }
}
