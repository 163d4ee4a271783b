//! At most one log line per gap, with the number of lines that were held back.

use std::time::Duration;

use tokio::time::Instant;

/// Decides whether a line may be logged now.
#[derive(Debug)]
pub(super) struct Limiter {
    gap: Duration,
    next: Option<Instant>,
    held_back: u64,
}

impl Limiter {
    /// The first line passes; each later one only when `gap` has gone by since the last that did.
    pub(super) const fn new(gap: Duration) -> Self {
        Self {
            gap,
            next: None,
            held_back: 0,
        }
    }

    /// `Some(n)`: log now, and say that `n` such lines were held back since the last one.
    pub(super) fn permit(&mut self) -> Option<u64> {
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            self.held_back += 1;
            return None;
        }
        self.next = Some(now + self.gap);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_line_passes_and_the_next_one_says_how_many_were_held_back() {
        let mut limiter = Limiter::new(Duration::from_secs(10));
        assert_eq!(limiter.permit(), Some(0));
        assert_eq!(limiter.permit(), None);
        assert_eq!(limiter.permit(), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(limiter.permit(), Some(2));
        assert_eq!(limiter.permit(), None);
    }
}
