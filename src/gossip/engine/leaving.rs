//! Goodbye.
//!
//! Everything is deregistered and a record says that we leave, both pushed at once. When that burst
//! has gone out, foca leaves and its last updates go out in a burst of their own; from then on foca
//! is fed nothing, because a late packet could bring it back (trap 18). Those who hear the record
//! know that what follows is no failure, and do not call us again.

use std::{sync::Arc, time::Duration};

use super::{Engine, TimerKey, dissemination::item_of, standing::Life};
use crate::{
    gossip::{Now, wire::codec::encode},
    table::LEAVING,
};

/// How long the news of our leaving has to go out: the gaps of one burst, and some.
const NEWS_FOR: Duration = Duration::from_millis(60);
/// The gaps between the pushes that say that we are gone.
const GOODBYES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(20),
];

/// How many members hear the goodbye from ourselves. The others hear it from them.
const TOLD_AT_MOST: usize = 256;

/// How far the goodbye has come.
#[derive(Debug, Default)]
pub(super) struct Leave {
    goodbyes: Option<usize>,
}

impl Engine {
    /// Deregisters everything and says goodbye. Drive the engine on until [`Self::has_left`].
    pub fn leave(&mut self, now: Now) {
        if matches!(self.life, Life::Leaving | Life::Left) {
            return;
        }
        if self.life == Life::SteppedBack {
            self.life = Life::Left;
            self.timers.clear();
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
        self.tell_goodbye(now);
        self.life = Life::Leaving;
        self.timers.set(TimerKey::Leave, now.instant + NEWS_FOR);
    }

    /// Sends the goodbye to everybody, up to a bound, rather than to a few: whoever missed it would
    /// take us for failed, and there is no time left in which that could be mended.
    pub(super) fn tell_goodbye(&mut self, now: Now) {
        let Some(item) = self.goodbye() else {
            return;
        };
        for addr in self.members.choose(TOLD_AT_MOST, &mut self.rng) {
            self.send_news(now, addr, 1, &item);
        }
    }

    /// The record that says that the present identity leaves, as an item of news.
    pub(super) fn goodbye(&self) -> Option<Vec<u8>> {
        let record = self.replica.record(self.me.owner(), LEAVING)?;
        let mut item = Vec::new();
        encode(&item_of(record, self.payload_budget()), &mut item);
        Some(item)
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
