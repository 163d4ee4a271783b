//! When the next snapshot is due.

use std::time::Duration;

use crate::gossip::Instant;

/// How long after a change: what comes with it is written with it. When a split of a thousand nodes has ended, those who were
/// lost are found again within four seconds, and the table of the first of these is half of what there is.
const SETTLE: Duration = Duration::from_secs(5);
/// The least time between two writes. A deployment changes the table hundreds of times, a write costs two
/// `fsync`s, and what half a minute changes is little of what a day's outage does.
const GAP: Duration = Duration::from_secs(30);
/// How long nobody may have failed: whoever is cut off loses all others within that time of each other.
const CALM: Duration = Duration::from_secs(60);
/// How long a change waits at most for that: in a large cluster somebody fails all the time.
const CALM_WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest time between two writes of a table that does not change.
const REFRESH: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Schedule {
    /// The first change that is not written.
    changed_at: Option<Instant>,
    failed_at: Option<Instant>,
    not_before: Instant,
    refresh_at: Instant,
    refresh: Duration,
}

impl Schedule {
    /// Instances may get `max_age` old: long before that they are written again.
    pub(super) fn new(now: Instant, max_age: Duration) -> Self {
        let refresh = REFRESH.min(max_age / 4).max(GAP);
        Self {
            changed_at: None,
            failed_at: None,
            not_before: now,
            refresh_at: now + refresh,
            refresh,
        }
    }

    /// The table has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.changed_at.get_or_insert(now);
    }

    /// It has changed because a member failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.changed(now);
        self.failed_at = Some(now);
    }

    /// When to write.
    pub(super) fn due_at(&self) -> Instant {
        let Some(changed_at) = self.changed_at else {
            return self.refresh_at.max(self.not_before);
        };
        let settled = changed_at + SETTLE;
        settled.max(self.not_before).max(self.calm_at(changed_at))
    }

    /// Whether nobody has failed for long enough: as far as failures go, what the table holds is what there is.
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        self.calm_at(self.changed_at.unwrap_or(now)) <= now
    }

    fn calm_at(&self, changed_at: Instant) -> Instant {
        let calm = self.failed_at.map_or(Instant::ZERO, |at| at + CALM);
        calm.min(changed_at + CALM_WAIT_MAX)
    }

    /// What there is now is being written.
    pub(super) fn begun(&mut self, now: Instant) {
        self.changed_at = None;
        self.not_before = now + GAP;
        self.refresh_at = now + self.refresh;
    }

    /// It is not to be written as things are, or could not be: another look later.
    pub(super) fn put_off(&mut self, now: Instant) {
        self.changed(now);
        self.not_before = now + GAP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    fn schedule() -> Schedule {
        Schedule::new(at(0), Duration::from_secs(24 * 3_600))
    }

    #[test]
    fn many_changes_are_one_write_soon_after_the_first_of_them() {
        let mut schedule = schedule();
        for second in 100..110 {
            schedule.changed(at(second));
        }
        assert_eq!(schedule.due_at(), at(105));
    }

    #[test]
    fn two_writes_are_half_a_minute_apart() {
        let mut schedule = schedule();
        schedule.changed(at(100));
        schedule.begun(at(105));
        schedule.changed(at(106));
        assert_eq!(schedule.due_at(), at(135));
    }

    #[test]
    fn what_does_not_change_is_written_once_an_hour() {
        let mut schedule = schedule();
        assert_eq!(schedule.due_at(), at(3_600));
        schedule.begun(at(3_600));
        assert_eq!(schedule.due_at(), at(7_200));
    }

    #[test]
    fn it_is_written_again_long_before_it_is_too_old() {
        let schedule = Schedule::new(at(0), Duration::from_secs(600));
        assert_eq!(schedule.due_at(), at(150));
    }

    #[test]
    fn after_a_failure_it_waits_for_calm() {
        let mut schedule = schedule();
        schedule.failed(at(100));
        schedule.failed(at(130));
        assert_eq!(schedule.due_at(), at(190));
        assert!(!schedule.is_calm(at(189)) && schedule.is_calm(at(190)));
    }

    #[test]
    fn where_members_fail_all_the_time_it_waits_ten_minutes() {
        let mut schedule = schedule();
        for minute in 0..20 {
            schedule.failed(at(100 + minute * 50));
        }
        assert_eq!(schedule.due_at(), at(700));
    }

    #[test]
    fn what_was_put_off_is_looked_at_again() {
        let mut schedule = schedule();
        schedule.changed(at(100));
        schedule.put_off(at(102));
        assert_eq!(schedule.due_at(), at(132));
    }
}
