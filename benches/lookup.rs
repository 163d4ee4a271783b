//! What a read of the table costs: alone, and while somebody writes all the time.
//!
//! ```text
//! cargo bench --bench lookup
//! ```
//!
//! One node holds 1,000 services of 10 instances. Read are: one service's handle, the handles of all services in
//! turn, and `get_service` of all names in turn. Times are nanoseconds a read, p50 and p99 over short batches (so
//! that a batch in which the thread was not running is an outlier and nothing else); allocations are counted by an
//! allocator that counts, over every read of this thread.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tidings::Node;
use tidings::registry::ServiceInstance;
use tidings::table::ServiceHandle;

const SERVICES: usize = 1_000;
const INSTANCES: usize = 10;
/// A batch of reads takes about as long as reading the clock a thousand times.
const READS_PER_BATCH: u32 = 2_000;
const BATCHES: usize = 5_000;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let node = runtime.block_on(filled());
    let handles: Vec<_> = (0..SERVICES)
        .map(|service| node.service(&name(service)))
        .collect();
    let names: Vec<_> = (0..SERVICES).map(name).collect();

    let alone = measure(&node, &handles, &names);
    let writer = Writer::start(&node);
    let beside_a_writer = measure(&node, &handles, &names);
    let writes_per_s = writer.stop();

    let figures = json!({
        "services": SERVICES, "instances": INSTANCES, "alone": alone,
        "beside_a_writer": beside_a_writer, "writes_per_s": writes_per_s,
    });
    println!("{figures:#}");
    let measured = [&figures["alone"], &figures["beside_a_writer"]];
    let allocates = |read: &Value| read["allocations"] != 0;
    let mut reads = measured
        .iter()
        .filter_map(|set| set.as_object())
        .flat_map(|set| set.values());
    if writes_per_s == 0 || reads.any(allocates) {
        eprintln!("lookup: a read allocated, or the writer wrote nothing");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn name(service: usize) -> String {
    format!("service-{service:04}")
}

fn instance(service: usize, id: usize, version: u64) -> ServiceInstance {
    ServiceInstance::builder(name(service))
        .id(format!("instance-{id}"))
        .version(version.to_string())
        .endpoint("http://10.0.0.9:8000")
        .build()
        .expect("a valid instance")
}

/// A node without peers, with the whole table registered.
async fn filled() -> Node {
    let builder = Node::builder().cluster("bench").bind("127.0.0.1:0");
    let node = builder.start().await.expect("starts");
    for service in 0..SERVICES {
        for id in 0..INSTANCES {
            node.register(instance(service, id, 0))
                .await
                .expect("registered");
        }
    }
    node
}

fn measure(node: &Node, handles: &[ServiceHandle], names: &[String]) -> Value {
    let one = &handles[0];
    let get_service = |turn: usize| {
        let found = node.get_service(&names[turn % names.len()]).now_or_never();
        found.expect("never waits").expect("open").len()
    };
    json!({
        "handle": read(|_| one.instances().len()),
        "handles_in_turn": read(|turn| handles[turn % handles.len()].instances().len()),
        "get_service": read(get_service),
    })
}

/// Times a read that gives the number of instances, and counts what it allocates.
fn read(read: impl Fn(usize) -> usize) -> Value {
    // A thread's first read sets up its bookkeeping.
    assert_eq!(read(0), INSTANCES);
    let mut turn = 0;
    let mut batches = Vec::with_capacity(BATCHES);
    let allocations = allocation_counter::measure(|| {
        for _ in 0..BATCHES {
            let since = Instant::now();
            for _ in 0..READS_PER_BATCH {
                turn += 1;
                black_box(read(black_box(turn)));
            }
            batches.push(since.elapsed().as_secs_f64() * 1e9 / f64::from(READS_PER_BATCH));
        }
    });
    batches.sort_by(f64::total_cmp);
    let ns =
        |percent: usize| (batches[(BATCHES * percent).div_ceil(100) - 1] * 10.0).round() / 10.0;
    json!({ "p50_ns": ns(50), "p99_ns": ns(99), "allocations": allocations.count_total })
}

/// Registers new versions as fast as the node takes them: half of them of the service that is read through one
/// handle.
struct Writer {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicU64>,
    since: Instant,
    thread: std::thread::JoinHandle<()>,
}

impl Writer {
    fn start(node: &Node) -> Self {
        let (stop, writes) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (node, told, written) = (node.clone(), Arc::clone(&stop), Arc::clone(&writes));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            let others = (0..SERVICES).cycle();
            for (version, other) in (1..).zip(others) {
                for service in [0, other] {
                    let register = node.register(instance(service, 0, version));
                    runtime.block_on(register).expect("registered");
                    written.fetch_add(1, Ordering::Relaxed);
                }
                if told.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self {
            stop,
            writes,
            since: Instant::now(),
            thread,
        }
    }

    /// Stops, and tells how many writes a second there were.
    fn stop(self) -> u64 {
        let elapsed = self.since.elapsed();
        let writes = self.writes.load(Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no panic");
        writes * 1_000
            / u64::try_from(elapsed.as_millis())
                .unwrap_or(u64::MAX)
                .max(1)
    }
}
