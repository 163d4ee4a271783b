//! Signed records: ours are signed, and those of others are refused unless they are signed as our list demands.
//!
//! Every record goes through [`Engine::record_received`], however it came, and there through [`Engine::is_trusted`] before
//! anything is done with it. A signature is verified only where a rule demands one, for what is not held yet, and if the key
//! that is offered may be the one.
//!
//! Peers that demand less hold what is refused here, and show it again and again. So it is remembered, by its strong hash: it is
//! neither verified again nor pulled by a reconciliation, and what came of that counts as nothing, so that the next one is put off
//! ever longer. A notice has no hash. One that names the number and length of what was refused is passed over, unless we asked for the
//! record because its hash is another: nobody can keep a good record from us with a bad one of the same length. Goodbyes are not
//! remembered: one that is refused before the records have come may be good after them.
//!
//! Bounds: [`REMEMBERED`] numbers of 8 bytes, twice, the oldest go first; [`VERIFIED_PER_SECOND`] verifications,
//! [`VERIFIED_AT_ONCE`] of them in a row. What comes beyond that is dropped, and comes again.

use std::{
    collections::{BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use super::{Engine, outbox::Topic};
use crate::{
    gossip::{
        Instant, Now,
        budget::Budget,
        security::{PublicKey, SigningKey, Statement, Untrusted, encoded},
        wire::{
            content::{self, Signature},
            message::RecordKey,
        },
    },
    registry::{RegistrarError, ServiceInstance},
    table::{ItemHasher, LEAVING, Owner, Record},
};

/// How many signatures are verified in a second, on average: at some 40 us each, less than a tenth of a core. (The largest record takes
/// 150 us, and 64 KiB in chunks that were asked for.)
const VERIFIED_PER_SECOND: u32 = 2_000;
/// How many in a row: a table of some thousand records loads at once.
const VERIFIED_AT_ONCE: u32 = 4_000;
/// How many hashes are remembered, of records that were refused and of the notices that would name them.
const REMEMBERED: usize = 32_768;

/// What was refused, and what may still be verified.
#[derive(Debug)]
pub(super) struct Verification {
    pub(super) budget: Budget,
    refused: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Verification {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            budget: Budget::new(VERIFIED_PER_SECOND, VERIFIED_AT_ONCE, now),
            refused: BTreeSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether the record of this hash was refused.
    pub(super) fn has_refused(&self, hash: u64) -> bool {
        self.refused.contains(&hash)
    }

    /// How many hashes of what was refused are remembered.
    pub(super) fn refused(&self) -> usize {
        self.order.len()
    }

    fn remember(&mut self, hash: u64) {
        if !self.refused.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.refused.remove(&oldest);
        }
    }
}

impl Engine {
    /// What we write into a record of ours, signed if we have a key for that.
    pub(super) fn own_content(
        &self,
        service: &str,
        seq: u64,
        instances: &[Arc<ServiceInstance>],
    ) -> Vec<u8> {
        let Some(key) = &self.config.security.sign_with else {
            return content::write(instances.iter());
        };
        let public_key = key.public_key().to_bytes();
        content::write_signed(instances.iter(), &public_key, |content| {
            key.sign(&Statement {
                cluster: &self.config.cluster,
                owner: self.me.owner(),
                service,
                seq,
                content,
            })
        })
    }

    /// Refuses to offer what we would refuse of others.
    pub(super) fn may_offer(&self, service: &str) -> Result<(), RegistrarError> {
        let security = &self.config.security;
        let key = security.sign_with.as_ref().map(SigningKey::public_key);
        let offered = key.map(|key| key.to_bytes());
        let addr = self.me.addr;
        match security.trusted.judge(addr, [service], offered.as_ref()) {
            Ok(_) => Ok(()),
            Err(Untrusted) => Err(RegistrarError::Untrusted {
                service: service.to_owned(),
                owner: addr,
                public_key: key.as_ref().map(ToString::to_string),
            }),
        }
    }

    /// Whether a record that is new to us is signed as our list demands.
    pub(super) fn is_trusted(
        &mut self,
        now: Now,
        record: &Record,
        signature: Option<&Signature>,
    ) -> bool {
        let (Ok(demanded), hash) = (self.judge(record, signature), record.hash().hash) else {
            self.refuse_record(now, record, signature);
            return false;
        };
        let (Some(key), Some(signature)) = (demanded, signature) else {
            return true;
        };
        if !self.verification.has_refused(hash) {
            if !self.verification.budget.take(now.instant) {
                self.stats.records_unverified += 1;
                self.sync_unfinished();
                return false;
            }
            self.stats.signatures_verified += 1;
            let statement = Statement {
                cluster: &self.config.cluster,
                owner: record.owner(),
                service: record.service(),
                seq: record.seq(),
                content: content::signed_part(record.content()),
            };
            if key.has_signed(&statement, &signature.signature) {
                return true;
            }
        }
        self.refuse_record(now, record, Some(signature));
        false
    }

    /// Whose signature is demanded of a record. A goodbye takes all records of its owner away, and has to meet what is demanded of
    /// each.
    fn judge(
        &self,
        record: &Record,
        signature: Option<&Signature>,
    ) -> Result<Option<PublicKey>, Untrusted> {
        let Owner { addr, .. } = record.owner();
        let offered = signature.map(|signature| &signature.key);
        let trusted = &self.config.security.trusted;
        if &**record.service() == LEAVING {
            let held = self.replica.records_of(record.owner());
            let services = held.map(|held| &**held.service());
            trusted.judge(addr, services.filter(|name| *name != LEAVING), offered)
        } else {
            trusted.judge(addr, [&**record.service()], offered)
        }
    }

    fn refuse_record(&mut self, now: Now, record: &Record, signature: Option<&Signature>) {
        self.stats.records_untrusted += 1;
        // What is demanded of a goodbye follows from what is held when it comes: it is looked at anew.
        if &**record.service() != LEAVING {
            let key = RecordKey::new(record.owner(), record.service());
            let notice = notice_hash(&key, record.seq(), record.content().len());
            self.verification.remember(record.hash().hash);
            self.verification.remember(notice);
        }
        if let Some(held_back) = self.logs.pass(now.instant, Topic::Untrusted) {
            let (owner, service) = (record.owner(), record.service());
            let key = signature.map_or_else(|| "none".to_owned(), |s| encoded(&s.key));
            tracing::warn!(
                target: "tidings::gossip", %owner, ?service, key, held_back,
                "record refused: it is not signed as the list of trusted keys demands"
            );
        }
    }

    /// Whether a notice is of a record that was refused, and that we have not asked for knowing that it is another one.
    pub(super) fn is_notice_of_refused(
        &self,
        from: SocketAddr,
        key: &RecordKey,
        seq: u64,
        length: usize,
    ) -> bool {
        !self.verification.refused.is_empty()
            && self.verification.has_refused(notice_hash(key, seq, length))
            && !self.sync_wants(from, key)
    }
}

fn notice_hash(key: &RecordKey, seq: u64, length: usize) -> u64 {
    let Owner { addr, boot } = key.owner();
    let hasher = ItemHasher::new("notice").addr(addr);
    hasher
        .part(&boot.to_be_bytes())
        .part(key.service.as_bytes())
        .part(&seq.to_be_bytes())
        .part(&length.to_be_bytes())
        .finish()
        .hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_hashes_is_bounded_and_the_oldest_go_first() {
        let mut verification = Verification::new(Instant::ZERO);
        for hash in 0..40_000 {
            verification.remember(hash);
            verification.remember(hash);
        }
        assert_eq!(verification.order.len(), REMEMBERED);
        assert_eq!(verification.refused.len(), REMEMBERED);
        assert!(!verification.has_refused(40_000 - 32_769));
        assert!(verification.has_refused(40_000 - 32_768));
    }
}
