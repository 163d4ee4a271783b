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
/// How often is drawn from a list that is longer than this before those who are left are counted, and from a shorter one once. Where half
/// are ejected, both of two are left in one draw of four: one pick in a hundred counts.
const DRAWS: usize = 16;

/// What a pool picks from until the next update.
pub(super) struct Choice<C> {
    pub(super) candidates: Box<[Arc<Candidate<C>>]>,
    /// The turns of [`Strategy::Weighted`]; empty when everybody has one.
    pub(super) turns: Arc<[u32]>,
    /// The candidates' addresses, sorted.
    #[cfg(feature = "balance")]
    pub(super) addresses: Box<[Arc<str>]>,
    pub(super) survey: Arc<Survey>,
}

/// Who is not to be chosen.
#[derive(Clone, Copy)]
pub(crate) struct Excluded<'a> {
    /// A few, in any order.
    pub(crate) tried: &'a [Arc<str>],
    /// Sorted, and as many as there may be.
    pub(crate) sorted: &'a [Arc<str>],
}

impl Excluded<'_> {
    fn has<C>(self, candidate: &Candidate<C>) -> bool {
        let address = &candidate.backend.address;
        self.tried.contains(address) || self.sorted.binary_search(address).is_ok()
    }
}

impl<C> Choice<C> {
    /// One that is not `out`, or nobody when there is none.
    pub(super) fn choose(
        &self,
        strategy: Strategy,
        turn: &Turn,
        now: Moment,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Option<&Arc<Candidate<C>>> {
        if self.candidates.is_empty() {
            return None;
        }
        match strategy {
            Strategy::Random => self.random(rng, out),
            Strategy::RoundRobin | Strategy::Weighted => self.in_turn(turn, rng, out),
            Strategy::P2c => self.of_two(now, rng, out),
        }
    }

    fn random(
        &self,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Option<&Arc<Candidate<C>>> {
        for _ in 0..self.draws() {
            let drawn = &self.candidates[below(self.candidates.len(), rng.next_u32())];
            if !out.has(drawn) {
                return Some(drawn);
            }
        }
        self.random_left(rng, out)
    }

    fn in_turn(
        &self,
        turn: &Turn,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Option<&Arc<Candidate<C>>> {
        for _ in 0..TURNS_TO_UNTRIED {
            let place = if self.turns.is_empty() {
                turn.next(self.candidates.len(), rng)
            } else {
                self.turns[turn.next(self.turns.len(), rng)] as usize
            };
            if !out.has(&self.candidates[place]) {
                return Some(&self.candidates[place]);
            }
        }
        self.random_left(rng, out)
    }

    fn of_two(
        &self,
        now: Moment,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Option<&Arc<Candidate<C>>> {
        if let [only] = &*self.candidates {
            return (!out.has(only)).then_some(only);
        }
        for _ in 0..self.draws() {
            let (a, b) = two_below(self.candidates.len(), rng.next_u64());
            let (a, b) = (&self.candidates[a], &self.candidates[b]);
            if !out.has(a) && !out.has(b) {
                return Some(cheaper(a, b, now));
            }
        }
        match self.left(out).count() {
            0 => None,
            1 => self.left(out).next(),
            left => {
                let (a, b) = two_below(left, rng.next_u64());
                let (a, b) = (self.left(out).nth(a)?, self.left(out).nth(b)?);
                Some(cheaper(a, b, now))
            }
        }
    }

    const fn draws(&self) -> usize {
        if self.candidates.len() > DRAWS {
            DRAWS
        } else {
            1
        }
    }

    fn random_left(
        &self,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Option<&Arc<Candidate<C>>> {
        match self.left(out).count() {
            0 => None,
            left => self.left(out).nth(below(left, rng.next_u32())),
        }
    }

    fn left(&self, out: Excluded<'_>) -> impl Iterator<Item = &Arc<Candidate<C>>> {
        let is_left = move |candidate: &&Arc<Candidate<C>>| !out.has(candidate);
        self.candidates.iter().filter(is_left)
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
