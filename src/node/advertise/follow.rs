//! An address that was chosen here is followed: DHCP gives another one, a host gets its first.
//!
//! The host's interfaces are looked at every [`PERIOD`], on a thread of its own: the loop of the node
//! never waits for that, and neither does the runtime's pool for blocking work. What two looks in a
//! row agree on counts, so that an address that is taken away and given again within a second (as
//! some DHCP clients do) changes nothing. So a node has moved some 2 s after its address changed.
//!
//! - An advertised address that is still there is kept, whatever comes beside it; unless it was a
//!   guess, and seeds that resolve by now are reached from another one.
//! - One that is gone is replaced: by the only other one of its interface and family, by the host's
//!   only one, by that from which seeds are reached, or by that of the default route.
//! - Loopback, link-local and an address that never had a link are left as soon as there is another.
//! - Where nothing stands out, the node stays where it is, and says so: it names the candidates.
//!
//! Bounds: one thread for each node that follows, one look a second, [`PEERS_MAX`] seeds to tell by,
//! and one news that the node has not taken; the look that found it is repeated.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{RecvTimeoutError, Sender as StdSender, channel as std_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::host::{Address, Host, Reach};
use super::{Advertised, global, outgoing};

/// How often the interfaces are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// After how many looks a state that goes on is told again; twice as many each time.
const TELL_AGAIN: u32 = 30;
/// The most that these grow to.
const TELL_AGAIN_MAX: u32 = 600;
/// How many addresses of seeds are kept to tell by which address they are reached.
const PEERS_MAX: usize = 16;

/// What a look at the interfaces found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) enum Found {
    /// The node is to move to this address.
    Move {
        to: IpAddr,
        /// The interface that has it.
        interface: String,
        why: &'static str,
    },
    /// The node has no address that others reach, and stays where it is.
    Waiting {
        /// The addresses between which nothing decides; empty where there is none at all.
        candidates: Vec<IpAddr>,
    },
}

/// What one look would have the node do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Move(IpAddr),
    /// To leave its address, and nothing stands out to go to.
    Another,
}

/// Decides from one list of addresses to the next.
#[derive(Debug)]
struct Follower {
    bound: IpAddr,
    current: IpAddr,
    /// The interface that had it when it was seen last.
    interface: Option<String>,
    /// Whether it was taken for want of a seed to tell by.
    is_guess: bool,
    /// Whether that interface has had a link while this was the address.
    was_up: bool,
    /// What the look before wished for.
    before: Wish,
    /// Looks until a state that goes on is told again, and what this was at first.
    quiet: (u32, u32),
}

impl Follower {
    const fn new(bound: IpAddr, current: IpAddr) -> Self {
        Self {
            bound,
            current,
            interface: None,
            is_guess: false,
            was_up: false,
            before: Wish::Nothing,
            quiet: (0, TELL_AGAIN),
        }
    }

    /// One look. The move that it finds is made with [`Self::moved`].
    fn look(&mut self, here: &[Address], peers: &[SocketAddr], host: &dyn Host) -> Option<Found> {
        let mine = here.iter().find(|address| address.ip == self.current);
        let is_here = mine.is_some();
        if let Some(mine) = mine {
            self.interface = Some(mine.interface.clone());
            self.was_up |= mine.is_up;
        }
        let candidates = global(self.bound, here);
        let is_global = Reach::of(self.current) == Reach::Global;
        // One that never had a link was taken for want of a better one.
        let is_better = self.was_up || candidates.contains(&self.current);
        let stays = is_here && is_global && is_better;
        // Asked of the operating system only where it can matter.
        let towards_seeds = if stays && !self.is_guess {
            None
        } else {
            towards(peers, &candidates, host)
        };
        if stays && towards_seeds.is_some() {
            self.is_guess &= towards_seeds != Some(self.current);
        }
        if stays && !(self.is_guess && towards_seeds.is_some()) {
            self.before = Wish::Nothing;
            self.quiet = (0, TELL_AGAIN);
            return None;
        }
        let next = if stays {
            towards_seeds
        } else {
            self.successor(&candidates, here, towards_seeds, host)
        };
        let wish = next.map_or(Wish::Another, Wish::Move);
        if std::mem::replace(&mut self.before, wish) != wish {
            return None;
        }
        let Some(to) = next else {
            return self.still_waiting(candidates);
        };
        let on = here.iter().find(|address| address.ip == to);
        Some(Found::Move {
            to,
            interface: on.map_or_else(String::new, |address| address.interface.clone()),
            why: match (is_global, is_here) {
                (true, true) if stays => "seeds are reached from another address of this host",
                (true, false) => "the advertised address is no longer one of this host's",
                (true, true) => "the interface of the advertised address has no link",
                (false, _) => "this host has an address that others reach",
            },
        })
    }

    fn moved(&mut self, to: IpAddr) {
        *self = Self::new(self.bound, to);
    }

    fn still_waiting(&mut self, candidates: Vec<IpAddr>) -> Option<Found> {
        let (left, next) = self.quiet;
        let is_due = left == 0;
        self.quiet = if is_due {
            (next, (next * 2).min(TELL_AGAIN_MAX))
        } else {
            (left - 1, next)
        };
        is_due.then_some(Found::Waiting { candidates })
    }

    fn successor(
        &self,
        candidates: &[IpAddr],
        here: &[Address],
        towards_seeds: Option<IpAddr>,
        host: &dyn Host,
    ) -> Option<IpAddr> {
        if let [only] = candidates {
            return Some(*only);
        }
        let is_ipv4 = self.current.is_ipv4();
        let is_same = |address: &&Address| {
            Some(&address.interface) == self.interface.as_ref() && address.ip.is_ipv4() == is_ipv4
        };
        let mut same = here.iter().filter(is_same).map(|address| address.ip);
        let mut same = same.by_ref().filter(|ip| candidates.contains(ip));
        if let (Some(only), None) = (same.next(), same.next()) {
            return Some(only);
        }
        towards_seeds.or_else(|| outgoing(candidates, is_ipv4, host))
    }
}

/// The candidate from which this host reaches a seed.
fn towards(peers: &[SocketAddr], candidates: &[IpAddr], host: &dyn Host) -> Option<IpAddr> {
    let mut sources = peers.iter().filter_map(|to| host.source_towards(*to));
    sources.find(|ip| candidates.contains(ip))
}

/// The watch over one node's address. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::node) struct Following {
    found: mpsc::Receiver<Found>,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    /// Dropped with this: the thread sees it, and ends.
    _end: StdSender<()>,
}

impl Following {
    /// Watches for a socket that is bound to `bound` and whose node advertises `advertised`.
    pub(in crate::node) fn start(
        bound: SocketAddr,
        advertised: Advertised,
        host: Arc<dyn Host>,
    ) -> std::io::Result<Self> {
        let (tell, found) = mpsc::channel(1);
        let (end, ended) = std_channel::<()>();
        let peers: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let shared = Arc::clone(&peers);
        let mut follower = Follower::new(bound.ip(), advertised.address.ip());
        follower.is_guess = advertised.is_guess;
        std::thread::Builder::new()
            .name("tidings-address".to_owned())
            .spawn(move || {
                while ended.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                    // A list that cannot be had says nothing.
                    let Ok(here) = host.addresses() else {
                        continue;
                    };
                    let peers = lock(&shared).clone();
                    let Some(found) = follower.look(&here, &peers, &*host) else {
                        continue;
                    };
                    let to = match &found {
                        Found::Move { to, .. } => Some(*to),
                        Found::Waiting { .. } => None,
                    };
                    match (tell.try_send(found), to) {
                        (Ok(()), Some(to)) => follower.moved(to),
                        (Err(mpsc::error::TrySendError::Closed(_)), _) => return,
                        // The node is behind: the next look finds the same.
                        _ => {}
                    }
                }
            })?;
        Ok(Self {
            found,
            peers,
            _end: end,
        })
    }

    /// Notes where seeds are: the address towards them is preferred. Loopback tells nothing.
    pub(in crate::node) fn note_seeds(&self, seeds: &[SocketAddr]) {
        let mut peers = lock(&self.peers);
        for seed in seeds {
            if !seed.ip().is_loopback() && !peers.contains(seed) {
                peers.insert(0, *seed);
            }
        }
        peers.truncate(PEERS_MAX);
    }

    /// The next thing that was found. Never ends by itself; cancel-safe.
    pub(in crate::node) async fn next(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }
}

fn lock(peers: &Mutex<Vec<SocketAddr>>) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
