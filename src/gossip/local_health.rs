//! Whether this node has reason to doubt itself: Lifeguard's local health multiplier (arXiv 1707.00788, section
//! 4.1; memberlist calls it awareness).
//!
//! What makes it worse points at this node rather than at others: a timer that fired late, a suspicion of this node
//! itself, others that were asked about a suspect and did not answer either. (That they answer, be it that the
//! suspect is silent, shows that this node is heard: they are Lifeguard's *nack*.) What makes it better is a probe that
//! was answered. The times after which others are blamed are multiplied by one more than the score.
//!
//! Lifeguard lets every missing nack count. Where most members die at once that is wrong: the witnesses
//! are dead themselves. So the silence of a witness counts only while that witness is neither
//! suspected nor refused nor failing otherwise, and what was counted is taken back when it turns out
//! to be. And where nobody is left whose answer could improve the score, other evidence that our own
//! network works does: a host that refuses a ping, a witness that confirms a suspicion, and a probe
//! that failed while others were heard.

use std::time::Duration;

use super::Instant;

/// The worst score: times are nine times as long. Lifeguard's `S` (section 5.1) and memberlist's
/// `AwarenessMaxMultiplier`.
const WORST: u8 = 8;

/// The score, from 0 (well) to 8.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LocalHealth {
    score: u8,
    /// When evidence that is no answer made it better last.
    eased: Option<Instant>,
}

impl LocalHealth {
    pub(super) fn worsen(&mut self) {
        self.score = (self.score + 1).min(WORST);
    }

    pub(super) const fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// Something other than an answer to a probe shows that our own network works. Such evidence
    /// comes in crowds where many members die, so it counts once in `period`.
    pub(super) fn network_works(&mut self, now: Instant, period: Duration) {
        let is_due = self.eased.is_none_or(|eased| now - eased >= period);
        if self.score > 0 && is_due {
            self.eased = Some(now);
            self.improve();
        }
    }

    pub(super) const fn score(self) -> u8 {
        self.score
    }

    /// `time` as this node should take it.
    pub(super) fn stretch(self, time: Duration) -> Duration {
        time * (u32::from(self.score) + 1)
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

    #[test]
    fn evidence_that_is_no_answer_improves_it_once_in_a_period() {
        let at = |ms| Instant::from_origin(Duration::from_millis(ms));
        let mut health = LocalHealth::default();
        let period = Duration::from_secs(1);
        health.network_works(at(0), period);
        for _ in 0..3 {
            health.worsen();
        }
        for ms in [10, 20, 1_009] {
            health.network_works(at(ms), period);
            assert_eq!(health.score(), 2);
        }
        health.network_works(at(1_010), period);
        assert_eq!(health.score(), 1);
    }
}
