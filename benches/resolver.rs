//! What a request costs through a service's client, against a plain client on a fixed address.
//!
//! ```text
//! cargo bench --bench resolver --features reqwest,tonic
//! ```
//!
//! One server on loopback, on a thread of its own, and a client on another with 16 calls out at a time, each of
//! them polled when it is woken, as tasks are, for HTTP (`reqwest`) and gRPC (`tonic`), each plain and through
//! `HttpClient` or `Channel`, both with the same settings of the connection. They take turns of 20 ms in all orders, so that
//! what else the machine does meets them alike, and the figures are medians over the turns, in requests that end within a
//! turn, per second. `overhead_percent` is the median of what each turn loses to the plain turn of the same round, and
//! `control_percent` what another turn of the plain client loses to it: how far the machine can be trusted.
//!
//! It fails when the overhead is over 5 %.
//!
//! On a machine that does other work, instructions tell more than times. A number of calls of one kind, and nothing else:
//!
//! ```text
//! cargo bench --bench resolver --features reqwest,tonic --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/resolver-<hash> grpc plain 4800
//! ```
//!
//! (`http` or `grpc`, `plain` or `balanced`.) What 4,800 of them take more than 1,600, divided by 3,200, is what one takes, the
//! server's part included.

#[path = "../tests/clients/support/mod.rs"]
#[allow(dead_code, reason = "the tests' servers can do more")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use support::echo::{EchoClient, Manner, Server};
use support::{TARGET, Table, web};
use tidings::integrations::reqwest::HttpClient;
use tidings::integrations::tonic::Channel;
use tonic::transport::Endpoint;

const CONCURRENCY: usize = 16;
/// Short for what else runs on a machine, and long for a call.
const TURN: Duration = Duration::from_millis(20);
/// The orders of a round, in which both plain ones come after the balanced one equally often.
const ORDERS: [[Kind; 3]; 6] = {
    use Kind::{Balanced as B, Control as C, Plain as P};
    [
        [P, C, B],
        [P, B, C],
        [B, P, C],
        [B, C, P],
        [C, P, B],
        [C, B, P],
    ]
};
const ROUNDS: usize = 504;
const OVERHEAD_MAX: f64 = 5.0;

fn main() -> ExitCode {
    web::crypto();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [what, how, calls] = &arguments[..] {
        let only = Only {
            balanced: match &**how {
                "plain" => false,
                "balanced" => true,
                _ => panic!("{how:?} is neither \"plain\" nor \"balanced\""),
            },
            calls: calls.parse().expect("a number of calls"),
        };
        runtime.block_on(async {
            match &**what {
                "http" => http(Some(only)).await,
                "grpc" => grpc(Some(only)).await,
                _ => panic!("{what:?} is neither \"http\" nor \"grpc\""),
            }
        });
        return ExitCode::SUCCESS;
    }
    let (http, grpc) = runtime.block_on(async { (http(None).await, grpc(None).await) });
    let figures = json!({ "http": http.told(), "grpc": grpc.told() });
    println!("{figures:#}");
    if http.overhead() > OVERHEAD_MAX || grpc.overhead() > OVERHEAD_MAX {
        eprintln!("resolver: a request costs more than {OVERHEAD_MAX} %");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// So many calls, and no more.
#[derive(Clone, Copy)]
struct Only {
    balanced: bool,
    calls: usize,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    /// The plain one once more.
    Control,
    Balanced,
}

/// Requests per second of each turn.
#[derive(Default)]
struct Turns {
    plain: Vec<f64>,
    control: Vec<f64>,
    balanced: Vec<f64>,
}

impl Turns {
    fn overhead(&self) -> f64 {
        lost(&self.plain, &self.balanced)
    }

    fn told(&self) -> serde_json::Value {
        json!({
            "plain_per_s": median(self.plain.iter().copied()).round(),
            "balanced_per_s": median(self.balanced.iter().copied()).round(),
            "overhead_percent": rounded(self.overhead()),
            "control_percent": rounded(lost(&self.plain, &self.control)),
        })
    }
}

/// What each turn loses to the one of the same round, in percent.
fn lost(plain: &[f64], other: &[f64]) -> f64 {
    let pairs = plain.iter().zip(other);
    median(pairs.map(|(plain, other)| (1.0 - other / plain) * 100.0))
}

fn rounded(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

async fn http(only: Option<Only>) -> Turns {
    let server = web::Server::start(web::Manner::Answers).await;
    let table = Table::of("http", [server.address]);
    let balanced = HttpClient::builder(table.discovery(), TARGET)
        .build()
        .expect("a client");
    let plain = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let url = format!("http://{}/users/42", server.address);
    let plain = async || {
        let response = plain.get(&url).send().await.expect("an answer");
        response.bytes().await.expect("a body");
    };
    let balanced = async || {
        let response = balanced.get("/users/42").send().await.expect("an answer");
        response.bytes().await.expect("a body");
    };
    compare(only, plain, balanced).await
}

async fn grpc(only: Option<Only>) -> Turns {
    let server = Server::start(Manner::Answers).await;
    let table = Table::of("grpc", [server.address]);
    let balanced = Channel::builder(table.discovery(), TARGET).build();
    let balanced = EchoClient::new(balanced.expect("a channel"));
    let plain = Endpoint::from_shared(format!("http://{}", server.address)).expect("a URI");
    // As a `Channel` has it.
    let plain = plain
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5));
    let plain = EchoClient::new(plain.connect_lazy());
    let plain = async || {
        plain.clone().echo("hello").await.expect("an answer");
    };
    let balanced = async || {
        balanced.clone().echo("hello").await.expect("an answer");
    };
    compare(only, plain, balanced).await
}

async fn compare(only: Option<Only>, plain: impl AsyncFn(), balanced: impl AsyncFn()) -> Turns {
    let mut turns = Turns::default();
    if let Some(only) = only {
        let asking = (0..CONCURRENCY).map(async |_| {
            for _ in 0..only.calls / CONCURRENCY {
                if only.balanced {
                    balanced().await;
                } else {
                    plain().await;
                }
            }
        });
        let asking: FuturesUnordered<_> = asking.collect();
        asking.collect::<()>().await;
        return turns;
    }
    for order in ORDERS.iter().cycle().take(ROUNDS) {
        for kind in order {
            match kind {
                Kind::Plain => turns.plain.push(turn(&plain).await),
                Kind::Control => turns.control.push(turn(&plain).await),
                Kind::Balanced => turns.balanced.push(turn(&balanced).await),
            }
        }
    }
    turns
}

/// Asks again and again for the time of a turn, and returns how often per second that was answered in it.
async fn turn(ask: impl AsyncFn()) -> f64 {
    let began = Instant::now();
    let asking = (0..CONCURRENCY).map(async |_| {
        let mut answered = 0_u32;
        loop {
            ask().await;
            if began.elapsed() >= TURN {
                return answered;
            }
            answered += 1;
        }
    });
    // (`join_all` polls all of so few whenever one is woken.)
    let asking: FuturesUnordered<_> = asking.collect();
    let answered: u32 = asking.fold(0, async |sum, answered| sum + answered).await;
    f64::from(answered) / TURN.as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
