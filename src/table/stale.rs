//! What is remembered from an earlier run, shown until somebody who is alive says what there is.
//!
//! An instance that the table shows puts out the remembered one of its service and id, and that does not come back: what was
//! heard of a live member counts more than what was remembered, also after that member is gone.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use super::Instant;
use crate::registry::{Instances, ServiceInstance};

/// By service. No larger than what was handed in at the start.
#[derive(Debug, Default)]
pub(super) struct Stale {
    services: BTreeMap<Arc<str>, Vec<Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    instance: Arc<ServiceInstance>,
    /// When it is too old.
    until: Instant,
}

impl Stale {
    /// Remembers one more until then, and gives the name of its service.
    pub(super) fn put(&mut self, instance: Arc<ServiceInstance>, until: Instant) -> Arc<str> {
        let service: Arc<str> = match self.services.get_key_value(instance.name()) {
            Some((service, _)) => service.clone(),
            None => instance.name().into(),
        };
        let remembered = self.services.entry(service.clone()).or_default();
        remembered.push(Remembered { instance, until });
        service
    }

    /// Forgets everything, and gives the services of which something was remembered.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Arc<str>> + use<> {
        std::mem::take(&mut self.services).into_keys()
    }

    /// Forgets what is too old by now, and gives the services of which that was.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Arc<str>> {
        let mut changed = Vec::new();
        self.services.retain(|service, remembered| {
            let before = remembered.len();
            remembered.retain(|one| one.until > now);
            if remembered.len() < before {
                changed.push(service.clone());
            }
            !remembered.is_empty()
        });
        changed
    }

    /// When the next one is too old.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.services.values().flatten().map(|one| one.until).min()
    }

    /// There is a confirmed instance of this id.
    pub(super) fn supersede(&mut self, service: &str, id: &str) {
        let Some(remembered) = self.services.get_mut(service) else {
            return;
        };
        remembered.retain(|one| one.instance.id() != id);
        if remembered.is_empty() {
            self.services.remove(service);
        }
    }

    /// The list that readers get of `service`, of which `confirmed` are known.
    pub(super) fn beside(
        &self,
        service: &str,
        mut confirmed: Vec<Arc<ServiceInstance>>,
    ) -> Instances {
        match self.services.get(service) {
            Some(remembered) => {
                confirmed.extend(remembered.iter().map(|one| one.instance.clone()));
                Instances::from(confirmed).into_stale()
            }
            None => confirmed.into(),
        }
    }

    /// How many instances are remembered.
    pub(super) fn len(&self) -> usize {
        self.services.values().map(Vec::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }
}
