//! A change of the cluster's key by a list that every host reads for itself, such as a mounted secret.
//!
//! Hosts see a new list up to two minutes apart, so no key takes effect at once:
//!
//! | a key that | opens | seals |
//! |---|---|---|
//! | is new in the list | at once | |
//! | is new as the first one | at once | when every live member has shown that it holds the key, after [`PATIENCE`] at the latest |
//! | is gone from the list | for [`PATIENCE`], and for as long after it has sealed last | until the first key of the list seals |
//!
//! A member shows a key by a datagram that names it (`keys` among the kinds), or by sealing with it. Builds
//! that do not know the kind show nothing, so beside them a new key seals after [`PATIENCE`].
//!
//! A node that has no member yet cannot ask. It seals with each key of its list in turn until somebody
//! answers, goes on with the key that the answer was sealed with, and changes to the first one from there.
//!
//! Bounds: [`KEYS_MAX`] keys in the list and as many that retire; one entry for each live member while a key is
//! shown; [`ASKS_MAX`] questions a batch, of which the engine sends one each [`ASK_EVERY`].

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{
    ClusterKey, KEYS_MAX, KeyId, Keyring, KeyringError,
    key::{KeyHash, KeyName},
};
use crate::gossip::{Instant, identity::PeerId};

/// How far apart hosts may see a new list.
pub(in crate::gossip) const PATIENCE: Duration = Duration::from_secs(120);
/// The least time between two batches of questions.
pub(in crate::gossip) const ASK_EVERY: Duration = Duration::from_millis(200);
/// The most questions in a batch: 100 a second.
const ASKS_MAX: usize = 20;
/// When a member is asked again; doubles up to [`ASK_AGAIN_MAX`].
const ASK_AGAIN: Duration = Duration::from_secs(1);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(16);

/// Where the change stands.
#[derive(Debug, Default)]
pub(super) struct Rollover {
    /// The list as it was read last; empty while there is none.
    list: Vec<ClusterKey>,
    pending: Option<Pending>,
    /// Seals in the place of the ring's first key, while nobody answers.
    trial: Option<ClusterKey>,
    /// Keys that are gone from the list, and until when they open.
    retiring: Vec<(ClusterKey, Instant)>,
}

/// A key that is to seal.
#[derive(Debug)]
struct Pending {
    key: ClusterKey,
    /// When it seals, whoever has not shown it.
    until: Instant,
    /// The processes that have shown it: live members when they did.
    shown: BTreeSet<(SocketAddr, u64)>,
    /// How often each member was asked, and when it is asked again.
    asked: BTreeMap<SocketAddr, (u32, Instant)>,
}

/// What [`Rollover::advance`] has done.
#[derive(Default)]
pub(in crate::gossip) struct Advanced {
    /// The key that seals from now on.
    pub(in crate::gossip) sealing: Option<KeyId>,
    /// The keys that do not open any more.
    pub(in crate::gossip) removed: Vec<KeyId>,
    pub(super) hashes: Vec<KeyHash>,
}

impl Rollover {
    /// Takes in the list as it is now, and says whether that is another one. The first list is taken as the
    /// keys that `ring` has.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        list: Vec<ClusterKey>,
        ring: &mut Keyring,
    ) -> Result<bool, KeyringError> {
        let list = Keyring::of(list)?.into_keys();
        let first = list.first().ok_or(KeyringError::Empty)?.clone();
        if list == self.list {
            return Ok(false);
        }
        let gone: Vec<_> = self.list.iter().filter(|key| !list.contains(key)).collect();
        let retired = self.retiring.iter().filter(|(key, _)| !list.contains(key));
        let new: Vec<_> = list.iter().filter(|key| !ring.contains(key)).collect();
        // Checked before anything changes. What retires makes room in time.
        if gone.len() + retired.count() > KEYS_MAX || ring.len() + new.len() > 2 * KEYS_MAX {
            return Err(KeyringError::Full);
        }
        for key in new {
            ring.insert(key.clone(), 2 * KEYS_MAX)?;
        }
        let gone: Vec<_> = gone.into_iter().cloned().collect();
        self.retiring.retain(|(key, _)| !list.contains(key));
        self.retiring
            .extend(gone.into_iter().map(|key| (key, now + PATIENCE)));
        self.list = list;
        self.trial = None;
        self.pend(now, first, ring);
        Ok(true)
    }

    /// `first` is to seal.
    fn pend(&mut self, now: Instant, first: ClusterKey, ring: &Keyring) {
        if ring.sealing() == Some(&first) {
            self.pending = None;
        } else if self
            .pending
            .as_ref()
            .is_none_or(|pending| pending.key != first)
        {
            self.pending = Some(Pending {
                key: first,
                until: now + PATIENCE,
                shown: BTreeSet::new(),
                asked: BTreeMap::new(),
            });
        }
    }

    /// Somebody is there, where nobody was: the first key of the list is to seal, if another one does.
    pub(super) fn joined(&mut self, now: Instant, ring: &Keyring) {
        self.trial = None;
        let sealing = ring.sealing().filter(|key| self.list.contains(key));
        if let (Some(_), Some(first)) = (sealing, self.list.first().cloned()) {
            self.pend(now, first, ring);
        }
    }

    /// Nobody answers: the next key of the list seals for now.
    pub(super) fn try_next(&mut self, ring: &Keyring) {
        let tried = self.trial.as_ref().or(ring.sealing());
        let at = self.list.iter().position(|key| Some(key) == tried);
        let next = self.list.iter().cycle().nth(at.map_or(0, |at| at + 1));
        self.trial = next.filter(|key| ring.contains(key)).cloned();
    }

    /// The key that seals now.
    pub(super) fn sealing<'a>(&'a self, ring: &'a Keyring) -> Option<&'a ClusterKey> {
        self.trial.as_ref().or(ring.sealing())
    }

    /// The first sign of somebody was sealed with that key: those who hold nothing else hear us by it.
    pub(super) fn adopt(&mut self, now: Instant, hash: KeyHash, ring: &mut Keyring) {
        self.trial = None;
        let key = self.list.iter().find(|key| key.hash() == hash);
        if let Some(key) = key.cloned()
            && ring.sealing() != Some(&key)
        {
            self.seal_with(now, &key, ring);
        }
    }

    /// The user has decided which key seals, or that one is not to open.
    pub(super) fn overruled(&mut self, ring: &Keyring) {
        self.trial.take_if(|key| !ring.contains(key));
        self.pending.take_if(|pending| {
            !ring.contains(&pending.key) || ring.sealing() == Some(&pending.key)
        });
        self.retiring.retain(|(key, _)| ring.contains(key));
    }

    /// The user has promoted a key: nothing else is to seal before the list changes.
    pub(super) fn cancel(&mut self) {
        self.trial = None;
        self.pending = None;
    }

    /// The user has added a key: it opens until the user removes it.
    pub(super) fn keep(&mut self, key: &ClusterKey) {
        self.retiring.retain(|(retiring, _)| retiring != key);
    }

    fn seal_with(&mut self, now: Instant, key: &ClusterKey, ring: &mut Keyring) {
        let sealed = ring.sealing().cloned();
        if ring.promote(key).is_err() {
            return; // The user has removed it.
        }
        // Others may go on to seal as we did.
        for (retiring, until) in &mut self.retiring {
            if Some(&*retiring) == sealed.as_ref() {
                *until = (*until).max(now + PATIENCE);
            }
        }
    }

    /// Does what is due, where `live` are the other members.
    pub(super) fn advance<'a>(
        &mut self,
        now: Instant,
        live: impl Iterator<Item = &'a PeerId>,
        ring: &mut Keyring,
    ) -> Advanced {
        let mut advanced = Advanced::default();
        let is_ready = self
            .pending
            .as_mut()
            .is_some_and(|pending| pending.is_shown_by(live) || now >= pending.until);
        if is_ready && let Some(pending) = self.pending.take() {
            self.seal_with(now, &pending.key, ring);
            advanced.sealing = Some(pending.key.id());
        }
        self.retiring.retain(|(key, until)| {
            let is_over = now >= *until && ring.sealing() != Some(key);
            if is_over && ring.remove(key).is_ok() {
                advanced.removed.push(key.id());
                advanced.hashes.push(key.hash());
            }
            !is_over
        });
        advanced
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let pending = self.pending.as_ref();
        let ask = pending.map(|pending| pending.until.min(now + ASK_EVERY));
        // One that seals still is looked at when it no longer does.
        let retiring = self.retiring.iter().map(|(_, until)| *until);
        let retiring = retiring.map(|until| until.max(now + ASK_EVERY));
        ask.into_iter().chain(retiring).min()
    }

    /// Notes that a process has shown a key.
    pub(super) fn shown(&mut self, member: &PeerId, key: KeyName) {
        if let Some(pending) = &mut self.pending
            && pending.key.hash().name() == key
        {
            pending.shown.insert((member.addr, member.boot));
        }
    }

    /// The name of the key that is to seal.
    pub(super) fn asks_for(&self) -> Option<KeyName> {
        self.pending
            .as_ref()
            .map(|pending| pending.key.hash().name())
    }

    /// Which of the `live` members are asked now whether they hold the key that is to seal.
    pub(super) fn ask<'a>(
        &mut self,
        now: Instant,
        live: impl Iterator<Item = &'a PeerId>,
    ) -> Vec<SocketAddr> {
        let Some(pending) = &mut self.pending else {
            return Vec::new();
        };
        let mut batch = Vec::new();
        for id in live {
            if batch.len() == ASKS_MAX {
                break;
            }
            if pending.shown.contains(&(id.addr, id.boot)) {
                continue;
            }
            let (times, next) = pending.asked.entry(id.addr).or_insert((0, now));
            if *next <= now {
                let pause = ASK_AGAIN * 2_u32.pow((*times).min(4));
                *next = now + pause.min(ASK_AGAIN_MAX);
                *times += 1;
                batch.push(id.addr);
            }
        }
        batch
    }

    /// How many processes and members are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        let pending = self.pending.as_ref();
        pending.map_or(0, |pending| pending.shown.len() + pending.asked.len())
    }
}

impl Pending {
    /// Whether all of the `live` members have shown the key, and there is one. Forgets those that are none.
    fn is_shown_by<'a>(&mut self, live: impl Iterator<Item = &'a PeerId>) -> bool {
        let live: BTreeSet<_> = live.map(|id| (id.addr, id.boot)).collect();
        self.shown.retain(|process| live.contains(process));
        self.asked.retain(|addr, _| {
            let processes = live.range((*addr, 0)..=(*addr, u64::MAX));
            processes.count() > 0
        });
        !live.is_empty() && self.shown.len() == live.len()
    }
}

#[cfg(test)]
mod tests;
