//! The kinds of payload, and what each holds.

use std::net::SocketAddr;

use super::{
    codec::{BorrowDecode, Decode, Encode, Malformed, decode, decode_borrowed, encode},
    extensions,
    word::Trailer,
};
use crate::{
    gossip::identity::PeerId,
    table::{BUCKETS, Owner},
};

/// The numbers of the kinds.
pub(in crate::gossip) mod kind {
    pub(in crate::gossip) const SWIM: u8 = 1;
    pub(in crate::gossip) const HELLO: u8 = 2;
    pub(in crate::gossip) const WELCOME: u8 = 3;
    pub(in crate::gossip) const COOKIE: u8 = 4;
    pub(in crate::gossip) const NEWS: u8 = 5;
    pub(in crate::gossip) const DIGEST: u8 = 6;
    pub(in crate::gossip) const INVENTORY: u8 = 7;
    pub(in crate::gossip) const PULL: u8 = 8;
    pub(in crate::gossip) const PAGE: u8 = 9;
    pub(in crate::gossip) const CHUNK: u8 = 10;
    pub(in crate::gossip) const PING: u8 = 11;
    pub(in crate::gossip) const PONG: u8 = 12;
    pub(in crate::gossip) const ASK: u8 = 13;
    pub(in crate::gossip) const FINDING: u8 = 14;
    pub(in crate::gossip) const HELD_KEY: u8 = 20;
}

/// How a member is believed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(in crate::gossip) enum Health {
    Alive,
    Suspect,
    Down,
}

/// An identity on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct WirePeer {
    addr: SocketAddr,
    boot: u64,
    renewal: u32,
}

impl From<PeerId> for WirePeer {
    fn from(id: PeerId) -> Self {
        Self {
            addr: id.addr,
            boot: id.boot,
            renewal: id.renewal,
        }
    }
}

impl From<WirePeer> for PeerId {
    fn from(peer: WirePeer) -> Self {
        Self {
            addr: peer.addr,
            boot: peer.boot,
            renewal: peer.renewal,
        }
    }
}

/// What the sender knows of the identity that holds the receiver's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Standing {
    pub(in crate::gossip) boot: u64,
    pub(in crate::gossip) renewal: u32,
    pub(in crate::gossip) health: Health,
}

/// The first word to an address: of a joiner to a seed, or to a peer that was lost.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Hello {
    /// Comes back in the welcome.
    pub(in crate::gossip) token: u64,
    /// What the receiver gave to prove the sender's address; zero at first.
    pub(in crate::gossip) cookie: u64,
    pub(in crate::gossip) me: WirePeer,
    /// The address that is called, by which a node recognises a call to itself.
    pub(in crate::gossip) to: SocketAddr,
    pub(in crate::gossip) known: Option<Standing>,
    /// Whether the sender holds no table yet and wants all of it.
    pub(in crate::gossip) joining: bool,
    /// Makes the datagram at least as large as the answer, see [`Welcome`].
    pub(in crate::gossip) padding: Vec<u8>,
}

/// The answer to a hello. It is never larger than the hello, because the hello's address is not
/// proven: a forged one must not make this node send much to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Welcome {
    pub(in crate::gossip) token: u64,
    pub(in crate::gossip) cookie: u64,
    pub(in crate::gossip) me: WirePeer,
    /// From where the hello came.
    pub(in crate::gossip) observed: SocketAddr,
    pub(in crate::gossip) known: Option<Standing>,
    /// The cookie was good: the sender of the hello is taken for a member.
    pub(in crate::gossip) accepted: bool,
}

/// The answer to anything else from an address that is not proven. No larger than any such datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Cookie {
    /// The low 48 bits; the high ones are zero. In a fixed length, so that it is no longer than a packet of
    /// foca's that says nothing.
    cookie: [u8; 6],
    /// Whether the mark of the challenged datagram stands in the place of the fingerprint.
    pub(in crate::gossip) echoes: bool,
}

/// The extension of a cookie that echoes. It has no value: a longer cookie would be larger than the
/// smallest datagram that it answers.
const ECHO: u32 = 1;

impl Cookie {
    /// As builds before the echo write it.
    pub(in crate::gossip) const fn new(cookie: u64) -> Self {
        let [_, _, cookie @ ..] = cookie.to_be_bytes();
        Self {
            cookie,
            echoes: false,
        }
    }

    pub(in crate::gossip) const fn echoing(cookie: u64) -> Self {
        Self {
            echoes: true,
            ..Self::new(cookie)
        }
    }

    fn read(bytes: &mut &[u8]) -> Result<(Self, u64), Malformed> {
        let cookie = decode(bytes)?;
        let (echoes, unknown) = extensions::find(bytes, Some(ECHO))?;
        Ok((Self { cookie, echoes }, unknown))
    }

    fn write(self, out: &mut Vec<u8>) {
        encode(&self.cookie, out);
        if self.echoes {
            encode(&(ECHO, [0_u8; 0].as_slice()), out);
        }
    }

    pub(in crate::gossip) fn value(self) -> u64 {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&self.cookie);
        u64::from_be_bytes(bytes)
    }
}

/// Whose record it is, and of which service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(in crate::gossip) struct RecordKey {
    addr: SocketAddr,
    boot: u64,
    pub(in crate::gossip) service: String,
}

impl RecordKey {
    pub(in crate::gossip) fn new(owner: Owner, service: &str) -> Self {
        Self {
            addr: owner.addr,
            boot: owner.boot,
            service: service.to_owned(),
        }
    }

    pub(in crate::gossip) const fn owner(&self) -> Owner {
        Owner {
            addr: self.addr,
            boot: self.boot,
        }
    }
}

/// A record, or word of one that is too large to come along.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub(in crate::gossip) enum Item<'a> {
    Record {
        key: RecordKey,
        seq: u64,
        /// Where the datagram has it: most of what comes in is held already, and is only compared.
        content: &'a [u8],
    },
    Notice {
        key: RecordKey,
        seq: u64,
        length: u32,
    },
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub(in crate::gossip) struct News<'a> {
    pub(in crate::gossip) items: Vec<Item<'a>>,
}

/// The low 48 bits of a bucket's sum: with them all sums fit one datagram beside the longest cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct BucketSum([u8; 6]);

impl From<u64> for BucketSum {
    fn from(sum: u64) -> Self {
        let [_, _, low @ ..] = sum.to_be_bytes();
        Self(low)
    }
}

/// "These are the sums of my buckets; list what you hold in those that differ."
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Digest {
    /// Comes back in every part of the answer: random, so that only who was asked can answer.
    pub(in crate::gossip) session: u64,
    pub(in crate::gossip) buckets: [BucketSum; BUCKETS],
    pub(in crate::gossip) after: Option<Cursor>,
}

/// Where a listing goes on: members come first, then records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(in crate::gossip) enum Cursor {
    Member(SocketAddr),
    Record(RecordKey),
}

/// A member as its sender believes it to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct MemberItem {
    pub(in crate::gossip) id: WirePeer,
    pub(in crate::gossip) incarnation: u16,
    pub(in crate::gossip) health: Health,
}

/// A record by name, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct RecordItem {
    pub(in crate::gossip) key: RecordKey,
    pub(in crate::gossip) seq: u64,
    pub(in crate::gossip) hash: u64,
}

/// Which of the datagrams of one answer this is, and where the next answer would begin.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Part {
    /// The id of the request; where a joiner gets pages unasked, the token of its hello.
    pub(in crate::gossip) session: u64,
    pub(in crate::gossip) index: u8,
    pub(in crate::gossip) count: u8,
    /// Nothing when the listing ends with this answer.
    pub(in crate::gossip) next: Option<Cursor>,
}

/// What the sender holds in the buckets that differ.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Inventory {
    pub(in crate::gossip) part: Part,
    pub(in crate::gossip) members: Vec<MemberItem>,
    pub(in crate::gossip) records: Vec<RecordItem>,
}

/// "Send me this."
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) enum Pull {
    /// All that is held, from a point on: what a joiner asks for.
    All { session: u64, after: Option<Cursor> },
    /// These records.
    Records { session: u64, keys: Vec<RecordKey> },
    /// These chunks of a large record.
    Chunks {
        key: RecordKey,
        seq: u64,
        chunks: Vec<u16>,
    },
}

/// Members and records in full.
#[derive(Debug, Clone, PartialEq, Eq, Encode, BorrowDecode)]
pub(in crate::gossip) struct Page<'a> {
    pub(in crate::gossip) part: Part,
    pub(in crate::gossip) members: Vec<MemberItem>,
    pub(in crate::gossip) items: Vec<Item<'a>>,
}

/// A piece of a record that is larger than a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Chunk {
    pub(in crate::gossip) key: RecordKey,
    pub(in crate::gossip) seq: u64,
    /// The length of the whole content in bytes.
    pub(in crate::gossip) length: u32,
    pub(in crate::gossip) number: u16,
    pub(in crate::gossip) bytes: Vec<u8>,
}

/// "Do you live?" Only the identity that is addressed answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Ping {
    /// Comes back in the pong.
    pub(in crate::gossip) token: u32,
    /// Which identity of the receiver is meant, see [`addressee`].
    pub(in crate::gossip) to: [u8; 4],
}

/// "I do."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Pong {
    pub(in crate::gossip) token: u32,
}

/// "I do not reach this member. Do you?"
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Ask {
    /// Comes back in the finding.
    pub(in crate::gossip) token: u32,
    pub(in crate::gossip) about: WirePeer,
}

/// What somebody found who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) enum Outcome {
    /// It answered.
    Answers,
    /// It did not.
    Silent,
    /// Its host said that nothing listens there.
    Refused,
}

/// The answer to an [`Ask`]. Who has reason to doubt itself gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Finding {
    pub(in crate::gossip) token: u32,
    pub(in crate::gossip) outcome: Outcome,
}

/// "I hold this key. Do you?" Sealed, always; an answer asks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct HeldKey {
    /// The start of the key's hash.
    pub(in crate::gossip) key: [u8; 8],
    /// The sender's advertised address, for which a datagram's source is no proof.
    pub(in crate::gossip) me: SocketAddr,
    pub(in crate::gossip) asks: bool,
}

/// What stands before foca's packet: the identities that foca would write out in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct SwimHead {
    pub(in crate::gossip) renewal: u32,
    /// The sender's address, where it is not the one that the datagram comes from, and in every packet that is sealed.
    pub(in crate::gossip) advertised: Option<SocketAddr>,
    /// Which identity of the receiver is addressed, see [`addressee`].
    pub(in crate::gossip) to: [u8; 4],
}

/// An identity of the receiver in four bytes. Its address is where the datagram went; what is left
/// to tell is which of the processes and rebirths on that address is meant. One in four billion older ones is taken
/// for the present one, and then its packet counts as one for us.
pub(in crate::gossip) fn addressee(id: &PeerId) -> [u8; 4] {
    let mixed =
        (id.boot ^ u64::from(id.renewal).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let [a, b, c, d, ..] = mixed.to_be_bytes();
    [a, b, c, d]
}

/// A payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gossip) enum Message<'a> {
    /// foca's packet, still encoded, with what follows it.
    Swim(SwimHead, &'a [u8]),
    Hello(Hello),
    Welcome(Welcome),
    Cookie(Cookie),
    News(News<'a>),
    Digest(Box<Digest>),
    Inventory(Inventory),
    Pull(Pull),
    Page(Page<'a>),
    Chunk(Chunk),
    Ping(Ping),
    Pong(Pong),
    Ask(Ask),
    Finding(Finding),
    HeldKey(HeldKey),
}

/// A payload could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Unusable {
    /// A kind that this build does not know.
    UnknownKind,
    Malformed,
}

impl From<Malformed> for Unusable {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl<'a> Message<'a> {
    /// Reads a payload, and counts the extensions after it that this build does not know.
    #[cfg(any(test, feature = "testing"))]
    pub(in crate::gossip) fn read(kind: u8, bytes: &'a [u8]) -> Result<(Self, u64), Unusable> {
        let (message, trailer) = Self::read_all(kind, bytes)?;
        Ok((message, trailer.unknown))
    }

    /// Reads a payload, and what stands at its end.
    pub(in crate::gossip) fn read_all(
        kind: u8,
        mut bytes: &'a [u8],
    ) -> Result<(Self, Trailer), Unusable> {
        let bytes = &mut bytes;
        let message = match kind {
            kind::SWIM => {
                let head = decode(bytes)?;
                return Ok((Self::Swim(head, bytes), Trailer::default()));
            }
            kind::HELLO => Self::Hello(decode(bytes)?),
            kind::WELCOME => Self::Welcome(decode(bytes)?),
            kind::COOKIE => {
                let (cookie, unknown) = Cookie::read(bytes)?;
                let trailer = Trailer {
                    unknown,
                    ..Trailer::default()
                };
                return Ok((Self::Cookie(cookie), trailer));
            }
            kind::NEWS => Self::News(decode_borrowed(bytes)?),
            kind::DIGEST => Self::Digest(Box::new(decode(bytes)?)),
            kind::INVENTORY => Self::Inventory(decode(bytes)?),
            kind::PULL => Self::Pull(decode(bytes)?),
            kind::PAGE => Self::Page(decode_borrowed(bytes)?),
            kind::CHUNK => Self::Chunk(decode(bytes)?),
            kind::PING => Self::Ping(decode(bytes)?),
            kind::PONG => Self::Pong(decode(bytes)?),
            kind::ASK => Self::Ask(decode(bytes)?),
            kind::FINDING => Self::Finding(decode(bytes)?),
            kind::HELD_KEY => Self::HeldKey(decode(bytes)?),
            _ => return Err(Unusable::UnknownKind),
        };
        Ok((message, Trailer::read(bytes)?))
    }

    /// Writes a payload, and says of which kind it is.
    pub(in crate::gossip) fn write(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Swim(head, packet) => {
                encode(head, out);
                out.extend_from_slice(packet);
                kind::SWIM
            }
            Self::Hello(hello) => put(hello, kind::HELLO, out),
            Self::Welcome(welcome) => put(welcome, kind::WELCOME, out),
            Self::Cookie(cookie) => {
                cookie.write(out);
                kind::COOKIE
            }
            Self::News(news) => put(news, kind::NEWS, out),
            Self::Digest(digest) => put(digest, kind::DIGEST, out),
            Self::Inventory(inventory) => put(inventory, kind::INVENTORY, out),
            Self::Pull(pull) => put(pull, kind::PULL, out),
            Self::Page(page) => put(page, kind::PAGE, out),
            Self::Chunk(chunk) => put(chunk, kind::CHUNK, out),
            Self::Ping(ping) => put(ping, kind::PING, out),
            Self::Pong(pong) => put(pong, kind::PONG, out),
            Self::Ask(ask) => put(ask, kind::ASK, out),
            Self::Finding(finding) => put(finding, kind::FINDING, out),
            Self::HeldKey(held) => put(held, kind::HELD_KEY, out),
        }
    }
}

fn put<T: Encode>(value: &T, kind: u8, out: &mut Vec<u8>) -> u8 {
    encode(value, out);
    kind
}
