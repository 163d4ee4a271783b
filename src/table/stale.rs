//! What is remembered from an earlier run, shown until somebody who is alive says what there is.
//!
//! An instance that the table shows puts out the remembered one of its service and id, and that does not come back: what was
//! heard of a live member counts more than what was remembered, also after that member is gone.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use crate::registry::{Instances, ServiceInstance};

/// By service. No larger than what was handed in at the start.
#[derive(Debug, Default)]
pub(super) struct Stale {
    services: BTreeMap<Arc<str>, Vec<Arc<ServiceInstance>>>,
}

impl Stale {
    /// Remembers one more, and gives the name of its service.
    pub(super) fn put(&mut self, instance: Arc<ServiceInstance>) -> Arc<str> {
        let service: Arc<str> = match self.services.get_key_value(instance.name()) {
            Some((service, _)) => service.clone(),
            None => instance.name().into(),
        };
        let remembered = self.services.entry(service.clone()).or_default();
        remembered.push(instance);
        service
    }

    /// Forgets everything, and gives the services of which something was remembered.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Arc<str>> + use<> {
        std::mem::take(&mut self.services).into_keys()
    }

    /// There is a confirmed instance of this id.
    pub(super) fn supersede(&mut self, service: &str, id: &str) {
        let Some(remembered) = self.services.get_mut(service) else {
            return;
        };
        remembered.retain(|instance| instance.id() != id);
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
                confirmed.extend(remembered.iter().cloned());
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
