//! Reconciliation, answering. Every answer is made from the request alone: nothing is remembered of
//! who asked what.
//!
//! After a long pause this node does not answer before it has looked whether it was left behind.
//!
//! Bounds: [`PARTS`] datagrams an answer, and a budget of pages a second over all who ask; beyond it
//! the request is ignored, and asked again.

use std::net::SocketAddr;

use super::{Engine, dissemination::item_of};
use crate::{
    gossip::{
        Now,
        at_limit::Limit,
        identity::PeerId,
        members::Peer,
        wire::{
            codec::{Encode, encode},
            message::{
                Cursor, Digest, Inventory, MemberItem, Message, Page, Part, Pull, RecordItem,
                RecordKey,
            },
            word::{LISTING_BYTES, Word, write_listing},
        },
    },
    table::Record,
};

/// How many datagrams an answer has at most.
const PARTS: usize = 16;
/// Room for what stands around the items: the part with the longest cursor, and the counts.
const PART_BYTES: usize = 9 + 1 + 1 + 1 + 1 + 33 + 255 + 3 + 3 + 3 + LISTING_BYTES;

/// What fills one datagram of a listing.
#[derive(Debug)]
struct Batch<T> {
    members: Vec<MemberItem>,
    /// What is said of each beside its state.
    words: Vec<Word>,
    items: Vec<T>,
    size: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            words: Vec::new(),
            items: Vec::new(),
            size: 0,
        }
    }
}

/// A listing cut into datagrams.
#[derive(Debug)]
struct Batches<T> {
    full: Vec<Batch<T>>,
    room: usize,
    scratch: Vec<u8>,
    last: Option<Cursor>,
    next: Option<Cursor>,
}

impl<T> Batches<T> {
    fn new(room: usize) -> Self {
        Self {
            full: vec![Batch::default()],
            room,
            scratch: Vec::new(),
            last: None,
            next: None,
        }
    }

    /// Whether there is room for `item` and so many bytes `more`; without it, the listing is to go on after the last.
    fn fits(&mut self, item: &impl Encode, more: usize) -> Option<&mut Batch<T>> {
        self.scratch.clear();
        encode(item, &mut self.scratch);
        let size = self.scratch.len() + more;
        if self
            .full
            .last()
            .is_none_or(|batch| batch.size + size > self.room)
        {
            if self.full.len() >= PARTS {
                self.next = self.last.take();
                return None;
            }
            self.full.push(Batch::default());
        }
        let batch = self.full.last_mut().expect("there is always one");
        batch.size += size;
        Some(batch)
    }

    fn member(&mut self, item: MemberItem, word: Word) -> bool {
        let Some(batch) = self.fits(&item, word.size()) else {
            return false;
        };
        batch.members.push(item);
        batch.words.push(word);
        self.last = Some(Cursor::Member(PeerId::from(item.id).addr));
        true
    }

    /// `encoded` is what becomes of `item` on the wire.
    fn item(&mut self, key: RecordKey, item: T, encoded: &impl Encode) -> bool {
        let Some(batch) = self.fits(encoded, 0) else {
            return false;
        };
        batch.items.push(item);
        self.last = Some(Cursor::Record(key));
        true
    }
}

impl Engine {
    pub(super) fn pull_received(&mut self, now: Now, from: SocketAddr, pull: Pull) {
        match pull {
            Pull::All { session, after } => self.serve_all(now, from, session, after),
            Pull::Records { session, keys } => self.serve_records(now, from, session, &keys),
            Pull::Chunks { key, seq, chunks } => self.serve_chunks(now, from, &key, seq, &chunks),
        }
    }

    /// Sends all that is held, from a point on.
    pub(super) fn serve_all(
        &mut self,
        now: Now,
        to: SocketAddr,
        session: u64,
        after: Option<Cursor>,
    ) {
        if !self.is_sure(now.instant) {
            return;
        }
        let mut batches = Batches::new(self.payload_budget() - PART_BYTES);
        let room = batches.room;
        self.list(
            after,
            |_| true,
            &mut batches,
            |batches, key, record| batches.item(key, record.clone(), &item_of(record, room)),
        );
        self.send_parts(now, to, session, batches, |part, members, records, out| {
            page(part, members, &records, room).write(out)
        });
    }

    pub(super) fn digest_received(&mut self, now: Now, from: SocketAddr, digest: &Digest) {
        if !self.is_sure(now.instant) {
            return;
        }
        let ours = self.buckets();
        let differs = |bucket: u8| {
            let bucket = usize::from(bucket);
            digest.buckets[bucket] != ours[bucket].into()
        };
        let mut batches = Batches::new(self.payload_budget() - PART_BYTES);
        self.list(
            digest.after.clone(),
            differs,
            &mut batches,
            |batches, key, record| {
                let item = RecordItem {
                    key: key.clone(),
                    seq: record.seq(),
                    hash: record.hash().hash,
                };
                batches.item(key, item.clone(), &item)
            },
        );
        self.send_parts(
            now,
            from,
            digest.session,
            batches,
            |part, members, records, out| {
                let inventory = Inventory {
                    part,
                    members,
                    records,
                };
                Message::Inventory(inventory).write(out)
            },
        );
    }

    /// Lists members, then records, in the order of their cursors.
    /// `add` takes a record in, and says whether there was room for it.
    fn list<T>(
        &self,
        after: Option<Cursor>,
        wanted: impl Fn(u8) -> bool,
        batches: &mut Batches<T>,
        add: impl Fn(&mut Batches<T>, RecordKey, &Record) -> bool,
    ) {
        let (members_after, records_after) = match after {
            None => (Some(None), None),
            Some(Cursor::Member(addr)) => (Some(Some(addr)), None),
            Some(Cursor::Record(key)) => (None, Some(key)),
        };
        if let Some(after) = members_after {
            for peer in self
                .members
                .iter_after(after)
                .filter(|peer| wanted(peer.bucket()))
            {
                if !batches.member(member_item(peer), self.verified.word(&peer.id)) {
                    return;
                }
            }
        }
        let after = records_after
            .as_ref()
            .map(|key| (key.owner(), &*key.service));
        for record in self.replica.live_records_after(after) {
            if wanted(record.hash().bucket) {
                let key = RecordKey::new(record.owner(), record.service());
                if !add(batches, key, record) {
                    return;
                }
            }
        }
    }

    fn send_parts<T>(
        &mut self,
        now: Now,
        to: SocketAddr,
        session: u64,
        batches: Batches<T>,
        write: impl Fn(Part, Vec<MemberItem>, Vec<T>, &mut Vec<u8>) -> u8,
    ) {
        let count = u8::try_from(batches.full.len()).expect("at most PARTS");
        // All of it or nothing: an answer that lacks a part is asked for again as a whole, and one budget that is spent
        // on halves of answers serves nobody.
        if !self.page_budget.take_many(now.instant, count.into()) {
            return self.refuse(now.instant, Limit::Pages, to);
        }
        for (index, batch) in (0..count).zip(batches.full) {
            let part = Part {
                session,
                index,
                count,
                next: batches.next.clone(),
            };
            self.stats.pages_sent += 1;
            let mut payload = Vec::new();
            let kind = write(part, batch.members, batch.items, &mut payload);
            write_listing(&batch.words, &mut payload);
            let datagram = self.frame_payload(now, kind, &payload);
            self.transmit(to, datagram);
        }
    }

    fn send_page(&mut self, now: Now, to: SocketAddr, message: &Message<'_>) {
        if self.page_budget.take(now.instant) {
            self.stats.pages_sent += 1;
            self.send(now, to, message);
        } else {
            self.refuse(now.instant, Limit::Pages, to);
        }
    }

    fn serve_records(&mut self, now: Now, to: SocketAddr, session: u64, keys: &[RecordKey]) {
        let mut batches = Batches::new(self.payload_budget() - PART_BYTES);
        let room = batches.room;
        for key in keys {
            if let Some(record) = self.replica.record(key.owner(), &key.service) {
                let item = item_of(record, room);
                if !batches.item(key.clone(), record.clone(), &item) {
                    break; // asked for again
                }
            }
        }
        // No part of a listing: a count of zero.
        for batch in batches.full {
            let part = Part {
                session,
                index: 0,
                count: 0,
                next: None,
            };
            let message = page(part, Vec::new(), &batch.items, room);
            self.send_page(now, to, &message);
        }
    }

    fn serve_chunks(
        &mut self,
        now: Now,
        to: SocketAddr,
        key: &RecordKey,
        seq: u64,
        chunks: &[u16],
    ) {
        for chunk in chunks {
            if let Some(message) = self.chunk_of(key, seq, *chunk) {
                self.send_page(now, to, &Message::Chunk(message));
            }
        }
    }
}

fn page(part: Part, members: Vec<MemberItem>, records: &[Record], room: usize) -> Message<'_> {
    let items = records.iter().map(|record| item_of(record, room)).collect();
    Message::Page(Page {
        part,
        members,
        items,
    })
}

fn member_item(peer: &Peer) -> MemberItem {
    MemberItem {
        id: peer.id.into(),
        incarnation: peer.incarnation,
        health: peer.health,
    }
}
