//! HTTP clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tidings::balance::{Ejection, Empty, RetryBudget};
use tidings::integrations::reqwest::{HttpClient, HttpClientBuilder, HttpError};
use tidings::registry::Status;
use tidings::select::Strategy;

use crate::support::web::{Manner, Server, crypto};
use crate::support::{TARGET, Table, dead, frozen, instance, within};

const IDEMPOTENT: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
];
const OTHERS: [Method; 2] = [Method::POST, Method::PATCH];
/// A call's own timeout.
const SOON: Duration = Duration::from_secs(2);
/// More than half of it, and well within.
const SLOW: Duration = Duration::from_millis(1_200);

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

#[tokio::test]
async fn each_call_is_balanced_and_not_each_connection() {
    let servers = [answering().await, answering().await, answering().await];
    let table = Table::of("http", servers.iter().map(|server| server.address));
    let users = in_turn(&table).build().unwrap();
    for _ in 0..30 {
        text(users.get("/")).await;
    }
    assert_eq!(servers.each_ref().map(Server::calls), [10, 10, 10]);
}

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
    let failing = [
        Server::start(Manner::Fails(status)).await,
        Server::start(Manner::Fails(status)).await,
    ];
    let table = Table::of("http", failing.iter().map(|server| server.address));
    // A tenth of the calls, and nothing for time.
    let budget = RetryBudget::new(0.1, 0);
    let users = in_turn(&table).retry_budget(budget).build().unwrap();
    for _ in 0..100 {
        let response = within(users.get("/").send()).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_eq!(failing[0].calls() + failing[1].calls(), 110);
}

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
    let slow = || Server::start(Manner::After(SLOW));
    let servers = [slow().await, slow().await, slow().await];
    let table = Table::of("http", servers.each_ref().map(|server| server.address));
    let once = Ejection::after(1, Duration::from_secs(600), Duration::from_secs(600));
    let users = in_turn(&table).ejection(once).build().unwrap();
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
    let slow = || Server::start(Manner::After(SLOW));
    let servers = [slow().await, slow().await];
    let table = Table::of("http", servers.each_ref().map(|server| server.address));
    let users = in_turn(&table)
        .retry_budget(RetryBudget::none())
        .build()
        .unwrap();
    let call = users.get("/").timeout(SOON).send();
    within(call).await.unwrap();
    assert_eq!(servers[0].calls() + servers[1].calls(), 1);
}

#[tokio::test]
async fn who_was_overtaken_and_hangs_gets_no_more_calls() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let once = Ejection::after(1, Duration::from_secs(600), Duration::from_secs(600));
    let users = in_turn(&table).ejection(once).build().unwrap();
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
async fn who_hangs_is_ejected_after_a_few_failures() {
    let server = answering().await;
    let table = Table::of("http", [frozen().await, server.address]);
    let few = Ejection::after(3, Duration::from_secs(600), Duration::from_secs(600));
    let users = in_turn(&table).ejection(few).build().unwrap();
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
async fn nobody_is_to_blame_who_is_given_up_because_the_first_try_was_answered() {
    let slow = || Server::start(Manner::After(Duration::from_millis(3_300)));
    let servers = [slow().await, slow().await, slow().await];
    let table = Table::of("http", servers.each_ref().map(|server| server.address));
    let once = Ejection::after(1, Duration::from_secs(600), Duration::from_secs(600));
    let users = in_turn(&table).ejection(once).build().unwrap();
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
    let failing = [
        Server::start(unavailable.clone()).await,
        Server::start(unavailable).await,
    ];
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
async fn a_call_without_time_is_not_sent_and_blames_nobody() {
    let servers = [answering().await, answering().await];
    let table = Table::of("http", servers.each_ref().map(|server| server.address));
    let once = Ejection::after(1, Duration::from_secs(600), Duration::from_secs(600));
    let users = in_turn(&table).ejection(once).build().unwrap();
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
async fn who_fails_in_a_row_is_out_for_a_while() {
    let failing = Server::start(Manner::Fails(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let servers = [answering().await, answering().await];
    let all = servers
        .iter()
        .chain([&failing])
        .map(|server| server.address);
    let users = builder(&Table::of("http", all))
        .strategy(Strategy::RoundRobin)
        .ejection(Ejection::after(
            3,
            Duration::from_secs(60),
            Duration::from_secs(60),
        ))
        .build()
        .unwrap();
    for _ in 0..60 {
        within(users.get("/").send()).await.unwrap();
    }
    assert_eq!(failing.calls(), 3);
}

#[tokio::test]
async fn an_instance_twenty_times_slower_gets_at_most_a_tenth() {
    let slow = Server::start(Manner::After(Duration::from_millis(100))).await;
    let fast = Manner::After(Duration::from_millis(5));
    let servers = [Server::start(fast.clone()).await, Server::start(fast).await];
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

#[tokio::test]
async fn a_redirect_is_followed_within_the_service_and_at_the_same_instance() {
    let server = Server::start(Manner::Redirects("/new".into())).await;
    let other = answering().await;
    let table = Table::of("http", [server.address]);
    let users = builder(&table).build().unwrap();
    assert_eq!(text(users.get("/old")).await, "GET /new orders.example ");
    let by_name = Server::start(Manner::Redirects("http://orders.example/new".into())).await;
    table.publish([instance("http", by_name.address)]);
    let users = builder(&table).build().unwrap();
    assert_eq!(text(users.get("/old")).await, "GET /new orders.example ");
    let elsewhere = Manner::Redirects(format!("http://{}/new", other.address));
    let elsewhere = Server::start(elsewhere).await;
    table.publish([instance("http", elsewhere.address)]);
    let users = builder(&table).build().unwrap();
    let response = within(users.get("/old").send()).await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn a_post_that_was_done_and_led_to_where_nobody_is_is_not_sent_again() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    const ANSWER: &[u8] = b"HTTP/1.1 303 See Other\r\nlocation: /orders/1\r\nconnection: close\r\n\
        content-length: 0\r\n\r\n";
    let done = Arc::new(AtomicUsize::new(0));
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let done = Arc::clone(&done);
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            let size = stream.read(&mut request).await.unwrap();
            done.fetch_add(
                usize::from(request[..size].starts_with(b"POST")),
                Ordering::SeqCst,
            );
            drop(listener);
            stream.write_all(ANSWER).await.unwrap();
        });
    }
    let table = Table::of("http", addresses);
    let orders = builder(&table).build().unwrap();
    let sent = within(orders.post("/orders").body("one").send()).await;
    assert!(sent.is_err(), "nobody is where it was led");
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

mod tls {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::support::SERVICE;

    async fn server_of(name: &str) -> (Server, reqwest::Certificate) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let server = Server::start_tls(TlsAcceptor::from(Arc::new(config))).await;
        (
            server,
            reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap(),
        )
    }

    fn trusting(table: &Table, root: reqwest::Certificate) -> HttpClientBuilder {
        builder(table)
            .tls(true)
            .client(move |client| client.tls_certs_only([root.clone()]))
    }

    #[tokio::test]
    async fn the_host_and_the_certificates_are_of_the_services_name() {
        crypto();
        let (server, root) = server_of(SERVICE).await;
        let table = Table::of("https", [server.address]);
        let users = trusting(&table, root).build().unwrap();
        assert_eq!(text(users.get("/")).await, "GET / orders.example ");
    }

    #[tokio::test]
    async fn certificates_of_another_name_are_refused_unless_it_is_set() {
        crypto();
        let (server, root) = server_of("other.example").await;
        let table = Table::of("https", [server.address]);
        let users = trusting(&table, root.clone()).build().unwrap();
        let error = within(users.post("/").send()).await.unwrap_err();
        assert!(
            matches!(&error, HttpError::Request(error) if error.is_connect()),
            "{error}"
        );
        let users = trusting(&table, root)
            .host("other.example")
            .build()
            .unwrap();
        assert_eq!(text(users.get("/")).await, "GET / other.example ");
    }
}
