//! Who gets no more calls, and who is not to blame.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;

use super::{answering, in_turn, out_after, several, table};
use crate::support::web::{Manner, Server};
use crate::support::{Table, frozen, within};

#[tokio::test]
async fn who_fails_in_a_row_is_out_for_a_while() {
    let failing = Server::start(Manner::Fails(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let servers = several::<2>(Manner::Answers).await;
    let all = servers
        .iter()
        .chain([&failing])
        .map(|server| server.address);
    let users = in_turn(&Table::of("http", all)).ejection(out_after(3));
    let users = users.build().unwrap();
    for _ in 0..60 {
        within(users.get("/").send()).await.unwrap();
    }
    assert_eq!(failing.calls(), 3);
}

#[tokio::test]
async fn who_hangs_is_ejected_after_a_few_failures() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let users = in_turn(&table).ejection(out_after(3)).build().unwrap();
    // Both are known.
    for _ in 0..4 {
        let _ = within(users.get("/").timeout(Duration::from_millis(100)).send()).await;
    }
    let mut slow = 0;
    for _ in 0..30 {
        let sent = Instant::now();
        within(users.get("/").timeout(Duration::from_millis(600)).send())
            .await
            .unwrap();
        slow += usize::from(sent.elapsed() >= Duration::from_millis(300));
    }
    assert!(slow <= 4, "{slow} of 30 calls waited for who hangs");
}

#[tokio::test]
async fn who_was_overtaken_and_hangs_gets_no_more_calls() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let users = in_turn(&table).ejection(out_after(1)).build().unwrap();
    let timed = async || {
        let sent = Instant::now();
        let call = users.get("/").timeout(Duration::from_secs(1)).send();
        within(call).await.unwrap();
        sent.elapsed()
    };
    let half = Duration::from_millis(500);
    Box::pin(within(async { while timed().await < half {} })).await;
    for _ in 0..20 {
        assert!(timed().await < half);
    }
}

#[tokio::test]
async fn nobody_is_to_blame_who_is_given_up_because_the_first_try_was_answered() {
    let servers = several::<3>(Manner::After(Duration::from_millis(3_300))).await;
    let users = in_turn(&table(&servers)).ejection(out_after(1));
    let users = users.build().unwrap();
    let answers = join_all(
        (0..9).map(|_| within(users.get("/").timeout(Duration::from_millis(4_500)).send())),
    );
    for answer in answers.await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    let [first, second, third] = servers.each_ref().map(Server::calls);
    let answers = join_all((0..3).map(|_| within(users.get("/").send())));
    assert!(answers.await.iter().all(Result::is_ok));
    let calls = servers.each_ref().map(Server::calls);
    assert_eq!(calls, [first + 1, second + 1, third + 1]);
}

#[tokio::test]
async fn ejections_are_counted() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let users = in_turn(&table).ejection(out_after(1)).build().unwrap();
    assert_eq!(users.ejections(), 0);
    for _ in 0..4 {
        let _ = within(users.get("/").timeout(Duration::from_millis(100)).send()).await;
    }
    assert_eq!(users.ejections(), 1);
}
