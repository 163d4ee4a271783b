//! How long a suspected member has to refute (Lifeguard, arXiv 1707.00788, section 4.2).
//!
//! It begins with the longest time, for whoever suspects may be the one who is slow. Each other member that
//! finds the suspect silent by itself shortens it; with `K` of them it is the shortest:
//!
//! ```text
//! max(min, max - (max - min) * ln(C + 1) / ln(K + 1))
//! ```
//!
//! Only members that are well themselves can confirm. Where fewer than `K` are left, because the
//! others are suspected too, those have to do, and the shortest time grows towards half of the
//! longest one: a few that agree may be the ones who are cut off.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::{Instant, identity::PeerId};

/// How many confirmations make the time the shortest: Lifeguard's `K` (section 5.1).
pub(super) const CONFIRMATIONS: usize = 3;

/// A member that has to refute.
#[derive(Debug, Clone)]
pub(super) struct Suspicion {
    pub(super) id: PeerId,
    pub(super) incarnation: u16,
    pub(super) since: Instant,
    /// No verdict before this.
    pub(super) not_before: Instant,
    /// Whether this node suspects it by itself, or has looked into what it heard.
    pub(super) is_ours: bool,
    /// Who has found it silent, besides whoever suspected it first.
    pub(super) confirmed_by: BTreeSet<SocketAddr>,
}

impl Suspicion {
    pub(super) const fn new(id: PeerId, incarnation: u16, since: Instant) -> Self {
        Self {
            id,
            incarnation,
            since,
            not_before: Instant::ZERO,
            is_ours: false,
            confirmed_by: BTreeSet::new(),
        }
    }

    /// How long it lasts from its beginning, where `able` of `others` could confirm it. Where nobody
    /// can, or nobody is asked, it is half of the longest time.
    pub(super) fn lasts(
        &self,
        min: Duration,
        max: Duration,
        able: usize,
        others: usize,
    ) -> Duration {
        let wanted = able.min(CONFIRMATIONS);
        let half = (max / 2).max(min);
        if wanted == 0 {
            return half;
        }
        let min = shortest(min, half, wanted, others.min(CONFIRMATIONS));
        let confirmed = self.confirmed_by.len().min(wanted);
        #[allow(clippy::cast_precision_loss)] // at most three
        let share = (confirmed as f64 + 1.0).ln() / (wanted as f64 + 1.0).ln();
        max.saturating_sub(max.saturating_sub(min).mul_f64(share))
            .max(min)
    }
}

/// The shortest time where `wanted` are able to confirm of the `usual` ones.
fn shortest(min: Duration, half: Duration, wanted: usize, usual: usize) -> Duration {
    let missing = usual.saturating_sub(wanted);
    if missing == 0 {
        return min;
    }
    #[allow(clippy::cast_precision_loss)] // at most three
    let share = missing as f64 / usual as f64;
    min + half.saturating_sub(min).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(by: u16) -> Suspicion {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut suspicion = Suspicion::new(PeerId::new(addr(9), 1, 0), 0, Instant::ZERO);
        suspicion.confirmed_by.extend((1..=by).map(addr));
        suspicion
    }

    #[test]
    fn it_shrinks_with_the_logarithm_of_the_confirmations() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(6));
        let lasts = |by| confirmed(by).lasts(min, max, 10, 10).as_millis();
        assert_eq!(
            [lasts(0), lasts(1), lasts(2), lasts(3), lasts(4)],
            [6_000, 3_500, 2_037, 1_000, 1_000]
        );
    }

    #[test]
    fn in_a_small_cluster_those_that_there_are_will_do() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(6));
        assert_eq!(confirmed(1).lasts(min, max, 1, 1), min);
        assert_eq!(confirmed(0).lasts(min, max, 0, 0), max / 2);
    }

    #[test]
    fn the_fewer_are_left_to_confirm_the_closer_the_shortest_time_is_to_half_of_the_longest() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(7));
        let lasts = |by, able| confirmed(by).lasts(min, max, able, 10).as_millis();
        assert_eq!(
            [lasts(3, 3), lasts(2, 2), lasts(1, 1), lasts(0, 0)],
            [1_000, 1_833, 2_666, 3_500]
        );
        assert_eq!(
            lasts(0, 1),
            7_000,
            "nobody of those who are able has confirmed it"
        );
    }
}
