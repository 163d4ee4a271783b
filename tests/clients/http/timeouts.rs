//! A call's own time, and that of its tries.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tidings::balance::RetryBudget;
use tidings::integrations::reqwest::HttpError;

use super::{IDEMPOTENT, answering, builder, in_turn, out_after, several, table, text};
use crate::support::web::{Manner, Server};
use crate::support::{Table, dead, frozen, within};

/// A call's own timeout.
const SOON: Duration = Duration::from_secs(2);

/// More than half of it, and well within.
const SLOW: Duration = Duration::from_millis(1_200);

#[tokio::test]
async fn a_frozen_replica_costs_no_failed_idempotent_call_and_is_left_within_its_timeout() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let timeout = Duration::from_millis(400);
    let users = builder(&table).attempt_timeout(timeout).build().unwrap();
    let timed = async || {
        let sent = Instant::now();
        text(users.get("/")).await;
        sent.elapsed()
    };
    // The one that finds it waits for the timeout, and is answered.
    Box::pin(within(async { while timed().await < timeout {} })).await;
    // More than would find it by chance, and over before it is tried again.
    for _ in 0..50 {
        assert!(timed().await < timeout);
    }
}

#[tokio::test]
async fn an_idempotent_call_with_a_timeout_of_its_own_leaves_a_frozen_replica_in_time_for_another()
{
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let users = in_turn(&table).build().unwrap();
    for method in IDEMPOTENT {
        for _ in 0..2 {
            let call = users.request(method.clone(), "/");
            let call = call.timeout(Duration::from_secs(1)).send();
            assert_eq!(within(call).await.unwrap().status(), StatusCode::OK);
        }
    }
    assert_eq!(server.calls(), 10);
}

#[tokio::test]
async fn where_all_take_longer_than_half_of_a_calls_time_its_first_try_is_answered() {
    let servers = several::<3>(Manner::After(SLOW)).await;
    let users = in_turn(&table(&servers)).ejection(out_after(1));
    let users = users.build().unwrap();
    let answers = join_all((0..9).map(|_| {
        let call = users.get("/").timeout(SOON).send();
        within(call)
    }));
    for answer in answers.await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    // The second tries were asked, and nobody is to blame for those that came too late.
    let calls = servers.each_ref().map(Server::calls);
    assert!(calls.iter().sum::<usize>() > 9, "{calls:?}");
    let [first, second, third] = calls;
    let answers = join_all((0..3).map(|_| within(users.get("/").send())));
    assert!(answers.await.iter().all(Result::is_ok));
    let calls = servers.each_ref().map(Server::calls);
    assert_eq!(calls, [first + 1, second + 1, third + 1]);
}

#[tokio::test]
async fn without_a_budget_a_try_has_all_of_its_calls_time() {
    let servers = several::<2>(Manner::After(SLOW)).await;
    let users = in_turn(&table(&servers))
        .retry_budget(RetryBudget::none())
        .build()
        .unwrap();
    let call = users.get("/").timeout(SOON).send();
    within(call).await.unwrap();
    assert_eq!(servers[0].calls() + servers[1].calls(), 1);
}

#[tokio::test]
async fn a_call_that_all_let_wait_ends_with_its_time() {
    let table = Table::of("http", [frozen().await, frozen().await, frozen().await]);
    let users = in_turn(&table).build().unwrap();
    let timeout = Duration::from_millis(400);
    let sent = Instant::now();
    let error = within(users.get("/").timeout(timeout).send()).await;
    let waited = sent.elapsed();
    assert!(matches!(error, Err(HttpError::Timeout { .. })), "{error:?}");
    assert!(waited >= timeout && waited < 2 * timeout, "{waited:?}");
}

#[tokio::test]
async fn a_refusal_does_not_overtake_who_is_slow() {
    let unavailable = Manner::Fails(StatusCode::SERVICE_UNAVAILABLE);
    let slow = Server::start(Manner::After(SLOW)).await;
    let failing = several::<2>(unavailable).await;
    let addresses = [slow.address, failing[0].address, failing[1].address];
    let users = in_turn(&Table::of("http", addresses)).build().unwrap();
    let answers = (0..3).map(|_| within(users.get("/").timeout(SOON).send()));
    for answer in join_all(answers).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_call_that_is_not_tried_again_has_all_of_its_time() {
    let slow = Manner::After(Duration::from_millis(600));
    let (slow, other) = (Server::start(slow).await, dead().await);
    let timeout = Duration::from_secs(1);
    for (method, addresses) in [
        (Method::POST, vec![slow.address, other]),
        (Method::GET, vec![slow.address]),
    ] {
        let table = Table::of("http", addresses);
        let users = in_turn(&table).build().unwrap();
        let call = users.request(method, "/").timeout(timeout).send();
        within(call).await.unwrap();
    }
}

#[tokio::test]
async fn a_calls_time_counts_from_when_it_is_made() {
    let users = builder(&table(&several::<1>(Manner::Answers).await));
    let users = users.build().unwrap();
    let timeout = Duration::from_millis(20);
    let call = users.get("/").timeout(timeout).send();
    tokio::time::sleep(timeout).await;
    let error = within(call).await.unwrap_err();
    assert!(matches!(error, HttpError::Unsent { .. }), "{error}");
}

#[tokio::test]
async fn a_call_without_time_is_not_sent_and_blames_nobody() {
    let servers = several::<2>(Manner::Answers).await;
    let users = in_turn(&table(&servers)).ejection(out_after(1));
    let users = users.build().unwrap();
    for _ in 0..10 {
        let call = users.get("/").timeout(Duration::ZERO).send();
        let error = within(call).await.unwrap_err();
        assert!(matches!(error, HttpError::Unsent { .. }), "{error}");
    }
    for _ in 0..10 {
        text(users.get("/")).await;
    }
    assert_eq!(servers.each_ref().map(Server::calls), [5, 5]);
}

#[tokio::test]
async fn what_ended_a_call_is_told_with_its_instance_and_whole_milliseconds() {
    let frozen = frozen().await;
    let table = Table::of("http", [frozen]);
    let said = async |users: tidings::integrations::reqwest::RequestBuilder| {
        within(users.send()).await.unwrap_err().to_string()
    };
    let begin = format!("instance `orders.example-{frozen}` at {frozen} sent no answer within ");

    let timeout = Duration::from_micros(200_700);
    let users = builder(&table).attempt_timeout(timeout).build().unwrap();
    let expected = format!("{begin}200 ms, the attempt's timeout (`attempt_timeout`)");
    assert_eq!(said(users.get("/")).await, expected);
    // The attempt's limit is the shorter one, and the other way round.
    let call = users.post("/").timeout(Duration::from_secs(9));
    assert_eq!(said(call).await, expected);
    let call = said(users.post("/").timeout(Duration::from_millis(150))).await;
    let end = " ms, when the caller's timeout of 150 ms was over";
    assert!(call.starts_with(&begin) && call.ends_with(end), "{call}");
}
