//! The driver's clock: the one place where the node reads the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::gossip::{Instant, Now};

/// Monotonic time since the node's start, with the Unix time beside it.
///
/// Monotonic time is tokio's, so that a runtime in virtual time (`start_paused`) moves the whole
/// node. Unix time is the operating system's at every reading: it may jump, and the engine knows.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    origin: tokio::time::Instant,
    wall: Wall,
}

/// Where the Unix time comes from.
#[derive(Clone, Debug)]
enum Wall {
    System,
    #[cfg(feature = "testing")]
    Network(super::testing::Network),
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
            wall: Wall::System,
        }
    }

    /// The same with the Unix time of a test's network.
    #[cfg(feature = "testing")]
    pub(super) fn of(network: super::testing::Network) -> Self {
        Self {
            wall: Wall::Network(network),
            ..Self::start()
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            instant: Instant::from_origin(self.origin.elapsed()),
            unix_ms: match &self.wall {
                Wall::System => unix_ms(),
                #[cfg(feature = "testing")]
                Wall::Network(network) => network.unix_ms(),
            },
        }
    }

    /// The moment on tokio's clock at which the engine's `instant` is reached; `None` for one that
    /// this clock never reaches.
    pub(super) fn at(&self, instant: Instant) -> Option<tokio::time::Instant> {
        self.origin.checked_add(instant.since_origin())
    }
}

/// Milliseconds since the Unix epoch; 0 for a clock that stands before it.
fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_moves_with_tokios_clock_and_gives_its_instants_back() {
        let clock = Clock::start();
        tokio::time::advance(Duration::from_millis(30)).await;
        let now = clock.now().instant;
        assert_eq!(now.since_origin(), Duration::from_millis(30));
        assert_eq!(clock.at(now), Some(tokio::time::Instant::now()));
    }

    #[tokio::test]
    async fn a_deadline_at_the_end_of_time_is_none() {
        let never = Instant::ZERO + Duration::MAX;
        assert_eq!(Clock::start().at(never), None);
    }
}
