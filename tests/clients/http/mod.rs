//! HTTP clients.

mod ejection;
mod redirects;
mod retries;
mod timeouts;
mod tls;

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use tidings::balance::{Ejection, Empty};
use tidings::integrations::reqwest::{HttpClient, HttpClientBuilder, HttpError};
use tidings::select::Strategy;

use crate::support::web::{Manner, Server, crypto};
use crate::support::{TARGET, Table, instance, within};

const IDEMPOTENT: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
];

const OTHERS: [Method; 2] = [Method::POST, Method::PATCH];

fn builder(table: &Table) -> HttpClientBuilder {
    crypto();
    HttpClient::builder(table.discovery(), TARGET)
}

/// One that asks instances in turn, whatever they do.
fn in_turn(table: &Table) -> HttpClientBuilder {
    builder(table)
        .strategy(Strategy::RoundRobin)
        .ejection(Ejection::never())
}

async fn answering() -> Server {
    Server::start(Manner::Answers).await
}

async fn several<const N: usize>(manner: Manner) -> [Server; N] {
    let servers = join_all((0..N).map(|_| Server::start(manner.clone()))).await;
    servers.try_into().ok().expect("as many as were started")
}

fn table(servers: &[Server]) -> Table {
    Table::of("http", servers.iter().map(|server| server.address))
}

/// For longer than a test takes, after so many failures in a row.
fn out_after(failures: u32) -> Ejection {
    let long = Duration::from_secs(600);
    Ejection::after(failures, long, long)
}

async fn text(request: tidings::integrations::reqwest::RequestBuilder) -> String {
    within(request.send()).await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_call_has_the_shape_of_reqwests() {
    let server = answering().await;
    let users = builder(&Table::of("http", [server.address]))
        .build()
        .unwrap();
    let get = users
        .get("/users/42?full=true")
        .query(&[("fields", "name")]);
    assert_eq!(
        text(get).await,
        "GET /users/42?full=true&fields=name orders.example "
    );
    let post = users.post("/users").header("x-a", "b").json(&[1, 2]);
    assert_eq!(text(post).await, "POST /users orders.example [1,2]");
    let put = users
        .put("users/7")
        .body("ann")
        .timeout(Duration::from_secs(9));
    assert_eq!(text(put).await, "PUT /users/7 orders.example ann");
    let response = within(users.get("/x").send()).await.unwrap();
    assert_eq!(response.url().as_str(), "http://orders.example/x");
}

/// Callers move it, and runtimes keep one for each call: beyond a first-level cache calls are slower.
#[tokio::test]
async fn the_future_of_a_call_is_small() {
    let users = builder(&Table::default()).build().unwrap();
    let size = size_of_val(&users.get("/").send());
    assert!(size <= 1_024, "{size} bytes");
}

#[tokio::test]
async fn each_call_is_balanced_and_not_each_connection() {
    let servers = several::<3>(Manner::Answers).await;
    let users = in_turn(&table(&servers)).build().unwrap();
    for _ in 0..30 {
        text(users.get("/")).await;
    }
    assert_eq!(servers.each_ref().map(Server::calls), [10, 10, 10]);
}

/// Or who answers HEAD gets fewer and fewer calls from a client that keeps what it was answered.
#[tokio::test]
async fn an_answer_without_a_body_is_over_when_its_head_is_there() {
    for is_http2 in [false, true] {
        let servers = several::<2>(Manner::Answers).await;
        let users = builder(&table(&servers)).client(move |client| {
            if is_http2 {
                client.http2_prior_knowledge()
            } else {
                client
            }
        });
        let users = users.build().unwrap();
        let mut held = Vec::new();
        while held.len() < 20 {
            let before = servers[0].calls();
            let response = within(users.head("/").send()).await.unwrap();
            assert!(response.headers().contains_key("content-length"));
            if servers[0].calls() > before {
                held.push(response);
            }
            let others = servers[1].calls();
            assert!(others < 10_000, "{} of {others} are held", held.len());
        }
    }
}

#[tokio::test]
async fn an_empty_set_fails_at_once_waits_or_keeps_the_last() {
    let table = Table::default();
    let error = within(builder(&table).build().unwrap().get("/").send())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::NoInstances(_)), "{error}");

    let waiting = builder(&table)
        .empty(Empty::WaitUpTo(Duration::from_secs(10)))
        .build()
        .unwrap();
    let call = waiting.get("/").timeout(Duration::from_millis(50)).send();
    let error = within(call).await.unwrap_err();
    assert!(matches!(error, HttpError::Unsent { .. }), "{error}");
    let call = tokio::spawn(waiting.get("/").send());
    let server = answering().await;
    table.publish([instance("http", server.address)]);
    within(call).await.unwrap().unwrap();

    let keeping = builder(&table).empty(Empty::KeepLast).build().unwrap();
    table.publish([]);
    text(keeping.get("/")).await;
}

#[tokio::test]
async fn an_instance_twenty_times_slower_gets_at_most_a_tenth() {
    let slow = Server::start(Manner::After(Duration::from_millis(100))).await;
    let fast = Manner::After(Duration::from_millis(5));
    let servers = several::<2>(fast).await;
    let all = servers.iter().chain([&slow]).map(|server| server.address);
    let users = builder(&Table::of("http", all)).build().unwrap();
    let calls = (0..10).map(async |_| {
        for _ in 0..50 {
            text(users.get("/")).await;
        }
    });
    join_all(calls).await;
    assert!(slow.calls() <= 50, "{} of 500", slow.calls());
}
