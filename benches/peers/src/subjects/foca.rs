//! Plain foca, with `Config::new_lan` for the cluster's size and the least driver that it needs: one task, one
//! socket, its timers.
//!
//! The registration is one of foca's custom broadcasts, which leaves with its packets and its periodic gossip. Nothing is
//! pushed at once, nothing repairs what was missed, and a latecomer is not told what was said before it came: that
//! is left to whoever uses foca, and is what `tidings` adds to it. Times are taken where the driver gets foca's
//! notifications, and where a broadcast is handed over.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use foca::{
    AccumulatingRuntime, BroadcastHandler, Config, Foca, Identity, Invalidates, OwnedNotification,
    PostcardCodec, Timer,
};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Start, Subject, registration, revision};
use crate::Failure;
use crate::sightings::{Eyes, Fact};

/// How often the seed is called while there is no member.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(1);
/// More than foca's `max_packet_size`, which is 1,400.
const BUFFER_BYTES: usize = 2_048;

pub(crate) struct PlainFoca {
    address: SocketAddr,
    registering: mpsc::UnboundedSender<u32>,
}

impl Subject for PlainFoca {
    async fn start(start: Start) -> Result<Self, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let address = socket.local_addr()?;
        let size = u32::try_from(start.cluster_size)?;
        let config = Config::new_lan(NonZeroU32::new(size).ok_or("a cluster of nobody")?);
        let name = Name { address, boot: 1 };
        let rng = StdRng::try_from_rng(&mut SysRng)?;
        let held = Registrations {
            eyes: start.eyes.clone(),
            held: HashMap::new(),
        };
        let (registering, registered) = mpsc::unbounded_channel();
        let driver = Driver {
            foca: Foca::with_custom_broadcast(name, config, rng, PostcardCodec, held),
            asked: AccumulatingRuntime::new(),
            socket,
            timers: BTreeMap::new(),
            next_timer: 0,
            seed: start.seed,
            address,
            revision: 0,
            eyes: start.eyes,
        };
        tokio::spawn(driver.run(registered));
        Ok(Self {
            address,
            registering,
        })
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn register(&self, revision: u32) -> Result<(), Failure> {
        Ok(self.registering.send(revision)?)
    }
}

/// A process on an address: the higher boot replaces the lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Name {
    address: SocketAddr,
    boot: u64,
}

impl Identity for Name {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        let boot = self.boot + 1;
        Some(Self { boot, ..*self })
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.boot > adversary.boot
    }
}

struct Driver {
    foca: Foca<Name, PostcardCodec, StdRng, Registrations>,
    /// What foca wants done.
    asked: AccumulatingRuntime<Name>,
    socket: UdpSocket,
    timers: BTreeMap<(Instant, u64), Timer<Name>>,
    next_timer: u64,
    seed: Option<SocketAddr>,
    address: SocketAddr,
    /// What was registered last; 0 is nothing yet.
    revision: u32,
    eyes: Eyes,
}

impl Driver {
    /// An error of foca's is somebody else's mistake, or a broadcast that is no news: none ends the loop.
    async fn run(mut self, mut registered: mpsc::UnboundedReceiver<u32>) {
        let mut announce = tokio::time::interval(ANNOUNCE_AGAIN);
        let mut buffer = [0; BUFFER_BYTES];
        loop {
            let due = self.timers.first_key_value().map(|((at, _), _)| *at);
            let due = due.unwrap_or_else(|| Instant::now() + ANNOUNCE_AGAIN);
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    if let Ok((length, _)) = received {
                        let _ = self.foca.handle_data(&buffer[..length], &mut self.asked);
                    }
                }
                () = tokio::time::sleep_until(due) => self.fire(),
                _ = announce.tick() => self.announce(),
                Some(revision) = registered.recv() => {
                    self.revision = revision;
                    self.broadcast();
                }
            }
            self.settle().await;
        }
    }

    /// Gives foca the timers that are due.
    fn fire(&mut self) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > Instant::now() {
                return;
            }
            let _ = self.foca.handle_timer(entry.remove(), &mut self.asked);
        }
    }

    fn announce(&mut self) {
        let is_alone = self.foca.iter_members().next().is_none();
        if let Some(address) = self.seed.filter(|_| is_alone) {
            let seed = Name { address, boot: 0 };
            let _ = self.foca.announce(seed, &mut self.asked);
        }
    }

    fn broadcast(&mut self) {
        let item = Item {
            of: self.address,
            registration: registration(self.revision),
        };
        let data = postcard::to_stdvec(&item).expect("plain data");
        let _ = self.foca.add_broadcast(&data);
    }

    /// Does what foca asked for.
    async fn settle(&mut self) {
        while let Some((to, data)) = self.asked.to_send() {
            let _ = self.socket.send_to(&data, to.address).await;
        }
        while let Some((after, timer)) = self.asked.to_schedule() {
            self.next_timer += 1;
            self.timers
                .insert((Instant::now() + after, self.next_timer), timer);
        }
        while let Some(notification) = self.asked.to_notify() {
            match notification {
                OwnedNotification::MemberUp(name) => self.eyes.sees(Fact::Member(name.address)),
                OwnedNotification::MemberDown(name) => self.eyes.sees(Fact::Gone(name.address)),
                // Held for dead for a while: the others may have missed what we have.
                OwnedNotification::Rejoin(_) if self.revision > 0 => self.broadcast(),
                _ => {}
            }
        }
    }
}

/// A registration on the wire.
#[derive(Serialize, Deserialize)]
struct Item {
    of: SocketAddr,
    registration: String,
}

/// What a broadcast is about: a newer one replaces an older one of the same node.
struct Key {
    of: SocketAddr,
    revision: u32,
}

impl Invalidates for Key {
    fn invalidates(&self, other: &Self) -> bool {
        self.of == other.of && self.revision > other.revision
    }
}

/// The revision that is held of each node.
struct Registrations {
    eyes: Eyes,
    held: HashMap<SocketAddr, u32>,
}

impl BroadcastHandler<Name> for Registrations {
    type Key = Key;
    type Error = Infallible;

    fn receive_item(
        &mut self,
        data: &[u8],
        from: Option<&Name>,
    ) -> Result<Option<Key>, Infallible> {
        let Ok(Item { of, registration }) = postcard::from_bytes(data) else {
            return Ok(None);
        };
        let Some(revision) = revision(&registration) else {
            return Ok(None);
        };
        let held = self.held.entry(of).or_default();
        // Our own, which nobody sends us, may be said again.
        if from.is_some() && revision <= *held {
            return Ok(None);
        }
        *held = revision;
        self.eyes.sees(Fact::Registration { of, revision });
        Ok(Some(Key { of, revision }))
    }
}
