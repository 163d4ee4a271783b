//! Records that are larger than a datagram.
//!
//! News of such a record is only a notice; whoever lacks it pulls it, in chunks, from whoever sent
//! the notice, and passes the notice on only when it has the whole. So a notice is never a promise
//! that its sender cannot keep. One that does not keep it all the same holds nobody up: who sent the same notice meanwhile is
//! asked after it.
//!
//! Bounds: [`MOST_ASSEMBLIES`] at a time, each of at most 64 KiB; [`WINDOW`] chunks asked for at a
//! time; an assembly ends after [`MOST_TRIES`] requests in a row without progress, each half of them to another holder if one is
//! known.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{Engine, TimerKey};
use crate::gossip::{
    Instant, Now,
    at_limit::Limit,
    stats::Cause,
    wire::message::{Chunk, Message, Pull, RecordKey},
};

/// The content in one chunk. With the longest service name it fills a datagram of 1,200 bytes.
const CHUNK_BYTES: usize = 768;
/// How many chunks may be asked for without having come.
const WINDOW: usize = 32;
/// How many records are put together at a time; the next notice is left to reconciliation.
const MOST_ASSEMBLIES: usize = 64;
/// How many requests in a row may remain without progress.
const MOST_TRIES: u8 = 6;

/// The records that are being put together.
#[derive(Debug, Default)]
pub(super) struct Assemblies(pub(super) BTreeMap<RecordKey, Assembly>);

impl Assemblies {
    /// How many there are, and what their contents take in bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let contents = self.0.values().map(|assembly| assembly.content.len());
        (self.0.len(), contents.sum())
    }
}

#[derive(Debug)]
pub(super) struct Assembly {
    seq: u64,
    source: SocketAddr,
    /// Who else says that it has the record.
    other: Option<SocketAddr>,
    content: Vec<u8>,
    /// The chunks that have not come, and whether they have been asked for.
    missing: BTreeMap<u16, bool>,
    retry_at: Instant,
    tries: u8,
}

impl Assembly {
    fn new(seq: u64, length: u32, source: SocketAddr, retry_at: Instant) -> Self {
        let chunks = (length as usize).div_ceil(CHUNK_BYTES);
        let chunks = u16::try_from(chunks).expect("bounded by MAX_RECORD_BYTES");
        Self {
            seq,
            source,
            other: None,
            content: vec![0; length as usize],
            missing: (0..chunks).map(|chunk| (chunk, false)).collect(),
            retry_at,
            tries: 0,
        }
    }

    /// Somebody says that it has a record. If it is this one, that is another to ask.
    fn also_held(&mut self, by: SocketAddr, seq: u64, length: u32) {
        if self.seq == seq && self.content.len() == length as usize && self.source != by {
            self.other = Some(by);
        }
    }

    /// Begins anew with the other holder, if there is one: what came may be of another record.
    fn turn_to_other(&mut self) {
        if let Some(other) = self.other.take() {
            let length = u32::try_from(self.content.len()).expect("bounded by MAX_RECORD_BYTES");
            let tries = self.tries;
            let former = self.source;
            *self = Self::new(self.seq, length, other, self.retry_at);
            self.tries = tries;
            self.other = Some(former);
        }
    }

    /// The next chunks to ask for; none while half a window is still on its way.
    fn next_request(&mut self) -> Vec<u16> {
        let asked = self.missing.values().filter(|asked| **asked).count();
        if asked > WINDOW / 2 {
            return Vec::new();
        }
        let unasked = self.missing.iter_mut().filter(|(_, asked)| !**asked);
        unasked
            .take(WINDOW - asked)
            .map(|(chunk, asked)| {
                *asked = true;
                *chunk
            })
            .collect()
    }

    /// Takes a chunk in. Says whether it was one that was missing.
    fn take(&mut self, chunk: u16, bytes: &[u8]) -> Result<bool, Cause> {
        let start = usize::from(chunk) * CHUNK_BYTES;
        let end = (start + CHUNK_BYTES).min(self.content.len());
        if start >= end || bytes.len() != end - start {
            return Err(Cause::Malformed);
        }
        let fresh = self.missing.remove(&chunk).is_some();
        if fresh {
            self.content[start..end].copy_from_slice(bytes);
        }
        Ok(fresh)
    }
}

impl Engine {
    pub(super) fn notice_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        key: RecordKey,
        seq: u64,
        length: u32,
    ) {
        let owner = key.owner();
        if let Some(held) = self.replica.record(owner, &key.service)
            && held.seq() >= seq
        {
            let service = held.service().clone();
            let copies = self.news_copies();
            self.news.heard(owner, &service, seq, copies);
            self.sync_has(&key);
            return;
        }
        let underway = self.assemblies.0.get_mut(&key);
        let is_known = underway.is_some();
        if let Some(assembly) = underway.filter(|assembly| assembly.seq >= seq) {
            assembly.also_held(from, seq, length);
            return;
        }
        if length == 0 {
            return;
        }
        if !is_known && self.assemblies.0.len() >= MOST_ASSEMBLIES {
            return self.refuse(now.instant, Limit::Assemblies, owner.addr);
        }
        let retry_at = now.instant + self.config.request_timeout;
        self.assemblies
            .0
            .insert(key.clone(), Assembly::new(seq, length, from, retry_at));
        self.ask_chunks(now, &key);
        self.timers.set_earlier(TimerKey::Assembly, retry_at);
    }

    fn ask_chunks(&mut self, now: Now, key: &RecordKey) {
        let Some(assembly) = self.assemblies.0.get_mut(key) else {
            return;
        };
        let chunks = assembly.next_request();
        let (to, seq) = (assembly.source, assembly.seq);
        if !chunks.is_empty() {
            self.send(
                now,
                to,
                &Message::Pull(Pull::Chunks {
                    key: key.clone(),
                    seq,
                    chunks,
                }),
            );
        }
    }

    pub(super) fn chunk_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        chunk: Chunk,
    ) -> Result<(), Cause> {
        let key = chunk.key;
        let Some(assembly) = self.assemblies.0.get_mut(&key) else {
            return Err(Cause::Unexpected);
        };
        let same = assembly.seq == chunk.seq && assembly.source == from;
        if !same || assembly.content.len() != chunk.length as usize {
            return Err(Cause::Unexpected);
        }
        if assembly.take(chunk.number, &chunk.bytes)? {
            assembly.tries = 0;
            assembly.retry_at = now.instant + self.config.request_timeout;
        }
        if !assembly.missing.is_empty() {
            self.ask_chunks(now, &key);
            return Ok(());
        }
        let assembly = self.assemblies.0.remove(&key).expect("it was just there");
        self.record_received(now, from, key, assembly.seq, &assembly.content)
    }

    /// Asks again for chunks that have not come in time.
    pub(super) fn assembly_due(&mut self, now: Now) {
        let late: Vec<_> = self
            .assemblies
            .0
            .iter()
            .filter(|(_, assembly)| assembly.retry_at <= now.instant)
            .map(|(key, _)| key.clone())
            .collect();
        for key in late {
            let Some(assembly) = self.assemblies.0.get_mut(&key) else {
                continue;
            };
            assembly.tries += 1;
            if assembly.tries > MOST_TRIES {
                self.assemblies.0.remove(&key);
                self.sync_has(&key);
                continue;
            }
            assembly.retry_at = now.instant + self.config.request_timeout;
            let is_in_doubt = assembly.tries == MOST_TRIES / 2;
            if is_in_doubt {
                assembly.turn_to_other();
            }
            for asked in assembly.missing.values_mut() {
                *asked = false;
            }
            self.ask_chunks(now, &key);
            if is_in_doubt {
                self.doubt_path(now);
            }
        }
        if let Some(at) = self
            .assemblies
            .0
            .values()
            .map(|assembly| assembly.retry_at)
            .min()
        {
            self.timers.set(TimerKey::Assembly, at);
        }
    }

    /// A chunk of a record that we hold under exactly this sequence number.
    pub(super) fn chunk_of(&self, key: &RecordKey, seq: u64, chunk: u16) -> Option<Chunk> {
        let record = self.replica.record(key.owner(), &key.service)?;
        if record.seq() != seq {
            return None;
        }
        let content = record.content();
        let start = usize::from(chunk) * CHUNK_BYTES;
        let end = (start + CHUNK_BYTES).min(content.len());
        let bytes = content
            .get(start..end)
            .filter(|bytes| !bytes.is_empty())?
            .to_vec();
        let length = u32::try_from(content.len()).expect("bounded by MAX_RECORD_BYTES");
        Some(Chunk {
            key: key.clone(),
            seq,
            length,
            number: chunk,
            bytes,
        })
    }
}
