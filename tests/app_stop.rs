//! How a process ends that is told to: real signals, real nodes, and a hook that hangs.
#![cfg(all(feature = "app", feature = "node", unix))]

use std::future::pending;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tidings::Node;
use tidings::app::{App, BoxError, Server, Serving};
use tidings::registry::{BoxFuture, Endpoint, Status};
use tidings::table::ServiceWatcher;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Set in a process that is the service of a test: where the test's node is, and the budget in milliseconds.
const SERVICE: &str = "TIDINGS_TEST_SERVICE";

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(30);

struct Fake;

impl Server for Fake {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        vec!["http://127.0.0.1:9".parse().expect("an endpoint")]
    }

    fn serve(self: Box<Self>, serving: Serving) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            serving.accepts();
            serving.stopping().await;
            Ok(())
        })
    }
}

fn node(seeds: &[SocketAddr]) -> tidings::node::NodeBuilder {
    Node::builder()
        .cluster("app-stop")
        .bind("127.0.0.1:0")
        .seeds(seeds)
}

/// The service: its hook before the stop never ends.
async fn serve(settings: &str) {
    let (seed, budget) = settings.split_once(' ').expect("a seed and a budget");
    let node = node(&[seed.parse().expect("an address")]).start().await;
    let budget = budget.parse().expect("milliseconds");
    let app = App::builder()
        .name("users")
        .node(node.expect("a node"))
        .server(Fake)
        .before_stop(pending::<Result<(), BoxError>>)
        .stop_budget(Duration::from_millis(budget))
        .build()
        .expect("an app");
    // The hook is an error.
    app.run().await.expect_err("a hook that hangs");
}

/// A service in a process of its own.
struct Process(Child);

impl Process {
    /// The test of this name, as a service.
    fn start(test: &str, seed: SocketAddr, budget: Duration) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["--exact", test])
            .env(SERVICE, format!("{seed} {}", budget.as_millis()))
            .stdout(Stdio::null());
        Self(command.spawn().expect("a process"))
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(self.0.id().to_string());
        assert!(kill.status().expect("kill").success(), "not sent");
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }

    async fn ended(mut self) -> ExitStatus {
        let waiting = tokio::task::spawn_blocking(move || self.0.wait().expect("a child"));
        let ended = timeout(BOUND, waiting).await;
        ended.expect("it ends").expect("no panic")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of no use if it has ended.
        let _ = self.0.kill();
    }
}

async fn shows(watcher: &mut ServiceWatcher, status: Option<Status>) {
    let shown = async {
        loop {
            let list = watcher.next().await.expect("the node lives");
            if list.first().map(|instance| instance.status()) == status {
                return;
            }
        }
    };
    timeout(BOUND, shown).await.expect("it shows in time");
}

/// Runs `test` with a service in a process of its own, which is a run of the same test.
fn with_service<F: Future<Output = ()>>(
    name: &str,
    budget: Duration,
    test: impl FnOnce(Process, ServiceWatcher) -> F,
) {
    let runtime = Runtime::new().expect("a runtime");
    if let Ok(settings) = std::env::var(SERVICE) {
        return runtime.block_on(serve(&settings));
    }
    runtime.block_on(async {
        let node = node(&[]).start().await.expect("a node");
        let mut watcher = node.watch("users").await.expect("open");
        let process = Process::start(name, node.advertised_addr(), budget);
        shows(&mut watcher, Some(Status::Up)).await;
        test(process, watcher).await;
    });
}

#[test]
fn a_hook_that_hangs_delays_no_announcement_and_the_process_ends_within_its_budget() {
    let name = "a_hook_that_hangs_delays_no_announcement_and_the_process_ends_within_its_budget";
    let budget = Duration::from_secs(6);
    with_service(name, budget, async |mut process, mut watcher| {
        let told = Instant::now();
        process.signal("TERM");
        shows(&mut watcher, Some(Status::Draining)).await;
        assert!(process.is_running(), "the hook hangs");
        assert!(told.elapsed() < budget / 3, "{:?}", told.elapsed());
        shows(&mut watcher, None).await;
        assert!(process.ended().await.success());
        let took = told.elapsed();
        assert!(took < budget, "{took:?}");
        assert!(took > budget / 4, "the hook had its share: {took:?}");
    });
}

#[test]
fn a_second_signal_ends_the_wait_for_a_hook() {
    let name = "a_second_signal_ends_the_wait_for_a_hook";
    with_service(
        name,
        Duration::from_secs(3_600),
        async |mut process, mut watcher| {
            process.signal("TERM");
            shows(&mut watcher, Some(Status::Draining)).await;
            // One that comes sooner is the same wish.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            assert!(process.is_running(), "the hook hangs");
            let told = Instant::now();
            process.signal("TERM");
            assert!(process.ended().await.success());
            assert!(
                told.elapsed() < Duration::from_secs(4),
                "{:?}",
                told.elapsed()
            );
            // It was deregistered, and left, nevertheless.
            shows(&mut watcher, None).await;
        },
    );
}
