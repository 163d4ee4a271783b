//! What this process knew in an earlier run, until the cluster has spoken.
//!
//! A process that starts in an outage finds nobody, and what it has to show is what it remembers: stale instances, which only its
//! own readers see. They go for good, all at once, when they are *confirmed*:
//!
//! - this node has reconciled with a live member: it took over that member's whole table, or both have the same; and
//! - the table then holds an instance of somebody else's. Two clients that were restarted in one outage find each other first, and that
//!   neither knows of any instance says nothing about the services that both remember.
//!
//! If that never happens they go when they are too old. In between, what the table holds of a service stands beside what is
//! remembered of it, and puts out the remembered instance of the same id.

use std::{net::SocketAddr, sync::Arc};

use super::{Engine, TimerKey};
use crate::{
    gossip::{Instant, Now},
    registry::ServiceInstance,
    table::{LEAVING, Record},
};

impl Engine {
    /// Shows `instances` of an earlier run as stale, until they are confirmed or it is `until`. Call it on a new
    /// engine, once for each time until which some are good. The caller bounds how many.
    pub fn show_stale(
        &mut self,
        instances: impl IntoIterator<Item = Arc<ServiceInstance>>,
        until: Instant,
    ) {
        self.replica.show_stale(instances, until);
        self.await_stale();
    }

    fn await_stale(&mut self) {
        if let Some(until) = self.replica.stale_until() {
            self.timers.set(TimerKey::Stale, until);
        }
    }

    /// Whether this node has reconciled with a live member since it started, and there still is one: then its table
    /// says what there is, and an instance that is not in it is gone.
    pub fn is_reconciled(&self) -> bool {
        self.visible_members() > 0 && (self.has_matched || !self.sync.needs_table())
    }

    /// Whether readers see what there is: this node [has reconciled](Self::is_reconciled), and nothing is stale.
    pub fn is_confirmed(&self) -> bool {
        self.is_reconciled() && !self.replica.is_stale()
    }

    /// The instances that readers see of other live processes, by owner and service; stale ones are not among them.
    pub fn others_instances(&self) -> impl Iterator<Item = &Arc<ServiceInstance>> {
        let me = self.me.owner();
        let records = self.replica.live_records_after(None);
        let others = records.filter(move |r| r.owner() != me && **r.service() != *LEAVING);
        others.flat_map(Record::instances)
    }

    /// What this node's table is, and a peer's: where a live member has the same, there is nothing to reconcile.
    pub(super) fn note_fingerprints(&mut self, now: Now, from: SocketAddr, theirs: u64, ours: u64) {
        self.history.note(now.instant, ours);
        self.has_matched |= theirs == ours && self.members.is_active(from);
    }

    /// Lets go of what is stale, if it is confirmed.
    pub(super) fn confirm_stale(&mut self) {
        if self.replica.is_stale() && self.is_reconciled() {
            if self.others_instances().next().is_none() {
                return;
            }
            let stale = self.replica.stale();
            tracing::info!(target: "tidings::gossip", stale, "the cluster has spoken: stale instances end");
            self.timers.cancel(&TimerKey::Stale);
            self.replica.drop_stale();
        }
    }

    /// Nobody has confirmed some of them for too long.
    pub(super) fn stale_due(&mut self, now: Now) {
        let before = self.replica.stale();
        self.replica.expire_stale(now.instant);
        let stale = before - self.replica.stale();
        if stale > 0 {
            tracing::warn!(target: "tidings::gossip", stale, "stale instances are too old, and nobody has confirmed them: they end");
        }
        self.await_stale();
    }
}
