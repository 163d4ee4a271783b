//! Goodbye.
//!
//! Everything is deregistered and a record says that we leave, both pushed at once. When that burst
//! has gone out, foca leaves and its last updates go out in a burst of their own; from then on foca
//! is fed nothing, because a late packet could bring it back (trap 18). Those who hear the record
//! know that what follows is no failure, and do not call us again.

use std::{sync::Arc, time::Duration};

use super::{Engine, TimerKey, standing::Life};
use crate::{gossip::Now, table::LEAVING};

/// How long the news of our leaving has to go out: the gaps of one burst, and some.
const NEWS_FOR: Duration = Duration::from_millis(60);
/// The gaps between the pushes that say that we are gone.
const GOODBYES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(20),
];

/// How far the goodbye has come.
#[derive(Debug, Default)]
pub(super) struct Leave {
    goodbyes: Option<usize>,
}

impl Engine {
    /// Deregisters everything and says goodbye. Drive the engine on until [`Self::has_left`].
    pub fn leave(&mut self, now: Now) {
        if !self.feeds_foca() {
            self.life = Life::Left;
            return;
        }
        self.deregister_all(now);
        let service: Arc<str> = Arc::from(LEAVING);
        self.rewrite_own(now, &service);
        if self.members.active_len() == 0 {
            self.life = Life::Left;
            self.timers.clear();
            return;
        }
        self.life = Life::Leaving;
        self.timers.set(TimerKey::Leave, now.instant + NEWS_FOR);
    }

    /// Whether the node has left. It takes nothing in any more.
    pub const fn has_left(&self) -> bool {
        matches!(self.life, Life::Left)
    }

    pub(super) fn leave_due(&mut self, now: Now) {
        let step = match self.leave.goodbyes {
            None => {
                if let Err(error) = self.swim.leave_cluster(&mut self.effects) {
                    tracing::error!(target: "tidings::gossip", %error, "foca could not leave");
                }
                0
            }
            Some(step) => {
                if let Err(error) = self.swim.gossip(&mut self.effects) {
                    tracing::error!(target: "tidings::gossip", %error, "foca could not gossip");
                }
                step + 1
            }
        };
        self.run_effects(now);
        if step < GOODBYES.len() {
            self.leave.goodbyes = Some(step);
            self.timers
                .set(TimerKey::Leave, now.instant + GOODBYES[step]);
        } else {
            self.life = Life::Left;
            self.timers.clear();
        }
    }
}
