//! What the loop does for snapshots: it says when something happens, and lends the engine. It waits for no disk.

use tokio::time::Instant;

use super::{Driver, Life};
use crate::node::SnapshotStats;
use crate::node::snapshot::{Keeper, Remembered};
use crate::table::Event;

impl Driver {
    /// Begins with what was remembered: it can be read when this returns.
    pub(in crate::node) fn remembering(
        mut self,
        keeper: Keeper,
        mut remembered: Remembered,
    ) -> Self {
        self.snapshots = Some(keeper);
        remembered.show(&mut self.engine);
        self.call_remembered(remembered.members);
        self
    }

    pub(super) fn keep_snapshot(&mut self) {
        // What a node that leaves sees of others is no longer what there is.
        if let Some(keeper) = self.snapshots.as_mut().filter(|_| self.leave_by.is_none()) {
            keeper.turn(self.clock.now(), &self.engine);
        }
    }

    pub(super) fn note_for_snapshot(&mut self, event: &Event) {
        if let Some(keeper) = &mut self.snapshots {
            keeper.note(self.clock.now(), event);
        }
    }

    pub(super) fn take_last_snapshot(&mut self) {
        if let Some(keeper) = &mut self.snapshots {
            keeper.leave(self.clock.now(), &self.engine);
        }
    }

    /// Waits for the last snapshot, if the node has left; one that was aborted says no more, to a disk either.
    pub(super) async fn finish_snapshots(&mut self, life: Life) {
        if life == Life::Aborted {
            return;
        }
        if let Some(keeper) = &mut self.snapshots {
            keeper.finish(self.clock.now()).await;
            let mut stats = self.channels.published.stats();
            stats.snapshot = keeper.stats();
            self.channels.published.set_stats(&stats);
        }
    }

    pub(super) fn snapshot_stats(&self) -> SnapshotStats {
        self.snapshots
            .as_ref()
            .map_or_else(SnapshotStats::default, Keeper::stats)
    }

    pub(super) fn snapshot_deadline(&self) -> Option<Instant> {
        let keeper = self
            .snapshots
            .as_ref()
            .filter(|_| self.leave_by.is_none())?;
        self.clock.at(keeper.next_deadline()?)
    }
}
