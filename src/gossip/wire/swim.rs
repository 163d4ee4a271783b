//! foca's packets: how foca reads and writes them, and how the engine looks into them.
//!
//! foca writes both identities in full at the head of every packet. On the wire they would be half
//! of a ping, and the receiver knows most of them: where the datagram came from, which boot its
//! body names, and that it is for the receiver. So the engine cuts the head off ([`HEAD_BYTES`],
//! of a fixed size for that purpose), sends a [`SwimHead`](super::message::SwimHead) in its place,
//! and puts the full head back before foca sees the packet.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};

use super::{
    codec::{Decode, Encode, Malformed, decode, encode},
    extensions::{Extensions, count_unknown},
    message::{Health, WirePeer},
    word::Word,
};
use crate::gossip::identity::PeerId;

/// Family, address, port, boot, renewal.
const IDENTITY_BYTES: usize = 1 + 16 + 2 + 8 + 4;
/// Source and destination, in full.
pub(in crate::gossip) const HEAD_BYTES: usize = 2 * IDENTITY_BYTES;

/// foca's message on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
enum WireMessage {
    Ping(u8),
    Ack(u8),
    PingReq { target: WirePeer, probe_number: u8 },
    IndirectPing { origin: WirePeer, probe_number: u8 },
    IndirectAck { target: WirePeer, probe_number: u8 },
    ForwardedAck { origin: WirePeer, probe_number: u8 },
    Announce,
    Feed,
    Gossip,
    TurnUndead,
}

/// A membership update on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct WireMember {
    id: WirePeer,
    incarnation: u16,
    health: Health,
    extensions: Extensions,
}

/// foca wanted to write more than its packet has room for, or to read what is not there.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(in crate::gossip) enum CodecError {
    #[error("the packet has no room left")]
    NoRoom,
    #[error("the packet is malformed")]
    Malformed,
}

impl From<Malformed> for CodecError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Writes and reads what foca asks for.
#[derive(Debug, Default)]
pub(in crate::gossip) struct SwimCodec {
    scratch: Vec<u8>,
}

impl SwimCodec {
    fn flush(&mut self, mut buf: impl BufMut) -> Result<(), CodecError> {
        if buf.remaining_mut() < self.scratch.len() {
            return Err(CodecError::NoRoom);
        }
        buf.put_slice(&self.scratch);
        Ok(())
    }
}

impl foca::Codec<PeerId> for SwimCodec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<PeerId>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        self.scratch.clear();
        write_head(&header.src, &header.dst, &mut self.scratch);
        write_message(header.src_incarnation, &header.message, &mut self.scratch);
        self.flush(buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<PeerId>, CodecError> {
        let bytes = buf.chunk();
        let (head, rest) = bytes
            .split_at_checked(HEAD_BYTES)
            .ok_or(CodecError::Malformed)?;
        let (src, dst) = head.split_at(IDENTITY_BYTES);
        let (src, dst) = (read_identity(src)?, read_identity(dst)?);
        let mut after = rest;
        let (src_incarnation, message) = read_message(&mut after)?;
        let read = bytes.len() - after.len();
        buf.advance(read);
        Ok(Header {
            src,
            src_incarnation,
            dst,
            message,
        })
    }

    fn encode_member(
        &mut self,
        member: &Member<PeerId>,
        buf: impl BufMut,
    ) -> Result<(), CodecError> {
        self.scratch.clear();
        write_member(member, &mut self.scratch);
        self.flush(buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<PeerId>, CodecError> {
        let bytes = buf.chunk();
        let mut after = bytes;
        let (member, ..) = read_member(&mut after)?;
        let read = bytes.len() - after.len();
        buf.advance(read);
        Ok(member)
    }
}

/// What a packet says of members beside their state, by identity; those of which it says nothing are left out.
pub(in crate::gossip) type Words = BTreeMap<PeerId, Word>;

/// A packet of foca's as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gossip) struct SwimPacket {
    pub(in crate::gossip) header: Header<PeerId>,
    pub(in crate::gossip) updates: Vec<Member<PeerId>>,
    pub(in crate::gossip) unknown_extensions: u64,
}

impl SwimPacket {
    /// Reads what follows the [`SwimHead`](super::message::SwimHead), without the words in it.
    #[cfg(any(test, feature = "testing"))]
    pub(in crate::gossip) fn read(
        src: PeerId,
        dst: PeerId,
        bytes: &[u8],
    ) -> Result<Self, Malformed> {
        Ok(Self::read_all(src, dst, bytes)?.0)
    }

    /// Reads what follows the [`SwimHead`](super::message::SwimHead), and what the sender says of
    /// the members beside their state.
    pub(in crate::gossip) fn read_all(
        src: PeerId,
        dst: PeerId,
        mut bytes: &[u8],
    ) -> Result<(Self, Words), Malformed> {
        let mut words = Words::new();
        let (src_incarnation, message) = read_message(&mut bytes)?;
        let mut updates = Vec::new();
        let mut unknown_extensions = 0;
        if carries_updates(&message) && !bytes.is_empty() {
            let (count, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
            bytes = rest;
            for _ in 0..u16::from_be_bytes(*count) {
                let (member, word, unknown) = read_member(&mut bytes)?;
                if word != Word::default() {
                    words.insert(*member.id(), word);
                }
                updates.push(member);
                unknown_extensions += unknown;
            }
        }
        unknown_extensions += count_unknown(bytes)?;
        let header = Header {
            src,
            src_incarnation,
            dst,
            message,
        };
        let packet = Self {
            header,
            updates,
            unknown_extensions,
        };
        Ok((packet, words))
    }

    /// Writes the packet as foca reads it, with the full head. foca takes it without a count of no updates, too.
    pub(in crate::gossip) fn write(&self, out: &mut Vec<u8>) {
        write_head(&self.header.src, &self.header.dst, out);
        write_message(self.header.src_incarnation, &self.header.message, out);
        if carries_updates(&self.header.message) && !self.updates.is_empty() {
            let count = u16::try_from(self.updates.len()).expect("bounded by the datagram's size");
            out.put_u16(count);
            for update in &self.updates {
                write_member(update, out);
            }
        }
    }
}

/// Puts words into a packet that [`written`] has given, in as many packets of at most `room` bytes as it takes: words are
/// no part of what foca has measured. What does not fit the first one follows as gossip.
pub(in crate::gossip) fn with_words(
    bare: &[u8],
    room: usize,
    word_of: impl Fn(&PeerId) -> Word,
) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut rest = bare;
    let (incarnation, message) = read_message(&mut rest)?;
    if !carries_updates(&message) || rest.is_empty() {
        return Ok(vec![bare.to_vec()]);
    }
    let start_of = |message: &Message<PeerId>| {
        let mut start = Vec::new();
        write_message(incarnation, message, &mut start);
        start
    };
    let (count, mut rest) = rest.split_first_chunk().ok_or(Malformed)?;
    let mut packets = Vec::new();
    let (mut start, mut updates, mut held) = (start_of(&message), Vec::new(), 0_u16);
    let mut finish = |start: &[u8], updates: &[u8], held: u16| {
        packets.push([start, &held.to_be_bytes(), updates].concat());
    };
    for _ in 0..u16::from_be_bytes(*count) {
        let mut wire: WireMember = decode(&mut rest)?;
        wire.extensions = word_of(&wire.id.into()).extensions();
        let mut encoded = Vec::new();
        encode(&wire, &mut encoded);
        if held > 0 && start.len() + 2 + updates.len() + encoded.len() > room {
            finish(&start, &updates, held);
            (start, held) = (start_of(&Message::Gossip), 0);
            updates.clear();
        }
        updates.extend(encoded);
        held += 1;
    }
    finish(&start, &updates, held);
    Ok(packets)
}

const fn carries_updates(message: &Message<PeerId>) -> bool {
    !matches!(message, Message::Announce | Message::TurnUndead)
}

fn write_head(src: &PeerId, dst: &PeerId, out: &mut Vec<u8>) {
    for id in [src, dst] {
        let (family, octets) = match id.addr.ip() {
            IpAddr::V4(ip) => (4, ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => (6, ip.octets()),
        };
        out.put_u8(family);
        out.put_slice(&octets);
        out.put_u16(id.addr.port());
        out.put_u64(id.boot);
        out.put_u32(id.renewal);
    }
}

fn read_identity(mut bytes: &[u8]) -> Result<PeerId, Malformed> {
    let family = bytes.get_u8();
    let mut octets = [0; 16];
    bytes.copy_to_slice(&mut octets);
    let ip = match family {
        4 => IpAddr::V4(Ipv4Addr::new(
            octets[12], octets[13], octets[14], octets[15],
        )),
        6 => IpAddr::V6(Ipv6Addr::from(octets)),
        _ => return Err(Malformed),
    };
    let addr = SocketAddr::new(ip, bytes.get_u16());
    Ok(PeerId {
        addr,
        boot: bytes.get_u64(),
        renewal: bytes.get_u32(),
    })
}

fn write_message(incarnation: u16, message: &Message<PeerId>, out: &mut Vec<u8>) {
    encode(&incarnation, out);
    let probed = |id: &PeerId| WirePeer::from(*id);
    let wire = match message {
        Message::Ping(number) => WireMessage::Ping(*number),
        Message::Ack(number) => WireMessage::Ack(*number),
        Message::PingReq {
            target,
            probe_number,
        } => WireMessage::PingReq {
            target: probed(target),
            probe_number: *probe_number,
        },
        Message::IndirectPing {
            origin,
            probe_number,
        } => WireMessage::IndirectPing {
            origin: probed(origin),
            probe_number: *probe_number,
        },
        Message::IndirectAck {
            target,
            probe_number,
        } => WireMessage::IndirectAck {
            target: probed(target),
            probe_number: *probe_number,
        },
        Message::ForwardedAck {
            origin,
            probe_number,
        } => WireMessage::ForwardedAck {
            origin: probed(origin),
            probe_number: *probe_number,
        },
        Message::Announce => WireMessage::Announce,
        Message::Feed => WireMessage::Feed,
        // foca's custom broadcasts are not used, and it sends none unasked.
        Message::Gossip | Message::Broadcast => WireMessage::Gossip,
        Message::TurnUndead => WireMessage::TurnUndead,
    };
    encode(&wire, out);
}

/// What foca has written, from what follows the full head: the sender's incarnation, the message, and the packet
/// as it goes on the wire. A count of no updates is left out there, as long as nothing follows it: most packets are
/// probes and answers that have none.
pub(in crate::gossip) fn written(
    packet: &[u8],
) -> Result<(u16, Message<PeerId>, &[u8]), Malformed> {
    let mut rest = packet;
    let (incarnation, message) = read_message(&mut rest)?;
    let bare = match rest {
        [0, 0] => &packet[..packet.len() - rest.len()],
        _ => packet,
    };
    Ok((incarnation, message, bare))
}

fn read_message(bytes: &mut &[u8]) -> Result<(u16, Message<PeerId>), Malformed> {
    let incarnation = decode(bytes)?;
    let message = match decode(bytes)? {
        WireMessage::Ping(number) => Message::Ping(number),
        WireMessage::Ack(number) => Message::Ack(number),
        WireMessage::PingReq {
            target,
            probe_number,
        } => Message::PingReq {
            target: target.into(),
            probe_number,
        },
        WireMessage::IndirectPing {
            origin,
            probe_number,
        } => Message::IndirectPing {
            origin: origin.into(),
            probe_number,
        },
        WireMessage::IndirectAck {
            target,
            probe_number,
        } => Message::IndirectAck {
            target: target.into(),
            probe_number,
        },
        WireMessage::ForwardedAck {
            origin,
            probe_number,
        } => Message::ForwardedAck {
            origin: origin.into(),
            probe_number,
        },
        WireMessage::Announce => Message::Announce,
        WireMessage::Feed => Message::Feed,
        WireMessage::Gossip => Message::Gossip,
        WireMessage::TurnUndead => Message::TurnUndead,
    };
    Ok((incarnation, message))
}

fn write_member(member: &Member<PeerId>, out: &mut Vec<u8>) {
    let wire = WireMember {
        id: (*member.id()).into(),
        incarnation: member.incarnation(),
        health: health(member.state()),
        extensions: Extensions::default(),
    };
    encode(&wire, out);
}

fn read_member(bytes: &mut &[u8]) -> Result<(Member<PeerId>, Word, u64), Malformed> {
    let wire: WireMember = decode(bytes)?;
    let (word, unknown) = Word::of(&wire.extensions)?;
    Ok((
        Member::new(wire.id.into(), wire.incarnation, state(wire.health)),
        word,
        unknown,
    ))
}

/// foca's word for it in ours.
pub(in crate::gossip) const fn health(state: State) -> Health {
    match state {
        State::Alive => Health::Alive,
        State::Suspect => Health::Suspect,
        State::Down => Health::Down,
    }
}

/// Our word for it in foca's.
pub(in crate::gossip) const fn state(health: Health) -> State {
    match health {
        Health::Alive => State::Alive,
        Health::Suspect => State::Suspect,
        Health::Down => State::Down,
    }
}

#[cfg(test)]
mod tests {
    use foca::Codec;

    use super::*;

    fn peer(port: u16) -> PeerId {
        PeerId::new(
            SocketAddr::from(([127, 0, 0, 1], port)),
            1_800_000_000_000,
            u64::from(port),
        )
    }

    #[test]
    fn foca_reads_what_it_wrote() {
        let messages = [
            Message::Ping(3),
            Message::PingReq {
                target: peer(3),
                probe_number: 9,
            },
            Message::IndirectPing {
                origin: peer(3),
                probe_number: 9,
            },
            Message::IndirectAck {
                target: peer(3),
                probe_number: 9,
            },
            Message::ForwardedAck {
                origin: peer(3),
                probe_number: 9,
            },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::TurnUndead,
        ];
        let mut codec = SwimCodec::default();
        for message in messages {
            let header = Header {
                src: peer(1),
                src_incarnation: 300,
                dst: peer(2),
                message,
            };
            let mut bytes = Vec::new();
            codec.encode_header(&header, &mut bytes).unwrap();
            assert_eq!(codec.decode_header(&mut &bytes[..]).unwrap(), header);
        }
    }

    #[test]
    fn a_member_that_does_not_fit_is_an_error_and_not_a_panic() {
        let mut codec = SwimCodec::default();
        let mut room = [0_u8; 8];
        assert!(
            codec
                .encode_member(&Member::alive(peer(1)), &mut room[..])
                .is_err()
        );
    }

    #[test]
    fn a_packet_is_written_as_it_was_read() {
        let updates = vec![
            Member::alive(peer(3)),
            Member::new(peer(4), 5, State::Suspect),
        ];
        let header = Header {
            src: peer(1),
            src_incarnation: 2,
            dst: peer(2),
            message: Message::Ack(1),
        };
        let packet = SwimPacket {
            header,
            updates,
            unknown_extensions: 0,
        };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        assert_eq!(
            SwimPacket::read(peer(1), peer(2), &bytes[HEAD_BYTES..]),
            Ok(packet)
        );
    }
}
