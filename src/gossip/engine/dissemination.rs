//! Bursts and rounds: how news leaves.
//!
//! Something new is pushed to a few random members at once, and again after growing gaps; what is
//! learned within a gap rides along with the next push. Most copies go out in the burst, which
//! reaches everybody in milliseconds; the rest go in rounds 200 ms apart, so that an outage of 50 ms
//! does not eat them all. The last push of a burst goes out even when nothing is left to say: it
//! carries the fingerprint, and whoever missed something finds out now.
//!
//! Bounds: a budget of datagrams a second, and one burst at a time. When the budget is empty or the
//! driver is late, the gaps stretch.

use std::net::SocketAddr;

use super::{Engine, TimerKey, outbox::Topic, standing::Life};
use crate::{
    gossip::{
        Instant, Now,
        at_limit::Limit,
        news::{Copies, Occasion, Packet},
        stats::Cause,
        wire::{
            codec::encode,
            message::{Item, RecordKey, kind},
        },
    },
    table::Record,
};

/// Room for the number of items before them.
const COUNT_BYTES: usize = 3;

/// How many times as many packets as members are told of one change a push has at most. When all of 128 nodes
/// register at once, each has to pass on some 11 packets of records: in single waves that takes 180 ms without loss,
/// in four of them 40 ms, and no packet more.
const WAVES: usize = 4;

/// What a record's item takes besides name and content: tag, family, address, port, boot, the
/// lengths of both, seq.
const ITEM_OVERHEAD_BYTES: usize = 1 + 1 + 16 + 3 + 9 + 3 + 5 + 9;

/// Where the present burst stands.
#[derive(Debug, Default)]
pub(super) struct Burst {
    /// The next push, an index into the gaps; nothing while there is no burst.
    stage: Option<usize>,
    last_push: Option<Instant>,
    /// How many more pushes foca's updates are worth.
    membership_pushes: u8,
    /// Whether foca gossips even when it has nothing to say: our identity itself is the news.
    identity_is_news: bool,
}

impl Engine {
    /// How often a piece of news is sent. A burst may use up two thirds, rounded up.
    pub(super) fn news_copies(&self) -> Copies {
        let most = self.copies;
        let burst = u8::try_from((u16::from(most) * 2).div_ceil(3)).expect("two thirds of a u8");
        Copies { burst, most }
    }

    /// Begins a burst; or, in the midst of one, begins it again after the third gap. After the second one, of
    /// 2 ms, the start of 128 nodes on two cores took half as long again (`peers`): what comes in within
    /// milliseconds can go out in one push.
    pub(super) fn kindle(&mut self, now: Now) {
        if self.members.active_len() == 0 {
            return;
        }
        let at = match self.burst.last_push {
            Some(last) => (last + self.config.burst_gaps[2]).max(now.instant),
            None => now.instant,
        };
        self.burst.stage = Some(0);
        self.timers.set_earlier(TimerKey::Burst, at);
    }

    /// The membership changed: foca has something to tell.
    pub(super) fn kindle_membership(&mut self, now: Now) {
        let pushes = self.news_copies().burst / self.config.fanout.max(1);
        self.burst.membership_pushes = self.burst.membership_pushes.max(pushes).max(1);
        self.kindle(now);
    }

    /// Our identity is new: whatever we send tells of it, so we send.
    pub(super) fn kindle_rebirth(&mut self, now: Now) {
        self.burst.identity_is_news = true;
        self.burst.membership_pushes = u8::MAX;
        self.kindle(now);
    }

    pub(super) fn burst_due(&mut self, now: Now) {
        let Some(stage) = self.burst.stage else {
            return;
        };
        if self.members.active_len() == 0 {
            self.burst = Burst::default();
            return;
        }
        if !self.news_budget.take(now.instant) {
            let wait = self.news_budget.wait(now.instant);
            self.timers.set(TimerKey::Burst, now.instant + wait);
            return;
        }
        let mut said = self.push_membership(now);
        said |= self.push_news(now, Occasion::Burst);
        self.burst.last_push = Some(now.instant);
        let next = stage + 1;
        if next < self.config.burst_gaps.len() {
            self.burst.stage = Some(next);
            self.timers
                .set(TimerKey::Burst, now.instant + self.config.burst_gaps[next]);
            return;
        }
        if !said {
            self.push_fingerprint(now);
        }
        self.burst = Burst {
            last_push: self.burst.last_push,
            ..Burst::default()
        };
        self.schedule_round(now);
    }

    fn schedule_round(&mut self, now: Now) {
        if self.news.len() > 0 {
            self.timers
                .set_earlier(TimerKey::Round, now.instant + self.config.gossip_interval);
        }
    }

    /// A round after a burst. foca runs its own for its updates.
    pub(super) fn round_due(&mut self, now: Now) {
        if self.members.active_len() == 0 {
            self.news.clear();
            return;
        }
        self.news.drop_done(self.news_copies());
        if self.burst.stage.is_none() {
            self.push_news(now, Occasion::Round);
        }
        self.schedule_round(now);
    }

    fn push_membership(&mut self, now: Now) -> bool {
        if self.burst.membership_pushes == 0 || self.life != Life::Running {
            return false;
        }
        self.burst.membership_pushes -= 1;
        if self.swim.updates_backlog() == 0 && !self.burst.identity_is_news {
            return false;
        }
        if let Err(error) = self.swim.gossip(&mut self.effects) {
            self.foca_failed(now.instant, &error);
        }
        self.run_effects(now);
        true
    }

    /// Sends a packet of news to each of a few members, the least told first. In a burst everything due is told to
    /// as many; where that takes several packets it goes to more members, [`WAVES`] times as many at most, each
    /// further wave at the price of another push.
    fn push_news(&mut self, now: Now, occasion: Occasion) -> bool {
        let copies = self.news_copies();
        let fanout = usize::from(self.config.fanout);
        let (due, waves) = match occasion {
            Occasion::Burst => (self.news.due_for_burst(copies), WAVES),
            Occasion::Round => (self.news.len(), 1),
        };
        if due == 0 {
            return false;
        }
        let mut told = 0;
        for wave in 0..waves {
            if wave > 0 && !self.news_budget.take(now.instant) {
                break;
            }
            let mut has_left_some = false;
            for addr in self.members.choose(fanout, &mut self.rng) {
                let mut packet = Packet::new(addr, self.payload_budget() - COUNT_BYTES);
                let count = self.news.fill(occasion, copies, &mut packet);
                if count > 0 {
                    self.send_news(now, addr, count, &packet.items);
                }
                told += count;
                has_left_some |= packet.has_left_some;
            }
            if !has_left_some || told >= due * fanout {
                break;
            }
        }
        told > 0
    }

    /// Says nothing but what every datagram says: the fingerprint.
    fn push_fingerprint(&mut self, now: Now) {
        for addr in self
            .members
            .choose(self.config.fanout.into(), &mut self.rng)
        {
            self.send_news(now, addr, 0, &[]);
        }
    }

    pub(super) fn send_news(&mut self, now: Now, to: SocketAddr, count: usize, items: &[u8]) {
        let mut payload = Vec::with_capacity(COUNT_BYTES + items.len());
        encode(&(count as u64), &mut payload);
        payload.extend_from_slice(items);
        let datagram = self.frame_payload(now, kind::NEWS, &payload);
        self.transmit(to, datagram);
    }

    /// Queues a record that is new here, and begins a burst. `source` told us.
    pub(super) fn spread(&mut self, now: Now, record: &Record, source: Option<SocketAddr>) {
        let mut encoded = Vec::new();
        let room = self.payload_budget() - COUNT_BYTES;
        encode(&item_of(record, room), &mut encoded);
        self.bound_news();
        let (owner, service) = (record.owner(), record.service().clone());
        if source.is_some() && self.news.is_full() {
            // Whoever lacks it finds out by the fingerprint.
            return self.refuse(now.instant, Limit::News, owner.addr);
        }
        self.news
            .push(owner, service, record.seq(), encoded.into(), source);
        self.kindle(now);
    }

    /// A process may follow another at one address, again and again, and what the former ones said is in no table any
    /// more. As long as there is little of it, it is told all the same, for there are goodbyes in it. At the bound of twice
    /// the records and the members that there may be, all of it goes: no sound cluster comes to that.
    fn bound_news(&mut self) {
        let (records, _) = self.replica.size();
        if self.news.len() >= 2 * (records + self.config.max_members) {
            let replica = &self.replica;
            self.news
                .retain(|owner, service| replica.record(owner, service).is_some());
        }
    }

    /// Takes in what came together. An item that is malformed is left out, and counted: what stands around it has been read
    /// already, and is sound.
    pub(super) fn items_received(&mut self, now: Now, from: SocketAddr, items: Vec<Item<'_>>) {
        for item in items {
            let Err(cause) = self.item_received(now, from, item) else {
                continue;
            };
            self.stats.records_malformed += 1;
            if let Some(held_back) = self.logs.pass(now.instant, Topic::Dropped(cause)) {
                let cause = cause.name();
                tracing::warn!(target: "tidings::gossip", %from, cause, held_back, "record left out");
            }
        }
    }

    fn item_received(&mut self, now: Now, from: SocketAddr, item: Item<'_>) -> Result<(), Cause> {
        match item {
            Item::Record { key, seq, content } => {
                self.record_received(now, from, key, seq, content)
            }
            Item::Notice { key, seq, length } => {
                if self.is_plausible(now, &key, seq, length as usize)?
                    && !self.is_notice_of_refused(from, &key, seq, length as usize)
                {
                    self.notice_received(now, from, key, seq, length);
                }
                Ok(())
            }
        }
    }
}

/// A record as it goes into news and pages: in full, or by name when that takes more than `room`.
pub(super) fn item_of(record: &Record, room: usize) -> Item<'_> {
    let key = RecordKey::new(record.owner(), record.service());
    let seq = record.seq();
    let content = record.content();
    if ITEM_OVERHEAD_BYTES + key.service.len() + content.len() <= room {
        Item::Record { key, seq, content }
    } else {
        let length = u32::try_from(content.len()).expect("bounded by MAX_RECORD_BYTES");
        Item::Notice { key, seq, length }
    }
}
