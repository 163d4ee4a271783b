//! A registry in memory: a list that registrations change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tidings::registry::{BoxFuture, Discovery, Endpoint, Registrar, RegistrarError};
use tidings::{ServiceInstance, StaticDiscovery};

use crate::InFlight;

#[derive(Clone, Default)]
pub(crate) struct Registry {
    listed: Arc<Mutex<BTreeMap<String, ServiceInstance>>>,
    pub(crate) discovery: StaticDiscovery,
}

impl Registry {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, ServiceInstance>)) {
        let mut listed = self.listed.lock().unwrap();
        change(&mut listed);
        self.discovery.set(listed.values().cloned());
    }

    /// Where the service can be called now: the first endpoint of each instance that is up.
    pub(crate) fn up(&self) -> Vec<Endpoint> {
        let instances = self.discovery.instances("user");
        let up = instances
            .iter()
            .filter(|instance| instance.status().is_up());
        up.map(|instance| instance.endpoints()[0].clone()).collect()
    }

    /// Waits until so many instances are registered.
    pub(crate) async fn has(&self, count: usize) {
        let mut watcher = self.discovery.watch("user").await.unwrap();
        crate::within(async {
            while self.discovery.instances("user").len() != count {
                watcher.next().await.unwrap();
            }
        })
        .await;
    }
}

/// Registers one replica, and remembers how busy it was when it was deregistered.
pub(crate) struct Replica {
    pub(crate) registry: Registry,
    pub(crate) in_flight: InFlight,
    pub(crate) busy: Arc<Mutex<Option<usize>>>,
}

impl Registrar for Replica {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        self.registry.change(|listed| {
            listed.insert(instance.id().to_owned(), instance);
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn deregister(&self, instance: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>> {
        *self.busy.lock().unwrap() = Some(self.in_flight.now());
        self.registry.change(|listed| {
            listed.remove(instance.id());
        });
        Box::pin(std::future::ready(Ok(())))
    }
}
