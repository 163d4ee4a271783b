//! One function for each decoder of what comes from outside.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Buf;
use foca::Codec;

use super::{CLUSTER, EPOCH_MS, key, security};
use crate::{
    gossip::{
        Now, PeerId,
        security::{Body, ClusterKey, Forger, Guard, KeyError},
        wire::{
            content, extensions,
            frame::{ClusterTag, HEADER_BYTES, Header, PREAMBLE_BYTES, Preamble},
            message::{Item, Message},
            swim::{HEAD_BYTES, SwimCodec, SwimPacket},
        },
    },
    registry::{Endpoint, MAX_ENDPOINT_BYTES},
};

/// A whole datagram that is not sealed: its header, the start of its body, its payload, and what is in that.
pub fn datagram(bytes: &[u8]) {
    let cluster = ClusterTag::of(CLUSTER);
    let Ok((header, body)) = Header::read(bytes, cluster) else {
        return;
    };
    let Ok((preamble, payload)) = Preamble::of(&header, body) else {
        return;
    };
    if header.key_id == 0 {
        let mut written = Vec::new();
        preamble.write(cluster, &mut written);
        assert_eq!(written, bytes[..HEADER_BYTES + PREAMBLE_BYTES]);
    }
    payload_of_kind(preamble.kind, payload);
}

/// A payload of any kind: the kind's number, then the payload.
pub fn message(bytes: &[u8]) {
    if let Some((kind, payload)) = bytes.split_first() {
        payload_of_kind(*kind, payload);
    }
}

fn payload_of_kind(kind: u8, payload: &[u8]) {
    let Ok((message, unknown_extensions)) = Message::read(kind, payload) else {
        return;
    };
    assert!(unknown_extensions <= payload.len() as u64);
    let mut written = Vec::new();
    assert_eq!(message.write(&mut written), kind);
    assert_eq!(Message::read(kind, &written), Ok((message.clone(), 0)));
    match message {
        Message::Swim(_, packet) => swim(packet),
        Message::News(news) => news.items.iter().for_each(content_of),
        Message::Page(page) => page.items.iter().for_each(content_of),
        _ => {}
    }
}

fn content_of(item: &Item<'_>) {
    if let Item::Record { key, content, .. } = item {
        content_of_service(&key.service, content);
    }
}

/// A packet of the membership, without what stands before it on the wire. foca reads of it what we read.
pub fn swim(bytes: &[u8]) {
    let peer = |port| {
        PeerId::new(
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            EPOCH_MS,
            port.into(),
        )
    };
    let Ok(mut packet) = SwimPacket::read(peer(1), peer(2), bytes) else {
        return;
    };
    // An unknown extension is not passed on.
    packet.unknown_extensions = 0;
    let mut written = Vec::new();
    packet.write(&mut written);
    let again = SwimPacket::read(peer(1), peer(2), &written[HEAD_BYTES..]);
    assert_eq!(again.as_ref(), Ok(&packet));

    let mut codec = SwimCodec::default();
    let mut rest = &written[..];
    let header = codec.decode_header(&mut rest).expect("foca reads it");
    assert_eq!(header, packet.header);
    if !packet.updates.is_empty() {
        assert_eq!(usize::from(rest.get_u16()), packet.updates.len());
        for update in &packet.updates {
            let member = codec.decode_member(&mut rest).expect("foca reads it");
            assert_eq!(member, *update);
        }
    }
    assert!(rest.is_empty());
}

/// What an owner writes into a record.
pub fn content(bytes: &[u8]) {
    content_of_service("users", bytes);
}

fn content_of_service(service: &str, bytes: &[u8]) {
    if let Ok(understood) = content::read(service, bytes) {
        assert!(understood.unknown_extensions <= bytes.len() as u64);
        let written = content::write(understood.instances.iter());
        let again = content::read(service, &written).expect("we understand ourselves");
        assert_eq!(again.instances, understood.instances);
        assert_eq!(again.unknown_extensions, 0);
    }
}

/// Extensions that run to the end.
pub fn extensions(bytes: &[u8]) {
    if let Ok(unknown) = extensions::count_unknown(bytes) {
        // A tag and a length take a byte each at least.
        assert!(unknown <= bytes.len() as u64 / 2);
    }
}

/// An endpoint's text.
pub fn endpoint(bytes: &[u8]) {
    let Ok(endpoint) = String::from_utf8_lossy(bytes).parse::<Endpoint>() else {
        return;
    };
    let text = endpoint.as_str();
    assert!(text.len() <= MAX_ENDPOINT_BYTES);
    assert_ne!(endpoint.port(), 0);
    assert!(text.starts_with(endpoint.scheme()) && text.contains(endpoint.authority()));
    assert!(!endpoint.host().is_empty());
    assert_eq!(endpoint.is_unspecified(), endpoint.clone().is_unspecified());
    endpoint
        .query_pairs()
        .for_each(|(name, value)| drop((name, value)));
    assert_eq!(text.parse().as_ref(), Ok(&endpoint), "it is canonical");
    let longest = "1111:2222:3333:4444:5555:6666:7777:8888".parse();
    let resolved = endpoint.resolve_host(longest.expect("an address"));
    assert!(resolved.as_str().len() <= MAX_ENDPOINT_BYTES && !resolved.is_unspecified());
}

/// A key in base64. Nothing that is told of one that is refused shows any of it.
pub fn key_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match ClusterKey::from_base64(&text) {
        Ok(key) => {
            assert_eq!(
                ClusterKey::from_base64(text.trim_ascii()).as_ref(),
                Ok(&key)
            );
            assert!(!format!("{key:?}").contains(text.trim_ascii()));
        }
        Err(error) => {
            let bytes = text.trim_ascii().len();
            assert_eq!(matches!(error, KeyError::Empty), bytes == 0);
        }
    }
}

/// A sealed datagram: once as it came, and once made of the bytes and sealed with the right key.
///
/// What is not authentic is not opened, nothing is opened twice, and what is changed anywhere is not opened.
pub fn sealed(bytes: &[u8]) {
    let now = Now {
        unix_ms: EPOCH_MS,
        ..Now::default()
    };
    let mut guard = Guard::new(&security(), CLUSTER, 2, now.instant);
    let mut body = Vec::new();
    let mut open = |datagram: &[u8]| {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let (header, _) = Header::read(datagram, ClusterTag::of(CLUSTER)).ok()?;
        let opened = guard.open(now, from, &header, datagram, &mut body).ok()?;
        assert_eq!(
            opened,
            Body::Opened,
            "nothing that is in the clear is heard"
        );
        Some(body.clone())
    };
    let forger = Forger::new(key(), CLUSTER);
    if let Some(body) = open(bytes) {
        let authentic = forger
            .open(bytes)
            .expect("only what is authentic is opened");
        assert_eq!(authentic[HEADER_BYTES..], body);
        assert_eq!(open(bytes), None, "nothing is opened twice");
    }

    let mut datagram = Vec::new();
    let preamble = Preamble {
        session: [7; 16],
        nonce: EPOCH_MS << 20,
        boot: 0,
        fingerprint: 0,
        kind: 0,
    };
    preamble.write(ClusterTag::of(CLUSTER), &mut datagram);
    datagram.extend_from_slice(bytes);
    let sent = datagram[HEADER_BYTES..].to_vec();
    forger.seal(&mut datagram);
    let at = bytes.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let mut changed = datagram.clone();
    changed[at / 8 % datagram.len()] ^= 1 << (at % 8);
    assert_eq!(open(&changed), None, "what is changed is not opened");
    assert_eq!(open(&datagram), Some(sent));
    assert_eq!(open(&datagram), None, "nothing is opened twice");
}
