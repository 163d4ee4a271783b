//! The time in a nonce, and how far it may be from ours.

use std::time::Duration;

/// A nonce is at least the Unix time in milliseconds, times two to the power of this.
const TIME_BITS: u32 = 20;

/// When a nonce was used, by its sender's clock: milliseconds since the Unix epoch.
pub(super) const fn time_ms(nonce: u64) -> u64 {
    nonce >> TIME_BITS
}

/// How far a clock may be from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Skew(Duration);

impl Skew {
    pub(super) const fn new(skew: Duration) -> Self {
        Self(skew)
    }

    pub(super) const fn duration(self) -> Duration {
        self.0
    }

    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX >> TIME_BITS)
    }

    /// As a difference of nonces.
    pub(super) fn nonces(self) -> u64 {
        self.ms() << TIME_BITS
    }

    /// The lowest nonce that is within it now.
    pub(super) fn oldest(self, unix_ms: u64) -> u64 {
        unix_ms.saturating_sub(self.ms()) << TIME_BITS
    }

    /// How far the sender's clock is ahead of ours in milliseconds, if that is too far.
    pub(super) fn offset_ms(self, unix_ms: u64, nonce: u64) -> Option<i64> {
        let sent = time_ms(nonce);
        let offset = i64::try_from(i128::from(sent) - i128::from(unix_ms));
        let is_off = sent.abs_diff(unix_ms) > self.ms();
        is_off.then(|| offset.unwrap_or(i64::MIN))
    }
}
