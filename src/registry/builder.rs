//! How an instance is made: every field is checked here, once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use uuid::Uuid;

use super::instance_error::excerpt;
use super::{
    Endpoint, EndpointError, Field, InstanceError, MAX_ENDPOINTS, MAX_ID_BYTES,
    MAX_METADATA_KEY_BYTES, MAX_METADATA_PAIRS, MAX_METADATA_VALUE_BYTES, MAX_NAME_BYTES,
    MAX_VERSION_BYTES, ServiceInstance, Status,
};

/// Builds a [`ServiceInstance`]; from [`ServiceInstance::builder`] or
/// [`ServiceInstance::to_builder`].
///
/// Endpoints are parsed as they are added. The first that is refused is what [`build`](Self::build)
/// reports; until then nothing fails, so that calls can be chained.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ServiceInstanceBuilder {
    id: Option<String>,
    name: String,
    version: String,
    metadata: BTreeMap<String, String>,
    endpoints: Vec<Endpoint>,
    status: Status,
    refused: Option<EndpointError>,
}

impl ServiceInstanceBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            id: None,
            name,
            version: String::new(),
            metadata: BTreeMap::new(),
            endpoints: Vec::new(),
            status: Status::default(),
            refused: None,
        }
    }

    pub(super) fn of(instance: &ServiceInstance) -> Self {
        Self {
            id: Some(instance.id.clone()),
            name: instance.name.clone(),
            version: instance.version.clone(),
            metadata: instance.metadata.clone(),
            endpoints: instance.endpoints.clone(),
            status: instance.status,
            refused: None,
        }
    }

    /// Sets the name, 1 to [`MAX_NAME_BYTES`] long, in place of the one that it was begun with.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the id, 1 to [`MAX_ID_BYTES`] long. Default: a fresh random UUID.
    ///
    /// Within one process, `(name, id)` is the instance's identity: registering it again replaces
    /// it.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the version, up to [`MAX_VERSION_BYTES`] of free text. Default: empty.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Adds an endpoint, `scheme://host:port[?query]`; up to [`MAX_ENDPOINTS`] of them, in this
    /// order.
    ///
    /// The host may be unspecified (`0.0.0.0`, `[::]`): a registrar puts the node's own address in
    /// its place.
    pub fn endpoint(self, endpoint: impl AsRef<str>) -> Self {
        self.add(|| endpoint.as_ref().parse())
    }

    /// Adds the endpoint of a listener: `scheme`, and the address that it is really bound to, from
    /// its `local_addr()`. That is how a bind to port 0 becomes a port that others can call. As
    /// with [`endpoint`](Self::endpoint), the host may be unspecified and the port may not be 0.
    pub fn listener(self, scheme: impl AsRef<str>, address: SocketAddr) -> Self {
        self.add(|| Endpoint::of_listener(scheme.as_ref(), address))
    }

    /// Removes all endpoints, for an instance that is rebuilt with others. A refused one is
    /// forgotten with them.
    pub fn clear_endpoints(mut self) -> Self {
        self.endpoints.clear();
        self.refused = None;
        self
    }

    /// Sets a metadata pair, in place of an earlier one of the same key. Up to
    /// [`MAX_METADATA_PAIRS`] pairs of [`MAX_METADATA_KEY_BYTES`] and [`MAX_METADATA_VALUE_BYTES`].
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Removes all metadata, for an instance that is rebuilt with other metadata.
    pub fn clear_metadata(mut self) -> Self {
        self.metadata.clear();
        self
    }

    /// Sets the status. Default: [`Status::Up`].
    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Checks every limit and builds the instance.
    ///
    /// # Errors
    ///
    /// [`InstanceError`] names the first field that is wrong, its value, and what to do.
    pub fn build(self) -> Result<ServiceInstance, InstanceError> {
        if self.name.is_empty() {
            return Err(InstanceError::EmptyName);
        }
        check_length(Field::Name, &self.name, MAX_NAME_BYTES)?;
        if let Some(id) = &self.id {
            if id.is_empty() {
                return Err(InstanceError::EmptyId);
            }
            check_length(Field::Id, id, MAX_ID_BYTES)?;
        }
        check_length(Field::Version, &self.version, MAX_VERSION_BYTES)?;
        check_metadata(&self.metadata)?;
        if let Some(error) = self.refused {
            return Err(error.into());
        }
        if self.endpoints.len() > MAX_ENDPOINTS {
            return Err(InstanceError::TooManyEndpoints {
                count: self.endpoints.len(),
                max: MAX_ENDPOINTS,
            });
        }
        Ok(ServiceInstance {
            id: self.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
            name: self.name,
            version: self.version,
            metadata: self.metadata,
            endpoints: self.endpoints,
            status: self.status,
        })
    }

    fn add(mut self, endpoint: impl FnOnce() -> Result<Endpoint, EndpointError>) -> Self {
        if self.refused.is_none() {
            match endpoint() {
                Ok(endpoint) => self.endpoints.push(endpoint),
                Err(error) => self.refused = Some(error),
            }
        }
        self
    }
}

fn check_length(field: Field, value: &str, max: usize) -> Result<(), InstanceError> {
    if value.len() > max {
        return Err(InstanceError::TooLong {
            field,
            value: excerpt(value),
            len: value.len(),
            max,
        });
    }
    Ok(())
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), InstanceError> {
    if metadata.len() > MAX_METADATA_PAIRS {
        return Err(InstanceError::TooManyMetadataPairs {
            count: metadata.len(),
            max: MAX_METADATA_PAIRS,
        });
    }
    for (key, value) in metadata {
        check_length(Field::MetadataKey, key, MAX_METADATA_KEY_BYTES)?;
        if value.len() > MAX_METADATA_VALUE_BYTES {
            return Err(InstanceError::MetadataValueTooLong {
                key: key.clone(),
                value: excerpt(value),
                len: value.len(),
                max: MAX_METADATA_VALUE_BYTES,
            });
        }
    }
    Ok(())
}
