//! Golden vectors: the bytes of the wire, spelled out.
//!
//! A change of a schema, of the encoding or of a number that stands for something fails here. That is
//! the point: clusters are upgraded one process at a time, so what is on the wire stays readable.
//! Whoever has to change a vector has to raise
//! [`FORMAT_VERSION`](super::frame::FORMAT_VERSION), or to show why a build from before still reads
//! it.
//!
//! Each payload is also read and written by `wincode`, from the same schemas ([`mirror`]): proof that
//! bincode, which nobody maintains, can be replaced without a change on the wire.
//!
//! A vector is hexadecimal; what follows a `;` says what the bytes are. Integers are little-endian
//! and of variable length: up to 250 in one byte, else `fb` and two bytes, `fc` and four, or `fd`
//! and eight.

mod asking;
mod mirror;
mod outside;
mod sealed;
mod signed;
mod words;

use std::{fmt::Debug, net::SocketAddr, sync::Arc};

use foca::{Header, Member, Message as FocaMessage, State};
use wincode::{SchemaReadOwned, SchemaWrite};

use super::{
    codec::{Decode, Encode, decode_whole, encode},
    content::{Content, WireInstance},
    extensions::Extensions,
    frame::{ClusterTag, HEADER_BYTES, PREAMBLE_BYTES, Preamble},
    message::{
        Chunk, Cookie, Cursor, Digest, Health, Hello, Inventory, Item, MemberItem, Message, News,
        Page, Part, Pull, RecordItem, RecordKey, Standing, SwimHead, Welcome, WirePeer,
    },
    swim::{HEAD_BYTES, SwimPacket, written},
};
use crate::{
    gossip::identity::PeerId,
    registry::{ServiceInstance, Status},
    table::Owner,
};

const BOOT: u64 = 0x1A31_85C5_0000_0007;

fn v4() -> SocketAddr {
    "192.0.2.7:7946".parse().unwrap()
}

fn v6() -> SocketAddr {
    "[2001:db8::7]:250".parse().unwrap()
}

fn id(addr: SocketAddr, renewal: u32) -> PeerId {
    PeerId {
        addr,
        boot: BOOT,
        renewal,
    }
}

fn peer(addr: SocketAddr, renewal: u32) -> WirePeer {
    id(addr, renewal).into()
}

fn key(addr: SocketAddr, service: &str) -> RecordKey {
    RecordKey::new(Owner { addr, boot: BOOT }, service)
}

/// The bytes of a vector.
fn bytes(golden: &str) -> Vec<u8> {
    let line = |line: &str| line.split(';').next().unwrap_or_default().to_owned();
    let digits: Vec<char> = golden
        .lines()
        .flat_map(|l| line(l).chars().collect::<Vec<_>>())
        .filter(|c| !c.is_whitespace())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte");
    let digit = |c: char| u8::try_from(c.to_digit(16).expect("hexadecimal")).unwrap();
    digits
        .chunks(2)
        .map(|byte| digit(byte[0]) << 4 | digit(byte[1]))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// `M` is the mirror of what is inside of `message`.
fn pinned<M>(kind: u8, message: &Message<'_>, golden: &str)
where
    M: Debug + SchemaReadOwned<mirror::Standard, Dst = M> + SchemaWrite<mirror::Standard, Src = M>,
{
    let golden = bytes(golden);
    let mut written = Vec::new();
    assert_eq!(message.write(&mut written), kind);
    assert_eq!(hex(&written), hex(&golden), "{message:?}");
    let (read, unknown_extensions) = Message::read(kind, &golden).unwrap();
    assert_eq!((&read, unknown_extensions), (message, 0));
    let mirrored = format!("{:?}", mirror::reread::<M>(&golden));
    let variant = format!("{message:?}");
    assert_eq!(
        format!("({mirrored})"),
        variant[variant.find('(').unwrap()..]
    );
}

#[test]
fn a_hello() {
    let hello = Hello {
        token: 0x0102_0304_0506_0708,
        cookie: 0,
        me: peer(v4(), 1),
        to: v6(),
        known: Some(Standing {
            boot: BOOT,
            renewal: 250,
            health: Health::Down,
        }),
        joining: true,
        padding: vec![0; 3],
    };
    pinned::<mirror::Hello>(
        2,
        &Message::Hello(hello),
        "
        fd 0807060504030201             ; token
        00                              ; cookie
        00 c0000207 fb0a1f              ; me: IPv4, octets, port
        fd 07000000c585311a             ;     boot
        01                              ;     renewal
        01 20010db8000000000000000000000007 fa  ; to: IPv6, octets, port
        01                              ; known
        fd 07000000c585311a             ;     boot
        fa                              ;     renewal
        02                              ;     down
        01                              ; joining
        03 000000                       ; padding
        ",
    );
}

#[test]
fn a_welcome() {
    let welcome = Welcome {
        token: 251,
        cookie: 65_536,
        me: peer(v6(), 0),
        observed: v4(),
        known: None,
        accepted: false,
    };
    pinned::<mirror::Welcome>(
        3,
        &Message::Welcome(welcome),
        "
        fb fb00                         ; token
        fc 00000100                     ; cookie
        01 20010db8000000000000000000000007 fa  ; me: IPv6, octets, port
        fd 07000000c585311a             ;     boot
        00                              ;     renewal
        00 c0000207 fb0a1f              ; observed
        00                              ; known
        00                              ; accepted
        ",
    );
}

#[test]
fn a_cookie() {
    let value = 0x0102_0304_0506;
    for (cookie, golden) in [
        (Cookie::new(value), "010203040506"),
        (Cookie::echoing(value), "010203040506 0100"),
    ] {
        let message = Message::Cookie(cookie);
        let golden = bytes(golden);
        let mut written = Vec::new();
        assert_eq!(message.write(&mut written), 4);
        assert_eq!(hex(&written), hex(&golden), "{message:?}");
        assert_eq!(Message::read(4, &golden), Ok((message, 0)));
        let mirrored = format!("{:?}", mirror::reread::<mirror::Cookie>(&golden[..6]));
        assert_eq!(mirrored, "Cookie { cookie: [1, 2, 3, 4, 5, 6] }");
    }
}

#[test]
fn news() {
    let items = vec![
        Item::Record {
            key: key(v4(), "user"),
            seq: 1 << 32,
            content: &[0xAB, 0xCD],
        },
        Item::Notice {
            key: key(v6(), ""),
            seq: 250,
            length: 65_535,
        },
    ];
    pinned::<mirror::News>(
        5,
        &Message::News(News { items }),
        "
        02                              ; items
        00                              ; a record
        00 c0000207 fb0a1f              ;     key: address
        fd 07000000c585311a             ;          boot
        04 75736572                     ;          service
        fd 0000000001000000             ;     seq
        02 abcd                         ;     content
        01                              ; a notice
        01 20010db8000000000000000000000007 fa
        fd 07000000c585311a
        00                              ;          service
        fa                              ;     seq
        fb ffff                         ;     length
        ",
    );
}

#[test]
fn a_digest() {
    let mut buckets = [0.into(); crate::table::BUCKETS];
    buckets[0] = 0xFFFF_0102_0304_0506.into();
    buckets[127] = u64::MAX.into();
    let digest = Digest {
        session: 9,
        buckets,
        after: Some(Cursor::Record(key(v4(), "a"))),
    };
    let zeros = "00".repeat(6 * 126);
    pinned::<mirror::Digest>(
        6,
        &Message::Digest(Box::new(digest)),
        &format!(
            "
            09                          ; session
            010203040506                ; 128 buckets, the low 48 bits of each, big-endian
            {zeros}
            ffffffffffff
            01                          ; after
            01                          ; a record
            00 c0000207 fb0a1f
            fd 07000000c585311a
            01 61
            "
        ),
    );
}

#[test]
fn an_inventory() {
    let inventory = Inventory {
        part: Part {
            session: 70_000,
            index: 255,
            count: 0,
            next: Some(Cursor::Member(v6())),
        },
        members: vec![MemberItem {
            id: peer(v4(), 0),
            incarnation: 251,
            health: Health::Suspect,
        }],
        records: vec![RecordItem {
            key: key(v4(), "a"),
            seq: 3,
            hash: 0x1122_3344_5566_7788,
        }],
    };
    pinned::<mirror::Inventory>(
        7,
        &Message::Inventory(inventory),
        "
        fc 70110100                     ; part: session
        ff                              ;       index, a plain byte
        00                              ;       count, a plain byte
        01                              ;       next
        00                              ;       a member
        01 20010db8000000000000000000000007 fa
        01                              ; members
        00 c0000207 fb0a1f fd 07000000c585311a 00
        fb fb00                         ;     incarnation
        01                              ;     suspect
        01                              ; records
        00 c0000207 fb0a1f fd 07000000c585311a 01 61
        03                              ;     seq
        fd 8877665544332211             ;     hash
        ",
    );
}

#[test]
fn pulls() {
    let all = Pull::All {
        session: 1,
        after: None,
    };
    pinned::<mirror::Pull>(8, &Message::Pull(all), "00 01 00");
    let records = Pull::Records {
        session: 2,
        keys: vec![key(v4(), "a")],
    };
    pinned::<mirror::Pull>(
        8,
        &Message::Pull(records),
        "
        01                              ; records
        02                              ; session
        01                              ; keys
        00 c0000207 fb0a1f fd 07000000c585311a 01 61
        ",
    );
    let chunks = Pull::Chunks {
        key: key(v4(), "a"),
        seq: 5,
        chunks: vec![0, 300],
    };
    pinned::<mirror::Pull>(
        8,
        &Message::Pull(chunks),
        "
        02                              ; chunks
        00 c0000207 fb0a1f fd 07000000c585311a 01 61
        05                              ; seq
        02 00 fb2c01                    ; which
        ",
    );
}

#[test]
fn a_page() {
    let page = Page {
        part: Part {
            session: 4,
            index: 1,
            count: 2,
            next: None,
        },
        members: vec![MemberItem {
            id: peer(v6(), 2),
            incarnation: 0,
            health: Health::Alive,
        }],
        items: vec![Item::Notice {
            key: key(v4(), "a"),
            seq: 6,
            length: 7,
        }],
    };
    pinned::<mirror::Page>(
        9,
        &Message::Page(page),
        "
        04 01 02 00                     ; part: session, index, count, next
        01                              ; members
        01 20010db8000000000000000000000007 fa
        fd 07000000c585311a
        02                              ;     renewal
        00                              ;     incarnation
        00                              ;     alive
        01                              ; items
        01 00 c0000207 fb0a1f fd 07000000c585311a 01 61
        06 07
        ",
    );
}

#[test]
fn a_chunk() {
    let chunk = Chunk {
        key: key(v4(), "a"),
        seq: 8,
        length: 65_536,
        number: 65_535,
        bytes: vec![1, 2, 3],
    };
    pinned::<mirror::Chunk>(
        10,
        &Message::Chunk(chunk),
        "
        00 c0000207 fb0a1f fd 07000000c585311a 01 61
        08                              ; seq
        fc 00000100                     ; length
        fb ffff                         ; which
        03 010203
        ",
    );
}

/// A SWIM payload. On the wire foca's own head, both identities in full, is left out.
fn swim_pinned<M>(head: SwimHead, message: FocaMessage<PeerId>, golden: &str) -> M
where
    M: Debug + SchemaReadOwned<mirror::Standard, Dst = M> + SchemaWrite<mirror::Standard, Src = M>,
{
    let bare = matches!(message, FocaMessage::Announce | FocaMessage::TurnUndead);
    let members = [
        Member::new(id(v4(), 1), 251, State::Suspect),
        Member::new(id(v6(), 0), 0, State::Down),
    ];
    let packet = SwimPacket {
        header: Header {
            src: id(v4(), 3),
            src_incarnation: 300,
            dst: id(v6(), 0),
            message,
        },
        updates: if bare { Vec::new() } else { members.into() },
        unknown_extensions: 0,
    };
    let mut full = Vec::new();
    packet.write(&mut full);
    let golden = bytes(golden);
    let mut written = Vec::new();
    assert_eq!(
        Message::Swim(head, &full[HEAD_BYTES..]).write(&mut written),
        1
    );
    assert_eq!(hex(&written), hex(&golden), "{:?}", packet.header.message);
    let (Message::Swim(read, rest), 0) = Message::read(1, &golden).unwrap() else {
        panic!("another kind");
    };
    assert_eq!(read, head);
    assert_eq!(
        SwimPacket::read(packet.header.src, packet.header.dst, rest),
        Ok(packet)
    );
    mirror::reread(&golden)
}

const HEAD: SwimHead = SwimHead {
    renewal: 3,
    advertised: None,
    to: [1, 2, 3, 4],
};
/// [`HEAD`], and foca's incarnation of 300.
const HEAD_GOLDEN: &str = "03 00 01020304 fb2c01";
/// A peer that foca names beside sender and receiver.
const THIRD_GOLDEN: &str = "01 20010db8000000000000000000000007 fa fd 07000000c585311a 05";
const MEMBERS_GOLDEN: &str = "
    0002                                ; how many, big-endian
    00 c0000207 fb0a1f                  ; the first: address
    fd 07000000c585311a                 ;     boot
    01                                  ;     renewal
    fb fb00                             ;     incarnation
    01                                  ;     suspect
    00                                  ;     extensions
    01 20010db8000000000000000000000007 fa
    fd 07000000c585311a
    00
    00                                  ;     incarnation
    02                                  ;     down
    00                                  ;     extensions
";

#[test]
fn a_swim_packet_without_updates_has_no_count() {
    let golden = bytes(&format!("{HEAD_GOLDEN} 00 07"));
    let header = Header {
        src: id(v4(), 3),
        src_incarnation: 300,
        dst: id(v6(), 0),
        message: FocaMessage::Ping(7),
    };
    let packet = SwimPacket {
        header,
        updates: Vec::new(),
        unknown_extensions: 0,
    };
    let mut full = Vec::new();
    packet.write(&mut full);
    let ours = &full[HEAD_BYTES..];
    // foca writes the count.
    let focas = [ours, &[0, 0]].concat();
    let (300, FocaMessage::Ping(7), bare) = written(&focas).unwrap() else {
        panic!("it is that ping");
    };
    assert_eq!(bare, ours);
    let mut sent = Vec::new();
    Message::Swim(HEAD, bare).write(&mut sent);
    assert_eq!(hex(&sent), hex(&golden));
    let (Message::Swim(_, rest), 0) = Message::read(1, &golden).unwrap() else {
        panic!("it is a swim packet");
    };
    assert_eq!(SwimPacket::read(id(v4(), 3), id(v6(), 0), rest), Ok(packet));
}

#[test]
fn a_swim_packet() {
    let head = SwimHead {
        renewal: 3,
        advertised: Some(v4()),
        to: [1, 2, 3, 4],
    };
    let swim: mirror::Swim<2> = swim_pinned(
        head,
        FocaMessage::Ping(7),
        &format!(
            "
            03                          ; head: renewal
            01 00 c0000207 fb0a1f       ;       advertised
            01020304                    ;       to
            fb 2c01                     ; incarnation
            00 07                       ; ping
            {MEMBERS_GOLDEN}"
        ),
    );
    assert_eq!(format!("{:?}", swim.head), format!("{head:?}"));
    assert_eq!((swim.incarnation, swim.count), (300, [0, 2]));
    assert_eq!(format!("{:?}", swim.message), "Ping(7)");
    let members = format!("{:?}", swim.members);
    assert!(
        members.contains("incarnation: 251, health: Suspect"),
        "{members}"
    );
    assert!(
        members.contains("incarnation: 0, health: Down"),
        "{members}"
    );
}

#[test]
fn each_swim_message() {
    let third = id(v6(), 5);
    let with_members = [
        (FocaMessage::Ack(255), "01 ff".to_owned()),
        (
            FocaMessage::PingReq {
                target: third,
                probe_number: 1,
            },
            format!("02 {THIRD_GOLDEN} 01"),
        ),
        (
            FocaMessage::IndirectPing {
                origin: third,
                probe_number: 2,
            },
            format!("03 {THIRD_GOLDEN} 02"),
        ),
        (
            FocaMessage::IndirectAck {
                target: third,
                probe_number: 3,
            },
            format!("04 {THIRD_GOLDEN} 03"),
        ),
        (
            FocaMessage::ForwardedAck {
                origin: third,
                probe_number: 4,
            },
            format!("05 {THIRD_GOLDEN} 04"),
        ),
        (FocaMessage::Feed, "07".to_owned()),
        (FocaMessage::Gossip, "08".to_owned()),
    ];
    for (message, golden) in with_members {
        let golden = format!("{HEAD_GOLDEN} {golden} {MEMBERS_GOLDEN}");
        let expected = format!("{message:?}");
        let swim: mirror::Swim<2> = swim_pinned(HEAD, message, &golden);
        same_variant(&swim.message, &expected);
    }
    for (message, golden) in [
        (FocaMessage::Announce, "06"),
        (FocaMessage::TurnUndead, "09"),
    ] {
        let expected = format!("{message:?}");
        let golden = format!("{HEAD_GOLDEN} {golden}");
        let swim: mirror::BareSwim = swim_pinned(HEAD, message, &golden);
        assert_eq!(swim.incarnation, 300);
        assert_eq!(format!("{:?}", swim.head), format!("{HEAD:?}"));
        same_variant(&swim.message, &expected);
    }
}

/// foca's identities print otherwise than those on the wire: what stands around them is compared.
fn same_variant(mirrored: &mirror::WireMessage, expected: &str) {
    let mirrored = format!("{mirrored:?}");
    let around = |text: &str| {
        let (variant, number) = (text.split(": ").next(), text.rsplit(": ").next());
        (variant.map(str::to_owned), number.map(str::to_owned))
    };
    assert_eq!(around(&mirrored), around(expected));
}

/// `M` is the mirror of `T`.
fn value_pinned<T, M>(value: &T, golden: &str)
where
    T: Debug + PartialEq + Encode + Decode<()>,
    M: Debug + SchemaReadOwned<mirror::Standard, Dst = M> + SchemaWrite<mirror::Standard, Src = M>,
{
    let golden = bytes(golden);
    let mut written = Vec::new();
    encode(value, &mut written);
    assert_eq!(hex(&written), hex(&golden), "{value:?}");
    assert_eq!(decode_whole::<T>(&golden).as_ref(), Ok(value));
    assert_eq!(
        format!("{:?}", mirror::reread::<M>(&golden)),
        format!("{value:?}")
    );
}

const INSTANCE_GOLDEN: &str = "
    01                                  ; instances
    01 61                               ; id
    05 312e342e32                       ; version
    01                                  ; metadata
    04 7a6f6e65                         ;     key
    04 65752d31                         ;     value
    01                                  ; endpoints
    14 687474703a2f2f31302e302e302e393a38303030
    02                                  ; status: draining
";

fn wire_instance(extensions: Extensions) -> WireInstance {
    WireInstance {
        id: "a".to_owned(),
        version: "1.4.2".to_owned(),
        metadata: vec![("zone".to_owned(), "eu-1".to_owned())],
        endpoints: vec!["http://10.0.0.9:8000".to_owned()],
        status: 2,
        extensions,
    }
}

fn instance() -> ServiceInstance {
    ServiceInstance::builder("user")
        .id("a")
        .version("1.4.2")
        .endpoint("http://10.0.0.9:8000")
        .metadata("zone", "eu-1")
        .status(Status::Draining)
        .build()
        .unwrap()
}

#[test]
fn the_content_of_a_record() {
    let golden = format!("{INSTANCE_GOLDEN} 00 00 ; extensions: of the instance, of the record");
    let written = super::content::write([instance().into()].iter());
    assert_eq!(hex(&written), hex(&bytes(&golden)));
    let content = Content {
        instances: vec![wire_instance(Extensions::default())],
        extensions: Extensions::default(),
    };
    value_pinned::<Content, mirror::Content>(&content, &golden);
    let empty = Content {
        instances: Vec::new(),
        extensions: Extensions::default(),
    };
    value_pinned::<Content, mirror::Content>(&empty, "00 00");
}

#[test]
fn the_numbers_of_the_statuses() {
    for (status, number) in [
        (Status::Up, 0),
        (Status::Unhealthy, 1),
        (Status::Draining, 2),
    ] {
        let instance = ServiceInstance::builder("user").id("a").status(status);
        let written = super::content::write([instance.build().unwrap().into()].iter());
        let content: Content = decode_whole(&written).unwrap();
        assert_eq!(content.instances[0].status, number);
    }
}

#[test]
fn extensions_that_a_later_build_writes() {
    let one = bytes("07 06 667574757265 ; tag, length, value");
    let content = Content {
        instances: vec![wire_instance(Extensions(one.clone()))],
        extensions: Extensions(bytes("fb0001 00 ; tag 256, no value")),
    };
    let golden = format!(
        "{INSTANCE_GOLDEN}
        08 0706667574757265             ; extensions of the instance
        04 fb000100                     ; extensions of the record
        "
    );
    value_pinned::<Content, mirror::Content>(&content, &golden);
    let understood = super::content::read("user", &bytes(&golden)).unwrap();
    assert_eq!(understood.unknown_extensions, 2);

    let mut cookie = bytes("000000000005");
    cookie.extend_from_slice(&one);
    let expected = Message::Cookie(Cookie::new(5));
    assert_eq!(Message::read(4, &cookie), Ok((expected, 1)));
}

/// The frame is of fixed size and big-endian throughout: bincode has no part in it.
#[test]
fn the_frame() {
    let preamble = Preamble {
        session: *b"0123456789abcdef",
        nonce: 0x0102_0304_0506_0708,
        boot: BOOT,
        fingerprint: 0xF0E0_D0C0_B0A0_9080,
        kind: 5,
    };
    let golden = bytes(
        "
        01                                  ; format version
        00                                  ; key id: not sealed
        30313233343536373839616263646566    ; session
        0102030405060708                    ; nonce
        8d9001d3                            ; cluster: SHA-256 of `shop`
        1a3185c500000007                    ; boot
        f0e0d0c0b0a09080                    ; fingerprint
        05                                  ; kind
        ",
    );
    assert_eq!(golden.len(), HEADER_BYTES + PREAMBLE_BYTES);
    let mut written = Vec::new();
    preamble.write(ClusterTag::of("shop"), &mut written);
    assert_eq!(hex(&written), hex(&golden));
    let read = Preamble::read(&golden, ClusterTag::of("shop"));
    assert_eq!(read, Ok((preamble, &[][..])));
}
