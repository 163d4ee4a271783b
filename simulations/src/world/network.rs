//! The network between the hosts: what becomes of a datagram, and when it arrives.
//!
//! Everything is drawn from the network's own random source, in the order in which datagrams are sent. What
//! faults do to links comes on top of the scenario's conditions, and each fault counts what it hit.

mod channel;
mod latency;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, rngs::StdRng};
use tidings::gossip::Instant;

use self::{channel::Channel, latency::Distances};
use super::{bits::Bits, faults::FaultId};
use crate::scenario::{BurstLoss, Conditions, Direction, SpanRange};

/// How long a datagram may wait for a link that is busy before it is lost: as much as a router with a
/// buffer of its bandwidth times 200 ms holds.
const QUEUE_MAX: Duration = Duration::from_millis(200);
/// How long a datagram that is reordered is held back at most.
const HELD_BACK_MAX_US: u64 = 50_000;

/// Two sets of hosts, and which way between them something works.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) first: Bits,
    pub(super) second: Bits,
    pub(super) direction: Direction,
}

impl Sides {
    fn cover(&self, from: usize, to: usize) -> bool {
        self.first.contains(from) && self.second.contains(to)
            || self.direction == Direction::Both
                && self.second.contains(from)
                && self.first.contains(to)
    }

    /// Whether what it does to links touches the two hosts, whichever of them sends.
    fn touch(&self, one: usize, other: usize) -> bool {
        self.cover(one, other) || self.cover(other, one)
    }
}

/// What a fault does to links.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// Nothing passes, while it is down.
    Cut { is_down: bool },
    /// What passes passes worse.
    Degraded {
        loss: f64,
        burst_loss: Option<BurstLoss>,
        delay: Option<SpanRange>,
        duplicate: f64,
        reorder: f64,
    },
}

#[derive(Debug)]
struct Active {
    fault: FaultId,
    sides: Sides,
    trouble: Trouble,
}

/// A cut that is over: between whom, and when it ended.
#[derive(Debug)]
struct Past {
    sides: Sides,
    until: Instant,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives then.
    Arrives(Instant),
    /// It arrives twice.
    Twice(Instant, Instant),
    /// A fault cut the link.
    Cut,
    /// It was lost on its way.
    Lost,
    /// It is larger than what the network carries.
    TooLarge,
    /// The sender's link was busy for too long.
    Overflow,
}

/// What the network has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Datagrams that were given to it.
    pub sent: u64,
    /// Lost by the network's own conditions.
    pub lost: u64,
    /// Delivered twice, by its own conditions.
    pub duplicated: u64,
    /// Held back, by its own conditions.
    pub reordered: u64,
    /// Larger than what it carries.
    pub too_large: u64,
    /// Lost because the sender's link was busy.
    pub overflowed: u64,
    /// Delayed because the sender's link was busy.
    pub queued: u64,
}

/// The network of one world.
#[derive(Debug)]
pub struct Network {
    rng: StdRng,
    conditions: Conditions,
    distances: Distances,
    active: Vec<Active>,
    past: Vec<Past>,
    channels: BTreeMap<(Option<FaultId>, usize, usize), Channel>,
    /// Until when each host's link is busy.
    busy: Vec<Instant>,
    counts: Counts,
}

/// What applies to one datagram.
#[derive(Debug, Default)]
struct Course {
    delay: Duration,
    twice: bool,
    held_back: bool,
}

impl Network {
    pub(super) fn new(conditions: Conditions, rng: StdRng) -> Self {
        Self {
            rng,
            distances: Distances::new(&conditions),
            conditions,
            active: Vec::new(),
            past: Vec::new(),
            channels: BTreeMap::new(),
            busy: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// What it has counted.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What it is like, faults left out.
    pub const fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Whether a cut between the two hosts, in whichever direction, is there or was since then.
    pub fn was_cut_since(&self, one: usize, other: usize, since: Instant) -> bool {
        let is_cut = self.active.iter().any(|active| {
            let cuts = match active.trouble {
                Trouble::Cut { .. } => true,
                Trouble::Degraded { loss, .. } => loss >= 1.0,
            };
            cuts && active.sides.touch(one, other)
        });
        let was_cut = |past: &Past| past.until >= since && past.sides.touch(one, other);
        is_cut || self.past.iter().any(was_cut)
    }

    pub(super) fn begin(&mut self, fault: FaultId, sides: Sides, trouble: Trouble) {
        self.active.push(Active {
            fault,
            sides,
            trouble,
        });
    }

    /// Takes the links of a flapping fault down, or up.
    pub(super) fn set_down(&mut self, fault: FaultId, down: bool) {
        for active in self
            .active
            .iter_mut()
            .filter(|active| active.fault == fault)
        {
            if let Trouble::Cut { is_down } = &mut active.trouble {
                *is_down = down;
            }
        }
    }

    pub(super) fn end(&mut self, now: Instant, fault: FaultId) {
        let (ended, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition(|active| active.fault == fault);
        self.active = active;
        let cuts = |active: &Active| match active.trouble {
            Trouble::Cut { .. } => true,
            Trouble::Degraded { loss, .. } => loss >= 1.0,
        };
        let ended: Vec<Active> = ended;
        self.past
            .extend(ended.into_iter().filter(cuts).map(|active| Past {
                sides: active.sides,
                until: now,
            }));
    }

    /// What becomes of a datagram of `bytes`; each fault that hit it is told to `hit`.
    pub(super) fn send(
        &mut self,
        now: Instant,
        from: usize,
        to: usize,
        bytes: usize,
        mut hit: impl FnMut(FaultId),
    ) -> Fate {
        self.counts.sent += 1;
        if bytes > self.conditions.mtu {
            self.counts.too_large += 1;
            return Fate::TooLarge;
        }
        let Some(departs) = self.depart(now, from, bytes) else {
            self.counts.overflowed += 1;
            return Fate::Overflow;
        };
        for active in &self.active {
            if matches!(active.trouble, Trouble::Cut { is_down: true })
                && active.sides.cover(from, to)
            {
                hit(active.fault);
                return Fate::Cut;
            }
        }
        let mut course = Course::default();
        if !self.pass_conditions(now, from, to, &mut course) {
            self.counts.lost += 1;
            return Fate::Lost;
        }
        if !self.pass_faults(now, from, to, &mut course, &mut hit) {
            return Fate::Lost;
        }
        let latency = self.distances.draw(&mut self.rng, from, to) + course.delay;
        let held_back = if course.held_back {
            Duration::from_micros(self.rng.random_range(1_000..=HELD_BACK_MAX_US))
        } else {
            Duration::ZERO
        };
        let arrives = departs + latency + held_back;
        if course.twice {
            let again = departs + self.distances.draw(&mut self.rng, from, to) + course.delay;
            return Fate::Twice(arrives, again);
        }
        Fate::Arrives(arrives)
    }

    /// When the datagram has left its host; nothing if the link is busy for too long.
    fn depart(&mut self, now: Instant, from: usize, bytes: usize) -> Option<Instant> {
        let Some(bandwidth) = self.conditions.bandwidth else {
            return Some(now);
        };
        if from >= self.busy.len() {
            self.busy.resize(from + 1, Instant::ZERO);
        }
        let free = self.busy[from].max(now);
        if free - now > QUEUE_MAX {
            return None;
        }
        self.counts.queued += u64::from(free > now);
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / bandwidth.max(1);
        self.busy[from] = free + Duration::from_nanos(nanos);
        Some(self.busy[from])
    }

    /// Whether the datagram gets through the network as it is without faults.
    fn pass_conditions(
        &mut self,
        now: Instant,
        from: usize,
        to: usize,
        course: &mut Course,
    ) -> bool {
        if self.chance(self.conditions.loss) {
            return false;
        }
        if let Some(bursts) = self.conditions.burst_loss
            && self.is_in_burst(None, bursts, now, from, to)
        {
            return false;
        }
        course.twice = self.chance(self.conditions.duplicate);
        course.held_back = self.chance(self.conditions.reorder);
        self.counts.duplicated += u64::from(course.twice);
        self.counts.reordered += u64::from(course.held_back);
        true
    }

    /// Whether it gets through what faults have made of the link.
    fn pass_faults(
        &mut self,
        now: Instant,
        from: usize,
        to: usize,
        course: &mut Course,
        hit: &mut impl FnMut(FaultId),
    ) -> bool {
        for index in 0..self.active.len() {
            let active = &self.active[index];
            let fault = active.fault;
            let Trouble::Degraded {
                loss,
                burst_loss,
                delay,
                duplicate,
                reorder,
            } = active.trouble
            else {
                continue;
            };
            if !active.sides.cover(from, to) {
                continue;
            }
            let in_burst = burst_loss
                .is_some_and(|bursts| self.is_in_burst(Some(fault), bursts, now, from, to));
            if in_burst || self.chance(loss) {
                hit(fault);
                return false;
            }
            let (twice, held_back) = (self.chance(duplicate), self.chance(reorder));
            course.twice |= twice;
            course.held_back |= held_back;
            if let Some(delay) = delay {
                course.delay += latency::uniform(&mut self.rng, delay);
            }
            if twice || held_back || delay.is_some() {
                hit(fault);
            }
        }
        true
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random_bool(share.min(1.0))
    }

    fn is_in_burst(
        &mut self,
        fault: Option<FaultId>,
        bursts: BurstLoss,
        now: Instant,
        from: usize,
        to: usize,
    ) -> bool {
        let channel = self.channels.entry((fault, from, to)).or_default();
        channel.is_bad(&mut self.rng, bursts, now)
    }
}
