//! The checks that ask over a socket, each against a server on loopback.

#![cfg(all(feature = "node", feature = "health"))]

mod node_support;

use std::sync::Arc;
use std::time::Duration;

use node_support::{builder, start, within};
use tidings::health::{Check, CheckError, Health, Monitor, Policy, Standing, Thresholds};
use tidings::registry::ServiceInstance;
use tokio::net::TcpListener;

/// A monitor of one check, which is asked often and turns at once.
async fn monitor(check: Check) -> Monitor {
    let node = start(builder(&[])).await;
    let instance = ServiceInstance::builder("user").build().unwrap();
    let mut policy = Policy::default();
    policy.hold_min = Duration::from_millis(1);
    let check = check
        .interval(Duration::from_millis(20))
        .timeout(Duration::from_secs(10))
        .thresholds(Thresholds::AT_ONCE);
    let monitor = Monitor::builder(Arc::new(node), instance);
    let starting = monitor.policy(policy).check(check).start();
    within("start", starting).await.unwrap()
}

async fn reaches(monitor: &Monitor, standing: Standing) -> Health {
    let mut status = monitor.status();
    let reached = within(standing.as_str(), status.standing(standing)).await;
    reached.expect("the monitor runs")
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Why a check of that address is refused.
fn refused(check: Result<Check, CheckError>) -> String {
    check.expect_err("no such check").to_string()
}

#[tokio::test]
async fn tcp_passes_while_somebody_listens() {
    let (listener, address) = listen().await;
    let monitor = monitor(Check::tcp(&address).unwrap()).await;
    reaches(&monitor, Standing::Up).await;
    drop(listener);
    let failing = reaches(&monitor, Standing::Unhealthy).await.failing();
    assert!(
        failing.starts_with(&format!("tcp {address}: ")),
        "{failing}"
    );
    assert!(failing.contains("refused"), "{failing}");
}

#[test]
fn tcp_wants_a_host_and_a_port() {
    for address in ["localhost", "localhost:0", ":80", "", "a:b"] {
        let error = refused(Check::tcp(address));
        assert!(error.contains("what is wanted is `host:port`"), "{error}");
    }
}

#[cfg(feature = "health-http")]
mod http {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::sync::watch;

    use super::*;

    /// Answers each request with the status that is set, and shows the last one's first two lines.
    async fn serve(
        listener: TcpListener,
        status: watch::Receiver<&'static str>,
        asked: watch::Sender<String>,
    ) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                if stream.read_line(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            asked.send_replace(request);
            let answer = format!("HTTP/1.1 {}\r\ncontent-length: 0\r\n\r\n", *status.borrow());
            // Whoever asks may be gone: the monitor ends before the server does.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn only_a_status_of_success_passes() {
        let (listener, address) = listen().await;
        let (set_status, status) = watch::channel("200 OK");
        let (asked, request) = watch::channel(String::new());
        tokio::spawn(serve(listener, status, asked));
        let url = format!("http://{address}/health?deep=1");
        let monitor = monitor(Check::http(&url).unwrap()).await;
        reaches(&monitor, Standing::Up).await;
        let request = request.borrow().clone();
        assert!(
            request.starts_with("GET /health?deep=1 HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("host: {address}\r\n")),
            "{request}"
        );
        for other in ["503 Service Unavailable", "302 Found"] {
            set_status.send_replace(other);
            let failing = reaches(&monitor, Standing::Unhealthy).await.failing();
            let expected = format!("http {address}/health?deep=1: the answer is {other}");
            assert_eq!(failing, expected);
            set_status.send_replace("204 No Content");
            reaches(&monitor, Standing::Up).await;
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_up_fails() {
        let (listener, address) = listen().await;
        tokio::spawn(async move { while listener.accept().await.is_ok() {} });
        let monitor = monitor(Check::http(format!("http://{address}/")).unwrap()).await;
        let mut status = monitor.status();
        let answered = async {
            loop {
                let failing = status.changed().await.unwrap().failing();
                if !failing.contains("no result yet") {
                    return failing;
                }
            }
        };
        let failing = within("a result", answered).await;
        assert!(
            failing.starts_with(&format!("http {address}/: ")),
            "{failing}"
        );
    }

    #[test]
    fn only_plain_http_is_asked() {
        for (url, reason) in [
            ("https://a.example/", "only `http://`"),
            ("a.example", "relative URL"),
            ("http://user@a.example/", "contains a user"),
        ] {
            let error = refused(Check::http(url));
            assert!(error.contains(reason), "{error}");
        }
    }
}

#[cfg(feature = "health-grpc")]
mod grpc {
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic_health::ServingStatus;
    use tonic_health::server::health_reporter;

    use super::*;

    #[tokio::test]
    async fn only_serving_passes() {
        let (listener, address) = listen().await;
        let (mut reporter, service) = health_reporter();
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        let check = Check::grpc(format!("grpc://{address}"), "shop.Users").unwrap();
        let monitor = monitor(check).await;
        reporter
            .set_service_status("shop.Users", ServingStatus::Serving)
            .await;
        reaches(&monitor, Standing::Up).await;
        reporter
            .set_service_status("shop.Users", ServingStatus::NotServing)
            .await;
        let failing = reaches(&monitor, Standing::Unhealthy).await.failing();
        assert_eq!(
            failing,
            format!("grpc {address} shop.Users: the answer is NOT_SERVING")
        );
        reporter
            .set_service_status("shop.Users", ServingStatus::Serving)
            .await;
        reaches(&monitor, Standing::Up).await;
        reporter.clear_service_status("shop.Users").await;
        let failing = reaches(&monitor, Standing::Unhealthy).await.failing();
        assert!(failing.contains("NotFound"), "{failing}");
    }

    #[test]
    fn only_plain_grpc_is_asked() {
        for (endpoint, reason) in [
            ("grpcs://a.example:9000", "only `grpc://`"),
            ("a.example:9000", "a.example"),
        ] {
            let error = refused(Check::grpc(endpoint, ""));
            assert!(error.contains(reason), "{error}");
        }
    }
}
