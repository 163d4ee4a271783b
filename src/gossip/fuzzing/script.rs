//! What happens to a cluster, as a fuzzer's bytes say it.

use std::{net::SocketAddr, time::Duration};

use super::{
    EPOCH_MS,
    cluster::{Cluster, PEERS, SILENT, SUBJECT, addr, instance},
    mutations::Choices,
    seeds::datagrams,
};
use crate::gossip::wire::frame::{HEADER_BYTES, KEY_ID_AT};

/// How many things happen at most.
const STEPS_MAX: usize = 40;
/// How much time passes at most; after that each step takes a millisecond.
const LASTS_MAX: Duration = Duration::from_secs(10);
/// The longest datagram of the fuzzer's own; those beyond 1,200 bytes are oversized.
const RAW_MAX: usize = 1_400;
const PAUSES_MS: [u64; 8] = [0, 1, 5, 25, 100, 300, 1_000, 3_000];
/// How far the subject's wall clock may be ahead of the others'.
const CLOCKS_MS: [i64; 6] = [0, 1_000, -1_000, 29_000, -29_000, 3_600_000];

/// Plays a script of what happens to a small cluster that has no key: time passes; datagrams come from members, strangers and
/// the dead, be they made up, or real ones of before or of now with some bytes changed; and its user registers and leaves.
///
/// After each, the engines are sound: their books agree, the failure detection goes on, everything is within its bound,
/// no datagram is larger than allowed, no stranger gets more than it sent, and no time is without an end.
pub fn handle_datagram(bytes: &[u8]) {
    play(bytes, false);
}

/// The same with a cluster that has a key, which the fuzzer has too: most of what it changes is sealed again.
pub fn handle_sealed_datagram(bytes: &[u8]) {
    play(bytes, true);
}

fn play(bytes: &[u8], is_sealed: bool) {
    let mut play = Play {
        cluster: Cluster::new(is_sealed),
        choices: Choices::new(bytes),
        left: LASTS_MAX,
        sealed: 0,
    };
    for _ in 0..STEPS_MAX {
        if play.choices.are_at_their_end() {
            break;
        }
        play.step();
        play.cluster.assert_sound();
    }
    play.cluster.run(Duration::from_millis(500));
    play.cluster.assert_sound();
}

struct Play<'a> {
    cluster: Cluster,
    choices: Choices<'a>,
    /// How much time may still pass.
    left: Duration,
    /// How many datagrams were sealed anew.
    sealed: u64,
}

impl Play<'_> {
    fn step(&mut self) {
        match self.choices.byte() % 16 {
            0..=3 => {
                let duration = self.duration();
                self.cluster.run(duration);
            }
            4 | 5 => self.raw(),
            6..=9 => self.again(),
            10..=12 => self.under_way(),
            13 => self.user(),
            14 => self.cluster.clock_ms = *self.choices.pick(&CLOCKS_MS),
            _ => {
                let duration = self.duration();
                self.cluster.pause(duration);
            }
        }
    }

    fn duration(&mut self) -> Duration {
        let duration = Duration::from_millis(*self.choices.pick(&PAUSES_MS));
        match self.left.checked_sub(duration) {
            Some(left) => {
                self.left = left;
                duration
            }
            None => Duration::from_millis(1),
        }
    }

    fn source(&mut self) -> SocketAddr {
        let sources = [
            addr(PEERS[0]),
            addr(PEERS[1]),
            addr(SILENT),
            addr(SUBJECT),
            SocketAddr::from(([10, 0, 0, 7], 700)),
            SocketAddr::from(([10, 0, 0, 8], 0)),
            SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 7], 700)),
            SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], PEERS[0])),
        ];
        *self.choices.pick(&sources)
    }

    /// Bytes that are the fuzzer's own.
    fn raw(&mut self) {
        let from = self.source();
        let length = self.choices.number() % RAW_MAX;
        let mut datagram = self.choices.bytes(length).to_vec();
        if self.choices.byte().is_multiple_of(2) {
            self.seal_anew(&mut datagram);
        }
        self.cluster.deliver(from, addr(SUBJECT), &datagram);
    }

    /// A real datagram of a cluster like this one, changed.
    fn again(&mut self) {
        let from = self.source();
        let real = datagrams();
        let mut datagram = self.choices.pick(real).clone();
        self.choices.mutate(&mut datagram, real);
        self.seal_anew(&mut datagram);
        self.cluster.deliver(from, addr(SUBJECT), &datagram);
    }

    /// Seals what is in the clear, as somebody with a session of its own.
    fn seal_anew(&mut self, datagram: &mut Vec<u8>) {
        let Some(forger) = &self.cluster.forger else {
            return;
        };
        if datagram.len() < HEADER_BYTES {
            return;
        }
        self.sealed += 1;
        let unix_ms = self.cluster.time(addr(SILENT)).unix_ms;
        debug_assert!(unix_ms >= EPOCH_MS);
        let nonce = (unix_ms << 20) + self.sealed;
        datagram[KEY_ID_AT + 1..][..16].fill(self.choices.byte() | 0x80);
        datagram[KEY_ID_AT + 17..][..8].copy_from_slice(&nonce.to_be_bytes());
        forger.seal(datagram);
    }

    /// One that is under way is lost, comes twice, comes from elsewhere or is changed.
    fn under_way(&mut self) {
        let count = self.cluster.wire.len();
        if count == 0 {
            return;
        }
        let at = usize::from(self.choices.byte()) % count;
        let mut flight = self.cluster.wire[at].clone();
        match self.choices.byte() % 8 {
            0 => drop(self.cluster.wire.remove(at)),
            1 => self
                .cluster
                .deliver(flight.from, flight.to, &flight.payload),
            2 => self.cluster.wire[at].from = self.source(),
            3 => {
                let mut changed = flight.payload.to_vec();
                self.choices.mutate(&mut changed, datagrams());
                self.cluster.wire[at].payload = changed.into();
            }
            _ => {
                let opened = match &self.cluster.forger {
                    Some(forger) => forger.open(&flight.payload),
                    None => Some(flight.payload.to_vec()),
                };
                if let Some(mut changed) = opened {
                    self.choices.mutate(&mut changed, datagrams());
                    if let Some(forger) = &self.cluster.forger {
                        forger.seal(&mut changed);
                    }
                    flight.payload = changed.into();
                    self.cluster.wire[at] = flight;
                }
            }
        }
    }

    /// Something that the user or the host of a node does.
    fn user(&mut self) {
        let port = *self.choices.pick(&[SUBJECT, PEERS[0], PEERS[1]]);
        let choice = self.choices.byte();
        let size = usize::from(self.choices.byte()) * 16;
        let about = self.source();
        // What is refused is refused.
        self.cluster.with(port, |engine, now| match choice % 8 {
            0..=2 => drop(engine.register(now, instance("users", "1", size))),
            3 => drop(engine.register(now, instance("orders", "a", size))),
            4 => drop(engine.deregister(now, "users", &format!("{port}"))),
            5 | 6 => engine.handle_unreachable(now, about),
            _ if size == 0 => engine.leave(now),
            _ => engine.handle_seeds(now, [about]),
        });
    }
}
