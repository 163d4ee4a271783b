//! A snapshot as bytes: JSON, so that whoever is called at night can read it.
//!
//! ```json
//! {
//!   "format": 1,
//!   "cluster": "shop",
//!   "written_at_unix_ms": 1800000000000,
//!   "members": ["10.0.0.7:7946"],
//!   "services": { "orders": [ { "id": "…", "name": "orders", … } ] },
//!   "unconfirmed": [
//!     { "confirmed_at_unix_ms": 1799999000000, "services": { "users": [ … ] } }
//!   ]
//! }
//! ```
//!
//! `unconfirmed` is what was remembered and is not in the table, by the time at which it was last known to be there; it is
//! left out where there is none. The instances are in Kratos's JSON. A field of another name is skipped; one that is missing makes the file corrupt. What
//! would be read otherwise gets another `format`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::unconfirmed::Unconfirmed;
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
    /// What was remembered and is not in the table, those that were known last first.
    pub(super) unconfirmed: Vec<Unconfirmed>,
}

/// Instances by their service, as the file has them.
type Services<I> = BTreeMap<String, Vec<I>>;

#[derive(Serialize)]
struct Outgoing<'a> {
    format: u32,
    cluster: &'a str,
    written_at_unix_ms: u64,
    members: &'a [SocketAddr],
    services: Services<&'a ServiceInstance>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unconfirmed: &'a [Group<&'a ServiceInstance>],
}

/// Instances that were last known to be there at one time.
#[derive(Serialize, Deserialize)]
struct Group<I> {
    confirmed_at_unix_ms: u64,
    services: Services<I>,
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
    services: Services<ServiceInstance>,
    #[serde(default)]
    unconfirmed: Vec<Group<ServiceInstance>>,
}

impl Snapshot {
    /// The bytes of the file. Where they would be too many, what is unconfirmed is left out.
    pub(super) fn to_json(&self, cluster: &str) -> Result<Vec<u8>, SnapshotError> {
        let mut groups: Vec<Group<&ServiceInstance>> = Vec::new();
        for alike in self
            .unconfirmed
            .chunk_by(|a, b| a.confirmed_at_unix_ms == b.confirmed_at_unix_ms)
        {
            groups.push(Group {
                confirmed_at_unix_ms: alike[0].confirmed_at_unix_ms,
                services: by_service(alike.iter().map(|one| &*one.instance)),
            });
        }
        let mut bytes = self.bytes(cluster, &groups)?;
        if bytes.len() > SNAPSHOT_BYTES_MAX && !groups.is_empty() {
            bytes = self.bytes(cluster, &[])?;
        }
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge);
        }
        Ok(bytes)
    }

    fn bytes(
        &self,
        cluster: &str,
        unconfirmed: &[Group<&ServiceInstance>],
    ) -> Result<Vec<u8>, SnapshotError> {
        let outgoing = Outgoing {
            format: FORMAT,
            cluster,
            written_at_unix_ms: self.written_at_unix_ms,
            members: &self.members,
            services: by_service(self.instances.iter().map(|instance| &**instance)),
            unconfirmed,
        };
        Ok(serde_json::to_vec(&outgoing)?)
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
        let instances = in_their_place(body.services)?;
        let mut unconfirmed = Vec::new();
        for group in body.unconfirmed {
            let confirmed_at_unix_ms = group.confirmed_at_unix_ms;
            let of_group = in_their_place(group.services)?.into_iter();
            unconfirmed.extend(of_group.map(|instance| Unconfirmed {
                confirmed_at_unix_ms,
                instance,
            }));
        }
        let members = body.members.into_iter().map(canonical);
        let is_callable = |addr: &SocketAddr| addr.port() != 0 && !addr.ip().is_unspecified();
        Ok(Self {
            written_at_unix_ms: body.written_at_unix_ms,
            members: members.filter(is_callable).take(MEMBERS_MAX).collect(),
            instances,
            unconfirmed,
        })
    }
}

fn by_service<'a>(
    instances: impl Iterator<Item = &'a ServiceInstance>,
) -> Services<&'a ServiceInstance> {
    let mut services: Services<_> = BTreeMap::new();
    for instance in instances {
        match services.get_mut(instance.name()) {
            Some(service) => service.push(instance),
            None => {
                services.insert(instance.name().to_owned(), vec![instance]);
            }
        }
    }
    services
}

/// The instances, each of which has the name under which it is.
fn in_their_place(
    services: Services<ServiceInstance>,
) -> Result<Vec<Arc<ServiceInstance>>, SnapshotError> {
    let mut instances = Vec::new();
    for (service, of_service) in services {
        if of_service.iter().any(|i| i.name() != service) {
            return Err(SnapshotError::Misplaced { service });
        }
        instances.extend(of_service.into_iter().map(Arc::new));
    }
    Ok(instances)
}
