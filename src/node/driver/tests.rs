use std::net::UdpSocket;

#[cfg(target_os = "linux")]
mod unreachable;

use super::*;
use crate::gossip::{Config, Entropy};
use crate::node::lookups::Lookups;
use crate::node::socket::Socket;

/// The other ends of a driver's channels.
struct Ends {
    commands: mpsc::Sender<Command>,
    abort: watch::Sender<bool>,
    life: watch::Receiver<Life>,
}

/// A driver that has not taken a turn yet, and what holds it from outside.
fn driver() -> (Driver, Ends) {
    let socket = Socket::bind(([127, 0, 0, 1], 0).into()).expect("binds");
    let socket = Transport::Udp(socket);
    let (clock, advertised) = (Clock::start(), socket.local_addr());
    let entropy = Entropy {
        session: [1; 16],
        seed: [2; 32],
    };
    let engine = Engine::new(Config::lan("test", advertised), entropy, clock.now());
    let (commands, commands_taken) = mpsc::channel(8);
    let (abort, aborted) = watch::channel(false);
    let (life_told, life) = watch::channel(Life::Running);
    let channels = Channels {
        commands: commands_taken,
        abort: aborted,
        events: broadcast::channel(8).0,
        published: Arc::new(Published::new(advertised)),
        life: life_told,
        joined: watch::channel(false).0,
    };
    let resolver = Resolver::new(Vec::new(), Lookups::of_system());
    let engine = engine.expect("a sound configuration");
    let driver = Driver::new(engine, socket, clock, advertised, resolver, channels);
    (
        driver,
        Ends {
            commands,
            abort,
            life,
        },
    )
}

fn send(driver: &Driver, datagrams: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("binds");
    for _ in 0..datagrams {
        socket
            .send_to(b"?", driver.socket.local_addr())
            .expect("sent");
    }
}

fn received(driver: &Driver) -> u64 {
    driver.engine.stats().datagrams_received
}

#[tokio::test]
async fn what_came_before_a_timer_is_due_is_taken_in_before_it_fires() {
    let (mut driver, _ends) = driver();
    send(&driver, 3);
    // Nothing was awaited, so tokio has not looked at the socket: as after a pause.
    assert!(driver.is_timer_due());
    assert!(driver.receive());
    assert_eq!(received(&driver), 3);
}

#[tokio::test]
async fn a_turn_takes_in_a_bounded_number_of_datagrams_and_says_that_there_are_more() {
    let (mut driver, _ends) = driver();
    send(&driver, DATAGRAMS_PER_TURN + 1);
    driver.socket.readable().await;
    assert!(!driver.receive());
    assert_eq!(
        (received(&driver), driver.undrained_turns),
        (DATAGRAMS_PER_TURN as u64, 1)
    );
    assert!(driver.receive());
    assert_eq!(received(&driver), DATAGRAMS_PER_TURN as u64 + 1);
}

#[tokio::test]
async fn a_receive_error_is_counted_and_received_from_no_more_for_a_moment() {
    let (mut driver, _ends) = driver();
    for _ in 0..3 {
        driver.receive_failed(&ErrorKind::ConnectionReset.into());
    }
    assert_eq!(driver.counters.receive_errors, 3);
    driver.receive_paused_until = Some(Instant::now() + RECEIVE_PAUSE);
    send(&driver, 1);
    assert!(driver.receive(), "left alone");
    assert_eq!(received(&driver), 0);
    tokio::time::sleep(RECEIVE_PAUSE).await;
    driver.receive();
    assert_eq!(received(&driver), 1);
}

#[tokio::test]
async fn it_leaves_when_the_last_handle_is_gone_and_closes_the_table() {
    let (driver, ends) = driver();
    let directory = driver.engine.directory().clone();
    let Ends {
        commands,
        abort: _abort,
        mut life,
    } = ends;
    drop(commands);
    driver.run().await;
    assert_eq!(*life.borrow_and_update(), Life::Left);
    assert!(directory.is_closed());
    life.changed().await.expect_err("its end is dropped");
}

#[tokio::test]
async fn an_abort_comes_before_everything_else() {
    let (
        driver,
        Ends {
            commands,
            abort,
            life,
        },
    ) = driver();
    abort.send_replace(true);
    commands.try_send(Command::Leave).expect("room");
    driver.run().await;
    assert_eq!(*life.borrow(), Life::Aborted);
}

#[tokio::test]
async fn a_driver_that_is_dropped_closes_the_table() {
    let (driver, _ends) = driver();
    let directory = driver.engine.directory().clone();
    drop(driver);
    assert!(directory.is_closed());
}
