//! The list, and how it is changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::registry::{
    BoxFuture, Discovery, DiscoveryError, Endpoint, InstanceError, Instances, ServiceInstance,
    WaitError, Watcher,
};
use crate::table::Directory;

/// A [`Discovery`] from a list.
///
/// A clone is the same list. [`set`](Self::set) changes it while it is read, and watchers are told.
/// Nothing is looked up, checked or resolved: what is in the list is there.
///
/// Nothing here needs a runtime but [`wait_for`](Discovery::wait_for) when it has to wait: that
/// panics outside of a tokio runtime with a clock.
///
/// ```
/// use tidings::StaticDiscovery;
/// # fn main() -> Result<(), tidings::registry::InstanceError> {
/// let users = ["grpc://10.0.0.1:9000", "grpc://10.0.0.2:9000"];
/// let discovery = StaticDiscovery::of_endpoints("user-service", users)?;
/// assert_eq!(discovery.instances("user-service").len(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StaticDiscovery {
    directory: Directory,
    /// Held while the list is changed: two changes at once do not mix.
    changing: Arc<Mutex<()>>,
}

impl StaticDiscovery {
    /// A list of these instances, of any services. Of two with the same name and id the later one
    /// counts, as if each had been registered.
    pub fn new(instances: impl IntoIterator<Item = ServiceInstance>) -> Self {
        let discovery = Self::default();
        discovery.set(instances);
        discovery
    }

    /// A list of one service that has one instance for each endpoint. The instance's id is the
    /// endpoint without its query, so it is the same in every run.
    ///
    /// # Errors
    ///
    /// [`InstanceError`] of the first endpoint that is none, or of the service's name.
    pub fn of_endpoints(
        service: &str,
        endpoints: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, InstanceError> {
        let instance = |endpoint: Endpoint| {
            let id = format!("{}://{}", endpoint.scheme(), endpoint.authority());
            let builder = ServiceInstance::builder(service).id(id);
            builder.endpoint(endpoint.as_str()).build()
        };
        let instances: Vec<_> = endpoints
            .into_iter()
            .map(|endpoint| instance(endpoint.as_ref().parse()?))
            .collect::<Result<_, InstanceError>>()?;
        Ok(Self::new(instances))
    }

    /// Puts these instances in the place of all that were there. Each service's list changes at
    /// once; a service that has none any more is empty. After [`close`](Self::close) this does
    /// nothing.
    pub fn set(&self, instances: impl IntoIterator<Item = ServiceInstance>) {
        let mut services = BTreeMap::<String, BTreeMap<String, Arc<ServiceInstance>>>::new();
        for instance in instances {
            let (name, id) = (instance.name().to_owned(), instance.id().to_owned());
            let service = services.entry(name).or_default();
            service.insert(id, Arc::new(instance));
        }
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in self.directory.services() {
            if !services.contains_key(&gone) {
                self.directory.publish(&gone, Instances::new());
            }
        }
        for (name, instances) in services {
            let instances = instances.into_values().collect();
            self.directory.publish(&name, instances);
        }
    }

    /// What [`Discovery::get_service`] returns, also after [`close`](Self::close), and without a
    /// future.
    pub fn instances(&self, service: &str) -> Instances {
        self.directory.get(service)
    }

    /// Ends it as a shut-down ends a node: from now on calls answer `Closed`, and a watcher
    /// returns what it has not returned yet and then `Closed`. Again does nothing.
    pub fn close(&self) {
        self.directory.close();
    }

    fn open(&self) -> Result<&Directory, DiscoveryError> {
        if self.directory.is_closed() {
            Err(DiscoveryError::Closed)
        } else {
            Ok(&self.directory)
        }
    }

    async fn wait(
        &self,
        name: &str,
        min: usize,
        timeout: Duration,
    ) -> Result<Instances, WaitError> {
        let found = self.open()?.get(name);
        if found.len() >= min {
            return Ok(found);
        }
        let mut watcher = self.directory.watch(name);
        let enough = async {
            loop {
                match watcher.next().await {
                    Ok(instances) if instances.len() >= min => return Ok(instances),
                    Ok(_) => {}
                    Err(_) => return Err(WaitError::Closed),
                }
            }
        };
        let timed_out = |_| WaitError::Timeout {
            service: name.to_owned(),
            wanted: min,
            found: self.directory.get(name).len(),
            waited: timeout,
        };
        let waited = tokio::time::timeout(timeout, enough).await;
        waited.map_err(timed_out)?
    }
}

impl Discovery for StaticDiscovery {
    fn get_service<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoveryError>> {
        let found = self.open().map(|directory| directory.get(name));
        Box::pin(std::future::ready(found))
    }

    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>> {
        let watcher = self.open().map(|directory| directory.watch(name));
        let boxed = watcher.map(|watcher| Box::new(watcher) as Box<dyn Watcher>);
        Box::pin(std::future::ready(boxed))
    }

    fn wait_for<'a>(
        &'a self,
        name: &'a str,
        min: usize,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>> {
        Box::pin(self.wait(name, min, timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, id: &str) -> ServiceInstance {
        ServiceInstance::builder(name).id(id).build().unwrap()
    }

    fn ids(instances: &Instances) -> Vec<&str> {
        instances.iter().map(|instance| instance.id()).collect()
    }

    #[test]
    fn setting_replaces_everything_and_of_two_of_a_name_and_id_the_later_counts() {
        let discovery = StaticDiscovery::new([instance("user", "a"), instance("order", "a")]);
        let newer = instance("user", "b").to_builder().version("2").build();
        discovery.set([instance("user", "b"), newer.unwrap()]);
        let users = discovery.instances("user");
        assert_eq!(ids(&users), ["b"]);
        assert_eq!(users[0].version(), "2");
        assert!(discovery.instances("order").is_empty());
    }

    #[test]
    fn each_endpoint_is_an_instance_and_a_wrong_one_is_named() {
        let listed = ["HTTP://a.example:80", "grpc://a.example:80?zone=eu-1"];
        let discovery = StaticDiscovery::of_endpoints("user", listed).unwrap();
        let users = discovery.instances("user");
        assert_eq!(ids(&users), ["grpc://a.example:80", "http://a.example:80"]);
        assert_eq!(
            users[0].endpoints()[0].as_str(),
            "grpc://a.example:80?zone=eu-1"
        );
        let error = StaticDiscovery::of_endpoints("user", ["a.example:80"]).unwrap_err();
        assert!(matches!(error, InstanceError::Endpoint(_)), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_in_virtual_time() {
        let discovery = StaticDiscovery::new([instance("user", "a")]);
        let hour = Duration::from_secs(3600);
        let error = discovery.wait_for("user", 2, hour).await.unwrap_err();
        assert!(matches!(error, WaitError::Timeout { found: 1, .. }));
    }
}
