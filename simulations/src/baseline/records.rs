//! The services of plain foca: one custom broadcast for each owner's record of a service.

use std::{
    cell::RefCell,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidings::{
    ServiceInstance,
    table::{Directory, Event, Owner, Record},
};

use super::Name;

/// A record on the wire.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    owner: Name,
    service: String,
    version: u64,
    instances: Vec<WireInstance>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WireInstance {
    id: String,
    version: String,
    endpoints: Vec<String>,
    metadata: Vec<(String, String)>,
}

/// What a broadcast is about: a newer one replaces an older one of the same owner and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    owner: Name,
    service: String,
    version: u64,
}

impl foca::Invalidates for Key {
    fn invalidates(&self, other: &Self) -> bool {
        (self.owner, &self.service) == (other.owner, &other.service)
            && self.version.cmp(&other.version) == Ordering::Greater
    }
}

/// Takes the records out of foca's packets.
pub(super) struct Spread(pub(super) Rc<RefCell<Records>>);

impl foca::BroadcastHandler<Name> for Spread {
    type Key = Key;
    type Error = postcard::Error;

    fn receive_item(
        &mut self,
        data: &[u8],
        sender: Option<&Name>,
    ) -> Result<Option<Key>, postcard::Error> {
        let wire: Wire = postcard::from_bytes(data)?;
        let key = Key {
            owner: wire.owner,
            service: wire.service.clone(),
            version: wire.version,
        };
        if sender.is_none() {
            return Ok(Some(key)); // our own
        }
        let mut records = self.0.borrow_mut();
        let owner = wire.owner.owner();
        if owner == records.own || !records.is_newer(owner, &wire.service, wire.version) {
            return Ok(None);
        }
        let instances = wire.instances.into_iter();
        let instances: Option<Vec<_>> = instances
            .map(|instance| instance.build(&wire.service))
            .collect();
        let Some(instances) = instances else {
            return Ok(None);
        };
        let service: Arc<str> = wire.service.into();
        records.take(owner, &service, wire.version, instances);
        Ok(Some(key))
    }
}

impl WireInstance {
    fn of(instance: &ServiceInstance) -> Self {
        let metadata = instance.metadata().iter();
        Self {
            id: instance.id().to_owned(),
            version: instance.version().to_owned(),
            endpoints: instance
                .endpoints()
                .iter()
                .map(ToString::to_string)
                .collect(),
            metadata: metadata
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }

    fn build(self, service: &str) -> Option<Arc<ServiceInstance>> {
        let mut builder = ServiceInstance::builder(service)
            .id(self.id)
            .version(self.version);
        for endpoint in self.endpoints {
            builder = builder.endpoint(endpoint);
        }
        for (key, value) in self.metadata {
            builder = builder.metadata(key, value);
        }
        builder.build().ok().map(Arc::new)
    }
}

/// A record: its version, and what it says.
type Held = (u64, Vec<Arc<ServiceInstance>>);

/// All that one node knows, and what it has told its readers.
pub(super) struct Records {
    own: Owner,
    /// Ourselves and our members.
    live: BTreeSet<Owner>,
    held: BTreeMap<(Owner, Arc<str>), Held>,
    dirty: BTreeSet<Arc<str>>,
    pub(super) events: VecDeque<Event>,
}

impl Records {
    pub(super) fn new(own: Owner) -> Self {
        Self {
            own,
            live: BTreeSet::from([own]),
            held: BTreeMap::new(),
            dirty: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn all(&self) -> Vec<Record> {
        let records = self.held.iter();
        records
            .map(|((owner, service), (version, instances))| {
                Record::new(
                    *owner,
                    service.clone(),
                    *version,
                    Bytes::new(),
                    instances.clone(),
                )
            })
            .collect()
    }

    fn is_newer(&self, owner: Owner, service: &str, version: u64) -> bool {
        let held = self.held.get(&(owner, service.into()));
        held.is_none_or(|(known, _)| version > *known)
    }

    /// Takes a record in, newer than what was held, and tells what is visibly different.
    pub(super) fn take(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        version: u64,
        instances: Vec<Arc<ServiceInstance>>,
    ) {
        let key = (owner, service.clone());
        let before = self.held.insert(key, (version, instances.clone()));
        if self.live.contains(&owner) {
            let before = before.map(|(_, instances)| instances).unwrap_or_default();
            self.tell(owner, service, &before, &instances);
        }
    }

    fn tell(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        before: &[Arc<ServiceInstance>],
        after: &[Arc<ServiceInstance>],
    ) {
        self.dirty.insert(service.clone());
        for instance in before {
            if !after.iter().any(|kept| kept.id() == instance.id()) {
                let instance = instance.clone();
                self.events
                    .push_back(Event::Deregistered { owner, instance });
            }
        }
        for instance in after {
            let known = before.iter().find(|known| known.id() == instance.id());
            let new = instance.clone();
            match known {
                Some(known) if known == instance => {}
                Some(_) => self.events.push_back(Event::Updated {
                    owner,
                    instance: new,
                }),
                None => self.events.push_back(Event::Registered {
                    owner,
                    instance: new,
                }),
            }
        }
    }

    pub(super) fn member_up(&mut self, owner: Owner) {
        if !self.live.insert(owner) {
            return;
        }
        self.events.push_back(Event::Joined { member: owner });
        for (service, instances) in self.of(owner) {
            self.tell(owner, &service, &[], &instances);
        }
    }

    pub(super) fn member_down(&mut self, owner: Owner) {
        if !self.live.remove(&owner) {
            return;
        }
        let mut instances = Vec::new();
        for (service, held) in self.of(owner) {
            self.held.remove(&(owner, service.clone()));
            self.dirty.insert(service);
            instances.extend(held);
        }
        self.events.push_back(Event::Failed {
            member: owner,
            instances,
        });
    }

    fn of(&self, owner: Owner) -> Vec<(Arc<str>, Vec<Arc<ServiceInstance>>)> {
        let records = self.held.iter().filter(|((of, _), _)| *of == owner);
        records
            .map(|((_, service), (_, instances))| (service.clone(), instances.clone()))
            .collect()
    }

    /// We bear another name: what we have goes under it.
    pub(super) fn renamed(&mut self, own: Owner) {
        let before = std::mem::replace(&mut self.own, own);
        self.live.remove(&before);
        self.live.insert(own);
        for (service, instances) in self.of(before) {
            let (version, _) = self
                .held
                .remove(&(before, service.clone()))
                .expect("just listed");
            self.tell(before, &service, &instances, &[]);
            self.take(own, &service, version, instances);
        }
    }

    pub(super) fn register(&mut self, instance: ServiceInstance) {
        let service: Arc<str> = instance.name().into();
        let (version, mut instances) = self.own_of(&service);
        instances.retain(|known| known.id() != instance.id());
        instances.push(Arc::new(instance));
        self.take(self.own, &service, version + 1, instances);
    }

    pub(super) fn deregister(&mut self, service: &str, id: &str) {
        let service: Arc<str> = service.into();
        let (version, mut instances) = self.own_of(&service);
        instances.retain(|known| known.id() != id);
        self.take(self.own, &service, version + 1, instances);
    }

    pub(super) fn deregister_all(&mut self) {
        for (service, _) in self.of(self.own) {
            let (version, _) = self.own_of(&service);
            self.take(self.own, &service, version + 1, Vec::new());
        }
    }

    fn own_of(&self, service: &Arc<str>) -> Held {
        let held = self.held.get(&(self.own, service.clone()));
        held.cloned().unwrap_or_default()
    }

    pub(super) fn own_broadcasts(&self) -> Vec<Vec<u8>> {
        let own = self.of(self.own).into_iter();
        own.map(|(service, _)| self.broadcast(&service)).collect()
    }

    /// Our record of a service, as it is broadcast.
    pub(super) fn broadcast(&self, service: &str) -> Vec<u8> {
        let (version, instances) = self.own_of(&service.into());
        let wire = Wire {
            owner: Name {
                addr: self.own.addr,
                boot: self.own.boot,
            },
            service: service.to_owned(),
            version,
            instances: instances
                .iter()
                .map(|instance| WireInstance::of(instance))
                .collect(),
        };
        postcard::to_stdvec(&wire).expect("plain data")
    }

    pub(super) fn publish(&mut self, directory: &Directory) {
        for service in std::mem::take(&mut self.dirty) {
            let shown = self
                .held
                .iter()
                .filter(|((owner, of), _)| *of == service && self.live.contains(owner));
            let mut shown: Vec<_> = shown
                .flat_map(|((owner, _), (_, instances))| {
                    instances.iter().map(|instance| (*owner, instance.clone()))
                })
                .collect();
            shown.sort_by(|one, other| (one.1.id(), one.0).cmp(&(other.1.id(), other.0)));
            let shown: Vec<_> = shown.into_iter().map(|(_, instance)| instance).collect();
            directory.publish(&service, shown.into());
        }
    }
}
