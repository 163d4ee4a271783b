//! This process was stopped: by SIGSTOP, by a VM that was moved, by a processor that others had.
//!
//! While it stood still it heard nobody, and that says nothing about them. It is noticed by what should have been
//! done long ago: a deadline that lies [`PAUSE_MIN`] back. Then, before anything else is looked at,
//!
//! - every deadline moves back by the pause, those of suspicions by all that it may have taken: nobody loses time
//!   to refute in which nobody could be heard;
//! - the probe that spans the pause is taken for answered, and whatever was being found out for others is given up;
//! - it counts against this node's own health;
//! - after a pause in which others may have declared us down (the least suspicion time) we say hello to a few:
//!   whoever holds us for dead says so in the welcome, and we are reborn within a round trip. The first difference of
//!   fingerprints is looked into without waiting, and until that is done, or [`UNSURE_FOR`] has passed, we do not
//!   answer for the table.
//!
//! The driver hands in what the socket holds before it lets a timer fire, so what was said meanwhile is heard first.

use std::time::Duration;

use foca::Message;

use super::Engine;
use crate::gossip::{Instant, Now, wire::swim::SwimPacket};

/// From this on a late deadline is a pause and not a busy processor.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// How many are asked after a pause whether we are dead.
const ASKED: usize = 3;
/// How long after a long pause our table is not shown to others.
const UNSURE_FOR: Duration = Duration::from_secs(1);

impl Engine {
    /// Looks whether this process was stopped. Comes first, with whatever is handed in.
    pub(super) fn notice_pause(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.last_input, now.instant);
        let Some(due) = self.timers.next_deadline() else {
            return;
        };
        // What was set to a time that had passed already is not late before the next input.
        let pause = now.instant - due.max(before);
        if pause < PAUSE_MIN || !self.config.detection.pauses {
            return;
        }
        self.stats.pauses += 1;
        tracing::debug!(target: "tidings::gossip", ?pause, "this process was stopped");
        self.feel_worse();
        self.timers.put_off(pause);
        // It began between the last input and the deadline: an idle node sleeps up to a probe's period.
        let at_most = now.instant - before;
        self.put_off_suspicions(now, at_most);
        self.inquiries.clear();
        self.excuse_probe(now);
        let n = self.members.active_len() + 1;
        // Who had nothing against us before has to probe us first.
        let missed = pause.max(at_most.saturating_sub(self.config.probe_deadline));
        if missed >= self.config.suspicion_timeout(n) && self.members.active_len() > 0 {
            self.come_back(now);
        }
    }

    /// Takes the probe under way for answered.
    fn excuse_probe(&mut self, now: Now) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        self.timers.cancel(&super::TimerKey::Probe);
        let Some(peer) = self.members.get(probe.target.addr).copied() else {
            return;
        };
        if !self.is_member(&probe.target) {
            return;
        }
        let header = foca::Header {
            src: probe.target,
            src_incarnation: peer.incarnation,
            dst: self.me,
            message: Message::Ack(probe.number),
        };
        let mut bytes = Vec::new();
        let ack = SwimPacket {
            header,
            updates: Vec::new(),
            unknown_extensions: 0,
        };
        ack.write(&mut bytes);
        if let Err(error) = self.swim.handle_data(&bytes, &mut self.effects) {
            tracing::debug!(target: "tidings::gossip", %error, "foca refused an excuse");
        }
        self.run_effects(now);
    }

    /// Asks what became of us, and does not speak for the table before it is looked through.
    fn come_back(&mut self, now: Now) {
        for addr in self.members.choose(ASKED, &mut self.rng) {
            self.say_hello(now, addr, 0);
        }
        self.sync_at_once(now.instant);
        self.unsure_until = now.instant + UNSURE_FOR;
    }

    /// Whether this node answers for the table.
    pub(super) fn is_sure(&self, now: Instant) -> bool {
        now >= self.unsure_until
    }
}
