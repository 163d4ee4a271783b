//! Real answers of the kernel to datagrams that nobody takes.

use std::fs;
use std::thread;
use std::time::Duration;

use tokio::time::timeout;

use super::super::queued_errors::ERRORS_MAX;
use super::*;
use crate::node::seeds::Seed;

/// How long anything may take that must happen: far above what it takes.
const BOUND: Duration = Duration::from_secs(10);

/// An address at which nobody listens.
fn closed() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    socket.local_addr().expect("bound")
}

/// A driver that may send.
async fn ready_driver() -> (Driver, Ends) {
    let (driver, ends) = driver();
    driver.socket.writable().await;
    (driver, ends)
}

fn transmit(to: SocketAddr) -> Transmit {
    Transmit {
        to,
        payload: b"?".to_vec().into(),
    }
}

/// Waits for the socket until so many answers have come in.
async fn told(driver: &mut Driver, unreachable: u64) {
    let told = async {
        while driver.counters.unreachable < unreachable {
            driver.socket.readable().await;
            driver.receive();
        }
    };
    timeout(BOUND, told).await.expect("told");
}

fn errors(driver: &Driver) -> (u64, u64, u64) {
    let SocketStats {
        receive_errors,
        send_errors,
        other_network_errors,
        ..
    } = driver.counters;
    (receive_errors, send_errors, other_network_errors)
}

#[tokio::test]
async fn a_refused_datagram_alone_wakes_the_driver_and_leaves_it_idle() {
    let (mut driver, _ends) = ready_driver().await;
    driver.send(&transmit(closed())).expect("sent");
    told(&mut driver, 1).await;
    assert_eq!(errors(&driver), (0, 0, 0));
    let idle = timeout(Duration::from_millis(50), driver.socket.readable()).await;
    idle.expect_err("nothing wakes it any more");
}

#[tokio::test]
async fn a_queue_with_more_than_is_taken_at_once_is_taken_in_whole() {
    let (mut driver, _ends) = ready_driver().await;
    let to = closed();
    let datagrams = 2 * ERRORS_MAX + 1;
    for _ in 0..datagrams {
        let send = || driver.socket.try_send(to, b"?");
        send().or_else(|_| send()).expect("sent");
    }
    told(&mut driver, datagrams as u64).await;
    assert_eq!(driver.counters.unreachable, datagrams as u64);
    assert_eq!(errors(&driver), (0, 0, 0));
}

#[tokio::test]
async fn a_pending_error_is_no_error_of_the_receive_that_it_answers() {
    let (mut driver, _ends) = ready_driver().await;
    driver.send(&transmit(closed())).expect("sent");
    // Nothing is awaited, so tokio cannot know; a timer is due, so the socket itself is asked.
    assert!(driver.is_timer_due());
    let before = Instant::now();
    while driver.counters.unreachable == 0 && before.elapsed() < BOUND {
        assert!(driver.receive());
    }
    assert_eq!(driver.counters.unreachable, 1);
    send(&driver, 1);
    driver.receive();
    assert_eq!((received(&driver), errors(&driver)), (1, (0, 0, 0)));
}

#[tokio::test]
async fn no_datagram_to_a_healthy_peer_is_lost_to_the_error_of_another() {
    const DATAGRAMS: u64 = 200;
    let (mut driver, _ends) = ready_driver().await;
    let (open, closed) = (UdpSocket::bind("127.0.0.1:0").expect("binds"), closed());
    open.set_read_timeout(Some(BOUND)).expect("set");
    for number in 0..DATAGRAMS {
        driver.send(&transmit(closed)).expect("sent");
        let to_open = Transmit {
            to: open.local_addr().expect("bound"),
            payload: number.to_be_bytes().to_vec().into(),
        };
        driver.send(&to_open).expect("sent");
        let mut buffer = [0; 8];
        open.recv(&mut buffer).expect("arrived");
        assert_eq!(u64::from_be_bytes(buffer), number);
    }
    told(&mut driver, DATAGRAMS).await;
    assert_eq!(driver.counters.unreachable, DATAGRAMS);
    assert_eq!(errors(&driver), (0, 0, 0));
}

#[tokio::test]
async fn a_datagram_that_the_system_refuses_itself_fails_and_says_nothing_of_its_peer() {
    let (mut driver, _ends) = ready_driver().await;
    let too_large = Transmit {
        to: closed(),
        payload: vec![0; 65_508].into(),
    };
    driver.send(&too_large).expect_err("too large");
    // The kernel has put that into the queue as well.
    assert_eq!(driver.socket.error_unpolled(), None, "it was taken");
    assert_eq!(
        (driver.counters.unreachable, errors(&driver)),
        (0, (0, 0, 0))
    );
}

#[tokio::test]
async fn after_an_error_a_full_send_buffer_is_waited_for_without_a_spin() {
    let (mut driver, _ends) = ready_driver().await;
    driver.send(&transmit(closed())).expect("sent");
    told(&mut driver, 1).await;
    let before = Instant::now();
    for _ in 0..10 {
        driver.socket.writable().await;
    }
    assert!(before.elapsed() >= Duration::from_millis(10));
}

/// How long the thread has been running on a core.
fn cpu_time(thread: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{thread}/schedstat")).expect("it is there");
    let running = stat.split(' ').next().expect("three numbers");
    Duration::from_nanos(running.parse().expect("nanoseconds"))
}

#[test]
fn a_seed_that_is_not_there_is_told_and_the_loop_goes_idle() {
    let (started, told) = std::sync::mpsc::channel();
    let running = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (mut driver, ends) = driver();
            let seed = closed().to_string();
            driver.resolver = Resolver::new(
                vec![Seed::parse(&seed).expect("an address")],
                Lookups::of_system(),
            );
            let published = Arc::clone(&driver.channels.published);
            let id = fs::read_link("/proc/thread-self").expect("Linux has it");
            let id = id.to_str().expect("text").to_owned();
            started.send((ends, published, id)).expect("awaited");
            driver.run().await;
        });
    });
    let (ends, published, id) = told.recv_timeout(BOUND).expect("started");
    let before = std::time::Instant::now();
    while published.stats().socket.unreachable == 0 {
        assert!(before.elapsed() < BOUND, "not told");
        thread::sleep(Duration::from_millis(1));
    }
    let (watched, idle) = (Duration::from_millis(300), Duration::from_millis(60));
    let before = cpu_time(&id);
    thread::sleep(watched);
    let after = cpu_time(&id);
    assert!(
        after < before + idle,
        "{before:?} to {after:?} in {watched:?}"
    );
    assert_eq!(published.stats().socket.receive_errors, 0);
    ends.abort.send_replace(true);
    running.join().expect("it ends");
}
