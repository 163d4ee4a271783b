//! What readers may see, kept up to date change by change and published in batches.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Instant,
    directory::Directory,
    event::{Event, Told},
    record::Owner,
    stale::Stale,
};
use crate::registry::ServiceInstance;

/// One service's instances in the order in which readers get them.
type Service = BTreeSet<Shown>;

/// An instance of an owner, ordered by its id, then by owner. That is all that tells two apart.
#[derive(Debug, Clone)]
struct Shown {
    instance: Arc<ServiceInstance>,
    owner: Owner,
}

impl Shown {
    fn new(owner: Owner, instance: &Arc<ServiceInstance>) -> Self {
        let instance = instance.clone();
        Self { instance, owner }
    }

    fn place(&self) -> (&str, Owner) {
        (self.instance.id(), self.owner)
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Shown {}

impl PartialOrd for Shown {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shown {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

#[derive(Debug, Default)]
pub(super) struct Visible {
    services: BTreeMap<Arc<str>, Service>,
    stale: Stale,
    dirty: BTreeSet<Arc<str>>,
    events: VecDeque<Told>,
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
                Some(known) => {
                    self.insert(owner, service, instance);
                    let instance = instance.clone();
                    self.events.push_back(Told {
                        event: Event::Updated { owner, instance },
                        before: Some(known.clone()),
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

    /// Shows remembered instances beside these until then, where none of the same id is shown.
    pub(super) fn show_stale(
        &mut self,
        instances: impl IntoIterator<Item = Arc<ServiceInstance>>,
        until: Instant,
    ) {
        for instance in instances {
            let shown = self.services.get(instance.name());
            if !shown.is_some_and(|shown| shown.iter().any(|s| s.instance.id() == instance.id())) {
                self.dirty.insert(self.stale.put(instance, until));
            }
        }
    }

    /// Shows none of them any more.
    pub(super) fn drop_stale(&mut self) {
        self.dirty.extend(self.stale.clear());
    }

    /// Shows those no more that are too old.
    pub(super) fn expire_stale(&mut self, now: Instant) {
        self.dirty.extend(self.stale.expire(now));
    }

    pub(super) const fn stale(&self) -> &Stale {
        &self.stale
    }

    fn insert(&mut self, owner: Owner, service: &Arc<str>, instance: &Arc<ServiceInstance>) {
        self.services
            .entry(service.clone())
            .or_default()
            .replace(Shown::new(owner, instance));
        self.stale.supersede(service, instance.id());
        self.dirty.insert(service.clone());
    }

    fn remove(&mut self, owner: Owner, service: &Arc<str>, instance: &Arc<ServiceInstance>) {
        let Some(instances) = self.services.get_mut(service) else {
            return;
        };
        if !instances.remove(&Shown::new(owner, instance)) {
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
        let other = self.services[service]
            .range(Shown::new(OWNER_MIN, instance)..)
            .take_while(|shown| shown.instance.id() == instance.id())
            .map(|shown| shown.owner)
            .find(|other| *other != owner);
        if let Some(other) = other {
            self.tell(Event::DuplicateInstance {
                service: service.clone(),
                id: Arc::from(instance.id()),
                owner,
                other,
            });
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.events.push_back(event.into());
    }

    pub(super) fn take_events(&mut self) -> VecDeque<Told> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn publish(&mut self, directory: &Directory) {
        for service in std::mem::take(&mut self.dirty) {
            let shown = self.services.get(&service).into_iter().flatten();
            let confirmed = shown.map(|shown| shown.instance.clone()).collect();
            directory.publish(&service, self.stale.beside(&service, confirmed));
        }
    }
}

/// The least owner there is.
const OWNER_MIN: Owner = Owner {
    addr: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    boot: 0,
};
