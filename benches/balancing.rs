//! Who gets the calls when one of three replicas is 20 times slower.
//!
//! ```text
//! cargo bench --bench balancing --features tonic,tower
//! ```
//!
//! Three gRPC servers on loopback answer after 5 ms, and one of them after 100 ms. 400 calls a second begin at even
//! times, whether or not those before have ended (an open loop: a client that waits would call less where it is slow), for
//! 10 s, of which the first is not counted. The same again without the slow one. Each row has its own servers.
//!
//! - `tidings p2c`, `tidings round robin`: `integrations::tonic::Channel`.
//! - `tower p2c, PeakEwma`: tower's `p2c::Balance` over `PeakEwmaDiscover` (10 s decay, 5 ms to start with: Finagle's and
//!   about the truth), behind a `Buffer`.
//! - `tonic balance_channel`: tonic's own, whose load is constant.
//!
//! It fails when p2c gives the slow one over 10 %, or its p99 is over twice that without the slow one.

#[path = "../tests/clients/support/mod.rs"]
#[allow(dead_code, reason = "the tests' servers can do more")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use support::echo::{EchoClient, Manner, Server};
use support::{TARGET, Table};
use tidings::balance::Balancer;
use tidings::integrations::tonic::Channel;
use tidings::integrations::tower::Changes;
use tidings::select::{Scheme, Strategy};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::channel::Change;
use tonic::transport::{self, Endpoint};
use tower::balance::p2c;
use tower::buffer::Buffer;

use tower::load::{CompleteOnResponse, PeakEwmaDiscover};

const FAST: Duration = Duration::from_millis(5);
const SLOW: Duration = Duration::from_millis(100);
const GAP: Duration = Duration::from_micros(2_500);
const CALLS: usize = 4_000;
const NOT_COUNTED: usize = 400;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{:<22} {:>8} {:>9} {:>9} {:>12} {:>12} {:>7}",
        "", "slow %", "p50 ms", "p99 ms", "p50 without", "p99 without", "p99 x"
    );
    let p2c = runtime.block_on(async {
        let p2c = row("tidings p2c", |table| tidings(table, Strategy::P2c)).await;
        row("tidings round robin", |table| {
            tidings(table, Strategy::RoundRobin)
        })
        .await;
        row("tower p2c, PeakEwma", peak_ewma).await;
        row("tonic balance_channel", balance_channel).await;
        p2c
    });
    if p2c.share > 0.1 || p2c.ratio() > 2.0 {
        eprintln!("balancing: the slow one gets over 10 %, or p99 is over twice that without it");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Row {
    /// Of the slow one.
    share: f64,
    with: [Duration; 2],
    without: [Duration; 2],
}

impl Row {
    fn ratio(&self) -> f64 {
        self.with[1].as_secs_f64() / self.without[1].as_secs_f64()
    }
}

async fn row<T: GrpcService<Body> + Clone>(
    name: &str,
    client: impl Fn(&Table) -> EchoClient<T>,
) -> Row
where
    T::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    T::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (with, share) = measured(&client, true).await;
    let (without, _) = measured(&client, false).await;
    let row = Row {
        share,
        with,
        without,
    };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{name:<22} {:>8.1} {:>9.1} {:>9.1} {:>12.1} {:>12.1} {:>7.1}",
        share * 100.0,
        ms(with[0]),
        ms(with[1]),
        ms(without[0]),
        ms(without[1]),
        row.ratio()
    );
    row
}

/// p50 and p99, and the share of the last server, which is slow or not there.
async fn measured<T: GrpcService<Body> + Clone>(
    client: impl Fn(&Table) -> EchoClient<T>,
    slow: bool,
) -> ([Duration; 2], f64)
where
    T::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    T::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let manners = [FAST, FAST, SLOW].map(Manner::After);
    let manners = &manners[..if slow { 3 } else { 2 }];
    let servers = join_all(manners.iter().map(|manner| Server::start(*manner))).await;
    let client = client(&Table::of(
        "grpc",
        servers.iter().map(|server| server.address),
    ));
    let began = Instant::now();
    let calls = (0..CALLS).map(|n| {
        let mut client = client.clone();
        let at = began + GAP * u32::try_from(n).expect("a few thousand");
        async move {
            tokio::time::sleep_until(at.into()).await;
            client.echo("hello").await.expect("an answer");
            at.elapsed()
        }
    });
    let mut times = join_all(calls).await.split_off(NOT_COUNTED);
    times.sort();
    let quantile = |part: usize| times[times.len() * part / 100];
    let last = servers.last().map_or(0, Server::calls);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let share = last as f64 / CALLS as f64;
    ([quantile(50), quantile(99)], share)
}

fn tidings(table: &Table, strategy: Strategy) -> EchoClient<Channel> {
    let channel = Channel::builder(table.discovery(), TARGET).strategy(strategy);
    EchoClient::new(channel.build().expect("a channel"))
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).expect("a URI")
}

fn changes<S>(table: &Table, make: impl Fn(Endpoint) -> S + Send + 'static) -> Changes<S> {
    let balancer = Balancer::builder(table.discovery(), TARGET, Scheme::Grpc).build();
    Changes::new(balancer.expect("a balancer"), move |at| {
        make(endpoint(at.authority()))
    })
}

type Ewma = <p2c::Balance<
    PeakEwmaDiscover<Changes<transport::Channel>, CompleteOnResponse>,
    http::Request<Body>,
> as tower::Service<http::Request<Body>>>::Future;

fn peak_ewma(table: &Table) -> EchoClient<Buffer<http::Request<Body>, Ewma>> {
    let changes = changes(table, |endpoint| endpoint.connect_lazy());
    let decay = Duration::from_secs(10);
    let loads = PeakEwmaDiscover::new::<http::Request<Body>>(
        changes,
        FAST,
        decay,
        CompleteOnResponse::default(),
    );
    EchoClient::new(Buffer::new(p2c::Balance::new(loads), 1_024))
}

fn balance_channel(table: &Table) -> EchoClient<transport::Channel> {
    let balancer = Balancer::builder(table.discovery(), TARGET, Scheme::Grpc).build();
    let (channel, told) = transport::Channel::balance_channel(16);
    for at in balancer.expect("a balancer").endpoints() {
        let change = Change::Insert(at.authority().to_owned(), endpoint(at.authority()));
        told.try_send(change).expect("fewer than 16");
    }
    EchoClient::new(channel)
}
