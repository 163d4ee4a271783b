//! A snapshot as bytes: JSON, so that whoever is called at night can read it.
//!
//! ```json
//! {
//!   "format": 1,
//!   "cluster": "shop",
//!   "written_at_unix_ms": 1800000000000,
//!   "members": ["10.0.0.7:7946"],
//!   "services": { "orders": [ { "id": "…", "name": "orders", … } ] }
//! }
//! ```
//!
//! The instances are in Kratos's JSON. A field of another name is skipped; one that is missing makes the file corrupt. What
//! would be read otherwise gets another `format`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{MEMBERS_MAX, SNAPSHOT_BYTES_MAX, SnapshotError};
use crate::gossip::canonical;
use crate::registry::ServiceInstance;

/// The format that this build writes, and the only one that it reads.
pub(super) const FORMAT: u32 = 1;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// When it was true, in milliseconds since the Unix epoch.
    pub(super) written_at_unix_ms: u64,
    /// Where members were; the likeliest to live first.
    pub(super) members: Vec<SocketAddr>,
    pub(super) instances: Vec<Arc<ServiceInstance>>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    format: u32,
    cluster: &'a str,
    written_at_unix_ms: u64,
    members: &'a [SocketAddr],
    services: BTreeMap<&'a str, Vec<&'a ServiceInstance>>,
}

/// What every format has, by which the rest is read or refused.
#[derive(Deserialize)]
struct Header {
    format: u32,
    cluster: String,
}

#[derive(Deserialize)]
struct Body {
    written_at_unix_ms: u64,
    members: Vec<SocketAddr>,
    services: BTreeMap<String, Vec<ServiceInstance>>,
}

impl Snapshot {
    /// The bytes of the file.
    pub(super) fn to_json(&self, cluster: &str) -> Result<Vec<u8>, SnapshotError> {
        let mut services: BTreeMap<&str, Vec<&ServiceInstance>> = BTreeMap::new();
        for instance in &self.instances {
            services.entry(instance.name()).or_default().push(instance);
        }
        let outgoing = Outgoing {
            format: FORMAT,
            cluster,
            written_at_unix_ms: self.written_at_unix_ms,
            members: &self.members,
            services,
        };
        let bytes = serde_json::to_vec(&outgoing)?;
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        Ok(bytes)
    }

    /// What is in a file of `cluster`. Whole or not at all: where one thing is damaged the next may be too.
    pub(super) fn from_json(bytes: &[u8], cluster: &str) -> Result<Self, SnapshotError> {
        let header: Header = serde_json::from_slice(bytes)?;
        if header.format != FORMAT {
            let found = header.format;
            return Err(SnapshotError::Format { found });
        }
        if header.cluster != cluster {
            let found = header.cluster;
            return Err(SnapshotError::OtherCluster { found });
        }
        let body: Body = serde_json::from_slice(bytes)?;
        let mut instances = Vec::new();
        for (service, of_service) in body.services {
            if of_service.iter().any(|i| i.name() != service) {
                return Err(SnapshotError::Misplaced { service });
            }
            instances.extend(of_service.into_iter().map(Arc::new));
        }
        let members = body.members.into_iter().map(canonical);
        let is_callable = |addr: &SocketAddr| addr.port() != 0 && !addr.ip().is_unspecified();
        Ok(Self {
            written_at_unix_ms: body.written_at_unix_ms,
            members: members.filter(is_callable).take(MEMBERS_MAX).collect(),
            instances,
        })
    }
}
