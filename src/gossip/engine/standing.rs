//! Our own identity: what others believe of it, and what to do when they are wrong.
//!
//! # Rebirth
//!
//! Down is terminal in SWIM: a healthy node that was declared down by mistake has to come back
//! under a higher identity. When the word is about our very identity, the next renewal is above
//! whatever anybody has heard of us, so we take it; and because somebody may know more than that (a
//! machine was rolled back, a clock was set back, another process is on our address), we say hello
//! to a few and learn from the welcome. Rebirths are at least [`REBIRTH_PAUSE`] apart, doubling to
//! [`REBIRTH_PAUSE_MAX`]: nothing that others say can make us renew without end.
//!
//! # Two processes on one address
//!
//! A higher boot on our address that is not ours is either an earlier life of ours under a faster
//! clock, or another process, or somebody's invention. `claims` finds out which. A node that finds
//! another process in its place steps back: it no longer takes part, and asks now and then whether
//! the address is free (see `vacancy`). A node that keeps its address takes the least identity above
//! the other's, which keeps the time of the start that began the dispute.

use std::{net::SocketAddr, time::Duration};

use rand::RngExt;

use super::{Engine, TimerKey, outbox::Topic};
use crate::{
    gossip::{
        Instant, Now,
        identity::PeerId,
        members::member_hash,
        wire::message::{Health, Standing},
    },
    table::Event,
};

/// The least time between two rebirths.
const REBIRTH_PAUSE: Duration = Duration::from_millis(200);
/// The most that this pause grows to.
const REBIRTH_PAUSE_MAX: Duration = Duration::from_secs(5);
/// After so long without one the pause is short again.
const REBIRTH_FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// The least time between two events about one conflict.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// How many peers are asked what they know of us.
pub(super) const ASKED: usize = 3;

/// How the node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Life {
    #[default]
    Running,
    /// Declared down; about to be reborn.
    Defunct,
    /// Another process holds our address.
    SteppedBack,
    /// Saying goodbye.
    Leaving,
    Left,
}

/// The pace of rebirths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rebirths {
    last: Option<Instant>,
    pause: Duration,
    /// The identity to take when the pause is over.
    due: Option<PeerId>,
}

impl Engine {
    /// foca has heard that our identity is down.
    pub(super) fn declared_dead(&mut self, now: Now) {
        self.connected = false;
        if self.life != Life::Running {
            return;
        }
        if let Some(held_back) = self.logs.pass(now.instant, Topic::DeclaredDown) {
            tracing::warn!(target: "tidings::gossip", me = %self.me, held_back, "declared down by others");
        }
        self.life = Life::Defunct;
        self.reborn_as(now, self.me.reborn());
        for addr in self.members.choose(ASKED, &mut self.rng) {
            self.say_hello(now, addr, 0);
        }
    }

    /// The caller of a proven hello says what it knows of the identity on our address.
    pub(super) fn standing_told(&mut self, now: Now, by: SocketAddr, standing: Option<Standing>) {
        match self.held(standing) {
            Some((held, health)) if held == self.me => self.found_dead(now, health),
            Some((rival, _)) => self.address_claimed(now, by, rival),
            None => {}
        }
    }

    /// Somebody whom we called says what it knows of the identity on our address.
    pub(super) fn standing_answered(
        &mut self,
        now: Now,
        by: SocketAddr,
        standing: Option<Standing>,
    ) {
        let held = self.held(standing);
        if self.life == Life::SteppedBack {
            return self.vacancy_heard(now, by, held);
        }
        if let Some((held, health)) = held
            && held == self.me
        {
            self.found_dead(now, health);
        }
        self.holder_answered(now, by, held);
    }

    fn held(&self, standing: Option<Standing>) -> Option<(PeerId, Health)> {
        let standing = standing?;
        let id = PeerId {
            addr: self.me.addr,
            boot: standing.boot,
            renewal: standing.renewal,
        };
        Some((id, standing.health))
    }

    /// Somebody holds our very identity so.
    fn found_dead(&mut self, now: Now, health: Health) {
        if health == Health::Down && self.feeds_foca() {
            self.reborn_as(now, self.me.reborn());
        }
    }

    pub(super) const fn start_ms(&self) -> u64 {
        self.started.started_unix_ms()
    }

    pub(super) fn tell_conflict(&mut self, now: Now, event: Event) {
        let quiet = self
            .conflict_told
            .is_none_or(|told| now.instant - told > TOLD_EVERY);
        if quiet {
            self.conflict_told = Some(now.instant);
            self.replica.tell(event);
        }
    }

    pub(super) fn step_back(&mut self, now: Now) {
        if self.life == Life::SteppedBack || !self.feeds_foca() {
            return;
        }
        let addr = self.me.addr;
        if let Some(held_back) = self.logs.pass(now.instant, Topic::SteppedBack) {
            tracing::error!(target: "tidings::gossip", %addr, held_back, "another process has this address; stepping back");
        }
        self.life = Life::SteppedBack;
        self.connected = false;
        self.rebirths.due = None;
        self.tell_conflict(
            now,
            Event::AddressConflict {
                addr,
                stepped_back: true,
            },
        );
        self.watch_vacancy(now);
    }

    /// The address from which we have stepped back is free, and `known` is the highest identity that was heard of on it.
    pub(super) fn begin_again(&mut self, now: Now, known: PeerId) {
        let again = PeerId::new(self.me.addr, now.unix_ms, self.rng.random());
        let next = if again.supersedes(&known) {
            again
        } else {
            PeerId::taking_over(known)
        };
        self.started = next;
        self.life = Life::Defunct;
        self.reborn_as(now, next);
    }

    /// Nobody has answered for some rounds, so nobody holds a rival against us that we could hear of. The
    /// node takes part again under an identity that replaces none above it: a rival that lives all
    /// the same is not disturbed.
    pub(super) fn resume_in_silence(&mut self, now: Now) {
        self.life = Life::Defunct;
        self.retry_seeds_soon(now);
        self.reborn_as(now, self.me.reborn());
    }

    /// Begins again under a new boot, as a process that was started again would.
    pub(super) fn start_over(&mut self, now: Now) {
        self.reborn_as(now, PeerId::taking_over(self.me));
    }

    /// Takes a higher identity, now or when the pause since the last time is over.
    pub(super) fn reborn_as(&mut self, now: Now, id: PeerId) {
        if !self.feeds_foca() {
            return;
        }
        let id = match self.rebirths.due {
            Some(due) if due.supersedes(&id) => due,
            _ => id,
        };
        let earliest = self
            .rebirths
            .last
            .map_or(now.instant, |last| last + self.rebirths.pause);
        if earliest > now.instant {
            self.rebirths.due = Some(id);
            self.timers.set_earlier(TimerKey::Rebirth, earliest);
            return;
        }
        self.rebirths.pause = match self.rebirths.last {
            Some(last) if now.instant - last < REBIRTH_FORGIVEN_AFTER => {
                (self.rebirths.pause * 2).clamp(REBIRTH_PAUSE, REBIRTH_PAUSE_MAX)
            }
            _ => REBIRTH_PAUSE,
        };
        self.rebirths.last = Some(now.instant);
        self.rebirths.due = None;
        self.timers.cancel(&TimerKey::Rebirth);
        self.take_identity(now, id);
    }

    pub(super) fn rebirth_due(&mut self, now: Now) {
        if self.life == Life::SteppedBack {
            return self.vacancy_due(now);
        }
        if let Some(id) = self.rebirths.due.take() {
            self.reborn_as(now, id);
        }
    }

    /// No identity on the address that is given up is wanted any more.
    pub(super) fn cancel_rebirth(&mut self) {
        self.rebirths.due = None;
        self.timers.cancel(&TimerKey::Rebirth);
    }

    pub(super) fn take_identity(&mut self, now: Now, id: PeerId) {
        let before = self.me;
        if let Err(error) = self.swim.change_identity(id, &mut self.effects) {
            return self.foca_failed(now.instant, &error);
        }
        if let Some(held_back) = self.logs.pass(now.instant, Topic::Reborn) {
            tracing::info!(target: "tidings::gossip", %before, now = %id, held_back, "reborn");
        }
        self.me = id;
        self.me_hash = member_hash(&id);
        self.members.note_changed(id.addr);
        self.life = Life::Running;
        self.incarnation = 0;
        self.stats.rebirths += 1;
        if before.owner() != id.owner() {
            self.own_records_again(now, before.owner());
        }
        // foca stays disconnected until somebody addresses the new identity (trap 3), and nobody
        // does who has not heard of it. Looking at its members again connects it: it probes them,
        // and so tells them.
        self.tell_foca(std::iter::empty(), false);
        self.run_effects(now);
        self.kindle_rebirth(now);
    }
}
