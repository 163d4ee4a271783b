//! One running instance of a service.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::{Endpoint, ServiceInstanceBuilder, Status};

/// One running instance of a service, as it describes itself.
///
/// Made by [`ServiceInstance::builder`] or deserialized, and valid either way: each field is within
/// its limit. It does not change; to change a registered one, register another of the same name and
/// id.
///
/// Two are equal when all fields are; the order of endpoints and of metadata does not count.
/// `Display` is `name-id`. It serializes to the JSON field names of Kratos: `id`, `name`,
/// `version`, `metadata`, `endpoints`, and `status` unless that is [`Status::Up`].
///
/// ```
/// use tidings::registry::ServiceInstance;
/// # fn main() -> Result<(), tidings::registry::InstanceError> {
/// let instance = ServiceInstance::builder("user-service")
///     .version("1.4.2")
///     .endpoint("http://10.0.0.9:8000")
///     .endpoint("grpc://10.0.0.9:9000")
///     .metadata("zone", "eu-1")
///     .build()?;
/// assert_eq!(instance.endpoints()[1].port(), 9000);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ServiceInstance {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) status: Status,
}

impl ServiceInstance {
    /// Starts an instance of the service `name`, 1 to [`MAX_NAME_BYTES`](super::MAX_NAME_BYTES)
    /// long.
    pub fn builder(name: impl Into<String>) -> ServiceInstanceBuilder {
        ServiceInstanceBuilder::new(name.into())
    }

    /// Starts a changed copy: all fields are taken over, the id too.
    pub fn to_builder(&self) -> ServiceInstanceBuilder {
        ServiceInstanceBuilder::of(self)
    }

    /// This instance with another status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// This instance with `host` wherever an endpoint's host is unspecified (`0.0.0.0`, `[::]`) and a
    /// listener bound there hears the host's family: one on `0.0.0.0` hears IPv4 alone, one on `[::]` both.
    ///
    /// A registrar does this with its node's advertised address;
    /// [`has_unspecified_host`](Self::has_unspecified_host) tells whether it was enough.
    #[must_use]
    pub fn resolve_hosts(mut self, host: IpAddr) -> Self {
        let host = host.to_canonical();
        let hears = |endpoint: &Endpoint| {
            let bound = endpoint.ip().map(|ip| ip.to_canonical());
            host.is_ipv4() || bound.is_some_and(|bound| bound.is_ipv6())
        };
        if self.has_unspecified_host().is_some() {
            let resolve = |endpoint: Endpoint| {
                if hears(&endpoint) {
                    endpoint.resolve_host(host)
                } else {
                    endpoint
                }
            };
            self.endpoints = self.endpoints.into_iter().map(resolve).collect();
        }
        self
    }

    /// The first endpoint whose host is unspecified, if there is one. Such an instance can be
    /// built, since a listener is often bound so, and is not registered before its host is known.
    pub fn has_unspecified_host(&self) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.is_unspecified())
    }

    /// What tells it from the other instances of its service in one process. Never empty.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The service's name. Never empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of what runs; free text, possibly empty.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What else it says about itself.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Where it can be called, in the order given; possibly nowhere.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Whether it wants calls.
    pub fn status(&self) -> Status {
        self.status
    }
}

impl PartialEq for ServiceInstance {
    fn eq(&self, other: &Self) -> bool {
        // By name, so that a field added later is not forgotten here.
        let Self {
            id,
            name,
            version,
            metadata,
            endpoints,
            status,
        } = self;
        *id == other.id
            && *name == other.name
            && *version == other.version
            && *status == other.status
            && *metadata == other.metadata
            && same_endpoints(endpoints, &other.endpoints)
    }
}

impl Eq for ServiceInstance {}

impl fmt::Display for ServiceInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.id)
    }
}

/// Whether both hold the same endpoints, each as often, in whatever order.
fn same_endpoints(a: &[Endpoint], b: &[Endpoint]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a == b {
        return true;
    }
    let sorted = |endpoints| {
        let mut sorted = Vec::from_iter(endpoints);
        sorted.sort_unstable();
        sorted
    };
    sorted(a) == sorted(b)
}
