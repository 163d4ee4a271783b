//! What readers may see, kept up to date change by change and published in batches.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{directory::Directory, event::Event, record::Owner};
use crate::registry::{Instances, ServiceInstance};

/// One service's instances by id, then by owner: the order in which readers get them.
type Service = BTreeMap<(Arc<str>, Owner), Arc<ServiceInstance>>;

#[derive(Debug, Default)]
pub(super) struct Visible {
    services: BTreeMap<Arc<str>, Service>,
    dirty: BTreeSet<Arc<str>>,
    events: VecDeque<Event>,
}

impl Visible {
    /// Replaces what `owner` shows of `service`, and tells each difference.
    pub(super) fn replace(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        before: &[Arc<ServiceInstance>],
        after: &[Arc<ServiceInstance>],
    ) {
        for gone in before {
            if !after.iter().any(|kept| kept.id() == gone.id()) {
                self.remove(owner, service, gone);
                self.tell(Event::Deregistered {
                    owner,
                    instance: gone.clone(),
                });
            }
        }
        for instance in after {
            match before.iter().find(|known| known.id() == instance.id()) {
                Some(known) if known == instance => {}
                Some(_) => {
                    self.insert(owner, service, instance);
                    self.tell(Event::Updated {
                        owner,
                        instance: instance.clone(),
                    });
                }
                None => {
                    self.insert(owner, service, instance);
                    self.tell(Event::Registered {
                        owner,
                        instance: instance.clone(),
                    });
                    self.warn_of_duplicate(owner, service, instance);
                }
            }
        }
    }

    /// Shows instances without a word; the caller tells why.
    pub(super) fn show(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        instances: &[Arc<ServiceInstance>],
    ) {
        for instance in instances {
            self.insert(owner, service, instance);
        }
    }

    /// Hides instances without a word; the caller tells why.
    pub(super) fn hide(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        instances: &[Arc<ServiceInstance>],
    ) {
        for instance in instances {
            self.remove(owner, service, instance);
        }
    }

    fn insert(&mut self, owner: Owner, service: &Arc<str>, instance: &Arc<ServiceInstance>) {
        let key = (Arc::from(instance.id()), owner);
        self.services
            .entry(service.clone())
            .or_default()
            .insert(key, instance.clone());
        self.dirty.insert(service.clone());
    }

    fn remove(&mut self, owner: Owner, service: &Arc<str>, instance: &Arc<ServiceInstance>) {
        let Some(instances) = self.services.get_mut(service) else {
            return;
        };
        if instances
            .remove(&(Arc::from(instance.id()), owner))
            .is_none()
        {
            return;
        }
        if instances.is_empty() {
            self.services.remove(service);
        }
        self.dirty.insert(service.clone());
    }

    fn warn_of_duplicate(
        &mut self,
        owner: Owner,
        service: &Arc<str>,
        instance: &Arc<ServiceInstance>,
    ) {
        let id: Arc<str> = Arc::from(instance.id());
        let other = self.services[service]
            .range((id.clone(), OWNER_MIN)..)
            .take_while(|((other_id, _), _)| *other_id == id)
            .map(|((_, other), _)| *other)
            .find(|other| *other != owner);
        if let Some(other) = other {
            self.tell(Event::DuplicateInstance {
                service: service.clone(),
                id,
                owner,
                other,
            });
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(super) fn take_events(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn publish(&mut self, directory: &Directory) {
        for service in std::mem::take(&mut self.dirty) {
            let instances = match self.services.get(&service) {
                Some(instances) => instances.values().cloned().collect(),
                None => Instances::default(),
            };
            directory.publish(&service, instances);
        }
    }
}

/// The least owner there is.
const OWNER_MIN: Owner = Owner {
    addr: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    boot: 0,
};
