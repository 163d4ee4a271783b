//! gRPC channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use tidings::balance::{Ejection, Empty};
use tidings::integrations::tonic::{Channel, ChannelBuilder};
use tidings::registry::Status as InstanceStatus;
use tidings::select::{NoInstances, Strategy};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::echo::{EchoClient, Manner, Server};
use crate::support::refusing::{Refusal, Refusing};
use crate::support::{TARGET, Table, dead, frozen, instance, within};

fn builder(table: &Table) -> ChannelBuilder {
    Channel::builder(table.discovery(), TARGET)
}

fn client(table: &Table) -> EchoClient<Channel> {
    EchoClient::new(builder(table).build().unwrap())
}

async fn answering<const N: usize>() -> [Server; N] {
    let servers = join_all((0..N).map(|_| Server::start(Manner::Answers))).await;
    servers.try_into().ok().expect("as many as were started")
}

#[tokio::test]
async fn generated_clients_take_a_channel_and_calls_go_to_all_instances() {
    let servers = answering::<3>().await;
    let mut client = client(&Table::of("grpc", servers.iter().map(|s| s.address)));
    for _ in 0..60 {
        assert_eq!(within(client.echo("hello")).await.unwrap(), "hello");
    }
    assert!(servers.iter().all(|server| server.calls() > 0));
}

#[tokio::test]
async fn a_dead_endpoint_costs_no_failed_call() {
    for strategy in [Strategy::P2c, Strategy::RoundRobin, Strategy::Random] {
        let [server] = answering().await;
        let table = Table::of("grpc", [server.address, dead().await, dead().await]);
        let channel = builder(&table).strategy(strategy).build().unwrap();
        let mut client = EchoClient::new(channel);
        for _ in 0..200 {
            within(client.echo("hello")).await.unwrap();
        }
        assert_eq!(server.calls(), 200);
    }
}

#[tokio::test]
async fn an_instance_that_dies_between_calls_costs_no_failed_call() {
    let [first, second] = answering().await;
    let table = Table::of("grpc", [first.address, second.address]);
    let channel = builder(&table)
        .strategy(Strategy::RoundRobin)
        .build()
        .unwrap();
    let mut client = EchoClient::new(channel);
    for _ in 0..10 {
        within(client.echo("hello")).await.unwrap();
    }
    assert_eq!(first.calls(), 5);
    first.kill().await;
    for _ in 0..50 {
        within(client.echo("hello")).await.unwrap();
    }
    assert_eq!(second.calls(), 55);
}

#[tokio::test]
async fn an_instance_that_stops_under_load_costs_no_failed_call() {
    let manner = Manner::After(Duration::from_millis(2));
    let [first, second] = [Server::start(manner).await, Server::start(manner).await];
    let table = Table::of("grpc", [first.address, second.address]);
    let channel = builder(&table).build().unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let mut client = EchoClient::new(channel.clone());
            tokio::spawn(async move {
                for _ in 0..50 {
                    within(client.echo("hello")).await.unwrap();
                }
            })
        })
        .collect();
    within(async {
        while first.calls() < 100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Nobody is told: it is by its connections that it is known to be gone.
    first.stop().await;
    for call in calls {
        call.await.unwrap();
    }
    assert!(second.calls() > 500, "{}", second.calls());
}

#[tokio::test]
async fn a_message_that_an_instance_says_it_has_not_processed_goes_to_another() {
    for refusal in [Refusal::GoAway, Refusal::Stream] {
        let [server] = answering().await;
        let refusing = Refusing::start(refusal).await;
        let table = Table::of("grpc", [server.address, refusing.address]);
        let strategy = Strategy::RoundRobin;
        let channel = builder(&table).strategy(strategy).build().unwrap();
        let mut client = EchoClient::new(channel);
        for _ in 0..20 {
            let answer = within(client.echo("hello")).await;
            assert_eq!(answer.unwrap(), "hello", "{refusal:?}");
        }
        assert!(refusing.refused() > 0 && server.calls() == 20);
    }
}

#[tokio::test]
async fn a_message_that_nobody_processes_is_unavailable_after_a_few_tries() {
    for refusal in [Refusal::GoAway, Refusal::Stream] {
        let refusing = Refusing::start(refusal).await;
        let mut client = client(&Table::of("grpc", [refusing.address]));
        let error = within(client.echo("hello")).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        assert_eq!(refusing.refused(), 2);
    }
}

#[tokio::test]
async fn a_stream_of_which_something_was_read_is_not_sent_again() {
    let refusing = Refusing::start(Refusal::GoAway).await;
    let mut client = client(&Table::of("grpc", [refusing.address]));
    let messages = ["one", "two"].map(Bytes::from);
    let messages = tokio_stream::iter(messages).chain(tokio_stream::pending());
    let error = within(client.stream(messages)).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert_eq!(refusing.refused(), 1);
}

#[tokio::test]
async fn the_only_instance_is_called_again_after_it_was_restarted_at_its_address() {
    let [first] = answering().await;
    let table = Table::of("grpc", [first.address]);
    let mut client = client(&table);
    within(client.echo("hello")).await.unwrap();
    let address = first.kill().await;
    let error = within(client.echo("hello")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let again = Server::listen(address, Manner::Answers, None).await;
    within(client.echo("hello")).await.unwrap();
    assert_eq!(again.calls(), 1);
}

#[tokio::test]
async fn a_stream_goes_elsewhere_whole_when_there_is_no_connection() {
    let [server] = answering().await;
    let table = Table::of("grpc", [server.address, dead().await]);
    let channel = builder(&table)
        .strategy(Strategy::RoundRobin)
        .build()
        .unwrap();
    let mut client = EchoClient::new(channel);
    for _ in 0..10 {
        let polled = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polled);
        let messages = tokio_stream::iter((0..5).map(move |n| {
            counted.fetch_add(1, Ordering::SeqCst);
            Bytes::from(format!("{n}"))
        }));
        let answers = within(client.stream(messages)).await.unwrap();
        assert_eq!(answers, ["0", "1", "2", "3", "4"]);
        assert_eq!(polled.load(Ordering::SeqCst), 5);
    }
    assert_eq!(server.calls(), 10);
}

#[tokio::test]
async fn a_stream_that_was_read_from_is_not_sent_twice() {
    let dying = Server::start(Manner::After(Duration::from_secs(60))).await;
    let [other] = answering().await;
    let table = Table::of("grpc", [dying.address]);
    let mut client = client(&table);
    let polled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polled);
    let messages = tokio_stream::iter((0..3).map(move |n| {
        counted.fetch_add(1, Ordering::SeqCst);
        Bytes::from(format!("{n}"))
    }));
    let streaming = tokio::spawn(async move { client.stream(messages).await });
    within(async {
        while dying.calls() == 0 || polled.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    table.publish([
        instance("grpc", dying.address),
        instance("grpc", other.address),
    ]);
    dying.kill().await;
    within(streaming).await.unwrap().unwrap_err();
    assert_eq!((polled.load(Ordering::SeqCst), other.calls()), (3, 0));
}

#[tokio::test]
async fn a_connection_that_breaks_while_a_call_is_out_is_unavailable() {
    let dying = Server::start(Manner::After(Duration::from_secs(60))).await;
    let mut client = client(&Table::of("grpc", [dying.address]));
    let calling = tokio::spawn(async move { client.echo("hello").await });
    within(async {
        while dying.calls() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    dying.kill().await;
    let error = within(calling).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_within_an_answer_is_unavailable() {
    let [dying] = answering().await;
    let mut client = client(&Table::of("grpc", [dying.address]));
    let endless = tokio_stream::iter([Bytes::from("one")]).chain(tokio_stream::pending());
    let mut answers = within(client.open(endless)).await.unwrap();
    within(answers.message()).await.unwrap().unwrap();
    dying.kill().await;
    let error = within(answers.message()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_call_for_which_a_connection_has_no_room_goes_elsewhere() {
    let full = Server::start(Manner::Hangs).await;
    let [server] = answering().await;
    let channel = builder(&Table::of("grpc", [full.address, server.address]))
        .strategy(Strategy::RoundRobin)
        .connect_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let first = [(); 2].map(|()| {
        let mut client = EchoClient::new(channel.clone());
        tokio::spawn(async move { client.echo("hello").await })
    });
    within(async {
        while (full.calls(), server.calls()) != (1, 1) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // What it takes was said before it took the first one, and is read now.
    tokio::task::yield_now().await;
    let mut client = EchoClient::new(channel);
    for _ in 0..10 {
        within(client.echo("hello")).await.unwrap();
    }
    assert_eq!((full.calls(), server.calls()), (1, 11));
    for call in first {
        call.abort();
    }
}

#[tokio::test]
async fn a_call_without_time_is_not_sent_and_blames_nobody() {
    let [first, second] = answering().await;
    let table = Table::of("grpc", [first.address, second.address]);
    let once = Ejection::after(1, Duration::from_secs(600), Duration::from_secs(600));
    let channel = builder(&table)
        .strategy(Strategy::RoundRobin)
        .ejection(once)
        .build()
        .unwrap();
    let mut client = EchoClient::new(channel);
    for _ in 0..10 {
        let error = within(client.echo_within(Duration::ZERO))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
    }
    for _ in 0..10 {
        within(client.echo("hello")).await.unwrap();
    }
    assert_eq!([first.calls(), second.calls()], [5, 5]);
}

#[tokio::test]
async fn an_empty_set_fails_at_once_with_a_typed_error() {
    let table = Table::of("http", [dead().await]);
    let error = within(client(&table).echo("hello")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let source = std::error::Error::source(&error).expect("the reason");
    let none = source.downcast_ref::<NoInstances>().expect("typed");
    assert_eq!((none.service(), none.instances()), ("orders.example", 1));
}

#[tokio::test]
async fn an_empty_set_waits_for_an_instance_when_it_may() {
    let table = Table::default();
    let empty = Empty::WaitUpTo(Duration::from_secs(10));
    let mut client = EchoClient::new(builder(&table).empty(empty).build().unwrap());
    let waiting = tokio::spawn(async move { client.echo("hello").await });
    let [server] = answering().await;
    table.publish([instance("grpc", server.address)]);
    within(waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn waiting_for_an_instance_is_within_the_calls_own_timeout() {
    let table = Table::default();
    let empty = Empty::WaitUpTo(Duration::from_secs(60));
    let mut client = EchoClient::new(builder(&table).empty(empty).build().unwrap());
    let call = client.echo_within(Duration::from_millis(50));
    assert_eq!(
        within(call).await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
}

#[tokio::test]
async fn an_empty_set_keeps_the_last_when_it_may() {
    let [server] = answering().await;
    let table = Table::of("grpc", [server.address]);
    let channel = builder(&table).empty(Empty::KeepLast).build().unwrap();
    let mut client = EchoClient::new(channel);
    table.publish([]);
    for _ in 0..10 {
        within(client.echo("hello")).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_drains_or_is_filtered_gets_no_call() {
    let [draining, old, wanted] = answering().await;
    let table = Table::default();
    let old_one = instance("grpc", old.address).to_builder();
    table.publish([
        instance("grpc", draining.address).with_status(InstanceStatus::Draining),
        old_one.version("0.9.0").build().unwrap(),
        instance("grpc", wanted.address),
    ]);
    let channel = builder(&table).version("^1.4").build().unwrap();
    let mut client = EchoClient::new(channel);
    for _ in 0..30 {
        within(client.echo("hello")).await.unwrap();
    }
    assert_eq!([draining.calls(), old.calls(), wanted.calls()], [0, 0, 30]);
}

#[tokio::test]
async fn a_kept_address_keeps_its_connection_through_updates() {
    let [first, second] = answering().await;
    let table = Table::of("grpc", [first.address]);
    let mut client = client(&table);
    within(client.echo("hello")).await.unwrap();
    for n in 0..10 {
        let changed = instance("grpc", first.address).to_builder();
        let changed = changed.metadata("n", n.to_string()).build().unwrap();
        table.publish([changed, instance("grpc", second.address)]);
        for _ in 0..5 {
            within(client.echo("hello")).await.unwrap();
        }
        table.publish([instance("grpc", first.address)]);
    }
    assert_eq!(first.connections(), 1);
}

/// More calls than would find a frozen instance by chance, and over before it is tried again.
const CALLS_AFTER: usize = 50;

#[tokio::test]
async fn a_frozen_instance_is_out_of_the_picks_once_a_call_to_it_has_timed_out() {
    let [server] = answering().await;
    let table = Table::of("grpc", [frozen().await, server.address]);
    let mut client = client(&table);
    let timeout = Duration::from_millis(400);
    let error = within(async {
        loop {
            if let Err(error) = client.echo_within(timeout).await {
                break error;
            }
        }
    });
    assert_eq!(error.await.code(), Code::DeadlineExceeded);
    for _ in 0..CALLS_AFTER {
        within(client.echo_within(timeout)).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_its_caller_drops_counts_against_who_does_not_answer() {
    let [server] = answering().await;
    let table = Table::of("grpc", [frozen().await, server.address]);
    let mut client = client(&table);
    let timeout = Duration::from_millis(400);
    within(async {
        while tokio::time::timeout(timeout, client.echo("hello"))
            .await
            .is_ok()
        {}
    })
    .await;
    for _ in 0..CALLS_AFTER {
        let call = tokio::time::timeout(timeout, client.echo("hello"));
        call.await.expect("another instance").unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_fails_fast_does_not_attract_calls() {
    let failing = Server::start(Manner::Fails(Code::Unavailable)).await;
    let slower = Manner::After(Duration::from_millis(5));
    let servers = [Server::start(slower).await, Server::start(slower).await];
    let all = servers.iter().chain([&failing]).map(|s| s.address);
    let channel = builder(&Table::of("grpc", all)).build().unwrap();
    let calls = (0..10).map(async |_| {
        let mut client = EchoClient::new(channel.clone());
        let mut failed = 0;
        for _ in 0..50 {
            failed += usize::from(within(client.echo("hello")).await.is_err());
        }
        failed
    });
    let failed: usize = join_all(calls).await.into_iter().sum();
    assert_eq!(failed, failing.calls());
    assert!(failed <= 25, "{failed} of 500");
}

#[tokio::test]
async fn an_instance_twenty_times_slower_gets_at_most_a_tenth() {
    let slow = Server::start(Manner::After(Duration::from_millis(100))).await;
    let fast = Manner::After(Duration::from_millis(5));
    let servers = [Server::start(fast).await, Server::start(fast).await];
    let all = servers.iter().chain([&slow]).map(|s| s.address);
    let channel = builder(&Table::of("grpc", all)).build().unwrap();
    let calls = (0..10).map(async |_| {
        let mut client = EchoClient::new(channel.clone());
        for _ in 0..50 {
            within(client.echo("hello")).await.unwrap();
        }
    });
    join_all(calls).await;
    assert!(slow.calls() <= 50, "{} of 500", slow.calls());
}

#[cfg(feature = "tonic-tls")]
mod tls {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

    use super::*;
    use crate::support::{SERVICE, frozen_at};

    async fn server_of(name: &str) -> (Server, ClientTlsConfig) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem());
        let server = Server::start_tls(ServerTlsConfig::new().identity(identity)).await;
        let trusted = Certificate::from_pem(cert.pem());
        (server, ClientTlsConfig::new().ca_certificate(trusted))
    }

    #[tokio::test]
    async fn certificates_are_of_the_services_name() {
        let (server, tls) = server_of(SERVICE).await;
        let table = Table::of("grpcs", [server.address]);
        let channel = builder(&table).tls(tls).build().unwrap();
        within(EchoClient::new(channel).echo("hello"))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn certificates_of_another_name_are_refused_unless_it_is_set() {
        let (server, tls) = server_of("other.example").await;
        let table = Table::of("grpcs", [server.address]);
        let channel = builder(&table).tls(tls.clone()).build().unwrap();
        let error = within(EchoClient::new(channel).echo("hello"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        let named = builder(&table).tls(tls).server_name("other.example");
        let mut client = EchoClient::new(named.build().unwrap());
        within(client.echo("hello")).await.unwrap();
        assert_eq!(server.calls(), 1);
    }

    #[tokio::test]
    async fn calls_that_wait_for_a_connection_leave_for_another_instance() {
        let (server, tls) = server_of(SERVICE).await;
        // It accepts, and never says hello.
        let table = Table::of("grpcs", [frozen().await, server.address]);
        let channel = builder(&table).tls(tls).strategy(Strategy::RoundRobin);
        let timeout = Duration::from_millis(100);
        let channel = channel.connect_timeout(timeout).build().unwrap();
        let began = Instant::now();
        let calls = (0..20).map(async |_| {
            let mut client = EchoClient::new(channel.clone());
            within(client.echo("hello")).await.unwrap();
        });
        join_all(calls).await;
        assert_eq!(server.calls(), 20);
        // And not one behind the other.
        assert!(began.elapsed() < 10 * timeout, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn no_call_waits_for_a_connection_that_ended_and_is_not_made_again() {
        let (first, tls) = server_of(SERVICE).await;
        let table = Table::of("grpcs", [first.address]);
        let builder = builder(&table).tls(tls);
        let timeout = Duration::from_millis(100);
        let channel = builder.connect_timeout(timeout).build().unwrap();
        let mut client = EchoClient::new(channel.clone());
        within(client.echo("hello")).await.unwrap();
        frozen_at(first.kill().await).await;
        let calls = (0..20).map(async |_| {
            let mut client = EchoClient::new(channel.clone());
            within(client.echo("hello")).await.unwrap_err().code()
        });
        let began = Instant::now();
        assert_eq!(join_all(calls).await, [Code::Unavailable; 20]);
        assert!(began.elapsed() < 10 * timeout, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn without_tls_no_grpcs_endpoint_is_called() {
        let (server, _) = server_of(SERVICE).await;
        let table = Table::of("grpcs", [server.address]);
        let error = within(client(&table).echo("hello")).await.unwrap_err();
        assert!(error.message().contains("`grpc` endpoint"), "{error}");
    }
}
