//! The schemas of the wire once more, for `wincode`.
//!
//! Each type has the name and the fields of the one that it mirrors, so that both print the same:
//! that is how the tests compare them. The derived code is all that replacing bincode would take;
//! no field needed a schema of its own. What makes it so:
//!
//! - `wincode` is told to use variable-length integers; lengths (`u64`) and the numbers of enum
//!   variants (`u32`) then follow the same rule, as in bincode's standard configuration;
//! - an `Option` begins with a plain byte, and an array has no length, in both;
//! - `wincode` writes a `SocketAddr` as bincode does: a variant, the octets, the port; of an IPv6
//!   address neither flow nor scope.

use std::net::SocketAddr;

use wincode::{
    SchemaRead, SchemaReadOwned, SchemaWrite,
    config::{Configuration, DefaultConfig},
    int_encoding::{LittleEndian, VarInt},
    len::BincodeLen,
};

use crate::table::BUCKETS;

/// bincode's standard configuration, as `wincode` says it. The limit on what is allocated ahead is
/// `wincode`'s default, 4 MiB, which is also ours.
pub(super) type Standard = Configuration<
    true,
    { wincode::config::DEFAULT_PREALLOCATION_SIZE_LIMIT },
    BincodeLen,
    LittleEndian,
    VarInt,
>;

const fn standard() -> Standard {
    let fixed: DefaultConfig = Configuration::default();
    fixed.with_varint_encoding()
}

/// Reads all of `bytes`, and shows that writing gives them again.
pub(super) fn reread<T>(bytes: &[u8]) -> T
where
    T: SchemaReadOwned<Standard, Dst = T> + SchemaWrite<Standard, Src = T>,
{
    let value: T = wincode::config::deserialize_exact(bytes, standard()).unwrap();
    let again = wincode::config::serialize(&value, standard()).unwrap();
    assert_eq!(again, bytes, "wincode writes something else");
    value
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum Health {
    Alive,
    Suspect,
    Down,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct WirePeer {
    addr: SocketAddr,
    boot: u64,
    renewal: u32,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Standing {
    boot: u64,
    renewal: u32,
    health: Health,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Hello {
    token: u64,
    cookie: u64,
    me: WirePeer,
    to: SocketAddr,
    known: Option<Standing>,
    joining: bool,
    padding: Vec<u8>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Welcome {
    token: u64,
    cookie: u64,
    me: WirePeer,
    observed: SocketAddr,
    known: Option<Standing>,
    accepted: bool,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Cookie {
    cookie: [u8; 6],
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct RecordKey {
    addr: SocketAddr,
    boot: u64,
    service: String,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum Item {
    Record {
        key: RecordKey,
        seq: u64,
        content: Vec<u8>,
    },
    Notice {
        key: RecordKey,
        seq: u64,
        length: u32,
    },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct News {
    items: Vec<Item>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct BucketSum([u8; 6]);

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Digest {
    session: u64,
    buckets: [BucketSum; BUCKETS],
    after: Option<Cursor>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum Cursor {
    Member(SocketAddr),
    Record(RecordKey),
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct MemberItem {
    id: WirePeer,
    incarnation: u16,
    health: Health,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct RecordItem {
    key: RecordKey,
    seq: u64,
    hash: u64,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Part {
    session: u64,
    index: u8,
    count: u8,
    next: Option<Cursor>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Inventory {
    part: Part,
    members: Vec<MemberItem>,
    records: Vec<RecordItem>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum Pull {
    All {
        session: u64,
        after: Option<Cursor>,
    },
    Records {
        session: u64,
        keys: Vec<RecordKey>,
    },
    Chunks {
        key: RecordKey,
        seq: u64,
        chunks: Vec<u16>,
    },
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Page {
    part: Part,
    members: Vec<MemberItem>,
    items: Vec<Item>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Chunk {
    key: RecordKey,
    seq: u64,
    length: u32,
    number: u16,
    bytes: Vec<u8>,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Ping {
    token: u32,
    to: [u8; 4],
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Pong {
    token: u32,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Ask {
    token: u32,
    about: WirePeer,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum Outcome {
    Answers,
    Silent,
    Refused,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct HeldKey {
    key: [u8; 8],
    me: SocketAddr,
    asks: bool,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Finding {
    token: u32,
    outcome: Outcome,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct SwimHead {
    renewal: u32,
    advertised: Option<SocketAddr>,
    to: [u8; 4],
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) enum WireMessage {
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

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct WireMember {
    id: WirePeer,
    incarnation: u16,
    health: Health,
    extensions: Extensions,
}

/// A whole SWIM payload. foca writes the number of members itself, as two bytes, big-endian; so
/// it is two bytes here and no integer, and the members that follow have no length of their own.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Swim<const MEMBERS: usize> {
    pub(super) head: SwimHead,
    pub(super) incarnation: u16,
    pub(super) message: WireMessage,
    pub(super) count: [u8; 2],
    pub(super) members: [WireMember; MEMBERS],
}

/// A SWIM payload of a message that carries no members.
#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct BareSwim {
    pub(super) head: SwimHead,
    pub(super) incarnation: u16,
    pub(super) message: WireMessage,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Extensions(Vec<u8>);

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct WireInstance {
    id: String,
    version: String,
    metadata: Vec<(String, String)>,
    endpoints: Vec<String>,
    status: u8,
    extensions: Extensions,
}

#[derive(Debug, SchemaRead, SchemaWrite)]
pub(super) struct Content {
    instances: Vec<WireInstance>,
    extensions: Extensions,
}
