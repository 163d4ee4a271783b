//! The addresses that this node keeps calling.
//!
//! A seed that is not a member, and a member that failed: a few of them, drawn anew each time, are
//! called once a second; each of them for ten minutes, then ever more rarely, for ever, also when
//! nobody is left alive. That is how a joiner joins, and how two halves of a split find each other
//! again. How many are lost does not matter to the pace: 64 nodes that call three of the other 64 a
//! second find the way back at once. What is *urgent* is called at another pace, three every ten milliseconds,
//! drawn anew each time, too: a seed that was just resolved, and everybody who is lost once one of them is back. Who was called
//! within the last second waits until it is over: many that are dead would otherwise be called again for each one that is found,
//! in place of those who live.
//!
//! Bounds: `most` addresses ([`Config::max_contacts`](super::Config::max_contacts)). At the bound the lost member that was lost
//! first makes room, and where all are seeds, the seed that was found first; a seed never does for a lost member.
//!
//! An address that is remembered from an earlier run is called too, with the least priority: while others are due it gets one of
//! the three calls of a second, it never puts anybody out, it is never urgent, and it is forgotten after the ten minutes if
//! somebody is alive by then. It is a guess and proves nothing.
//!
//! One that has said goodbye is not called, unless it is a seed: a new process may start there.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use rand::{Rng, seq::SliceRandom};

use super::Instant;

/// How many addresses are called at a time.
const AT_A_TIME: usize = 3;
/// The least time between two calls of those that are urgent, [`AT_A_TIME`] of them each time.
const SWEEP_GAP: Duration = Duration::from_millis(10);
/// How long an address is taken for this node's own.
const SELF_FOR: Duration = Duration::from_secs(30);
/// How many addresses of this node itself are kept.
const MOST_SELVES: usize = 64;
/// How many hellos may be unanswered; each has a token by which its answer is known. At the bound the one that has
/// waited longest is given up.
const MOST_TOKENS: usize = 1_024;
/// How long an answer is waited for.
const TOKEN_FOR: Duration = Duration::from_secs(10);
/// The longest pause between two calls to one address.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why an address is called. The first makes room first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Remembered,
    Lost,
    Seed,
}

#[derive(Debug)]
struct Contact {
    origin: Origin,
    /// To be called as soon as `next` has come.
    is_urgent: bool,
    since: Instant,
    /// When it was called last.
    called: Option<Instant>,
    next: Instant,
    pause: Duration,
}

/// A hello that went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) addr: SocketAddr,
    /// Whether it brought a cookie.
    pub(super) with_cookie: bool,
    /// How long an answer to it counts.
    until: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Contacts {
    by_addr: BTreeMap<SocketAddr, Contact>,
    /// Addresses that turned out to be this node.
    selves: Vec<(SocketAddr, Instant)>,
    tokens: BTreeMap<u64, Call>,
    /// Until when an answer to each counts, the first to end first.
    ends: BTreeSet<(Instant, u64)>,
    /// When those that are not urgent may be called next.
    next_round: Instant,
    /// When those that are may be.
    next_sweep: Instant,
    eagerly_for: Duration,
    interval: Duration,
    /// How many addresses are kept.
    most: usize,
    /// How many made room for others.
    displaced: u64,
}

impl Contacts {
    pub(super) fn new(interval: Duration, eagerly_for: Duration, most: usize) -> Self {
        Self {
            eagerly_for,
            interval,
            most,
            ..Self::default()
        }
    }

    /// A seed's address, to be called at once.
    pub(super) fn add_seed(&mut self, now: Instant, addr: SocketAddr) {
        self.selves.retain(|(_, until)| *until > now);
        if self.selves.iter().any(|(own, _)| *own == addr) {
            return;
        }
        // A name behind which ever new addresses stand is no reason to remember all of them.
        self.make_room_for(addr, |_| true);
        let pause = self.interval;
        let fresh = Contact {
            origin: Origin::Seed,
            is_urgent: true,
            since: now,
            called: None,
            next: now,
            pause,
        };
        let contact = self.by_addr.entry(addr).or_insert(fresh);
        contact.origin = Origin::Seed;
        contact.is_urgent = true;
        contact.next = contact.next.min(now);
    }

    /// A member that failed.
    pub(super) fn add_lost(&mut self, now: Instant, addr: SocketAddr) {
        // No seed makes room for it.
        if !self.make_room_for(addr, |contact| contact.origin != Origin::Seed) {
            return;
        }
        let known = self.by_addr.get(&addr);
        let origin = match known.map(|contact| contact.origin) {
            Some(Origin::Seed) => Origin::Seed,
            _ => Origin::Lost,
        };
        let next = now + self.interval;
        self.by_addr.insert(
            addr,
            Contact {
                origin,
                is_urgent: false,
                since: now,
                called: None,
                next,
                pause: self.interval,
            },
        );
    }

    /// Makes room for one more address, by forgetting the first of those that `may_go`. Says whether there is room.
    fn make_room_for(&mut self, addr: SocketAddr, may_go: impl Fn(&Contact) -> bool) -> bool {
        if self.by_addr.len() < self.most || self.by_addr.contains_key(&addr) {
            return true;
        }
        let going = self.by_addr.iter().filter(|(_, contact)| may_go(contact));
        let first = going.min_by_key(|(_, contact)| (contact.origin, contact.since));
        let Some(first) = first.map(|(addr, _)| *addr) else {
            return false;
        };
        self.displaced += 1;
        self.by_addr.remove(&first).is_some()
    }

    /// An address of an earlier run. One that is known already stays what it is.
    pub(super) fn add_remembered(&mut self, now: Instant, addr: SocketAddr) {
        if self.by_addr.len() < self.most {
            self.by_addr.entry(addr).or_insert(Contact {
                origin: Origin::Remembered,
                is_urgent: false,
                since: now,
                called: None,
                next: now,
                pause: self.interval,
            });
        }
    }

    /// Somebody is alive: what was remembered, and has not answered for long, is not called any more.
    pub(super) fn forget_remembered(&mut self, now: Instant) {
        let eagerly_for = self.eagerly_for;
        self.by_addr.retain(|_, contact| {
            contact.origin != Origin::Remembered || now - contact.since <= eagerly_for
        });
    }

    /// The address answers, though it does not take us for a member: it is called at the usual pace.
    pub(super) fn goes_on(&mut self, now: Instant, addr: SocketAddr) {
        if let Some(contact) = self.by_addr.get_mut(&addr) {
            contact.since = now;
            contact.pause = self.interval;
            contact.next = contact.next.min(now + self.interval);
        }
    }

    /// Nobody is to be called at this address: it is a member, or it has left. Says whether it
    /// was being called.
    pub(super) fn remove(&mut self, addr: SocketAddr) -> bool {
        self.by_addr.remove(&addr).is_some()
    }

    /// The address is this node's own, it seems: a call to it came back. It is not called for a while. Not for ever, because
    /// whoever sees the call can send it back, and a seed would be lost for good.
    /// One that was a member is somebody else, whatever comes back.
    pub(super) fn is_self(&mut self, now: Instant, addr: SocketAddr) {
        let known = self.by_addr.get(&addr);
        if known.is_some_and(|contact| contact.origin == Origin::Lost) {
            return;
        }
        self.by_addr.remove(&addr);
        self.selves
            .retain(|(own, until)| *own != addr && *until > now);
        if self.selves.len() < MOST_SELVES {
            self.selves.push((addr, now + SELF_FOR));
        }
    }

    /// How many addresses made room for others, ever.
    pub(super) const fn displaced(&self) -> u64 {
        self.displaced
    }

    /// How many addresses are kept, and how many hellos are unanswered.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.by_addr.len(), self.tokens.len())
    }

    /// How many are to be called at once.
    #[cfg(test)]
    pub(super) fn urgent(&self, now: Instant) -> usize {
        let urgent = |contact: &&Contact| contact.is_urgent && contact.next <= now;
        self.by_addr.values().filter(urgent).count()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn contains(&self, addr: SocketAddr) -> bool {
        self.by_addr.contains_key(&addr)
    }

    /// Somebody who was lost is back: all others are worth a call now, or once the interval since their last one is over.
    pub(super) fn call_all_now(&mut self, now: Instant) {
        let known = |contact: &&mut Contact| contact.origin != Origin::Remembered;
        for contact in self.by_addr.values_mut().filter(known) {
            contact.is_urgent = true;
            contact.next = match contact.called {
                Some(called) => now.max(called + self.interval),
                None => now,
            };
        }
    }

    /// Whom to call now: some of the urgent ones, or some of those whose turn it is.
    pub(super) fn due(&mut self, now: Instant, rng: &mut impl Rng) -> Vec<SocketAddr> {
        let is_due = |contact: &Contact| contact.next <= now;
        let mut due = Vec::new();
        if now >= self.next_sweep {
            let mut urgent = self.listed(|contact| contact.is_urgent && is_due(contact));
            due.extend_from_slice(urgent.partial_shuffle(rng, AT_A_TIME).0);
        }
        if !due.is_empty() {
            self.next_sweep = now + SWEEP_GAP;
            // The others have their turn when all of these have had it.
            self.next_round = now + self.interval;
        } else if now >= self.next_round {
            due = self.drawn(is_due, rng);
            if !due.is_empty() {
                self.next_round = now + self.interval;
            }
        }
        for addr in &due {
            let contact = self.by_addr.get_mut(addr).expect("it was just listed");
            if now - contact.since > self.eagerly_for {
                contact.pause = (contact.pause * 2).min(LONGEST_PAUSE);
            }
            contact.is_urgent = false;
            contact.called = Some(now);
            contact.next = now + contact.pause;
        }
        due
    }

    /// A few of those whose turn it is: one of the remembered, if there is one, and of the others as many as there is room for.
    fn drawn(&self, is_due: impl Fn(&Contact) -> bool, rng: &mut impl Rng) -> Vec<SocketAddr> {
        let is_remembered = |contact: &Contact| contact.origin == Origin::Remembered;
        let mut known = self.listed(|contact| is_due(contact) && !is_remembered(contact));
        let mut remembered = self.listed(|contact| is_due(contact) && is_remembered(contact));
        let reserved = remembered.len().min(1);
        let known = known.partial_shuffle(rng, AT_A_TIME - reserved).0;
        let room = AT_A_TIME - known.len();
        let remembered = remembered.partial_shuffle(rng, room).0;
        [&*known, &*remembered].concat()
    }

    fn listed(&self, pick: impl Fn(&Contact) -> bool) -> Vec<SocketAddr> {
        let picked = self.by_addr.iter().filter(|(_, contact)| pick(contact));
        picked.map(|(addr, _)| *addr).collect()
    }

    /// When somebody is to be called next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let contacts = self.by_addr.values();
        let at = |contact: &Contact| {
            if contact.is_urgent {
                contact.next.max(self.next_sweep)
            } else {
                contact.next.max(self.next_round)
            }
        };
        contacts.map(at).min()
    }

    /// Notes that a hello with this token went to `addr`.
    pub(super) fn expect_answer(
        &mut self,
        now: Instant,
        token: u64,
        addr: SocketAddr,
        with_cookie: bool,
    ) {
        while let Some((until, first)) = self.ends.first().copied()
            && (until < now || self.tokens.len() >= MOST_TOKENS)
        {
            self.ends.pop_first();
            self.tokens.remove(&first);
        }
        let until = now + TOKEN_FOR;
        self.ends.insert((until, token));
        self.tokens.insert(
            token,
            Call {
                addr,
                with_cookie,
                until,
            },
        );
    }

    /// Where the hello with this token went. It may still be answered.
    pub(super) fn called(&self, now: Instant, token: u64) -> Option<SocketAddr> {
        let call = self.tokens.get(&token)?;
        (call.until >= now).then_some(call.addr)
    }

    /// The hello with this token, once.
    pub(super) fn answered(&mut self, now: Instant, token: u64) -> Option<Call> {
        let call = self.tokens.remove(&token)?;
        self.ends.remove(&(call.until, token));
        (call.until >= now).then_some(call)
    }
}
