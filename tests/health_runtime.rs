//! A service whose runtime is blocked, in real time: the node lives on, on a thread of its own, and
//! the pulse tells everybody that the service does not.

#![cfg(all(feature = "node", feature = "health"))]

mod node_support;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use node_support::{builder, start, within};
use tidings::health::{Check, Monitor, Policy, Thresholds};
use tidings::registry::{ServiceInstance, Status};
use tidings::table::ServiceWatcher;
use tokio::runtime::{Builder, Runtime};

/// A runtime of one worker: one task that blocks, blocks it all.
fn service_runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn pulse_of(service: &Runtime) -> Check {
    let _inside = service.enter();
    // Fast enough for a test, and slow enough for a machine that is busy.
    Check::pulse()
        .expect("inside of a runtime")
        .interval(Duration::from_millis(50))
        .timeout(Duration::from_millis(500))
        .thresholds(Thresholds { rise: 1, fall: 2 })
}

async fn shows(watcher: &mut ServiceWatcher, status: Status) {
    let showing =
        async { while watcher.next().await.expect("the node lives")[0].status() != status {} };
    within(status.as_str(), showing).await;
}

#[tokio::test]
async fn a_service_whose_runtime_is_blocked_is_unhealthy_until_it_runs_again() {
    let service = service_runtime();
    let node = start(builder(&[])).await;
    let instance = ServiceInstance::builder("user").build().unwrap();
    let mut policy = Policy::default();
    policy.hold_min = Duration::from_millis(1);
    let monitor = Monitor::builder(Arc::new(node.clone()), instance)
        .policy(policy)
        .check(pulse_of(&service));
    let monitor = within("start", monitor.start()).await.unwrap();
    let mut watcher = node.watch("user").await.unwrap();
    shows(&mut watcher, Status::Up).await;

    let (unblock, blocked) = mpsc::channel::<()>();
    service.spawn(async move { blocked.recv() });
    shows(&mut watcher, Status::Unhealthy).await;
    let failing = monitor.health().failing();
    assert_eq!(failing, "runtime: no answer within 500ms");

    unblock.send(()).unwrap();
    shows(&mut watcher, Status::Up).await;

    service.shutdown_background();
    shows(&mut watcher, Status::Unhealthy).await;
    let failing = monitor.health().failing();
    assert_eq!(failing, "runtime: its runtime has been shut down");
    within("stop", monitor.stop()).await.unwrap();
    assert!(node.get_service("user").await.unwrap().is_empty());
}

#[test]
fn without_a_runtime_there_is_none_to_watch() {
    let error = Check::pulse().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("make the check in the service's runtime"),
        "{error}"
    );
}

/// A monitor on a runtime that is then shut down, and the node that it registers with, which lives on.
async fn monitored_on(
    service: Runtime,
    with_check: bool,
) -> (tidings::Node, Monitor, ServiceWatcher) {
    let node = start(builder(&[])).await;
    let instance = ServiceInstance::builder("user").id("a").build().unwrap();
    let mut monitor = Monitor::builder(Arc::new(node.clone()), instance).on_current_runtime();
    if with_check {
        monitor = monitor.check(Check::closure("works", || async { Ok::<_, String>(()) }));
    }
    let starting = service.spawn(monitor.start());
    let monitor = within("start", starting).await.unwrap().unwrap();
    let mut watcher = node.watch("user").await.unwrap();
    shows(&mut watcher, Status::Up).await;
    service.shutdown_background();
    (node, monitor, watcher)
}

#[tokio::test]
async fn a_monitor_whose_runtime_ended_goes_on() {
    let (node, monitor, mut watcher) = monitored_on(service_runtime(), false).await;
    let newer = ServiceInstance::builder("user").id("a").version("2");
    monitor.update(newer.build().unwrap()).unwrap();
    let updated = async { while watcher.next().await.unwrap()[0].version() != "2" {} };
    within("the update", updated).await;
    monitor.drain();
    shows(&mut watcher, Status::Draining).await;
    within("stop", monitor.stop()).await.unwrap();
    assert!(node.get_service("user").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_monitor_whose_runtime_ended_deregisters_when_it_is_dropped() {
    let (_node, monitor, mut watcher) = monitored_on(service_runtime(), false).await;
    drop(monitor);
    let gone = async { while !watcher.next().await.unwrap().is_empty() {} };
    within("the end", gone).await;
}

#[tokio::test]
async fn checks_that_ended_with_their_runtime_do_not_count_as_passing() {
    let (_node, monitor, mut watcher) = monitored_on(service_runtime(), true).await;
    shows(&mut watcher, Status::Unhealthy).await;
    let failing = monitor.health().failing();
    assert!(failing.contains("shut down"), "{failing}");
}
