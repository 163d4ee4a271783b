//! What goes to another instance, and what does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tidings::select::Strategy;
use tokio_stream::StreamExt;
use tonic::Code;

use super::{answering, builder, client};
use crate::support::echo::{EchoClient, Manner, Server};
use crate::support::refusing::{Refusal, Refusing};
use crate::support::{Table, dead, instance, within};

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
