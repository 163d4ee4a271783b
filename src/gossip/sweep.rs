//! A sweep: a look at all members at once, outside of the probe rotation.
//!
//! One probe at a time adds up too slowly where most members die at once: 95 dead of 100 take more
//! than a minute. So [`FAILURES`] members that fail to answer within a short time, or are refused,
//! begin a sweep: every member is pinged in random order, one ping every [`PING_GAP`]. One that does
//! not answer is pinged again as [`Look`] says, after all others have had their first ping.
//!
//! A sweep that finds most members well ends early: where [`SAMPLE`] have answered and fewer than one in
//! four of those that were pinged has not, the probe rotation is quick enough.
//!
//! Bounds: one look at each member, 200 pings a second, one sweep at a time, and a rest between two.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{Instant, identity::PeerId, look::Look, wire::message::Outcome};

/// How many members have to fail before all are looked at.
const FAILURES: usize = 2;
/// The least time between two pings of a sweep: 200 leave in a second.
const PING_GAP: Duration = Duration::from_millis(5);
/// After how many answers it is judged whether the sweep is worth going on.
const SAMPLE: usize = 32;
/// A sweep goes on where at least one in so many of those that were pinged has not answered.
const WORTH: usize = 4;

/// What a sweep wants done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This member is to be pinged with this token.
    Ping(PeerId, u32),
    /// The look at this member has ended without an answer.
    Found(PeerId, Outcome),
    /// Nothing is to be done before then.
    Wait(Instant),
    /// All have been looked at.
    Over,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    id: PeerId,
    token: u32,
    look: Look,
    due: Instant,
}

/// The failures that may begin a sweep, and the sweep that is under way.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// The members that failed last, at most [`FAILURES`].
    failures: Vec<(SocketAddr, Instant)>,
    /// When the present sweep began, or the last one.
    began: Option<Instant>,
    is_running: bool,
    /// No sweep begins before that.
    rest_until: Instant,
    /// Those that have not been pinged yet, and their tokens.
    fresh: Vec<(PeerId, u32)>,
    targets: BTreeMap<SocketAddr, Target>,
    due: BTreeSet<(Instant, SocketAddr)>,
    by_token: BTreeMap<u32, SocketAddr>,
    next_ping: Instant,
    answered: usize,
    /// Looks of this sweep that have ended without an answer.
    missing: usize,
}

impl Sweep {
    /// A member has failed to answer, or was refused. Says whether a sweep is to begin: others have
    /// failed within `window`, too.
    pub(super) fn failed(&mut self, now: Instant, addr: SocketAddr, window: Duration) -> bool {
        self.failures
            .retain(|(other, at)| *other != addr && now - *at <= window);
        if self.failures.len() == FAILURES {
            self.failures.remove(0);
        }
        self.failures.push((addr, now));
        self.failures.len() >= FAILURES && self.may_begin(now)
    }

    /// Whether a sweep may begin: none is under way, and the last one is long enough ago.
    pub(super) fn may_begin(&self, now: Instant) -> bool {
        !self.is_running && now >= self.rest_until
    }

    /// Whether a member is among those that have just failed.
    pub(super) fn has_failed(&self, addr: SocketAddr) -> bool {
        let is_late = |target: &Target| target.look.pings() > 1 || target.look.has_refusal();
        self.failures.iter().any(|(other, _)| *other == addr)
            || self.targets.get(&addr).is_some_and(is_late)
    }

    /// A member was heard: it has not failed.
    pub(super) fn heard(&mut self, addr: SocketAddr) {
        self.failures.retain(|(other, _)| *other != addr);
    }

    /// Begins a look at all of these, in this order. Each has a token of its own.
    pub(super) fn begin(&mut self, now: Instant, mut members: Vec<(PeerId, u32)>) {
        members.reverse();
        *self = Self {
            failures: std::mem::take(&mut self.failures),
            began: Some(now),
            is_running: true,
            fresh: members,
            next_ping: now,
            ..Self::default()
        };
    }

    /// Looks at these, too.
    pub(super) fn add(&mut self, members: impl IntoIterator<Item = (PeerId, u32)>) {
        for (id, token) in members {
            if !self.targets.contains_key(&id.addr) {
                self.fresh.retain(|(other, _)| other.addr != id.addr);
                self.fresh.push((id, token));
            }
        }
    }

    /// When the present sweep began, or the last one.
    pub(super) const fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Since when those that live have had the chance to answer; nothing where no sweep has come
    /// so far.
    pub(super) fn has_asked_all_since(&self) -> Option<Instant> {
        self.began.filter(|_| self.fresh.is_empty())
    }

    /// Whether a sweep is under way.
    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    /// What is to be done now. A step is done before the next one is asked for.
    pub(super) fn step(&mut self, now: Instant, probe_timeout: Duration) -> Step {
        if !self.is_running {
            return Step::Over;
        }
        self.end_early();
        if let Some(found) = self.next_found(now, probe_timeout) {
            return found;
        }
        let wants_ping =
            !self.fresh.is_empty() || self.due.first().is_some_and(|(at, _)| *at <= now);
        if wants_ping && now < self.next_ping {
            return Step::Wait(self.next_ping);
        }
        if let Some((id, token)) = self.fresh.pop() {
            let look = Look::new(now);
            let target = Target {
                id,
                token,
                look,
                due: now,
            };
            self.by_token.insert(token, id.addr);
            return self.ping(now, target, probe_timeout);
        }
        match self.due.first().copied() {
            Some((at, addr)) if at <= now => {
                let target = self.take(addr).expect("whatever is due is looked at");
                self.ping(now, target, probe_timeout)
            }
            Some((at, _)) => Step::Wait(at),
            None => {
                self.is_running = false;
                Step::Over
            }
        }
    }

    /// After a sweep there is none for `rest`, and none of the failures before it begins one.
    pub(super) fn ended(&mut self, now: Instant, rest: Duration) {
        self.failures.clear();
        self.rest_until = now + rest;
    }

    fn ping(&mut self, now: Instant, mut target: Target, probe_timeout: Duration) -> Step {
        target.due = now + target.look.pinged(now, probe_timeout);
        self.next_ping = now + PING_GAP;
        let step = Step::Ping(target.id, target.token);
        self.put(target);
        step
    }

    /// The first of those that are due whose look has ended.
    fn next_found(&mut self, now: Instant, probe_timeout: Duration) -> Option<Step> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        let found = due.map(|(_, addr)| self.targets[addr]).find_map(|target| {
            if target.look.is_refused(now, probe_timeout) {
                Some((target, Outcome::Refused))
            } else if target.look.is_over() {
                Some((target, Outcome::Silent))
            } else {
                None
            }
        });
        let (target, outcome) = found?;
        self.take(target.id.addr);
        self.by_token.remove(&target.token);
        self.missing += 1;
        Some(Step::Found(target.id, outcome))
    }

    /// Pings nobody new where the sample says that most are well.
    fn end_early(&mut self) {
        let waiting = self.targets.len() + self.missing;
        if self.answered >= SAMPLE && waiting * WORTH < self.answered + waiting {
            self.fresh.clear();
        }
    }

    /// A ping was answered by the process `boot`. Says whose look that ends.
    pub(super) fn answered(&mut self, token: u32, boot: u64) -> Option<PeerId> {
        let addr = *self.by_token.get(&token)?;
        let id = self.targets.get(&addr)?.id;
        if id.boot != boot {
            return None;
        }
        self.forget(addr);
        self.answered += 1;
        Some(id)
    }

    /// Nobody is looked at on this address any more.
    pub(super) fn forget(&mut self, addr: SocketAddr) {
        if let Some(target) = self.take(addr) {
            self.by_token.remove(&target.token);
        }
    }

    /// The operating system says that nothing listens there. Says whether this sweep looks there.
    pub(super) fn refused(&mut self, addr: SocketAddr, probe_timeout: Duration) -> bool {
        let Some(mut target) = self.take(addr) else {
            return false;
        };
        if let Some(believed_from) = target.look.refused(probe_timeout)
            && target.look.pings() > 1
        {
            target.due = target.due.min(believed_from);
        }
        self.put(target);
        true
    }

    fn put(&mut self, target: Target) {
        self.due.insert((target.due, target.id.addr));
        self.targets.insert(target.id.addr, target);
    }

    fn take(&mut self, addr: SocketAddr) -> Option<Target> {
        let target = self.targets.remove(&addr)?;
        self.due.remove(&(target.due, addr));
        Some(target)
    }

    /// How many members are still to be looked at, or are being looked at.
    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.targets.len()
    }
}

#[cfg(test)]
mod tests;
