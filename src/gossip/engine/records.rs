//! Our own records, and everybody else's.
//!
//! Only the owner writes a record. So an owner that hears of a record of its own that is newer than
//! what it wrote, or that it does not have, writes again above it (*owner repair*): whatever is
//! remembered of an earlier state, by whomever, loses against what the owner says now.
//!
//! Whoever takes a record for new tells it on, if its owner is a member, or was one here. What comes of others waits for them,
//! out of sight, and is told when they are members.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use super::{Engine, moving::Unresolved, outbox::Topic, standing::Life};
use crate::{
    gossip::{
        Now,
        identity::PeerId,
        stats::Cause,
        wire::{content, message::RecordKey},
    },
    registry::{InstanceError, MAX_NAME_BYTES, MAX_RECORD_BYTES, RegistrarError, ServiceInstance},
    table::{Applied, LEAVING, Owner, Record},
};

/// A sequence number above this is nobody's: an owner would have to write a million records a
/// second for 292,000 years. What claims one is not believed, so that there is always one above.
const SEQ_MAX: u64 = 1 << 63;

/// What this node has registered.
#[derive(Debug, Default)]
pub(super) struct OwnRecords {
    services: BTreeMap<Arc<str>, BTreeMap<String, Arc<ServiceInstance>>>,
    pub(super) last_seq: u64,
}

impl OwnRecords {
    /// Puts `instance` in the place of the one of this id, or takes that away; neither is written yet.
    pub(super) fn set(&mut self, service: &Arc<str>, id: &str, instance: Option<ServiceInstance>) {
        let instances = self.services.entry(service.clone()).or_default();
        match instance {
            Some(instance) => instances.insert(id.to_owned(), Arc::new(instance)),
            None => instances.remove(id),
        };
    }
}

impl Engine {
    /// Registers an instance, or replaces the one of the same name and id. In the table when it
    /// returns, visible after [`Self::publish`], and on its way to everybody.
    pub fn register(&mut self, now: Now, instance: ServiceInstance) -> Result<(), RegistrarError> {
        if self.has_left() || self.life == Life::Leaving {
            return Err(RegistrarError::Closed);
        }
        let given = instance.clone();
        let instance = instance.resolve_hosts(self.me.addr.ip());
        if let Some(endpoint) = instance.has_unspecified_host() {
            let endpoint = endpoint.to_string();
            return Err(InstanceError::UnspecifiedHost { endpoint }.into());
        }
        let service: Arc<str> = Arc::from(instance.name());
        self.may_offer(&service)?;
        let services = &self.own.services;
        let known = services.get(&service);
        if known
            .and_then(|known| known.get(instance.id()))
            .is_some_and(|known| **known == instance)
        {
            self.unresolved.note(given, &instance);
            return Ok(());
        }
        let limit = self.config.table.records_per_owner;
        if known.is_none() && services.len() + 1 >= limit {
            return Err(RegistrarError::Limit {
                limit: "services registered by one node".to_owned(),
                value: services.len() + 1,
                max: limit - 1,
                mend: "deregister what is no longer offered, or put instances under one name",
            });
        }
        let mut instances = known.cloned().unwrap_or_default();
        let instance = Arc::new(instance);
        instances.insert(instance.id().to_owned(), Arc::clone(&instance));
        let before = self.own.services.insert(service.clone(), instances);
        let written = self.write_own(now, &service);
        if written.is_err() {
            match before {
                Some(before) => self.own.services.insert(service, before),
                None => self.own.services.remove(&service),
            };
        } else {
            self.unresolved.note(given, &instance);
        }
        written
    }

    /// Takes an instance back. One that is not registered is taken back already.
    pub fn deregister(&mut self, now: Now, name: &str, id: &str) -> Result<(), RegistrarError> {
        if self.has_left() || self.life == Life::Leaving {
            return Err(RegistrarError::Closed);
        }
        let Some(instances) = self.own.services.get_mut(name) else {
            return Ok(());
        };
        if instances.remove(id).is_none() {
            return Ok(());
        }
        let service: Arc<str> = Arc::from(name);
        self.unresolved.forget(&service, id);
        if instances.is_empty() {
            self.own.services.remove(name);
        }
        self.write_own(now, &service)
    }

    /// All records that this node holds, visible or not, its own included, by owner and service.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.replica.records()
    }

    /// Those of them that this node has written, by service.
    pub fn own_records(&self) -> impl Iterator<Item = &Record> {
        self.replica.records_of(self.me.owner())
    }

    /// Takes back everything.
    pub(super) fn deregister_all(&mut self, now: Now) {
        self.unresolved = Unresolved::default();
        for service in std::mem::take(&mut self.own.services).into_keys() {
            self.rewrite_own(now, &service);
        }
    }

    /// Writes what we have of a service under the next sequence number, and spreads it.
    fn write_own(&mut self, now: Now, service: &Arc<str>) -> Result<(), RegistrarError> {
        let instances: Vec<_> = self
            .own
            .services
            .get(service)
            .into_iter()
            .flat_map(|i| i.values().cloned())
            .collect();
        let (owner, seq) = (self.me.owner(), self.own.last_seq + 1);
        let content = self.own_content(service, seq, &instances);
        if content.len() > MAX_RECORD_BYTES {
            return Err(RegistrarError::Limit {
                limit: format!("bytes in the record of `{service}`"),
                value: content.len(),
                max: MAX_RECORD_BYTES,
                mend: "register fewer instances under this name, or with less metadata",
            });
        }
        let record = Record::new(owner, service.clone(), seq, content.into(), instances);
        if let Applied::Refused(_) = self.replica.apply(now.instant, record.clone()) {
            return Err(RegistrarError::Limit {
                limit: "bytes of all records in this node's table".to_owned(),
                value: self.replica.size().1 + record.cost_bytes(),
                max: self.config.table.table_bytes,
                mend: "register less, or give the table more room",
            });
        }
        self.own.last_seq = seq;
        self.spread(now, &record, None);
        Ok(())
    }

    /// Writes again what we have of a service. It was written before, or is an empty list, and so
    /// within the limits; only a table filled by others in the meantime has no room for it.
    pub(super) fn rewrite_own(&mut self, now: Now, service: &Arc<str>) {
        if let Err(error) = self.write_own(now, service)
            && let Some(held_back) = self.logs.pass(now.instant, Topic::OwnRecord)
        {
            tracing::error!(target: "tidings::gossip", %service, %error, held_back, "own record refused");
        }
    }

    /// Everything that we have is news: to a cluster that we join.
    pub(super) fn announce_own_records(&mut self, now: Now) {
        let services: Vec<_> = self.own.services.keys().cloned().collect();
        for service in services {
            if let Some(record) = self.replica.record(self.me.owner(), &service).cloned() {
                self.spread(now, &record, None);
            }
        }
    }

    /// We bear another boot: what we had is written again under it.
    pub(super) fn own_records_again(&mut self, now: Now, before: Owner) {
        self.own.last_seq = 0;
        self.replica.retire(before);
        self.replica.adopt(self.me.owner());
        let services: Vec<_> = self.own.services.keys().cloned().collect();
        for service in services {
            self.rewrite_own(now, &service);
        }
    }

    pub(super) fn record_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        key: RecordKey,
        seq: u64,
        content: &[u8],
    ) -> Result<(), Cause> {
        // Whatever becomes of it, it has come: a reconciliation that went on asking for what is not
        // taken, such as a record of our own, would never end.
        self.sync_has(&key);
        let owner = key.owner();
        // Most of what comes is held already: that is found out first.
        let held = self.replica.record(owner, &key.service);
        let held_seq = held.map(Record::seq);
        if let Some(held) = held
            && held.seq() == seq
            && held.content() == content
        {
            let service = held.service().clone();
            let copies = self.news_copies();
            self.news.heard(owner, &service, seq, copies);
            return Ok(());
        }
        if !self.is_plausible(now, &key, seq, content.len())? {
            return Ok(());
        }
        if owner == self.me.owner() {
            self.repair_own(now, &key.service, seq, content);
            return Ok(());
        }
        if held_seq > Some(seq) {
            return Ok(());
        }
        let understood = content::read(&key.service, content).map_err(|_| Cause::Malformed)?;
        self.stats.unknown_extensions += understood.unknown_extensions;
        let service: Arc<str> = Arc::from(&*key.service);
        let content = bytes::Bytes::copy_from_slice(content);
        let record = Record::new(owner, service, seq, content, understood.instances);
        if !self.is_trusted(now, &record, understood.signature.as_ref()) {
            return Ok(());
        }
        if key.service == LEAVING && !self.members.is_active(owner.addr) {
            // It was taken for lost before its goodbye came.
            self.contacts.remove(owner.addr);
        }
        match self.replica.apply(now.instant, record.clone()) {
            // What empties the place of an owner that is gone is no news to anybody.
            Applied::Parked | Applied::Waiting if record.instances().is_empty() => {}
            Applied::New | Applied::Parked => {
                self.sync_moved(now);
                self.spread(now, &record, Some(from));
            }
            // It is told when its owner is a member, see below.
            Applied::Waiting => self.sync_moved(now),
            Applied::Same | Applied::Stale => {}
            Applied::Refused(bound) => {
                self.stats.records_refused += 1;
                self.refuse(now.instant, bound.into(), owner.addr);
            }
        }
        Ok(())
    }

    /// What waited for a member is told to others, who may not have it yet. As long as it waits it is not: whoever has just
    /// started does not know who is gone, and takes what it hears of them for news. Where some start all the time, each
    /// of them would tell it to the next, and no record of the dead would ever end.
    pub(super) fn spread_what_waited(&mut self, now: Now, owner: Owner) {
        let records: Vec<_> = self.replica.records_of(owner).cloned().collect();
        for record in records {
            self.spread(now, &record, Some(owner.addr));
        }
    }

    /// Whether a record can be what it says; one of an earlier process on our address is not
    /// looked at, nor one of a process that is known to be gone for good.
    pub(super) fn is_plausible(
        &mut self,
        now: Now,
        key: &RecordKey,
        seq: u64,
        length: usize,
    ) -> Result<bool, Cause> {
        if seq > SEQ_MAX || length > MAX_RECORD_BYTES || key.service.len() > MAX_NAME_BYTES {
            return Err(Cause::Malformed);
        }
        let Owner { addr, boot } = key.owner();
        if addr == self.me.addr {
            return Ok(key.owner() == self.me.owner());
        }
        let id = PeerId {
            addr,
            boot,
            renewal: 0,
        };
        let plausible = id.is_reachable() && !id.is_from_the_future(now.unix_ms);
        self.stats.updates_refused += u64::from(!plausible);
        Ok(plausible && !self.is_gone_for_good(key.owner()))
    }

    /// Whether the process has left, or another one has taken over its address. What is still heard
    /// of it is late, and an older state, perhaps, than the one that we have forgotten.
    fn is_gone_for_good(&self, owner: Owner) -> bool {
        let Some(peer) = self.members.get(owner.addr) else {
            return false;
        };
        let has_left = peer.id.boot == owner.boot && !peer.is_active();
        peer.id.boot > owner.boot || has_left && !self.replica.knows(owner)
    }

    /// Somebody holds a record of ours. If it is not what we say, we say it again, above it.
    fn repair_own(&mut self, now: Now, service: &str, seq: u64, content: &[u8]) {
        if self.life == Life::Leaving {
            return;
        }
        let sound = match self.replica.record(self.me.owner(), service) {
            Some(ours) => seq < ours.seq() || (seq == ours.seq() && ours.content() == content),
            // An empty list that we have forgotten says nothing wrong.
            None => content::read(service, content).is_ok_and(|c| c.instances.is_empty()),
        };
        if sound && service != LEAVING {
            return;
        }
        self.write_above(now, service, seq);
    }

    /// Says again what we have of a service, above what somebody holds for it.
    pub(super) fn write_above(&mut self, now: Now, service: &str, seq: u64) {
        tracing::debug!(target: "tidings::gossip", service, seq, "a record of ours is not as we wrote it");
        if service == LEAVING || seq >= SEQ_MAX {
            // Somebody remembers that we left, or a number above which none is believed. A new
            // boot says otherwise, and counts from the start.
            return self.start_over(now);
        }
        self.own.last_seq = self.own.last_seq.max(seq);
        self.rewrite_own(now, &Arc::from(service));
    }
}
