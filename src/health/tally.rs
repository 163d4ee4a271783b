//! One check: its results in a row, and its time to live.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Thresholds, Verdict};

/// The longest reason that is kept of a failure, in bytes; the rest of a longer one is cut off.
pub const MAX_REASON_BYTES: usize = 256;

/// The results of one check, as far as they count.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    thresholds: Thresholds,
    time_to_live: Option<Duration>,
    verdict: Verdict,
    /// Whether any result has come. The first turns the check alone.
    is_decided: bool,
    /// Results in a row that contradict the verdict.
    contradicting: u32,
    /// When it was last heard of, at first its beginning: from then on the time to live runs.
    heard: Duration,
    reason: Option<String>,
}

impl Tally {
    pub(super) fn new(
        verdict: Verdict,
        thresholds: Thresholds,
        time_to_live: Option<Duration>,
        now: Duration,
    ) -> Self {
        Self {
            thresholds,
            time_to_live,
            verdict,
            // What is up at first falls as one that has passed.
            is_decided: verdict == Verdict::Passing,
            contradicting: 0,
            heard: now,
            reason: (verdict == Verdict::Failing).then(|| "no result yet".to_owned()),
        }
    }

    pub(super) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Why it failed the last time; nothing if it passed the last time.
    pub(super) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    pub(super) fn record(&mut self, result: Result<(), String>, now: Duration) {
        self.heard = self.heard.max(now);
        let told = if result.is_ok() {
            Verdict::Passing
        } else {
            Verdict::Failing
        };
        self.reason = result.err().map(cut);
        if told == self.verdict {
            self.contradicting = 0;
        } else {
            self.contradicting += 1;
            if !self.is_decided || self.contradicting >= self.needed() {
                self.turn(told);
            }
        }
        self.is_decided = true;
    }

    /// When it fails if nothing is heard until then.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let runs = self.verdict == Verdict::Passing;
        let deadline = |time_to_live| self.heard.saturating_add(time_to_live);
        self.time_to_live.filter(|_| runs).map(deadline)
    }

    /// Fails it if its time to live is over: silence is no result, so it needs no others in a row.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            let silence = now.saturating_sub(self.heard);
            self.reason = Some(format!("not heard of for {silence:?}"));
            self.is_decided = true;
            self.turn(Verdict::Failing);
        }
    }

    fn turn(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.contradicting = 0;
    }

    fn needed(&self) -> u32 {
        match self.verdict {
            Verdict::Passing => self.thresholds.fall,
            Verdict::Failing => self.thresholds.rise,
        }
    }
}

fn cut(mut reason: String) -> String {
    if reason.len() > MAX_REASON_BYTES {
        let end = (0..=MAX_REASON_BYTES).rev();
        let end = end.into_iter().find(|at| reason.is_char_boundary(*at));
        reason.truncate(end.unwrap_or(0));
    }
    reason
}
