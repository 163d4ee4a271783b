//! A node that has been there for long, for tests: it begins with a membership and a table that
//! it would have come to by itself.

use std::time::Duration;

use rand::{RngExt, seq::SliceRandom};

use super::{Burst, Engine, TimerKey};
use crate::{
    gossip::{Now, identity::PeerId, news::News, wire::message::Health},
    table::Record,
};

impl Engine {
    /// Knows `members`, and `records` of theirs, without a datagram: a simulation of a thousand nodes
    /// need not begin with their meeting. Call it on a new engine, after what it registers itself.
    ///
    /// It is settled: nothing is news to anybody, and its timers stand anywhere in their periods,
    /// so that nodes which begin together do not go on in step.
    pub fn assume(&mut self, now: Now, members: &[PeerId], records: &[Record]) {
        let others = || members.iter().filter(|id| id.addr != self.me.addr);
        let mut updates: Vec<_> = others().map(|id| foca::Member::alive(*id)).collect();
        // In no order, as they would have come.
        updates.shuffle(&mut self.rng);
        self.tell_foca(updates.iter().cloned(), false);
        for update in &updates {
            self.follow(now, *update.id(), 0, Health::Alive);
        }
        self.run_effects(now);
        for record in records {
            if record.owner().addr != self.me.addr {
                self.replica.apply(now.instant, record.clone());
            }
        }
        self.settle(now);
    }

    fn settle(&mut self, now: Now) {
        self.news = News::default();
        self.burst = Burst::default();
        self.sync.assume_table();
        self.wants_seeds = false;
        for key in [TimerKey::Burst, TimerKey::Round] {
            self.timers.cancel(&key);
        }
        self.transmits.clear();
        self.transmit_bytes = 0;
        let seeds_in = self
            .config
            .seed_retry_max
            .mul_f64(self.rng.random_range(0.0..1.0));
        self.timers.set(TimerKey::Seeds, now.instant + seeds_in);
        for number in self.foca_timers.keys() {
            let key = TimerKey::Foca(*number);
            if let Some(deadline) = self.timers.deadline(&key) {
                let share = self.rng.random_range(0.0..1.0);
                let after: Duration = (deadline - now.instant).mul_f64(share);
                self.timers.set(key, now.instant + after);
            }
        }
    }
}
