//! What a reconciliation lacks: noted as the peer lists it, and asked for a window at a time.
//!
//! Bounds: [`WINDOW`] and [`MOST_WANTED`].

use std::net::SocketAddr;

use super::Engine;
use crate::gossip::{
    Now,
    at_limit::Limit,
    wire::message::{Message, Pull, RecordItem, RecordKey},
};

/// How many records may be asked for without having come.
pub(super) const WINDOW: usize = 64;
/// How many records a session may want: what a table of a thousand members lists, many times over.
pub(super) const MOST_WANTED: usize = 100_000;
/// Room in a request for what stands around the keys.
pub(super) const PULL_OVERHEAD_BYTES: usize = 16;

impl Engine {
    /// A peer holds this record: it is wanted if we lack it, and put right if it is ours and not
    /// what we wrote.
    pub(in crate::gossip::engine) fn record_listed(&mut self, now: Now, item: RecordItem) {
        let owner = item.key.owner();
        let held = self.replica.record(owner, &item.key.service);
        let held = held.map(|held| (held.seq(), held.hash().hash));
        let wanted = match held {
            Some((seq, hash)) if owner == self.me.owner() => {
                if item.seq >= seq && item.hash != hash {
                    self.write_above(now, &item.key.service, item.seq);
                }
                false
            }
            Some(held) => held < (item.seq, item.hash),
            None => true,
        };
        // What was refused once is refused again.
        let wanted = wanted && !self.verification.has_refused(item.hash);
        let Some(session) = self.sync.session.as_mut().filter(|_| wanted) else {
            return;
        };
        if session.wanted.len() < MOST_WANTED {
            session.wanted.entry(item.key).or_insert(false);
        } else {
            // A later session gets them.
            self.refuse(now.instant, Limit::Wanted, owner.addr);
        }
    }

    /// Asks for what is wanted, a window at a time; ends the session when nothing is.
    pub(super) fn pull_wanted(&mut self, now: Now) {
        let room = self.payload_budget() - PULL_OVERHEAD_BYTES;
        let Some(session) = &mut self.sync.session else {
            return;
        };
        if session.listed && session.wanted.is_empty() {
            return self.end_sync(now, true);
        }
        let mut free =
            WINDOW.saturating_sub(session.wanted.values().filter(|asked| **asked).count());
        let mut requests = Vec::new();
        let mut keys = Vec::new();
        let mut size = 0;
        for (key, asked) in session.wanted.iter_mut().filter(|(_, asked)| !**asked) {
            if free == 0 {
                break;
            }
            free -= 1;
            *asked = true;
            // Family, address, port, boot and the name's length, at most.
            let key_bytes = 33 + key.service.len();
            if size + key_bytes > room {
                requests.push(std::mem::take(&mut keys));
                size = 0;
            }
            size += key_bytes;
            keys.push(key.clone());
        }
        requests.push(keys);
        let (peer, id) = (session.peer, session.id);
        for keys in requests.into_iter().filter(|keys| !keys.is_empty()) {
            self.send(
                now,
                peer,
                &Message::Pull(Pull::Records { session: id, keys }),
            );
        }
    }

    /// A record that may have been wanted is here, or is on its way by other means.
    pub(in crate::gossip::engine) fn sync_has(&mut self, key: &RecordKey) {
        if let Some(session) = &mut self.sync.session
            && session.wanted.remove(key).is_some()
        {
            session.tries = 0;
        }
    }

    /// Whether a record was asked for of this peer, and has not come.
    pub(in crate::gossip::engine) fn sync_wants(&self, from: SocketAddr, key: &RecordKey) -> bool {
        let session = self.sync.session.as_ref();
        session.is_some_and(|session| session.peer == from && session.wanted.contains_key(key))
    }

    /// Something came that could not be looked at yet: there is more to get of this peer.
    pub(in crate::gossip::engine) const fn sync_unfinished(&mut self) {
        if let Some(session) = &mut self.sync.session {
            session.moved = true;
        }
    }
}
