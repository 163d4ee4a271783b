//! The queue of records that are still being told.
//!
//! Each entry knows how often this node has sent it. A packet takes the entries that were sent
//! least, the oldest first among equals, as many as fit. An entry leaves the queue when it has been
//! sent as often as [`Config::copies`](super::Config::copies) says, when a newer record of the same
//! owner and service takes its place, and it counts as sent when somebody else tells it to us: who
//! sent it has it. So the queue holds at most one entry for each record of the table.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;

use crate::table::Owner;

type Key = (Owner, Arc<str>);

#[derive(Debug)]
struct Entry {
    seq: u64,
    /// As it goes into a packet.
    encoded: Bytes,
    copies: u8,
    order: u64,
    /// Who told us.
    source: Option<SocketAddr>,
}

#[derive(Debug, Default)]
pub(super) struct News {
    entries: BTreeMap<Key, Entry>,
    /// By copies sent, then by arrival.
    ranks: BTreeSet<(u8, u64, Key)>,
    next_order: u64,
}

/// A packet that is being filled.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) to: SocketAddr,
    /// How many bytes of items it holds at most.
    pub(super) room: usize,
    pub(super) items: Vec<u8>,
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
        self.entries.insert(
            key,
            Entry {
                seq,
                encoded,
                copies: 0,
                order,
                source,
            },
        );
    }

    /// Somebody told us what we were about to tell.
    pub(super) fn heard(&mut self, owner: Owner, service: &Arc<str>, seq: u64, most: u8) {
        let key = (owner, service.clone());
        if self.entries.get(&key).is_some_and(|entry| entry.seq == seq) {
            self.count_copy(&key, most);
        }
    }

    /// Appends entries that have fewer than `cap` copies to `packet`, and counts a copy for each.
    /// Those that have `most` copies then are done. Says how many were appended.
    pub(super) fn fill(&mut self, cap: u8, most: u8, packet: &mut Packet) -> usize {
        let mut taken = Vec::new();
        let mut misfits = 0;
        for (copies, _, key) in &self.ranks {
            if *copies >= cap || misfits >= MISFITS {
                break;
            }
            let entry = &self.entries[key];
            if key.0.addr == packet.to || entry.source == Some(packet.to) {
                continue; // it has it
            }
            if packet.items.len() + entry.encoded.len() <= packet.room {
                packet.items.extend_from_slice(&entry.encoded);
                taken.push(key.clone());
            } else {
                misfits += 1;
            }
        }
        for key in &taken {
            self.count_copy(key, most);
        }
        taken.len()
    }

    /// Whether an entry has fewer than `cap` copies.
    pub(super) fn has_below(&self, cap: u8) -> bool {
        self.ranks.first().is_some_and(|(copies, ..)| *copies < cap)
    }

    fn count_copy(&mut self, key: &Key, most: u8) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        self.ranks.remove(&(entry.copies, entry.order, key.clone()));
        entry.copies += 1;
        if entry.copies >= most {
            self.entries.remove(key);
        } else {
            self.ranks.insert((entry.copies, entry.order, key.clone()));
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.ranks.remove(&(entry.copies, entry.order, key.clone()));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
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

    fn fill(news: &mut News, cap: u8, room: usize) -> Vec<u8> {
        let mut packet = Packet {
            to: addr(3),
            room,
            items: Vec::new(),
        };
        news.fill(cap, 4, &mut packet);
        packet.items
    }

    #[test]
    fn neither_the_owner_nor_who_told_us_is_told() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        for port in [1, 2] {
            let mut packet = Packet {
                to: addr(port),
                room: 9,
                items: Vec::new(),
            };
            assert_eq!(news.fill(4, 4, &mut packet), 0);
        }
        assert_eq!(fill(&mut news, 4, 9), b"a");
    }

    #[test]
    fn what_was_sent_least_goes_first_and_then_what_is_oldest() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        push(&mut news, "b", 1, b"b");
        assert_eq!(fill(&mut news, 4, 1), b"a");
        assert_eq!(fill(&mut news, 4, 1), b"b");
        push(&mut news, "c", 1, b"c");
        assert_eq!(fill(&mut news, 4, 9), b"cab");
    }

    #[test]
    fn an_entry_is_done_after_its_copies() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        for _ in 0..4 {
            assert_eq!(fill(&mut news, 9, 9), b"a");
        }
        assert_eq!((fill(&mut news, 9, 9).len(), news.len()), (0, 0));
    }

    #[test]
    fn a_burst_leaves_copies_for_the_rounds() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"a");
        while !fill(&mut news, 3, 9).is_empty() {}
        assert!(!news.has_below(3));
        assert_eq!(fill(&mut news, 4, 9), b"a");
    }

    #[test]
    fn hearing_an_item_back_counts_as_a_copy() {
        let mut news = News::default();
        push(&mut news, "a", 7, b"a");
        for _ in 0..4 {
            news.heard(owner(), &"a".into(), 6, 4);
        }
        assert_eq!(news.len(), 1, "an older one is not the same");
        for _ in 0..4 {
            news.heard(owner(), &"a".into(), 7, 4);
        }
        assert_eq!(news.len(), 0);
    }

    #[test]
    fn a_newer_record_takes_the_place_of_the_older() {
        let mut news = News::default();
        push(&mut news, "a", 1, b"old");
        fill(&mut news, 4, 9);
        push(&mut news, "a", 2, b"new");
        assert_eq!(news.len(), 1);
        assert_eq!(fill(&mut news, 1, 9), b"new");
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_packet() {
        let mut news = News::default();
        push(&mut news, "large", 1, b"123456");
        push(&mut news, "small", 1, b"1");
        assert_eq!(fill(&mut news, 4, 3), b"1");
        assert_eq!(fill(&mut news, 1, 6), b"123456");
    }
}
