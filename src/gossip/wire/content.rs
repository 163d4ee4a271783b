//! What an owner writes into a record: its instances of one service.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    codec::{Decode, Encode, Malformed, decode_whole, encode},
    extensions::Extensions,
};
use crate::registry::{ServiceInstance, Status};

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct WireInstance {
    pub(in crate::gossip) id: String,
    pub(in crate::gossip) version: String,
    pub(in crate::gossip) metadata: Vec<(String, String)>,
    pub(in crate::gossip) endpoints: Vec<String>,
    pub(in crate::gossip) status: u8,
    pub(in crate::gossip) extensions: Extensions,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Content {
    pub(in crate::gossip) instances: Vec<WireInstance>,
    pub(in crate::gossip) extensions: Extensions,
}

/// A record's content as it was understood.
#[derive(Debug)]
pub(in crate::gossip) struct Understood {
    pub(in crate::gossip) instances: Vec<Arc<ServiceInstance>>,
    /// Extensions that this build does not know.
    pub(in crate::gossip) unknown_extensions: u64,
}

const UP: u8 = 0;
const UNHEALTHY: u8 = 1;
const DRAINING: u8 = 2;

/// Encodes what this node has registered of one service.
pub(in crate::gossip) fn write<'a>(
    instances: impl Iterator<Item = &'a Arc<ServiceInstance>>,
) -> Vec<u8> {
    let instances = instances.map(|instance| to_wire(instance)).collect();
    let mut out = Vec::new();
    encode(
        &Content {
            instances,
            extensions: Extensions::default(),
        },
        &mut out,
    );
    out
}

fn to_wire(instance: &ServiceInstance) -> WireInstance {
    let metadata = instance
        .metadata()
        .iter()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let endpoints = instance
        .endpoints()
        .iter()
        .map(|e| e.as_str().to_owned())
        .collect();
    WireInstance {
        id: instance.id().to_owned(),
        version: instance.version().to_owned(),
        metadata,
        endpoints,
        status: match instance.status() {
            Status::Up => UP,
            Status::Draining => DRAINING,
            _ => UNHEALTHY,
        },
        extensions: Extensions::default(),
    }
}

/// Reads what an owner wrote. An instance that breaks the registry's own limits, or an id that comes
/// twice, makes the whole record malformed: no sound owner writes one.
pub(in crate::gossip) fn read(service: &str, content: &[u8]) -> Result<Understood, Malformed> {
    let content: Content = decode_whole(content)?;
    let mut unknown_extensions = content.extensions.count_unknown()?;
    let mut instances = Vec::with_capacity(content.instances.len());
    let mut ids = BTreeSet::new();
    for wire in content.instances {
        unknown_extensions += wire.extensions.count_unknown()?;
        if !ids.insert(wire.id.clone()) {
            return Err(Malformed);
        }
        instances.push(Arc::new(from_wire(service, wire)?));
    }
    Ok(Understood {
        instances,
        unknown_extensions,
    })
}

fn from_wire(service: &str, wire: WireInstance) -> Result<ServiceInstance, Malformed> {
    let mut builder = ServiceInstance::builder(service)
        .id(wire.id)
        .version(wire.version);
    for (key, value) in wire.metadata {
        builder = builder.metadata(key, value);
    }
    for endpoint in wire.endpoints {
        builder = builder.endpoint(endpoint);
    }
    let status = match wire.status {
        UP => Status::Up,
        DRAINING => Status::Draining,
        // A status that this build does not know: the safe reading is that it is not to be called.
        _ => Status::Unhealthy,
    };
    builder.status(status).build().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Arc<ServiceInstance> {
        let builder = ServiceInstance::builder("user-service")
            .id("a")
            .version("1.4.2");
        let builder = builder
            .endpoint("http://10.0.0.9:8000")
            .metadata("zone", "eu-1");
        Arc::new(builder.status(Status::Draining).build().unwrap())
    }

    #[test]
    fn what_is_written_is_understood() {
        let bytes = write([instance()].iter());
        let understood = read("user-service", &bytes).unwrap();
        assert_eq!(understood.instances, [instance()]);
        assert_eq!(understood.unknown_extensions, 0);
    }

    #[test]
    fn a_status_of_a_later_build_is_read_as_unhealthy() {
        let wire = WireInstance {
            status: 99,
            ..to_wire(&instance())
        };
        assert_eq!(
            from_wire("user-service", wire).unwrap().status(),
            Status::Unhealthy
        );
    }

    #[test]
    fn an_instance_that_breaks_a_limit_is_malformed() {
        let wire = WireInstance {
            id: "x".repeat(256),
            ..to_wire(&instance())
        };
        assert_eq!(from_wire("user-service", wire).unwrap_err(), Malformed);
    }

    /// Readers tell the instances of one owner apart by their ids.
    #[test]
    fn an_id_that_comes_twice_is_malformed() {
        let bytes = write([instance(), instance()].iter());
        assert_eq!(read("user-service", &bytes).unwrap_err(), Malformed);
    }
}
