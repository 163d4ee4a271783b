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
