use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::*;
use crate::node::builder::NodeBuilder;
use crate::node::lookups::Lookups;
use crate::registry::ServiceInstance;

/// How long anything may take that must happen.
const BOUND: Duration = Duration::from_secs(20);

/// More than lookups have threads.
const NAMES: usize = 80;

/// A file in a directory of its own, that is gone after the test.
struct File(PathBuf);

impl File {
    fn new(test: &str) -> Self {
        let directory = format!("tidings-{}-launch-{test}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        std::fs::create_dir_all(&directory).expect("a directory");
        Self(directory.join("table.json"))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().expect("a directory"));
    }
}

/// A name server that drops everything, until the sender is dropped.
fn dropping() -> (Lookups, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Mutex::new(ended);
    let lookups = Lookups::by(move |_, _| {
        let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv();
        Err(std::io::ErrorKind::TimedOut.into())
    });
    (lookups, end)
}

fn builder() -> NodeBuilder {
    Node::builder().cluster("test").bind("127.0.0.1:0")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(BOUND, future).await;
    output.expect("in time")
}

/// A node whose seeds hang reads its snapshot, and writes the next one.
async fn keeps_its_snapshot(
    file: &File,
    start: impl AsyncFn(Settings) -> Result<Node, StartError>,
) {
    let server = builder().start().await.expect("starts");
    let users = ServiceInstance::builder("users").id("a");
    let users = users.endpoint("http://10.0.0.7:8000").build();
    server
        .register(users.expect("sound"))
        .await
        .expect("registered");
    let before = builder()
        .seeds([server.advertised_addr()])
        .snapshot_file(&file.0);
    let before = before.start().await.expect("starts");
    within(before.wait_for("users", 1, BOUND))
        .await
        .expect("seen");
    within(before.shutdown()).await.expect("left");

    let (lookups, end) = dropping();
    let names = (0..NAMES).map(|name| format!("seed-{name}.internal:7946"));
    let node = builder().seeds(names).snapshot_file(&file.0);
    let mut settings = node.parse().expect("sound");
    settings.lookups = lookups;
    let node = within(start(settings)).await.expect("starts");
    let remembered = node.get_service("users").await.expect("open");
    assert_eq!(remembered.len(), 1, "the snapshot was read");
    // A member that the snapshot names is found, though no seed resolves.
    let confirmed = async {
        while node.members().len() < 2
            || node.get_service("users").await.is_ok_and(|l| l.is_stale())
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(confirmed).await;
    within(node.shutdown()).await.expect("left");
    assert_eq!(node.stats().snapshot.writes, 1, "and the next one written");
    drop(end);
}

#[tokio::test]
async fn names_that_hang_keep_no_snapshot_from_being_read_and_written() {
    let file = File::new("own-thread");
    keeps_its_snapshot(&file, on_own_thread).await;
}

#[test]
fn names_that_hang_take_nothing_of_a_runtime_that_the_node_shares() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let file = File::new("shared-runtime");
    runtime.block_on(keeps_its_snapshot(&file, on_current_runtime));
}
