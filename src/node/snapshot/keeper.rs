//! Reads at the start, and writes when it is time, beside the node's task.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::file::{SnapshotFile, Store, Written};
use super::format::Snapshot;
use super::schedule::Schedule;
use super::unconfirmed::{Earlier, Unconfirmed};
use super::{MEMBERS_MAX, SnapshotError, SnapshotSettings, SnapshotStats};
use crate::gossip::{Engine, Instant, Now};
use crate::node::TARGET;
use crate::node::limiter::Limiter;
use crate::registry::ServiceInstance;
use crate::table::Event;

/// How long the file is waited for at a start. The largest one takes some two seconds to parse; 10,000 instances take 60 ms.
const READ_LIMIT: Duration = Duration::from_secs(5);
/// How long the last write is waited for when the node has left.
const FINISH_LIMIT: Duration = Duration::from_secs(2);
/// After so long a write is said to hang. Until it ends, if ever, nothing else is written.
const HANGS_AFTER: Duration = Duration::from_secs(30);
/// The least time between two warnings.
const WARNING_GAP: Duration = Duration::from_secs(600);
/// How many members of earlier times are remembered beside the present ones, as long as there is room.
const EARLIER_MEMBERS_MAX: usize = 16;

/// One node's snapshots.
pub(in crate::node) struct Keeper {
    store: Arc<dyn Store>,
    /// The file, for the log.
    path: String,
    cluster: String,
    node: SocketAddr,
    max_age: Duration,
    schedule: Schedule,
    /// Where members were when a snapshot was last read or taken.
    members: Vec<SocketAddr>,
    /// What the file holds beside the table.
    earlier: Earlier,
    /// Whether the file has, or may have, instances that an empty table must not replace.
    has_instances: bool,
    /// The file is another cluster's: it is left alone.
    is_foreign: bool,
    writing: Option<Writing>,
    /// The last one, which waits for the one before.
    last: Option<Snapshot>,
    warnings: Limiter,
    /// Whether it was said that the file is written over.
    is_in_place_told: bool,
    stats: SnapshotStats,
}

struct Writing {
    result: oneshot::Receiver<Result<Written, SnapshotError>>,
    hangs_at: Instant,
    is_told: bool,
}

/// What a node has from its earlier run.
#[derive(Debug, Default)]
pub(in crate::node) struct Remembered {
    /// By when they are too old.
    instances: BTreeMap<Instant, Vec<Arc<ServiceInstance>>>,
    pub(in crate::node) members: Vec<SocketAddr>,
}

impl Remembered {
    /// Shows the instances to the engine's readers, at once.
    pub(in crate::node) fn show(&mut self, engine: &mut Engine) {
        for (until, instances) in std::mem::take(&mut self.instances) {
            engine.show_stale(instances, until);
        }
        engine.publish();
    }
}

impl Keeper {
    /// Reads what there is of `cluster`, for the node that advertises `node`.
    pub(in crate::node) async fn open(
        settings: SnapshotSettings,
        cluster: &str,
        node: SocketAddr,
        now: Now,
    ) -> (Self, Remembered) {
        let path = settings.path.display().to_string();
        let store = Arc::new(SnapshotFile::at(settings.path));
        Self::over(store, path, settings.max_age, cluster, node, now).await
    }

    async fn over(
        store: Arc<dyn Store>,
        path: String,
        max_age: Duration,
        cluster: &str,
        node: SocketAddr,
        now: Now,
    ) -> (Self, Remembered) {
        let mut keeper = Self {
            store,
            path,
            cluster: cluster.to_owned(),
            node,
            max_age,
            schedule: Schedule::new(now.instant, max_age),
            members: Vec::new(),
            earlier: Earlier::default(),
            has_instances: false,
            is_foreign: false,
            writing: None,
            last: None,
            warnings: Limiter::new(WARNING_GAP),
            is_in_place_told: false,
            stats: SnapshotStats::default(),
        };
        let remembered = match keeper.read().await {
            Ok(Some(snapshot)) => keeper.remember(snapshot, now),
            Ok(None) => Remembered::default(),
            Err(error) => {
                keeper.stats.reads_failed += 1;
                keeper.is_foreign = matches!(error, SnapshotError::OtherCluster { .. });
                // What could not be read may be good: of a later build, on a slow disk.
                keeper.has_instances = true;
                warn!(
                    target: TARGET, event = "snapshot_unread", %node, file = keeper.path,
                    error = with_cause(&error), "the snapshot is not used; starting without"
                );
                Remembered::default()
            }
        };
        (keeper, remembered)
    }

    async fn read(&self) -> Result<Option<Snapshot>, SnapshotError> {
        let (store, cluster) = (Arc::clone(&self.store), self.cluster.clone());
        let read = tokio::task::spawn_blocking(move || {
            let bytes = store.read()?;
            let parse = |bytes: Vec<u8>| Snapshot::from_json(&bytes, &cluster);
            bytes.map(parse).transpose()
        });
        let read = tokio::time::timeout(READ_LIMIT, read).await;
        read.map_err(|_| SnapshotError::Slow(READ_LIMIT))?
            .map_err(|_| SnapshotError::ThreadEnded)?
    }

    fn remember(&mut self, snapshot: Snapshot, now: Now) -> Remembered {
        let of_table = snapshot.instances.into_iter().map(|instance| Unconfirmed {
            confirmed_at_unix_ms: snapshot.written_at_unix_ms,
            instance,
        });
        // Those of the table last: they count more.
        let mut all: Vec<_> = snapshot.unconfirmed.into_iter().chain(of_table).collect();
        let in_file = all.len();
        let mut instances: BTreeMap<Instant, Vec<_>> = BTreeMap::new();
        all.retain_mut(|one| {
            // What is from the future counts as just written.
            one.confirmed_at_unix_ms = one.confirmed_at_unix_ms.min(now.unix_ms);
            let age = Duration::from_millis(now.unix_ms - one.confirmed_at_unix_ms);
            let left = self.max_age.saturating_sub(age);
            if !left.is_zero() {
                let until = instances.entry(now.instant + left).or_default();
                until.push(Arc::clone(&one.instance));
            }
            !left.is_zero()
        });
        let age = now.unix_ms.saturating_sub(snapshot.written_at_unix_ms);
        info!(
            target: TARGET, event = "snapshot_read", node = %self.node, file = self.path,
            age = ?Duration::from_millis(age), instances = all.len(),
            members = snapshot.members.len(), too_old = in_file - all.len(), "snapshot read"
        );
        self.members.clone_from(&snapshot.members);
        self.has_instances = !all.is_empty();
        self.earlier = Earlier::new(all);
        Remembered {
            instances,
            members: snapshot.members,
        }
    }

    /// The node advertises another address from now on.
    pub(in crate::node) fn moved(&mut self, node: SocketAddr) {
        self.node = node;
    }

    /// Something happened in the cluster.
    pub(in crate::node) fn note(&mut self, now: Now, event: &Event) {
        self.earlier.note(event);
        match event {
            Event::Failed { .. } => self.schedule.failed(now.instant),
            // What this node registers is not kept.
            Event::Registered { owner, .. }
            | Event::Updated { owner, .. }
            | Event::Deregistered { owner, .. }
                if owner.addr == self.node => {}
            Event::AddressConflict { .. }
            | Event::DuplicateInstance { .. }
            | Event::Isolated { .. } => {}
            _ => self.schedule.changed(now.instant),
        }
    }

    /// When [`Self::turn`] has something to do.
    pub(in crate::node) fn next_deadline(&self) -> Option<Instant> {
        match &self.writing {
            Some(writing) => (!writing.is_told).then_some(writing.hangs_at),
            None => Some(self.schedule.due_at()).filter(|_| !self.is_foreign),
        }
    }

    /// Looks whether the write under way has ended, and begins one that is due. Never waits.
    pub(in crate::node) fn turn(&mut self, now: Now, engine: &Engine) {
        self.look_after_write(now);
        if self.writing.is_some() || self.is_foreign || self.schedule.due_at() > now.instant {
            return;
        }
        match self.take(now, engine) {
            Some(snapshot) => self.begin(now, snapshot),
            None => self.schedule.put_off(now.instant),
        }
    }

    /// The node is about to leave: what the table holds now is the last snapshot.
    pub(in crate::node) fn leave(&mut self, now: Now, engine: &Engine) {
        if self.schedule.is_calm(now.instant) && !self.is_foreign {
            self.last = self.take(now, engine);
        }
    }

    /// The node has left: writes the last snapshot, and waits for it for [`FINISH_LIMIT`].
    pub(in crate::node) async fn finish(&mut self, now: Now) {
        let finish = async {
            self.written(now).await;
            if let Some(snapshot) = self.last.take() {
                self.begin(now, snapshot);
                self.written(now).await;
            }
        };
        if tokio::time::timeout(FINISH_LIMIT, finish).await.is_err() {
            self.warn(&format!("not written within {FINISH_LIMIT:?}"));
        }
    }

    pub(in crate::node) fn stats(&self) -> SnapshotStats {
        SnapshotStats {
            is_writing: self.writing.is_some(),
            ..self.stats
        }
    }

    /// What is to be kept, if the table is fit to be.
    fn take(&mut self, now: Now, engine: &Engine) -> Option<Snapshot> {
        if !engine.is_confirmed() {
            return None;
        }
        let instances: Vec<_> = engine.others_instances().cloned().collect();
        if instances.is_empty() && self.has_instances {
            return None;
        }
        self.remember_members(engine);
        let max_age_ms = u64::try_from(self.max_age.as_millis()).unwrap_or(u64::MAX);
        self.earlier
            .review(&instances, now.unix_ms.saturating_sub(max_age_ms));
        Some(Snapshot {
            written_at_unix_ms: now.unix_ms,
            members: self.members.clone(),
            instances,
            unconfirmed: self.earlier.kept(),
        })
    }

    /// The live members, from all over the list if there are too many, and some who were there before.
    fn remember_members(&mut self, engine: &Engine) {
        let members = engine.members();
        let others = members.iter().filter(|member| !member.is_self);
        let others: Vec<_> = others.map(|member| member.addr).collect();
        let stride = others.len().div_ceil(MEMBERS_MAX).max(1);
        let mut kept: Vec<_> = others.iter().step_by(stride).copied().collect();
        let earlier = self.members.iter().filter(|addr| !others.contains(addr));
        kept.extend(earlier.take(EARLIER_MEMBERS_MAX));
        kept.truncate(MEMBERS_MAX);
        self.members = kept;
    }

    /// Hands a snapshot to a thread that may block.
    fn begin(&mut self, now: Now, snapshot: Snapshot) {
        self.schedule.begun(now.instant);
        self.has_instances |= !snapshot.instances.is_empty();
        let (store, cluster) = (Arc::clone(&self.store), self.cluster.clone());
        let (tell, result) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let json = snapshot.to_json(&cluster);
            // Nobody listens any more when the node has ended without waiting.
            let _ = tell.send(json.and_then(|bytes| store.write(&bytes)));
        });
        self.writing = Some(Writing {
            result,
            hangs_at: now.instant + HANGS_AFTER,
            is_told: false,
        });
    }

    /// Waits for the write under way.
    async fn written(&mut self, now: Now) {
        if let Some(writing) = &mut self.writing {
            let result = (&mut writing.result).await;
            self.ended(now, result.unwrap_or(Err(SnapshotError::ThreadEnded)));
        }
    }

    fn look_after_write(&mut self, now: Now) {
        let Some(writing) = &mut self.writing else {
            return;
        };
        match writing.result.try_recv() {
            Ok(result) => self.ended(now, result),
            Err(oneshot::error::TryRecvError::Closed) => {
                self.ended(now, Err(SnapshotError::ThreadEnded));
            }
            Err(oneshot::error::TryRecvError::Empty) => {
                if !writing.is_told && now.instant >= writing.hangs_at {
                    writing.is_told = true;
                    self.warn("the disk hangs: nothing is written until it answers");
                }
            }
        }
    }

    fn ended(&mut self, now: Now, result: Result<Written, SnapshotError>) {
        self.writing = None;
        match result {
            Ok(written) => {
                self.stats.writes += 1;
                self.tell_how(written);
            }
            Err(error) => {
                self.stats.writes_failed += 1;
                self.schedule.put_off(now.instant);
                self.warn(&with_cause(&error));
            }
        }
    }

    /// Says once that a crash can damage the file.
    fn tell_how(&mut self, written: Written) {
        if written == Written::InPlace && !self.is_in_place_told {
            self.is_in_place_told = true;
            warn!(
                target: TARGET, event = "snapshot_in_place", node = %self.node, file = self.path,
                "the snapshot cannot be replaced as a whole and is written over: a crash meanwhile damages it; mount its directory, writable, instead of the file alone"
            );
        }
    }

    fn warn(&mut self, error: &str) {
        if let Some(held_back) = self.warnings.permit() {
            warn!(
                target: TARGET, event = "snapshot_unwritten", node = %self.node, file = self.path, error, held_back,
                "the snapshot is not written, the one before stays; going on"
            );
        }
    }
}

/// What went wrong, and what the operating system said of it.
fn with_cause(error: &SnapshotError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
