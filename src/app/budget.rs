//! The time in which an app stops, and what each step of it may take.

use std::time::Duration;

use tokio::time::Instant;

/// The most that is left of the budget once a second signal has come.
const HURRIED: Duration = Duration::from_secs(3);
/// Part of the budget that each step has at least, also when those before it took longer: 2 %.
const LEAST: u32 = 50;

/// The steps of a stop, in their order, and the share of each in percent. A step may take what those
/// before it left, but for the shares of those that follow.
const SHARES: [(Step, u32); 7] = [
    (Step::Announce, 16),
    (Step::BeforeStop, 16),
    (Step::Drain, 10),
    (Step::Deregister, 10),
    (Step::Servers, 20),
    (Step::AfterStop, 8),
    (Step::Leave, 20),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Telling everybody that the instance is draining.
    Announce,
    BeforeStop,
    Drain,
    Deregister,
    Servers,
    AfterStop,
    Leave,
}

/// How much of a stop's time is left, and for whom.
#[derive(Debug)]
pub(super) struct Budget {
    total: Duration,
    ends_at: Instant,
    /// What there is to do. Other steps need no share.
    steps: Vec<Step>,
}

impl Budget {
    /// From now on.
    pub(super) fn new(total: Duration, steps: Vec<Step>) -> Self {
        let now = Instant::now();
        Self {
            total,
            // A deadline that the clock cannot hold never comes.
            ends_at: now.checked_add(total).unwrap_or_else(|| now + LIFETIME),
            steps,
        }
    }

    /// A second signal has come: all that follows is done at once, or not.
    pub(super) fn hurry(&mut self) {
        self.total = self.left().min(HURRIED);
        self.ends_at = Instant::now() + self.total;
    }

    /// How long this step may take.
    pub(super) fn limit(&self, step: Step) -> Duration {
        let follows = |(other, _): &&(Step, u32)| *other > step && self.steps.contains(other);
        let reserved: u32 = SHARES.iter().filter(follows).map(|(_, share)| share).sum();
        let limit = self.left().saturating_sub(self.percent(reserved));
        limit.max(self.total / LEAST)
    }

    fn left(&self) -> Duration {
        self.ends_at.saturating_duration_since(Instant::now())
    }

    fn percent(&self, share: u32) -> Duration {
        (self.total / 100).saturating_mul(share)
    }
}

const LIFETIME: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const ALL: [Step; 7] = [
        Step::Announce,
        Step::BeforeStop,
        Step::Drain,
        Step::Deregister,
        Step::Servers,
        Step::AfterStop,
        Step::Leave,
    ];

    #[tokio::test(start_paused = true)]
    async fn each_step_takes_all_that_it_may_and_the_sum_is_the_budget() {
        for total in [1, 25, 600].map(Duration::from_secs) {
            let began = Instant::now();
            let budget = Budget::new(total, ALL.to_vec());
            for (step, share) in SHARES {
                let limit = budget.limit(step);
                assert!(limit >= total / 100 * share, "{step:?}: {limit:?}");
                advance(limit).await;
            }
            assert_eq!(began.elapsed(), total);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_step_leaves_is_for_those_that_follow() {
        let second = Duration::from_secs(1);
        let budget = Budget::new(100 * second, vec![Step::Servers, Step::Leave]);
        assert_eq!(budget.limit(Step::Servers), 80 * second);
        assert_eq!(budget.limit(Step::Leave), 100 * second);
        let alone = Budget::new(100 * second, vec![Step::Servers]);
        assert_eq!(alone.limit(Step::Servers), 100 * second);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_hurry_all_that_is_left_takes_3_s() {
        let mut budget = Budget::new(Duration::from_secs(25), ALL.to_vec());
        advance(Duration::from_secs(1)).await;
        budget.hurry();
        assert_eq!(budget.limit(Step::Leave), HURRIED);
        advance(Duration::from_secs(2)).await;
        budget.hurry();
        assert_eq!(budget.limit(Step::Leave), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_is_late_leaves_the_others_a_moment() {
        let budget = Budget::new(Duration::from_secs(25), ALL.to_vec());
        advance(Duration::from_secs(60)).await;
        assert_eq!(budget.limit(Step::Leave), Duration::from_millis(500));
    }

    #[tokio::test]
    async fn the_longest_budget_is_no_error() {
        let budget = Budget::new(Duration::MAX, ALL.to_vec());
        assert!(budget.limit(Step::Announce) > Duration::from_secs(3_600));
    }
}
