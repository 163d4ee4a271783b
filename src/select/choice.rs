//! One immutable list of candidates, and how one of them is chosen.

use std::sync::Arc;

use rand::Rng;

use super::Strategy;
use super::candidate::Candidate;
use super::load::Moment;
use super::no_instances::Survey;
use super::turn::Turn;

/// How many turns round robin takes to find somebody who was not tried, before it draws. Drawing at
/// once would be fair to no weight; taking the next in the list would send all that one instance
/// refuses to its neighbour.
const TURNS_TO_UNTRIED: usize = 8;

/// What a pool picks from until the next update.
pub(super) struct Choice<C> {
    pub(super) candidates: Box<[Arc<Candidate<C>>]>,
    /// The turns of [`Strategy::Weighted`]; empty when everybody has one.
    pub(super) turns: Arc<[u32]>,
    pub(super) survey: Arc<Survey>,
}

impl<C> Choice<C> {
    /// One that is none of `tried`, or nobody when there is none.
    pub(super) fn choose(
        &self,
        strategy: Strategy,
        turn: &Turn,
        now: Moment,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Option<&Arc<Candidate<C>>> {
        if self.candidates.is_empty() {
            return None;
        }
        match strategy {
            Strategy::Random => self.random(rng, tried),
            Strategy::RoundRobin | Strategy::Weighted => self.in_turn(turn, rng, tried),
            Strategy::P2c => self.of_two(now, rng, tried),
        }
    }

    fn random(
        &self,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Option<&Arc<Candidate<C>>> {
        let drawn = &self.candidates[below(self.candidates.len(), rng.next_u32())];
        if drawn.is_one_of(tried) {
            return self.random_untried(rng, tried);
        }
        Some(drawn)
    }

    fn in_turn(
        &self,
        turn: &Turn,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Option<&Arc<Candidate<C>>> {
        for _ in 0..TURNS_TO_UNTRIED {
            let place = if self.turns.is_empty() {
                turn.next(self.candidates.len(), rng)
            } else {
                self.turns[turn.next(self.turns.len(), rng)] as usize
            };
            if !self.candidates[place].is_one_of(tried) {
                return Some(&self.candidates[place]);
            }
        }
        self.random_untried(rng, tried)
    }

    fn of_two(
        &self,
        now: Moment,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Option<&Arc<Candidate<C>>> {
        if let [only] = &*self.candidates {
            return (!only.is_one_of(tried)).then_some(only);
        }
        let (a, b) = two_below(self.candidates.len(), rng.next_u64());
        let (a, b) = (&self.candidates[a], &self.candidates[b]);
        if a.is_one_of(tried) || b.is_one_of(tried) {
            return match self.untried(tried).count() {
                0 => None,
                1 => self.untried(tried).next(),
                left => {
                    let (a, b) = two_below(left, rng.next_u64());
                    let (a, b) = (self.untried(tried).nth(a)?, self.untried(tried).nth(b)?);
                    Some(cheaper(a, b, now))
                }
            };
        }
        Some(cheaper(a, b, now))
    }

    fn random_untried(
        &self,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Option<&Arc<Candidate<C>>> {
        match self.untried(tried).count() {
            0 => None,
            left => self.untried(tried).nth(below(left, rng.next_u32())),
        }
    }

    fn untried(&self, tried: &[Arc<str>]) -> impl Iterator<Item = &Arc<Candidate<C>>> {
        let untried = move |candidate: &&Arc<Candidate<C>>| !candidate.is_one_of(tried);
        self.candidates.iter().filter(untried)
    }
}

/// The one with the lower load, unless the other one has been idle for so long that it is tried.
fn cheaper<'a, C>(
    a: &'a Arc<Candidate<C>>,
    b: &'a Arc<Candidate<C>>,
    now: Moment,
) -> &'a Arc<Candidate<C>> {
    let (cheap, dear) = if b.cost(now).is_below(a.cost(now)) {
        (b, a)
    } else {
        (a, b)
    };
    if dear.backend.load.claim_idle(now) {
        return dear;
    }
    cheap
}

/// A number below `len` from 32 random bits, by a multiplication. Of `len` numbers, some are drawn
/// more often than others by a share of at most `len` in 4 billion.
fn below(len: usize, random: u32) -> usize {
    let scaled = (len as u64 * u64::from(random)) >> 32;
    usize::try_from(scaled).expect("less than `len`, which is one")
}

/// Two different numbers below `len`, which is at least 2.
fn two_below(len: usize, random: u64) -> (usize, usize) {
    let (high, low) = ((random >> 32) as u32, (random & 0xffff_ffff) as u32);
    let (first, second) = (below(len, high), below(len - 1, low));
    (first, second + usize::from(second >= first))
}
