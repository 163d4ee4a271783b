//! Whether this node has reason to doubt itself: Lifeguard's local health multiplier (arXiv 1707.00788, section
//! 4.1; memberlist calls it awareness).
//!
//! What makes it worse points at this node rather than at others: a timer that fired late, a suspicion of this node
//! itself, others that were asked about a suspect and did not answer either. (That they answer, be it that the
//! suspect is silent, shows that this node is heard: they are Lifeguard's *nack*.) What makes it better is a probe that
//! was answered. The times after which others are blamed are multiplied by one more than the score.

use std::time::Duration;

/// The worst score: times are nine times as long. Lifeguard's `S` (section 5.1) and memberlist's
/// `AwarenessMaxMultiplier`.
const WORST: u8 = 8;

/// The score, from 0 (well) to 8.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LocalHealth(u8);

impl LocalHealth {
    pub(super) fn worsen(&mut self) {
        self.0 = (self.0 + 1).min(WORST);
    }

    pub(super) const fn improve(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    pub(super) const fn score(self) -> u8 {
        self.0
    }

    /// `time` as this node should take it.
    pub(super) fn stretch(self, time: Duration) -> Duration {
        time * (u32::from(self.0) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_stretched_by_one_more_than_the_score_and_nine_times_at_most() {
        let mut health = LocalHealth::default();
        let second = Duration::from_secs(1);
        assert_eq!(health.stretch(second), second);
        health.worsen();
        assert_eq!(health.stretch(second), 2 * second);
        for _ in 0..20 {
            health.worsen();
        }
        assert_eq!((health.score(), health.stretch(second)), (8, 9 * second));
        for _ in 0..20 {
            health.improve();
        }
        assert_eq!(health.stretch(second), second);
    }
}
