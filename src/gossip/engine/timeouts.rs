//! What is due some time, and who does it.
//!
//! Whatever the engine waits for has a [`TimerKey`] in one queue, foca's timers too; only the table
//! keeps deadlines of its own. A concern sets its key, and is called from here when that is due.

use std::{net::SocketAddr, time::Duration};

use rand::RngExt;

use super::Engine;
use crate::gossip::{Instant, Now};

/// What is due some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    /// A timer of foca's, by the number under which it is kept.
    Foca(u64),
    /// A dead member may be forgotten.
    RemoveDown(SocketAddr),
    /// A suspected member's time is up.
    Suspicion(SocketAddr),
    /// The present probe has not been answered.
    Probe,
    /// Somebody whom we suspect is to be told again, and others to be asked.
    Case(SocketAddr),
    /// Somebody whom we look at has not answered.
    Inquiry(SocketAddr),
    /// The next ping of a sweep.
    Sweep,
    /// Witnesses are to be pinged, so that they are heard.
    Touch,
    /// A process that is not verified is to be pinged.
    Candidates,
    /// The next push of a burst.
    Burst,
    /// The next round after a burst.
    Round,
    /// Seeds are to be resolved and called.
    Seeds,
    /// Somebody lost is to be called.
    Contact,
    /// A rebirth that was put off, or another try after stepping back.
    Rebirth,
    /// A round of looking into a claim on our address is over, or a claim has waited.
    AddressCheck,
    /// A difference has lasted.
    SyncStart,
    /// An answer is missing.
    SyncRetry,
    /// A chunk is missing.
    Assembly,
    /// The next step of a trial of the largest datagram.
    PathSize,
    /// What is stale is too old.
    Stale,
    /// A change of the key goes on.
    Keys,
    /// The next step of leaving.
    Leave,
}

impl Engine {
    /// When [`Self::handle_timeout`] is to be called, if nothing comes in before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [self.timers.next_deadline(), self.replica.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Does everything that is due. Hand in what the socket holds first: what has come in already
    /// may prove a suspicion wrong.
    pub fn handle_timeout(&mut self, now: Now) {
        self.notice_pause(now);
        self.replica.expire(now.instant);
        self.note_gone();
        while let Some(key) = self.timers.pop_due(now.instant) {
            match key {
                TimerKey::Foca(number) => self.foca_timer_due(now, number),
                TimerKey::RemoveDown(addr) => self.remove_down_due(now, addr),
                TimerKey::Suspicion(addr) => self.suspicion_due(now, addr),
                TimerKey::Probe => self.probe_due(now),
                TimerKey::Case(addr) => self.case_due(now, addr),
                TimerKey::Inquiry(addr) => self.inquiry_due(now, addr),
                TimerKey::Sweep => self.sweep_due(now),
                TimerKey::Touch => self.touch_due(now),
                TimerKey::Candidates => self.ping_candidates(now),
                TimerKey::Burst => self.burst_due(now),
                TimerKey::Round => self.round_due(now),
                TimerKey::Seeds => self.seeds_due(now),
                TimerKey::Contact => self.contact_due(now),
                TimerKey::Rebirth => self.rebirth_due(now),
                TimerKey::AddressCheck => self.address_check_due(now),
                TimerKey::SyncStart => self.sync_start_due(now),
                TimerKey::SyncRetry => self.sync_retry_due(now),
                TimerKey::Assembly => self.assembly_due(now),
                TimerKey::PathSize => self.path_size_due(now),
                TimerKey::Stale => self.stale_due(now),
                TimerKey::Keys => self.keys_due(now),
                TimerKey::Leave => self.leave_due(now),
            }
        }
    }

    /// `duration`, more or less a quarter, so that nodes that began together do not go on together.
    pub(super) fn jittered(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(self.rng.random_range(0.75..1.25))
    }
}
