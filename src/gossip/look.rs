//! How often a member is pinged before it is taken for silent, and when a refusal is believed.
//!
//! A look begins with a ping. The ping is repeated after growing gaps ([`GAPS`]); the first answer
//! ends the look. So does the second word of the operating system that nothing listens there, but
//! not before [`WAIT`]: such words can be forged, and by then a living member has answered.

use std::time::Duration;

use super::Instant;

/// The gaps after each ping, in hundredths of `probe_timeout`: 350 ms in all by default.
const GAPS: [u32; 4] = [20, 40, 55, 60];
/// When the operating system is believed at the earliest, in the same unit: 75 ms. Longer than any
/// round trip for which `probe_timeout` is right, and after the second ping.
const WAIT: u32 = 38;
/// How often the operating system has to say so.
const REFUSALS: u8 = 2;

/// What is known of a member that is being looked at and has not answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    since: Instant,
    pings: usize,
    refused: u8,
}

impl Look {
    /// No ping has left yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            pings: 0,
            refused: 0,
        }
    }

    /// A ping leaves. Says after which time the look goes on.
    pub(super) fn pinged(&mut self, now: Instant, probe_timeout: Duration) -> Duration {
        if self.pings == 0 {
            self.since = now;
        }
        let gap = GAPS[self.pings.min(GAPS.len() - 1)];
        self.pings += 1;
        probe_timeout * gap / 100
    }

    /// The look takes no more pings than that, the first one included, which has left.
    pub(super) const fn shorten(&mut self, pings: usize) {
        self.pings += GAPS.len().saturating_sub(pings);
    }

    /// The operating system says that nothing listens there. Says from when on that is believed,
    /// where it has been said often enough.
    pub(super) fn refused(&mut self, probe_timeout: Duration) -> Option<Instant> {
        self.refused = self.refused.saturating_add(1);
        (self.refused >= REFUSALS).then(|| self.believed_from(probe_timeout))
    }

    /// Whether any refusal was heard, believed or not.
    pub(super) const fn has_refusal(&self) -> bool {
        self.refused > 0
    }

    /// Whether the look ends with the finding that the port is closed.
    pub(super) fn is_refused(&self, now: Instant, probe_timeout: Duration) -> bool {
        // Refusals of earlier datagrams say nothing of pings that have not left yet.
        self.refused >= REFUSALS
            && self.pings >= usize::from(REFUSALS)
            && now >= self.believed_from(probe_timeout)
    }

    /// Whether all pings have left.
    pub(super) const fn is_over(&self) -> bool {
        self.pings >= GAPS.len()
    }

    /// How many pings have left.
    pub(super) const fn pings(&self) -> usize {
        self.pings
    }

    fn believed_from(&self, probe_timeout: Duration) -> Instant {
        self.since + probe_timeout * WAIT / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    #[test]
    fn a_silent_member_is_pinged_four_times_in_350_ms() {
        let mut look = Look::new(at(0));
        let mut now = at(0);
        while !look.is_over() {
            now = now + look.pinged(now, TIMEOUT);
        }
        assert_eq!((look.pings(), now), (4, at(350)));
    }

    #[test]
    fn a_refusal_is_believed_when_it_was_said_twice_and_a_living_member_had_time_to_answer() {
        let mut look = Look::new(at(0));
        look.pinged(at(0), TIMEOUT);
        assert_eq!(look.refused(TIMEOUT), None);
        assert_eq!(look.refused(TIMEOUT), Some(at(76)));
        assert!(!look.is_refused(at(80), TIMEOUT), "one ping only");
        look.pinged(at(40), TIMEOUT);
        assert!(!look.is_refused(at(75), TIMEOUT), "too early");
        assert!(look.is_refused(at(76), TIMEOUT));
    }
}
