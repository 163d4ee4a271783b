//! A call's own time.

use std::time::Duration;

use tidings::balance::{Ejection, Empty};
use tidings::select::Strategy;
use tonic::Code;

use super::{answering, builder, client};
use crate::support::echo::EchoClient;
use crate::support::{Table, frozen, within};

/// More calls than would find a frozen instance by chance, and over before it is tried again.
const CALLS_AFTER: usize = 50;

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
async fn what_ended_a_call_is_told_with_its_instance_and_whole_milliseconds() {
    let frozen = frozen().await;
    let mut client = client(&Table::of("grpc", [frozen]));
    let error = within(client.echo_within(Duration::from_micros(300_400)))
        .await
        .unwrap_err();
    let said = error.message();
    let (begin, end) = (
        format!("instance `orders.example-{frozen}` at {frozen} sent no answer within 30"),
        " ms, when the caller's timeout of 300 ms was over",
    );
    assert!(said.starts_with(&begin) && said.ends_with(end), "{said}");

    let table = Table::default();
    let empty = Empty::WaitUpTo(Duration::from_secs(60));
    let mut client = EchoClient::new(builder(&table).empty(empty).build().unwrap());
    let error = within(client.echo_within(Duration::from_millis(50))).await;
    let expected = "a call of service `orders.example` was sent to nobody within the caller's timeout of 50 ms";
    assert_eq!(error.unwrap_err().message(), expected);
}
