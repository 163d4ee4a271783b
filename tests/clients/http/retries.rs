//! What is tried again, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use tidings::balance::RetryBudget;
use tidings::integrations::reqwest::HttpError;
use tidings::registry::Status;

use super::{IDEMPOTENT, OTHERS, answering, builder, in_turn, several, table, text};
use crate::support::web::{Manner, Server};
use crate::support::{Table, dead, frozen, instance, within};

#[tokio::test]
async fn a_dead_endpoint_costs_no_failed_call_of_any_method() {
    let server = answering().await;
    let table = Table::of("http", [server.address, dead().await, dead().await]);
    let users = in_turn(&table)
        .retry_budget(RetryBudget::none())
        .build()
        .unwrap();
    for method in IDEMPOTENT.iter().chain(&OTHERS) {
        for _ in 0..10 {
            within(users.request(method.clone(), "/").send())
                .await
                .unwrap();
        }
    }
    assert_eq!(server.calls(), 70);
}

#[tokio::test]
async fn a_stream_goes_elsewhere_whole_when_there_is_no_connection() {
    let server = answering().await;
    let table = Table::of("http", [server.address, dead().await]);
    let users = in_turn(&table).build().unwrap();
    for _ in 0..10 {
        let chunks = ["a", "b", "c"].map(Ok::<_, std::io::Error>);
        let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
        assert_eq!(
            text(users.post("/").body(body)).await,
            "POST / orders.example abc"
        );
    }
    assert_eq!(server.calls(), 10);
}

#[tokio::test]
async fn a_stream_that_was_read_from_is_not_sent_twice() {
    let failing = Server::start(Manner::Fails(StatusCode::SERVICE_UNAVAILABLE)).await;
    let server = answering().await;
    let table = Table::of("http", [failing.address, server.address]);
    let users = in_turn(&table).build().unwrap();
    let (read, mut refused) = (Arc::new(AtomicUsize::new(0)), 0);
    for _ in 0..10 {
        let counted = Arc::clone(&read);
        let chunks = ["a", "b"].into_iter().map(move |chunk| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>(chunk)
        });
        let body = reqwest::Body::wrap_stream(tokio_stream::iter(chunks));
        let response = within(users.put("/").body(body).send()).await.unwrap();
        refused += usize::from(response.status() == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!((failing.calls(), server.calls()), (refused, 10 - refused));
    assert_eq!((refused, read.load(Ordering::SeqCst)), (5, 20));
}

#[tokio::test]
async fn an_answer_of_a_gateway_is_tried_again_for_idempotent_methods_only() {
    for status in [502, 503, 504].map(|code| StatusCode::from_u16(code).unwrap()) {
        let failing = Server::start(Manner::Fails(status)).await;
        let server = answering().await;
        let table = Table::of("http", [failing.address, server.address]);
        let users = in_turn(&table).build().unwrap();
        for method in IDEMPOTENT {
            for _ in 0..2 {
                let response = within(users.request(method.clone(), "/").send()).await;
                assert_eq!(response.unwrap().status(), StatusCode::OK, "{method}");
            }
        }
        for method in OTHERS {
            let send = async || {
                within(users.request(method.clone(), "/").send())
                    .await
                    .unwrap()
            };
            let mut statuses = [send().await.status(), send().await.status()];
            statuses.sort();
            assert_eq!(statuses, [StatusCode::OK, status], "{method}");
        }
    }
}

#[tokio::test]
async fn another_error_is_the_answer() {
    let failing = Server::start(Manner::Fails(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let table = Table::of("http", [failing.address, dead().await]);
    let users = in_turn(&table).build().unwrap();
    let response = within(users.get("/").send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failing.calls(), 1);
}

#[tokio::test]
async fn retries_of_what_was_sent_stay_within_the_budget() {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let failing = several::<2>(Manner::Fails(status)).await;
    // A tenth of the calls, and nothing for time.
    let budget = RetryBudget::new(0.1, 0);
    let users = in_turn(&table(&failing)).retry_budget(budget);
    let users = users.build().unwrap();
    for _ in 0..100 {
        let response = within(users.get("/").send()).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!(failing[0].calls() + failing[1].calls(), 110);
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let table = Table::default();
    let (hanging, server) = (frozen().await, answering().await);
    table.publish([hanging, server.address].map(|at| instance("http", at)));
    let users = in_turn(&table)
        .attempt_timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let sent = [
        within(users.post("/").send()).await,
        within(users.post("/").send()).await,
    ];
    let timeouts = sent
        .iter()
        .filter(|sent| matches!(sent, Err(HttpError::Timeout { .. })));
    assert_eq!((timeouts.count(), server.calls()), (1, 1));
}

#[tokio::test]
async fn a_replica_that_dies_costs_no_failed_idempotent_call() {
    let dying = Server::start(Manner::After(Duration::from_millis(20))).await;
    let server = answering().await;
    let table = Table::of("http", [dying.address, server.address]);
    let users = in_turn(&table).build().unwrap();
    let calls = (0..20).map(|_| {
        let users = users.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                text(users.get("/")).await;
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    within(async {
        while dying.calls() < 30 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    dying.kill().await;
    for call in join_all(calls).await {
        call.unwrap();
    }
    assert!(server.calls() >= 100);
}

#[tokio::test]
async fn a_replica_that_drains_and_stops_under_load_costs_no_failed_call_of_any_method() {
    let manner = Manner::After(Duration::from_millis(2));
    let leaving = Server::start(manner.clone()).await;
    let server = Server::start(manner).await;
    let table = Table::of("http", [leaving.address, server.address]);
    let users = builder(&table).build().unwrap();
    let calls = (0..20).map(|_| {
        let users = users.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                text(users.post("/")).await;
            }
        })
    });
    let calls: Vec<_> = calls.collect();
    within(async {
        while leaving.calls() < 100 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let draining = instance("http", leaving.address).with_status(Status::Draining);
    table.publish([draining, instance("http", server.address)]);
    // It is not called any more once its calls stay the same while the other's go on.
    within(async {
        loop {
            let (here, there) = (leaving.calls(), server.calls());
            while server.calls() < there + 100 {
                tokio::task::yield_now().await;
            }
            if leaving.calls() == here {
                break;
            }
        }
    })
    .await;
    leaving.stop().await;
    for call in calls {
        call.await.unwrap();
    }
}
