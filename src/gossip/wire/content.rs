//! What an owner writes into a record: its instances of one service.
//!
//! # The signature
//!
//! A record may be signed ([`security`](crate::gossip::security)). The signature is an extension of the record (tag
//! [`SIGNATURE_TAG`]: a public key of 32 bytes and a signature of 64), the only one of its tag, and **the last one**.
//! The extensions are the last of the content, so a signed content ends with the signature, and what is signed is all
//! that stands before that, as it came. More than one, one that is not the last, and one of another length are
//! malformed.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    codec::{Decode, Encode, Malformed, decode_borrowed, decode_whole, encode},
    extensions::Extensions,
};
use crate::{
    gossip::security::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES},
    registry::{ServiceInstance, Status},
};

/// The tag of the signature, among a record's extensions.
const SIGNATURE_TAG: u32 = 1;

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
    pub(in crate::gossip) signature: Option<Signature>,
    /// Extensions that this build does not know.
    pub(in crate::gossip) unknown_extensions: u64,
}

/// What a record is signed with. Nobody has verified it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Signature {
    pub(in crate::gossip) key: [u8; PUBLIC_KEY_BYTES],
    pub(in crate::gossip) signature: [u8; SIGNATURE_BYTES],
}

impl Signature {
    fn read(value: &[u8]) -> Option<Self> {
        let (key, signature) = value.split_first_chunk()?;
        Some(Self {
            key: *key,
            signature: signature.try_into().ok()?,
        })
    }
}

const UP: u8 = 0;
const UNHEALTHY: u8 = 1;
const DRAINING: u8 = 2;

/// Encodes what this node has registered of one service.
pub(in crate::gossip) fn write<'a>(
    instances: impl Iterator<Item = &'a Arc<ServiceInstance>>,
) -> Vec<u8> {
    write_with(instances, Extensions::default())
}

/// The same, signed: `sign` is given all that stands before the signature.
pub(in crate::gossip) fn write_signed<'a>(
    instances: impl Iterator<Item = &'a Arc<ServiceInstance>>,
    key: &[u8; PUBLIC_KEY_BYTES],
    sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_BYTES],
) -> Vec<u8> {
    let room = [&key[..], &[0; SIGNATURE_BYTES]].concat();
    let mut extensions = Extensions::default();
    encode(&(SIGNATURE_TAG, room), &mut extensions.0);
    let mut content = write_with(instances, extensions);
    let signature = sign(signed_part(&content));
    let at = content.len() - SIGNATURE_BYTES;
    content[at..].copy_from_slice(&signature);
    content
}

/// What of a signed content is signed.
pub(in crate::gossip) fn signed_part(content: &[u8]) -> &[u8] {
    &content[..content.len() - SIGNATURE_BYTES]
}

fn write_with<'a>(
    instances: impl Iterator<Item = &'a Arc<ServiceInstance>>,
    extensions: Extensions,
) -> Vec<u8> {
    let instances = instances.map(|instance| to_wire(instance)).collect();
    let content = Content {
        instances,
        extensions,
    };
    let mut out = Vec::new();
    encode(&content, &mut out);
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
    let (signature, mut unknown_extensions) = extensions_of_record(&content.extensions)?;
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
        signature,
        unknown_extensions,
    })
}

/// The signature, and how many others there are.
fn extensions_of_record(extensions: &Extensions) -> Result<(Option<Signature>, u64), Malformed> {
    let mut bytes = &extensions.0[..];
    let (mut signature, mut unknown) = (None, 0);
    while !bytes.is_empty() {
        let (tag, value): (u32, &[u8]) = decode_borrowed(&mut bytes)?;
        if tag == SIGNATURE_TAG && bytes.is_empty() {
            signature = Some(Signature::read(value).ok_or(Malformed)?);
        } else if tag == SIGNATURE_TAG {
            return Err(Malformed);
        } else {
            unknown += 1;
        }
    }
    Ok((signature, unknown))
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
        assert_eq!(understood.signature, None);
    }

    #[test]
    fn a_signature_stands_at_the_end_over_all_that_is_before_it() {
        let mut signed = Vec::new();
        let sign = |part: &[u8]| {
            signed = part.to_vec();
            [9; SIGNATURE_BYTES]
        };
        let bytes = write_signed([instance()].iter(), &[8; 32], sign);
        assert_eq!(bytes, [&signed[..], &[9; SIGNATURE_BYTES]].concat());
        assert_eq!(bytes.len(), write([instance()].iter()).len() + 98);
        let understood = read("user-service", &bytes).unwrap();
        let signature = [9; SIGNATURE_BYTES];
        let expected = Signature {
            key: [8; 32],
            signature,
        };
        assert_eq!(understood.signature, Some(expected));
        assert_eq!(understood.unknown_extensions, 0);
    }

    #[test]
    fn a_signature_is_the_last_extension_the_only_one_and_of_its_length() {
        let read_with = |extensions: &[(u32, usize)]| {
            let mut encoded = Extensions::default();
            for (tag, length) in extensions {
                encode(&(*tag, vec![0_u8; *length]), &mut encoded.0);
            }
            read("user-service", &write_with([instance()].iter(), encoded))
        };
        let understood = read_with(&[(7, 3), (2, 0), (SIGNATURE_TAG, 96)]).unwrap();
        assert!(understood.signature.is_some());
        assert_eq!(understood.unknown_extensions, 2);
        for malformed in [
            &[(SIGNATURE_TAG, 96), (7, 3)][..],
            &[(SIGNATURE_TAG, 96), (SIGNATURE_TAG, 96)],
            &[(SIGNATURE_TAG, 95)],
            &[(SIGNATURE_TAG, 97)],
            &[(SIGNATURE_TAG, 0)],
        ] {
            assert_eq!(read_with(malformed).unwrap_err(), Malformed);
        }
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
