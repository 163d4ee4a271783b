//! Sends garbage at a rate, from threads of its own.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::garbage::{Garbage, Kind};

/// From so many sockets, in turn.
const SOCKETS: usize = 8;
/// The pace is kept in steps of this length.
const STEP: Duration = Duration::from_millis(1);
/// What is late by more than this is not sent any more: a flooder that was held up does not make up for it at once.
const LATE_MAX: Duration = Duration::from_millis(20);

/// How many datagrams of each kind were sent, in the order of [`Kind::ALL`].
pub(crate) type Sent = [u64; Kind::ALL.len()];

/// A running flood.
pub(crate) struct Flood(Vec<JoinHandle<io::Result<Sent>>>);

impl Flood {
    /// Lets `flooders` threads send so much together, until then.
    pub(crate) fn begin(
        garbage: impl Fn() -> Garbage,
        to: SocketAddr,
        per_second: u32,
        flooders: u32,
        until: Instant,
    ) -> io::Result<Self> {
        let threads = (0..flooders).map(|_| {
            let mut garbage = garbage();
            let gap = Duration::from_secs(1) * flooders / per_second;
            std::thread::Builder::new()
                .name("flooder".to_owned())
                .spawn(move || send(&mut garbage, to, gap, until))
        });
        Ok(Self(threads.collect::<io::Result<_>>()?))
    }

    /// Waits for its end, and says what left.
    pub(crate) fn end(self) -> io::Result<Sent> {
        let mut all = Sent::default();
        for thread in self.0 {
            let sent = thread
                .join()
                .map_err(|_| io::Error::other("a flooder panicked"))??;
            for (all, sent) in all.iter_mut().zip(sent) {
                *all += sent;
            }
        }
        Ok(all)
    }
}

/// Sends a datagram per `gap` until `until`, and says what left.
fn send(garbage: &mut Garbage, to: SocketAddr, gap: Duration, until: Instant) -> io::Result<Sent> {
    let sockets: Vec<_> = (0..SOCKETS)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(to)?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    let mut sent = Sent::default();
    let mut next = Instant::now();
    let mut number = 0;
    loop {
        let now = Instant::now();
        if now >= until {
            return Ok(sent);
        }
        garbage.listen();
        next = next.max(now.checked_sub(LATE_MAX).unwrap_or(now));
        while next <= now {
            let kind = number % Kind::ALL.len();
            // Nobody waits for answers: what the victim says to these sockets is dropped when they are full.
            let socket = &sockets[number / Kind::ALL.len() % SOCKETS];
            if socket.send(garbage.next(Kind::ALL[kind])).is_ok() {
                sent[kind] += 1;
            }
            number += 1;
            next += gap;
        }
        std::thread::sleep(STEP);
    }
}
