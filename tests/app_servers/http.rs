//! axum.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::routing::get;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidings::Node;
use tidings::app::{App, Listener};
use tidings::integrations::axum::AxumServer;
use tidings::registry::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::load::{AsyncCall, no_request_fails_in_a_rolling_restart};
use crate::{InFlight, life, millis, within};

type Http = Client<HttpConnector, Body>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn ask(client: &Http, url: String) -> Result<String, Box<dyn std::error::Error>> {
    let request = Request::get(&url).body(Body::empty())?;
    let answer = client.request(request).await?;
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    let body = to_bytes(Body::new(answer.into_body()), 1 << 16).await?;
    Ok(String::from_utf8(body.to_vec())?)
}

/// A router that takes so long to answer.
fn slow(delay: u64, in_flight: &InFlight) -> Router {
    let in_flight = in_flight.clone();
    let answer = move || {
        let here = in_flight.enter();
        async move {
            sleep(millis(delay)).await;
            drop(here);
            "done"
        }
    };
    Router::new().route("/", get(answer))
}

async fn listener() -> Listener {
    Listener::bind("http", "127.0.0.1:0").await.unwrap()
}

#[derive(Clone)]
struct Get(Http);

impl AsyncCall for Get {
    async fn call(&self, endpoint: Endpoint) {
        let answer = ask(&self.0, format!("{endpoint}/")).await;
        assert_eq!(answer.expect("a request failed"), "done");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_in_flight_fails_in_a_rolling_restart() {
    let server =
        |in_flight| async move { AxumServer::new(listener().await, slow(700, &in_flight)) };
    no_request_fails_in_a_rolling_restart(server, Get(client())).await;
}

#[tokio::test]
async fn while_it_finishes_what_it_has_nobody_else_can_connect() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let address = listener.local_addr();
    let app = App::builder().name("user").without_signals();
    let app = app.server(AxumServer::new(listener, slow(1_000, &in_flight)));
    let app = app.drain_delay(millis(0)).build().unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let asked =
        tokio::spawn(async move { ask(&client(), format!("http://{address}/")).await.unwrap() });
    in_flight.are(1).await;
    stop.stop();
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    within(refused).await;
    assert_eq!(in_flight.now(), 1, "it is not finished yet");
    assert_eq!(within(asked).await.unwrap(), "done");
    within(running).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_takes_longer_than_the_stop_timeout_is_cut() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let url = format!("http://{}/", listener.local_addr());
    let server = AxumServer::new(listener, slow(life::TOO_LONG_MS, &in_flight));
    let ask = async { ask(&client(), url).await.map_err(|error| error.to_string()) };
    life::what_takes_longer_than_the_stop_timeout_is_cut(server, in_flight, ask).await;
}

#[tokio::test]
async fn an_upgraded_connection_ends_with_the_servers() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let address = listener.local_addr();
    let counted = in_flight.clone();
    let upgrade = async move |request: axum::extract::Request| {
        let here = counted.enter();
        let upgrading = hyper::upgrade::on(request);
        tokio::spawn(async move {
            let mut upgraded = TokioIo::new(upgrading.await.unwrap());
            let read = upgraded.read_to_end(&mut Vec::new()).await;
            drop(here);
            read
        });
        let headers = [
            (hyper::header::CONNECTION, "upgrade"),
            (hyper::header::UPGRADE, "test"),
        ];
        (hyper::StatusCode::SWITCHING_PROTOCOLS, headers)
    };
    let app = App::builder().name("user").without_signals();
    let app = app
        .server(AxumServer::new(
            listener,
            Router::new().route("/", get(upgrade)),
        ))
        .drain_delay(millis(0))
        .build()
        .unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    within(client.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    assert_eq!(in_flight.now(), 1);
    stop.stop();
    within(running).await.unwrap().unwrap();
    in_flight.are(0).await;
}

#[tokio::test]
async fn a_handler_knows_who_calls() {
    let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let listener = listener().await;
    let address = listener.local_addr();
    let router = Router::new().route("/", get(who));
    let app = App::builder().name("user").without_signals();
    let app = app.server(AxumServer::new(listener, router));
    let app = app.drain_delay(millis(0)).build().unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let answer = within(ask(&client(), format!("http://{address}/"))).await;
    assert_eq!(answer.unwrap(), "127.0.0.1");
    stop.stop();
    // The client's idle connection is closed, and not waited for.
    let stopping = Instant::now();
    within(running).await.unwrap().unwrap();
    assert!(stopping.elapsed() < millis(5_000));
}

#[tokio::test]
async fn one_that_is_bound_everywhere_is_registered_with_the_address_of_the_node() {
    let node = Node::builder()
        .cluster("test")
        .bind("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let node = Arc::new(node);
    let listener = Listener::bind("http", "0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().port();
    let app = App::builder()
        .name("user")
        .node(node.clone())
        .server(AxumServer::new(listener, slow(0, &InFlight::default())))
        .drain_delay(millis(0))
        .without_signals()
        .build()
        .unwrap();
    let stop = app.stop_handle();
    let running = tokio::spawn(app.run());
    let found = within(node.wait_for("user", 1, millis(20_000)))
        .await
        .unwrap();
    assert_eq!(
        found[0].endpoints()[0].as_str(),
        format!("http://127.0.0.1:{port}")
    );
    stop.stop();
    within(running).await.unwrap().unwrap();
    within(node.stopped()).await;
}

#[tokio::test]
async fn a_main_of_ones_own_drains_in_one_line() {
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let in_flight = InFlight::default();
    let router = slow(life::A_WHILE_MS, &in_flight);
    let serve = |drained| async move {
        let served = axum::serve(tcp, router).with_graceful_shutdown(drained);
        served.await.unwrap();
    };
    let url = format!("http://{address}/");
    let ask = async { ask(&client(), url).await.map_err(|error| error.to_string()) };
    life::a_main_of_ones_own_drains_in_one_line(("http", address), serve, in_flight, ask).await;
}

#[tokio::test]
async fn a_stop_says_how_many_requests_it_has_cut() {
    let (listener, in_flight) = (listener().await, InFlight::default());
    let url = format!("http://{}", listener.local_addr());
    let slow = slow(life::TOO_LONG_MS, &in_flight).route("/quick", get(async || "done"));
    let server = AxumServer::new(listener, slow);
    let asking = tokio::spawn(async move {
        // An idle connection that is kept is no request.
        let idle = client();
        ask(&idle, format!("{url}/quick")).await.unwrap();
        let asked = (0..3).map(async |_| ask(&client(), format!("{url}/")).await.is_err());
        let failed = futures_util::future::join_all(asked).await;
        drop(idle);
        failed
    });
    let said = crate::log::cut_with(server, in_flight, 3).await;
    assert!(said.contains("3 requests are cut"), "{said}");
    assert_eq!(within(asking).await.unwrap(), [true; 3]);
}
