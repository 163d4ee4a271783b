//! What a pick costs, with each strategy, at 3 and at 300 instances.
//!
//! ```text
//! cargo bench --bench picking
//! ```
//!
//! `pick` is a pick and the drop of its guard, `pick_and_finish` ends it with a sample instead, `pick_excluding`
//! leaves out one address, and `pick_eight` holds eight picks at a time, so that the pools have calls in flight. All
//! instances have weights of their own and have been called before. Times are nanoseconds a pick, p50 and p99 over
//! short batches (so that a batch in which the thread was not running is an outlier and nothing else); allocations are
//! counted by an allocator that counts, over every pick. The random source is xoshiro256++. `update_us` is what an
//! update takes in which one instance's weight has changed.
//!
//! It fails when a pick allocates, and when the p50 of `pick` is over 100 ns.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use serde_json::{Map, Value, json};
use tidings::ServiceInstance;
use tidings::registry::Instances;
use tidings::select::{Outcome, Pick, Pool, Scheme, Strategy};

const SIZES: [usize; 2] = [3, 300];
const STRATEGIES: [(&str, Strategy); 4] = [
    ("random", Strategy::Random),
    ("round_robin", Strategy::RoundRobin),
    ("weighted", Strategy::Weighted),
    ("p2c", Strategy::P2c),
];
/// A batch of picks takes about as long as reading the clock a thousand times.
const PICKS_PER_BATCH: u32 = 1_600;
const BATCHES: usize = 2_000;
const UPDATES: usize = 50;
const BOUND_NS: f64 = 100.0;

fn main() -> ExitCode {
    let mut figures = Map::new();
    let mut bad = false;
    for (name, strategy) in STRATEGIES {
        for size in SIZES {
            let measured = measure(strategy, size);
            for (what, read) in measured.as_object().expect("one for each way") {
                bad |= read["allocations"].as_u64().is_some_and(|count| count > 0);
                bad |= what == "pick" && read["p50_ns"].as_f64() > Some(BOUND_NS);
            }
            figures.insert(format!("{name}_{size}"), measured);
        }
    }
    println!("{:#}", Value::Object(figures));
    if bad {
        eprintln!("picking: a pick allocated, or took more than {BOUND_NS} ns");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn instance(id: usize, weight: usize) -> ServiceInstance {
    ServiceInstance::builder("order-service")
        .id(format!("instance-{id:03}"))
        .endpoint(format!("grpc://10.0.{}.{}:9000", id / 250, id % 250 + 1))
        .metadata("weight", weight.to_string())
        .build()
        .expect("a valid instance")
}

fn list(size: usize, heaviest: usize) -> Instances {
    let weight = |id| if id == 0 { heaviest } else { 50 + id * 7 % 101 };
    (0..size).map(|id| instance(id, weight(id))).collect()
}

/// A pool whose instances are all known, and the time that passes in it.
struct Bench {
    pool: Pool,
    now: Duration,
    rng: Xoshiro256PlusPlus,
}

impl Bench {
    fn new(strategy: Strategy, size: usize) -> Self {
        let pool = Pool::builder("order-service", Scheme::Grpc)
            .strategy(strategy)
            .build();
        pool.update(&list(size, 50));
        let mut bench = Self {
            pool,
            now: Duration::from_secs(1),
            rng: Xoshiro256PlusPlus::seed_from_u64(1),
        };
        for turn in 0..size * 20 {
            let pick = bench.pick();
            bench.now += Duration::from_micros(100 + turn as u64 % 100);
            pick.finish(bench.now, Outcome::Success);
        }
        bench
    }

    fn pick(&mut self) -> Pick {
        self.now += Duration::from_nanos(100);
        self.pool.pick(self.now, &mut self.rng).expect("somebody")
    }
}

fn measure(strategy: Strategy, size: usize) -> Value {
    let mut bench = Bench::new(strategy, size);
    let pick = read(1, || drop(black_box(bench.pick())));
    let mut bench = Bench::new(strategy, size);
    let finish = read(1, || {
        let pick = bench.pick();
        bench.now += Duration::from_micros(1);
        black_box(pick).finish(bench.now, Outcome::Success);
    });
    let mut bench = Bench::new(strategy, size);
    let tried = [Arc::clone(bench.pick().address())];
    let excluding = read(1, || {
        bench.now += Duration::from_nanos(100);
        let pick = bench.pool.pick_excluding(bench.now, &mut bench.rng, &tried);
        drop(black_box(pick));
    });
    let mut bench = Bench::new(strategy, size);
    let eight = read(8, || {
        drop(black_box(std::array::from_fn::<_, 8, _>(|_| bench.pick())));
    });
    json!({
        "pick": pick, "pick_and_finish": finish, "pick_excluding": excluding, "pick_eight": eight,
        "update_us": update(&bench.pool, size),
    })
}

/// Times what makes `picks` picks at once, and counts what it allocates.
fn read(picks: u32, mut read: impl FnMut()) -> Value {
    // A thread's first read sets up its bookkeeping.
    read();
    let mut batches = Vec::with_capacity(BATCHES);
    let allocations = allocation_counter::measure(|| {
        for _ in 0..BATCHES {
            let since = Instant::now();
            for _ in 0..PICKS_PER_BATCH / picks {
                read();
            }
            batches.push(since.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS_PER_BATCH));
        }
    });
    batches.sort_by(f64::total_cmp);
    let ns =
        |percent: usize| (batches[(BATCHES * percent).div_ceil(100) - 1] * 10.0).round() / 10.0;
    json!({ "p50_ns": ns(50), "p99_ns": ns(99), "allocations": allocations.count_total })
}

/// The median of updates that change one weight, in microseconds.
fn update(pool: &Pool, size: usize) -> u64 {
    let lists = [list(size, 51), list(size, 52)];
    let mut times: Vec<_> = (0..UPDATES)
        .map(|turn| {
            let since = Instant::now();
            pool.update(&lists[turn % 2]);
            since.elapsed()
        })
        .collect();
    times.sort();
    u64::try_from(times[UPDATES / 2].as_micros()).unwrap_or(u64::MAX)
}
