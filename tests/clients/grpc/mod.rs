//! gRPC channels.

mod retries;
mod timeouts;
#[cfg(feature = "tonic-tls")]
mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use tidings::balance::Empty;
use tidings::integrations::tonic::{Channel, ChannelBuilder};
use tidings::registry::Status as InstanceStatus;
use tidings::select::NoInstances;
use tonic::Code;

use crate::support::echo::{EchoClient, Manner, Server};
use crate::support::{TARGET, Table, dead, instance, within};

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
