//! The probe that foca has under way.
//!
//! foca pings one member a period, asks others to ping it when `probe_timeout` is over, and blames it
//! when the period ends. The engine sees all of that pass by, and makes it calmer and quicker:
//!
//! - a ping that is not answered is sent again after half of `probe_timeout`, and again, under the same number, so
//!   that foca takes an answer to any of them;
//! - when `probe_deadline` has passed without an answer, from the member or through those who were asked,
//!   the member is suspected at once, without waiting for the period's end;
//! - while this node is not well (`local_health`), all of these times are longer;
//! - after a probe that failed the next one begins at once: whether several members fail makes a
//!   difference (see `sweeping`);
//! - for some seconds after a death the next probe begins as soon as the last one is over (*haste*), but no
//!   sooner than a quarter of the period after it began: deaths come in groups.
//!
//! Bounds: one probe at a time. A haste lasts [`HASTE_FOR`] after a death, [`HASTE_MOST`] in a row at most, where two
//! that are no more than [`HASTE_FOR`] apart are in a row, and there is none for [`HASTE_REST`] after that.

use std::time::Duration;

use foca::{Header, Message, Timer};
use rand::RngExt;

use super::{Engine, TimerKey};
use crate::gossip::{Instant, Now, identity::PeerId};

/// How long a death makes a node probe faster.
const HASTE_FOR: Duration = Duration::from_secs(5);
/// How long it does so at most, whatever else dies meanwhile.
const HASTE_MOST: Duration = Duration::from_secs(15);
/// How long it does not do so again after that.
const HASTE_REST: Duration = Duration::from_secs(30);
/// By how much it is faster at most.
const HASTE_FACTOR: u32 = 4;

/// A probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) target: PeerId,
    pub(super) number: u8,
    pub(super) since: Instant,
}

/// Whether probes follow each other quickly.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Haste {
    since: Instant,
    until: Instant,
}

impl Engine {
    /// foca has sent a ping.
    pub(super) fn probe_begun(&mut self, now: Now, target: PeerId, number: u8) {
        self.probe = Some(Probe {
            target,
            number,
            since: now.instant,
        });
        if self.config.detection.resend {
            let gap = self.resend_gap();
            self.timers.set(TimerKey::Probe, now.instant + gap);
        }
    }

    fn resend_gap(&self) -> Duration {
        self.stretched(self.config.probe_timeout / 2)
    }

    /// The present probe has not been answered yet: the ping is sent again, or its target blamed.
    pub(super) fn probe_due(&mut self, now: Now) {
        let Some(probe) = self.probe else {
            return;
        };
        if !self.is_member(&probe.target) || !self.feeds_foca() {
            self.probe = None;
            return;
        }
        let deadline = probe.since + self.stretched(self.config.probe_deadline);
        if now.instant >= deadline {
            return self.probe_failed(now, probe);
        }
        let accusation = self.accusation_of(&probe.target);
        let ping = Message::Ping(probe.number);
        self.send_swim_of_ours(now, probe.target, ping, accusation);
        let next = (now.instant + self.resend_gap()).min(deadline);
        self.timers.set(TimerKey::Probe, next);
    }

    fn probe_failed(&mut self, now: Now, probe: Probe) {
        self.stats.probes_failed += 1;
        self.probe = None;
        if !self.config.detection.confirm {
            // Nobody will be asked who could tell whether it is us.
            self.feel_worse();
        } else if self.heard.any_since(probe.since, probe.target.addr) {
            // Others were heard meanwhile: it is not our own network.
            let period = self.config.probe_period;
            self.local_health.network_works(now.instant, period);
        }
        self.accuse(now, probe.target);
        self.member_failed(now, probe.target.addr);
        if self.config.detection.sweep {
            // Whether others fail, too, is to be known soon.
            self.hasten_probe(now, now.instant);
        } else {
            self.probe_next_at(now, now.instant);
        }
    }

    /// foca has ended a probe without an answer. Where pings are sent again that was known before.
    pub(super) fn probe_blamed(&mut self, now: Now, target: &PeerId) {
        if let Some(probe) = self.probe.filter(|probe| probe.target == *target) {
            self.probe_failed(now, probe);
        }
    }

    /// A packet of foca's has come: perhaps it is what the present probe waits for.
    pub(super) fn probe_answered(&mut self, now: Now, header: &Header<PeerId>) {
        let (answers, number) = match &header.message {
            Message::Ack(number) => (&header.src, *number),
            Message::ForwardedAck {
                origin,
                probe_number,
            } => (origin, *probe_number),
            _ => return,
        };
        let Some(probe) = self
            .probe
            .filter(|probe| probe.target == *answers && probe.number == number)
        else {
            return;
        };
        self.probe = None;
        self.timers.cancel(&TimerKey::Probe);
        self.local_health.improve();
        // foca wants to see this timer in every probe. Nobody is asked any more, so we need not wake up for it.
        if let Some(number) = self.indirect_probe.take() {
            self.timers.cancel(&TimerKey::Foca(number));
            self.foca_timer_due(now, number);
        }
        let earliest = probe.since + self.config.probe_period / HASTE_FACTOR;
        self.probe_next_at(now, earliest);
    }

    /// In haste the next probe begins then, or now if that is past.
    fn probe_next_at(&mut self, now: Now, at: Instant) {
        if now.instant < self.haste.until {
            self.hasten_probe(now, at);
        }
    }

    /// The next probe begins then, or now if that is past.
    fn hasten_probe(&mut self, now: Now, at: Instant) {
        if let Some(number) = self.next_probe
            && self.foca_timers.contains_key(&number)
        {
            let at = at.max(now.instant);
            self.timers.set_earlier(TimerKey::Foca(number), at);
        }
    }

    /// A member has died: others may have, too.
    pub(super) fn hurry(&mut self, now: Now) {
        let Haste { since, until } = self.haste;
        if !self.config.detection.hurry {
            return;
        }
        // One that follows soon is still the same.
        let rest = if until - since >= HASTE_MOST {
            HASTE_REST
        } else {
            HASTE_FOR
        };
        if now.instant >= until + rest {
            self.haste.since = now.instant;
        }
        let most = self.haste.since + HASTE_MOST;
        self.haste.until = (now.instant + HASTE_FOR).min(most);
    }

    /// The first probe after somebody came is at a random moment of the first period, and the others follow it by
    /// whole periods. So nodes that started together do not probe together.
    pub(super) fn first_phase(&mut self, timer: &Timer<PeerId>, after: Duration) -> Duration {
        match timer {
            // foca has a new token each time that it begins to probe.
            Timer::ProbeRandomMember(token) if self.phased != Some(*token) => {
                self.phased = Some(*token);
                after.mul_f64(self.rng.random())
            }
            _ => after,
        }
    }

    /// How long a timer of foca's takes here, where foca would have it take `after`.
    pub(super) fn pace(&self, timer: &Timer<PeerId>, after: Duration) -> Duration {
        match timer {
            Timer::ProbeRandomMember(_) | Timer::SendIndirectProbe { .. } => self.stretched(after),
            _ => after,
        }
    }

    /// Something points at this node rather than at others.
    pub(super) fn feel_worse(&mut self) {
        self.local_health.worsen();
    }

    /// `time` as this node should take it, being as well as it is.
    pub(super) fn stretched(&self, time: Duration) -> Duration {
        if self.config.detection.local_health {
            self.local_health.stretch(time)
        } else {
            time
        }
    }

    /// Whether this very identity is a live member.
    pub(super) fn is_member(&self, id: &PeerId) -> bool {
        let peer = self.members.get(id.addr);
        peer.is_some_and(|peer| peer.id == *id && peer.is_active())
    }
}
