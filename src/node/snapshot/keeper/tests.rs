use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;
use crate::gossip::{Config, Entropy};
use crate::table::Owner;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const EPOCH_MS: u64 = 1_800_000_000_000;

/// A disk that does as a test says.
#[derive(Default)]
struct Disk {
    holds: Mutex<Option<Vec<u8>>>,
    /// Writes and reads wait until a test says something, if it is to.
    hangs_until: Mutex<Option<mpsc::Receiver<()>>>,
    is_full: bool,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Disk {
    fn holding(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self {
            holds: Mutex::new(Some(bytes.to_vec())),
            ..Self::default()
        })
    }

    fn hanging() -> (Arc<Self>, mpsc::Sender<()>) {
        let (answer, until) = mpsc::channel();
        let disk = Self::default();
        *disk.hangs_until.lock().expect("no panic") = Some(until);
        (Arc::new(disk), answer)
    }

    fn wait(&self) {
        if let Some(until) = &*self.hangs_until.lock().expect("no panic") {
            let _ = until.recv();
        }
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let bytes = self.holds.lock().expect("no panic");
        let parse = |bytes: &Vec<u8>| Snapshot::from_json(bytes, "shop").expect("sound");
        bytes.as_ref().map(parse)
    }
}

impl Store for Disk {
    fn read(&self) -> Result<Option<Vec<u8>>, SnapshotError> {
        self.wait();
        Ok(self.holds.lock().expect("no panic").clone())
    }

    fn write(&self, bytes: &[u8]) -> Result<Written, SnapshotError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        self.wait();
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.is_full {
            return Err(SnapshotError::Write {
                step: "write",
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        *self.holds.lock().expect("no panic") = Some(bytes.to_vec());
        Ok(Written::Replaced)
    }
}

fn at(s: u64) -> Now {
    Now {
        instant: Instant::from_origin(Duration::from_secs(s)),
        unix_ms: EPOCH_MS + s * 1_000,
    }
}

fn addr(n: u8) -> SocketAddr {
    ([10, 0, 0, n], 7946).into()
}

fn instance(id: &str) -> ServiceInstance {
    let builder = ServiceInstance::builder("users").id(id);
    builder.build().expect("a valid instance")
}

fn written(ids: &[&str]) -> Vec<u8> {
    let snapshot = Snapshot {
        written_at_unix_ms: EPOCH_MS,
        members: vec![addr(7)],
        instances: ids.iter().map(|id| Arc::new(instance(id))).collect(),
        unconfirmed: Vec::new(),
    };
    snapshot.to_json("shop").expect("small")
}

async fn open(disk: &Arc<Disk>, now: Now) -> (Keeper, Remembered) {
    let store: Arc<dyn Store> = Arc::clone(disk) as _;
    Keeper::over(store, "table.json".to_owned(), DAY, "shop", addr(1), now).await
}

fn engine(n: u8, now: Now) -> Engine {
    let entropy = Entropy {
        session: [n; 16],
        seed: [n; 32],
    };
    Engine::new(Config::lan("shop", addr(n)), entropy, now).expect("a sound configuration")
}

/// Node 1, which has reconciled with node 2, and what that has registered.
fn joined(now: Now, ids: &[&str]) -> Engine {
    let [mut one, mut two] = [1, 2].map(|n| engine(n, now));
    for id in ids {
        two.register(now, instance(id)).expect("registered");
    }
    one.register(now, instance("own")).expect("registered");
    one.handle_seeds(now, [addr(2)]);
    for step in 0..2_000 {
        let now = Now {
            instant: now.instant + Duration::from_millis(step),
            ..now
        };
        for (from, to) in [(1, 2), (2, 1)] {
            let (sender, receiver) = if from == 1 {
                (&mut one, &mut two)
            } else {
                (&mut two, &mut one)
            };
            sender.handle_timeout(now);
            while let Some(transmit) = sender.poll_transmit() {
                assert_eq!(transmit.to, addr(to));
                receiver.handle_datagram(now, addr(from), &transmit.payload);
            }
        }
    }
    one.publish();
    assert!(one.is_confirmed());
    one
}

fn changed() -> Event {
    let boot = 1;
    Event::Joined {
        member: Owner {
            addr: addr(2),
            boot,
        },
    }
}

fn failed() -> Event {
    let boot = 1;
    Event::Failed {
        member: Owner {
            addr: addr(3),
            boot,
        },
        instances: Vec::new(),
    }
}

fn ids(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.instances.iter().map(|i| i.id()).collect()
}

#[tokio::test]
async fn a_change_is_written_after_a_moment_without_what_this_node_registered() {
    let disk = Arc::new(Disk::default());
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &["a", "b"]);
    keeper.note(at(10), &changed());
    keeper.turn(at(11), &engine);
    assert!(keeper.writing.is_none(), "too early");
    assert_eq!(keeper.next_deadline(), Some(at(15).instant));
    keeper.turn(at(15), &engine);
    keeper.written(at(15)).await;
    let snapshot = disk.snapshot().expect("written");
    assert_eq!(ids(&snapshot), ["a", "b"]);
    assert_eq!(snapshot.members, [addr(2)]);
    assert_eq!(snapshot.written_at_unix_ms, at(15).unix_ms);
    assert_eq!(keeper.stats().writes, 1);
}

#[tokio::test]
async fn a_node_that_is_alone_replaces_nothing_at_shutdown_neither() {
    let disk = Disk::holding(&written(&["a"]));
    let (mut keeper, mut remembered) = open(&disk, at(0)).await;
    let mut engine = engine(1, at(0));
    remembered.show(&mut engine);
    assert!(engine.directory().get("users").is_stale());
    engine.register(at(0), instance("own")).expect("registered");
    for second in 0..200 {
        keeper.note(at(second), &changed());
        keeper.turn(at(second), &engine);
        assert!(keeper.writing.is_none());
    }
    keeper.leave(at(200), &engine);
    keeper.finish(at(200)).await;
    assert_eq!(ids(&disk.snapshot().expect("there")), ["a"]);
    assert_eq!(keeper.stats(), SnapshotStats::default());
}

#[tokio::test]
async fn an_empty_table_replaces_none_that_has_instances() {
    let disk = Disk::holding(&written(&["a"]));
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &[]);
    keeper.leave(at(100), &engine);
    keeper.finish(at(100)).await;
    assert_eq!(ids(&disk.snapshot().expect("there")), ["a"]);
}

#[tokio::test]
async fn where_there_are_no_services_the_members_are_remembered() {
    let disk = Arc::new(Disk::default());
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &[]);
    keeper.leave(at(100), &engine);
    keeper.finish(at(100)).await;
    let snapshot = disk.snapshot().expect("written");
    assert_eq!(
        (snapshot.members, snapshot.instances),
        (vec![addr(2)], vec![])
    );
}

#[tokio::test]
async fn soon_after_a_failure_nothing_is_written_at_shutdown_neither() {
    let disk = Disk::holding(&written(&["a", "b", "c"]));
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &["a"]);
    keeper.note(at(100), &failed());
    keeper.turn(at(130), &engine);
    assert!(keeper.writing.is_none());
    keeper.leave(at(130), &engine);
    keeper.finish(at(130)).await;
    assert_eq!(ids(&disk.snapshot().expect("there")), ["a", "b", "c"]);
    keeper.turn(at(160), &engine);
    keeper.written(at(160)).await;
    assert_eq!(ids(&disk.snapshot().expect("there")), ["a"]);
}

#[tokio::test]
async fn a_full_disk_keeps_the_old_one_and_is_tried_again_later() {
    let disk = Arc::new(Disk {
        holds: Mutex::new(Some(written(&["a"]))),
        is_full: true,
        ..Disk::default()
    });
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &["b"]);
    keeper.note(at(10), &changed());
    keeper.turn(at(15), &engine);
    keeper.written(at(15)).await;
    assert_eq!(keeper.stats().writes_failed, 1);
    assert_eq!(keeper.next_deadline(), Some(at(45).instant));
    assert_eq!(ids(&disk.snapshot().expect("there")), ["a"]);
}

#[tokio::test]
async fn a_hung_disk_holds_nothing_up_and_there_is_one_write_at_a_time() {
    let (disk, answer) = Disk::hanging();
    answer.send(()).expect("heard");
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &["a"]);
    for second in 10..500 {
        keeper.note(at(second), &changed());
        keeper.turn(at(second), &engine);
        assert_eq!(keeper.writing.is_some(), second >= 15);
    }
    assert!(keeper.writing.as_ref().expect("hangs").is_told);
    assert_eq!(keeper.next_deadline(), None);
    assert!(keeper.stats().is_writing);
    drop(answer);
    keeper.written(at(500)).await;
    keeper.turn(at(501), &engine);
    keeper.written(at(501)).await;
    assert_eq!(disk.most_at_once.load(Ordering::SeqCst), 1);
    assert_eq!(keeper.stats().writes, 2);
}

/// Awaits what gives up after `limit`. Time stands still by itself as long as a thread is blocked.
async fn after<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    let pass = async {
        tokio::task::yield_now().await;
        tokio::time::advance(limit).await;
    };
    tokio::join!(future, pass).0
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_at_the_end_is_waited_for_for_two_seconds() {
    let (disk, answer) = Disk::hanging();
    answer.send(()).expect("heard");
    let (mut keeper, _) = open(&disk, at(0)).await;
    keeper.leave(at(100), &joined(at(0), &["a"]));
    after(FINISH_LIMIT, keeper.finish(at(100))).await;
    assert!(disk.snapshot().is_none() && keeper.stats().is_writing);
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_at_the_start_is_waited_for_for_five_seconds() {
    let (disk, answer) = Disk::hanging();
    let (keeper, remembered) = after(READ_LIMIT, open(&disk, at(0))).await;
    assert_eq!(keeper.stats().reads_failed, 1);
    assert!(remembered.instances.is_empty());
    drop(answer);
}

#[tokio::test]
async fn instances_older_than_a_day_are_not_used_and_the_members_are() {
    let disk = Disk::holding(&written(&["a"]));
    let (_, remembered) = open(&disk, at(DAY.as_secs() - 10)).await;
    let until: Vec<_> = remembered.instances.into_keys().collect();
    assert_eq!(until, [at(DAY.as_secs()).instant]);
    let (keeper, remembered) = open(&disk, at(DAY.as_secs())).await;
    assert!(remembered.instances.is_empty() && !keeper.has_instances);
    assert_eq!(remembered.members, [addr(7)]);
    assert_eq!(keeper.stats().reads_failed, 0);
}

#[tokio::test]
async fn one_from_the_future_counts_as_just_written() {
    let disk = Disk::holding(&written(&["a"]));
    let earlier = Now {
        unix_ms: 0,
        ..at(5)
    };
    let (_, remembered) = open(&disk, earlier).await;
    let until: Vec<_> = remembered.instances.into_keys().collect();
    assert_eq!(until, [at(5 + DAY.as_secs()).instant]);
}

#[tokio::test]
async fn a_file_of_another_cluster_is_not_used_and_not_replaced() {
    let theirs = Snapshot::default().to_json("bank").expect("small");
    let disk = Disk::holding(&theirs);
    let (mut keeper, _) = open(&disk, at(0)).await;
    let engine = joined(at(0), &["a"]);
    keeper.note(at(10), &changed());
    keeper.turn(at(100), &engine);
    keeper.leave(at(100), &engine);
    keeper.finish(at(100)).await;
    assert_eq!(keeper.stats().reads_failed, 1);
    assert_eq!(keeper.next_deadline(), None);
    assert_eq!(*disk.holds.lock().expect("no panic"), Some(theirs));
}

#[tokio::test]
async fn a_corrupt_file_is_counted_and_replaced() {
    let disk = Disk::holding(b"{\"format\":1,\"clus");
    let (mut keeper, remembered) = open(&disk, at(0)).await;
    assert_eq!(keeper.stats().reads_failed, 1);
    assert!(remembered.instances.is_empty() && remembered.members.is_empty());
    keeper.leave(at(100), &joined(at(0), &["a"]));
    keeper.finish(at(100)).await;
    assert_eq!(ids(&disk.snapshot().expect("sound now")), ["a"]);
}

#[tokio::test]
async fn an_empty_table_replaces_no_file_that_could_not_be_read() {
    // What a later build writes, for one.
    let unread = br#"{"format":99,"cluster":"shop"}"#;
    let disk = Disk::holding(unread);
    let (mut keeper, _) = open(&disk, at(0)).await;
    keeper.leave(at(100), &joined(at(0), &[]));
    keeper.finish(at(100)).await;
    assert_eq!(
        disk.holds.lock().expect("no panic").as_deref(),
        Some(&unread[..])
    );
}

#[tokio::test]
async fn members_of_earlier_times_are_remembered_behind_the_present_ones() {
    let disk = Disk::holding(&written(&["a"]));
    let (mut keeper, _) = open(&disk, at(0)).await;
    keeper.leave(at(100), &joined(at(0), &["a"]));
    keeper.finish(at(100)).await;
    assert_eq!(
        disk.snapshot().expect("written").members,
        [addr(2), addr(7)]
    );
}

#[tokio::test]
async fn what_nobody_confirms_stays_in_the_file_until_it_is_too_old() {
    let disk = Disk::holding(&written(&["a", "b", "c"]));
    let hour = 3_600;
    for restarted in [hour, 2 * hour] {
        let (mut keeper, remembered) = open(&disk, at(restarted)).await;
        let until: Vec<_> = remembered.instances.keys().copied().collect();
        // What was confirmed in the run before may be shown for longer.
        let confirmed = (restarted > hour).then_some(at(DAY.as_secs() + hour + 100).instant);
        let oldest = at(DAY.as_secs()).instant;
        assert_eq!(
            until,
            [oldest].into_iter().chain(confirmed).collect::<Vec<_>>()
        );
        keeper.leave(at(restarted + 100), &joined(at(restarted), &["b"]));
        keeper.finish(at(restarted + 100)).await;
        let snapshot = disk.snapshot().expect("written");
        assert_eq!(ids(&snapshot), ["b"]);
        let unconfirmed = snapshot.unconfirmed.iter();
        let unconfirmed: Vec<_> = unconfirmed
            .map(|one| (one.instance.id(), one.confirmed_at_unix_ms))
            .collect();
        assert_eq!(unconfirmed, [("a", EPOCH_MS), ("c", EPOCH_MS)]);
    }
    let (mut keeper, _) = open(&disk, at(DAY.as_secs() - 10)).await;
    let later = DAY.as_secs() + 10;
    keeper.leave(at(later), &joined(at(later), &["b"]));
    keeper.finish(at(later)).await;
    assert!(disk.snapshot().expect("written").unconfirmed.is_empty());
}

#[tokio::test]
async fn what_fails_after_it_was_confirmed_is_not_kept() {
    let disk = Disk::holding(&written(&["a", "b", "c"]));
    let (mut keeper, _) = open(&disk, at(0)).await;
    let boot = 1;
    let member = Owner {
        addr: addr(3),
        boot,
    };
    let instances = vec![Arc::new(instance("c"))];
    keeper.note(at(10), &Event::Failed { member, instances });
    keeper.turn(at(100), &joined(at(0), &["a"]));
    keeper.written(at(100)).await;
    let snapshot = disk.snapshot().expect("written");
    let unconfirmed = snapshot.unconfirmed.iter().map(|one| one.instance.id());
    assert_eq!(unconfirmed.collect::<Vec<_>>(), ["b"]);
}
