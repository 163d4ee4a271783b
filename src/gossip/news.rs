//! The queue of records that are still being told.
//!
//! Each entry knows how often this node has sent it, and how often it has heard it from others,
//! which counts as sent once the burst is over: who sent it has it. Within the burst it does not.
//! There everybody hears everything many times within milliseconds; counted, that leaves somebody
//! out of every third change at N=128 (6.5 copies a node instead of 8).
//!
//! A packet takes the entries that were sent least, the oldest first among equals, as many as fit.
//! An entry leaves the queue when it has had its copies, or when a newer record of the same owner
//! and service takes its place. It stays when the record leaves the table: a goodbye has to be told on when its owner
//! is gone. So the engine asks for what nobody holds any more to be dropped
//! ([`News::retain`]), before it is more than the members and the records of the table. And there are [`MOST`] at most.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;

use crate::table::Owner;

/// How many entries there may be: 36 MiB of them. Records of this node itself are queued all the same.
const MOST: usize = 32_768;

type Key = (Owner, Arc<str>);

#[derive(Debug)]
struct Entry {
    seq: u64,
    /// As it goes into a packet.
    encoded: Bytes,
    sent: u8,
    heard: u8,
    order: u64,
    /// Who told us.
    source: Option<SocketAddr>,
}

/// How often an entry is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copies {
    /// In the burst.
    pub(super) burst: u8,
    /// In all, with what was heard.
    pub(super) most: u8,
}

/// Who asks for entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    Burst,
    Round,
}

impl Entry {
    fn is_done(&self, copies: Copies) -> bool {
        self.sent >= copies.burst && self.sent.saturating_add(self.heard) >= copies.most
    }

    fn is_due(&self, occasion: Occasion, copies: Copies) -> bool {
        match occasion {
            Occasion::Burst => self.sent < copies.burst,
            Occasion::Round => !self.is_done(copies),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct News {
    entries: BTreeMap<Key, Entry>,
    /// By copies sent, then by arrival.
    ranks: BTreeSet<(u8, u64, Key)>,
    next_order: u64,
    /// What the entries were looked through with last.
    copies: Option<Copies>,
}

/// A packet that is being filled.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) to: SocketAddr,
    /// How many bytes of items it holds at most.
    pub(super) room: usize,
    pub(super) items: Vec<u8>,
    /// Whether something that was due had no room.
    pub(super) has_left_some: bool,
}

impl Packet {
    pub(super) fn new(to: SocketAddr, room: usize) -> Self {
        Self {
            to,
            room,
            items: Vec::with_capacity(room),
            has_left_some: false,
        }
    }
}

/// How many entries that do not fit are looked at before a packet is taken for full.
const MISFITS: usize = 8;

impl News {
    /// Queues a record in its encoded form, in place of an older one. `source` told us.
    pub(super) fn push(
        &mut self,
        owner: Owner,
        service: Arc<str>,
        seq: u64,
        encoded: Bytes,
        source: Option<SocketAddr>,
    ) {
        let key = (owner, service);
        self.remove(&key);
        let order = self.next_order;
        self.next_order += 1;
        self.ranks.insert((0, order, key.clone()));
        let entry = Entry {
            seq,
            encoded,
            sent: 0,
            heard: 0,
            order,
            source,
        };
        self.entries.insert(key, entry);
    }

    /// Somebody told us what we were about to tell.
    pub(super) fn heard(&mut self, owner: Owner, service: &Arc<str>, seq: u64, copies: Copies) {
        let key = (owner, service.clone());
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.seq == seq) else {
            return;
        };
        entry.heard = entry.heard.saturating_add(1);
        if entry.is_done(copies) {
            self.remove(&key);
        }
    }

    /// Appends entries that are due to `packet`, and counts a copy for each. Says how many were
    /// appended.
    pub(super) fn fill(
        &mut self,
        occasion: Occasion,
        copies: Copies,
        packet: &mut Packet,
    ) -> usize {
        let mut taken = Vec::new();
        // Who has it already is as good as told; where nobody else is left, that is the end of it.
        let mut owned = Vec::new();
        let mut misfits = 0;
        for (sent, _, key) in &self.ranks {
            let over = occasion == Occasion::Burst && *sent >= copies.burst;
            if over || misfits >= MISFITS {
                break;
            }
            let entry = &self.entries[key];
            if !entry.is_due(occasion, copies) {
                continue;
            }
            if key.0.addr == packet.to || entry.source == Some(packet.to) {
                owned.push(key.clone());
                continue;
            }
            if packet.items.len() + entry.encoded.len() <= packet.room {
                packet.items.extend_from_slice(&entry.encoded);
                taken.push(key.clone());
            } else {
                misfits += 1;
            }
        }
        packet.has_left_some = misfits > 0;
        for key in taken.iter().chain(&owned) {
            self.count_sent(key, copies);
        }
        taken.len()
    }

    /// Drops what has had its copies: their number follows the size of the cluster.
    pub(super) fn drop_done(&mut self, copies: Copies) {
        // Who gets its last copy goes at once, so nothing is done as long as they are the same.
        if self.copies.replace(copies) == Some(copies) {
            return;
        }
        self.ranks
            .retain(|(_, _, key)| !self.entries[key].is_done(copies));
        self.entries.retain(|_, entry| !entry.is_done(copies));
    }

    /// How many entries may have copies left for the burst.
    pub(super) fn due_for_burst(&self, copies: Copies) -> usize {
        let due = self.ranks.iter();
        due.take_while(|(sent, ..)| *sent < copies.burst).count()
    }

    fn count_sent(&mut self, key: &Key, copies: Copies) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        self.ranks.remove(&(entry.sent, entry.order, key.clone()));
        entry.sent += 1;
        if entry.is_done(copies) {
            self.entries.remove(key);
        } else {
            self.ranks.insert((entry.sent, entry.order, key.clone()));
        }
    }

    /// Drops what `wanted` says no to.
    pub(super) fn retain(&mut self, wanted: impl Fn(Owner, &str) -> bool) {
        self.entries
            .retain(|(owner, service), _| wanted(*owner, service));
        self.ranks
            .retain(|(_, _, (owner, service))| wanted(*owner, service));
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.ranks.remove(&(entry.sent, entry.order, key.clone()));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing of others is to be queued.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= MOST
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.ranks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn owner() -> Owner {
        Owner {
            addr: addr(1),
            boot: 1,
        }
    }

    fn push(news: &mut News, service: &str, seq: u64, bytes: &'static [u8]) {
        news.push(
            owner(),
            service.into(),
            seq,
            Bytes::from_static(bytes),
            Some(addr(2)),
        );
    }

    const COPIES: Copies = Copies { burst: 3, most: 4 };

    fn fill(news: &mut News, occasion: Occasion, room: usize) -> Vec<u8> {
        let mut packet = Packet::new(addr(3), room);
        news.fill(occasion, COPIES, &mut packet);
        packet.items
    }

    #[test]
    fn neither_the_owner_nor_who_told_us_is_told() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        for port in [1, 2] {
            let mut packet = Packet::new(addr(port), 9);
            assert_eq!(news.fill(Occasion::Round, COPIES, &mut packet), 0);
        }
        assert_eq!(fill(&mut news, Occasion::Round, 9), b"a");
    }

    #[test]
    fn what_was_sent_least_goes_first_and_then_what_is_oldest() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        push(&mut news, "b", 1, b"b");
        assert_eq!(fill(&mut news, Occasion::Burst, 1), b"a");
        assert_eq!(fill(&mut news, Occasion::Burst, 1), b"b");
        push(&mut news, "c", 1, b"c");
        assert_eq!(fill(&mut news, Occasion::Burst, 9), b"cab");
    }

    #[test]
    fn a_burst_leaves_copies_for_the_rounds() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        let burst = (0..9)
            .filter(|_| !fill(&mut news, Occasion::Burst, 9).is_empty())
            .count();
        assert_eq!(burst, 3);
        assert_eq!(news.due_for_burst(COPIES), 0);
        assert_eq!(fill(&mut news, Occasion::Round, 9), b"a");
        assert_eq!(
            (fill(&mut news, Occasion::Round, 9).len(), news.len()),
            (0, 0)
        );
    }

    #[test]
    fn hearing_an_item_back_counts_as_a_copy_and_not_within_the_burst() {
        let mut news = News::default();
        push(&mut news, "a", 7, b"a");
        for _ in 0..9 {
            news.heard(owner(), &"a".into(), 7, COPIES);
        }
        for _ in 0..3 {
            assert_eq!(fill(&mut news, Occasion::Burst, 9), b"a");
        }
        assert_eq!(news.len(), 0);
        push(&mut news, "a", 8, b"a");
        for _ in 0..3 {
            fill(&mut news, Occasion::Burst, 9);
        }
        news.heard(owner(), &"a".into(), 7, COPIES);
        assert_eq!(news.len(), 1, "an older one is not the same");
        news.heard(owner(), &"a".into(), 8, COPIES);
        assert_eq!(news.len(), 0);
    }

    #[test]
    fn a_newer_record_takes_the_place_of_the_older() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"old");
        fill(&mut news, Occasion::Burst, 9);
        push(&mut news, "a", 2, b"new");
        assert_eq!(news.len(), 1);
        assert_eq!(fill(&mut news, Occasion::Burst, 9), b"new");
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_packet() {
        let mut news = News::default();
        push(&mut news, "large", 1, b"123456");
        push(&mut news, "small", 1, b"1");
        assert_eq!(fill(&mut news, Occasion::Burst, 3), b"1");
        assert_eq!(fill(&mut news, Occasion::Burst, 6), b"123456");
    }
}
