//! Clients that are used on another tokio runtime than the one on which they were built.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::StreamExt;
use tidings::balance::{Balancer, Empty};
use tidings::integrations::reqwest::HttpClient;
use tidings::integrations::tonic::Channel;
use tidings::integrations::tower::{Balance, Changes};
use tidings::registry::Endpoint;
use tidings::select::{Outcome, Scheme, Strategy};
use tokio::runtime::{Builder, Runtime};
use tower::Service;
use tower::discover::Change;

use crate::support::echo::{self, EchoClient};
use crate::support::web::{self, crypto};
use crate::support::{TARGET, Table, instance, within};

/// More calls than would miss an instance by chance.
const CALLS: usize = 20;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

/// What becomes of the runtime on which a client was built.
#[derive(Clone, Copy, Debug)]
enum End {
    Dropped,
    InBackground,
    /// It is there, and nobody drives it.
    StandsStill,
}

const ENDS: [End; 3] = [End::Dropped, End::InBackground, End::StandsStill];

impl End {
    fn of(self, runtime: Runtime) -> Option<Runtime> {
        match self {
            Self::Dropped => drop(runtime),
            Self::InBackground => runtime.shutdown_background(),
            Self::StandsStill => return Some(runtime),
        }
        None
    }
}

fn http(table: &Table) -> HttpClient {
    crypto();
    HttpClient::builder(table.discovery(), TARGET)
        .strategy(Strategy::RoundRobin)
        .build()
        .unwrap()
}

fn grpc(table: &Table) -> EchoClient<Channel> {
    let channel = Channel::builder(table.discovery(), TARGET);
    EchoClient::new(channel.strategy(Strategy::RoundRobin).build().unwrap())
}

async fn get(client: &HttpClient) {
    let call = client.get("/").timeout(Duration::from_secs(10)).send();
    let answer = within(call).await.unwrap();
    answer.error_for_status().unwrap().text().await.unwrap();
}

#[test]
fn an_http_client_has_the_new_list_on_another_runtime() {
    for end in ENDS {
        let first = current_thread();
        let (client, table, gone) = first.block_on(async {
            let gone = web::Server::start(web::Manner::Answers).await;
            let table = Table::of("http", [gone.address]);
            let client = http(&table);
            get(&client).await;
            (client, table, gone)
        });
        let _kept = end.of(first);
        let before = gone.calls();
        for second in [current_thread(), multi_thread()] {
            second.block_on(async {
                let servers = [
                    web::Server::start(web::Manner::Answers).await,
                    web::Server::start(web::Manner::Answers).await,
                ];
                table.publish(servers.each_ref().map(|s| instance("http", s.address)));
                for _ in 0..CALLS {
                    get(&client).await;
                }
                assert!(servers.iter().all(|server| server.calls() > 0), "{end:?}");
            });
        }
        assert_eq!(gone.calls(), before, "{end:?}");
    }
}

#[test]
fn a_grpc_channel_has_the_new_list_on_another_runtime() {
    for end in ENDS {
        let first = current_thread();
        let (mut client, table, gone) = first.block_on(async {
            let gone = echo::Server::start(echo::Manner::Answers).await;
            let table = Table::of("grpc", [gone.address]);
            let mut client = grpc(&table);
            within(client.echo("hello")).await.unwrap();
            (client, table, gone)
        });
        let _kept = end.of(first);
        let before = gone.calls();
        for second in [current_thread(), multi_thread()] {
            second.block_on(async {
                let servers = [
                    echo::Server::start(echo::Manner::Answers).await,
                    echo::Server::start(echo::Manner::Answers).await,
                ];
                table.publish(servers.each_ref().map(|s| instance("grpc", s.address)));
                for _ in 0..CALLS {
                    within(client.echo("hello")).await.unwrap();
                }
                assert!(servers.iter().all(|server| server.calls() > 0), "{end:?}");
            });
        }
        assert_eq!(gone.calls(), before, "{end:?}");
    }
}

/// The list is the same, and only the connections were of the first runtime.
#[test]
fn an_instance_that_stays_is_called_on_another_runtime() {
    for end in ENDS {
        let first = multi_thread();
        let (mut grpc, http, _servers) = first.block_on(async {
            let echo = echo::Server::start(echo::Manner::Answers).await;
            let web = web::Server::start(web::Manner::Answers).await;
            let mut grpc = grpc(&Table::of("grpc", [echo.address]));
            let http = http(&Table::of("http", [web.address]));
            within(grpc.echo("hello")).await.unwrap();
            get(&http).await;
            (grpc, http, (echo, web))
        });
        let _kept = end.of(first);
        current_thread().block_on(async {
            for _ in 0..CALLS {
                within(grpc.echo("hello")).await.unwrap();
                get(&http).await;
            }
        });
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::default);
static HTTP: LazyLock<HttpClient> = LazyLock::new(|| http(&TABLE));

/// As `#[tokio::test]`s do with what is static.
#[test]
fn a_static_client_serves_one_runtime_after_another() {
    for runtime in 0..6 {
        let runtime = if runtime % 2 == 0 {
            current_thread()
        } else {
            multi_thread()
        };
        runtime.block_on(async {
            let server = web::Server::start(web::Manner::Answers).await;
            TABLE.publish([instance("http", server.address)]);
            for _ in 0..3 {
                get(&HTTP).await;
            }
            assert_eq!(server.calls(), 3);
        });
    }
}

/// As in servers that have a runtime for each thread.
#[test]
fn runtimes_that_share_a_channel_keep_a_connection_each() {
    let home = current_thread();
    let server = home.block_on(echo::Server::start(echo::Manner::Answers));
    let client = home.block_on(async { grpc(&Table::of("grpc", [server.address])) });
    let runtimes: [Runtime; 3] = std::array::from_fn(|_| current_thread());
    for _ in 0..5 {
        for runtime in &runtimes {
            let mut client = client.clone();
            runtime
                .block_on(within(async move { client.echo("hello").await }))
                .unwrap();
        }
    }
    assert_eq!((server.calls(), server.connections()), (15, 3));
}

#[test]
fn a_call_on_another_runtime_waits_for_an_instance() {
    let table = Table::default();
    let first = current_thread();
    let client = first.block_on(async {
        let channel = Channel::builder(table.discovery(), TARGET)
            .empty(Empty::WaitUpTo(Duration::from_secs(15)))
            .build();
        EchoClient::new(channel.unwrap())
    });
    drop(first);
    multi_thread().block_on(async {
        let mut waits = client.clone();
        let waiting = tokio::spawn(async move { waits.echo("hello").await });
        let server = echo::Server::start(echo::Manner::Answers).await;
        table.publish([instance("grpc", server.address)]);
        within(waiting).await.unwrap().unwrap();
    });
}

/// A service with a task, which ends with its runtime, as most clients have one.
#[test]
fn a_stack_of_ones_own_has_a_service_for_each_runtime() {
    let port = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
    let table = Table::of("http", [port(1)]);
    let first = current_thread();
    let make = |endpoint: &Endpoint| {
        let port = endpoint.port();
        let inner = tower::service_fn(move |(): ()| async move { Ok::<_, tower::BoxError>(port) });
        tower::buffer::Buffer::new(inner, 4)
    };
    let mut balance = first.block_on(async {
        let balancer = Balancer::builder(table.discovery(), TARGET, Scheme::Http)
            .strategy(Strategy::RoundRobin);
        let mut balance =
            Balance::new(balancer, make, |_: &Result<_, _>| Outcome::Success).unwrap();
        assert_eq!(within(balance.call(())).await.unwrap(), 1);
        balance
    });
    drop(first);
    table.publish([port(1), port(2)].map(|at| instance("http", at)));
    current_thread().block_on(async {
        let mut called = BTreeMap::<u16, usize>::new();
        for _ in 0..50 {
            *called
                .entry(within(balance.call(())).await.unwrap())
                .or_default() += 1;
        }
        assert_eq!(called.keys().collect::<Vec<_>>(), [&1, &2]);
    });
}

#[tokio::test]
async fn a_stream_of_changes_goes_on_on_another_runtime() {
    let port = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
    let table = Table::of("http", [port(1)]);
    let discovery = table.discovery();
    let first = std::thread::spawn(move || {
        current_thread().block_on(async {
            let balancer = Balancer::builder(discovery, TARGET, Scheme::Http);
            Changes::new(balancer.build().unwrap(), Endpoint::port)
        })
    });
    let mut changes = first.join().unwrap();
    let next = async |changes: &mut Changes<u16>| within(changes.next()).await.unwrap().unwrap();
    assert!(matches!(next(&mut changes).await, Change::Insert(_, 1)));
    // It waits when the list comes.
    let waiting = tokio::spawn(async move { next(&mut changes).await });
    tokio::task::yield_now().await;
    table.publish([port(1), port(2)].map(|at| instance("http", at)));
    assert!(matches!(waiting.await.unwrap(), Change::Insert(_, 2)));
}
