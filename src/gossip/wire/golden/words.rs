//! What is said of members beside their state.

use foca::{Header, Member, Message as FocaMessage};

use super::{
    super::{
        message::{Message, Page, Part},
        swim::{HEAD_BYTES, SwimPacket, with_words},
        word::{Capabilities, SessionTag, Trailer, Word, write_capabilities, write_listing},
    },
    bytes, hex, id, v4, v6,
};

fn word() -> Word {
    Word {
        capabilities: Capabilities::OURS,
        vouch: Some(SessionTag::of(&[7; 16])),
    }
}

#[test]
fn a_word_of_a_membership_update_is_its_extension() {
    let packet = SwimPacket {
        header: Header {
            src: id(v4(), 3),
            src_incarnation: 300,
            dst: id(v6(), 0),
            message: FocaMessage::Ping(7),
        },
        updates: vec![Member::alive(id(v4(), 1))],
        unknown_extensions: 0,
    };
    let mut full = Vec::new();
    packet.write(&mut full);
    let golden = bytes(
        "
        fb2c01 00 07                        ; incarnation 300, ping 7
        0001                                ; how many
        00 c0000207 fb0a1f                  ; address
        fd 07000000c585311a                 ; boot
        01                                  ; renewal
        00 00                               ; incarnation, alive
        08 01 06                            ; extensions: tag, length
        01                                  ;     capabilities
        01 07070707                         ;     vouched for, the start of the session id
        ",
    );
    let written = with_words(&full[HEAD_BYTES..], 1_000, |_| word()).unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!(hex(&written[0]), hex(&golden));
    let (src, dst) = (packet.header.src, packet.header.dst);
    let (read, words) = SwimPacket::read_all(src, dst, &golden).unwrap();
    assert_eq!(read, packet);
    assert_eq!(words.get(&id(v4(), 1)), Some(&word()));
    let bare = with_words(&full[HEAD_BYTES..], 1_000, |_| Word::default());
    assert_eq!(bare.unwrap(), [full[HEAD_BYTES..].to_vec()], "as before");
}

#[test]
fn what_has_no_room_beside_its_words_follows_as_gossip() {
    let updates: Vec<_> = (0..40).map(|n| Member::alive(id(v4(), n))).collect();
    let packet = SwimPacket {
        header: Header {
            src: id(v4(), 3),
            src_incarnation: 300,
            dst: id(v6(), 0),
            message: FocaMessage::Ping(7),
        },
        updates: updates.clone(),
        unknown_extensions: 0,
    };
    let mut full = Vec::new();
    packet.write(&mut full);
    let parts = with_words(&full[HEAD_BYTES..], 1_000, |_| word()).unwrap();
    assert!(parts.iter().all(|part| part.len() <= 1_000));
    let read = parts.iter().map(|part| {
        let (src, dst) = (packet.header.src, packet.header.dst);
        SwimPacket::read(src, dst, part).unwrap()
    });
    let read: Vec<_> = read.collect();
    let messages: Vec<_> = read
        .iter()
        .map(|part| part.header.message.clone())
        .collect();
    assert_eq!(messages, [FocaMessage::Ping(7), FocaMessage::Gossip]);
    let all: Vec<_> = read.into_iter().flat_map(|part| part.updates).collect();
    assert_eq!(all, updates);
}

#[test]
fn words_of_a_listing_and_capabilities_end_a_datagram() {
    let page = Page {
        part: Part {
            session: 1,
            index: 0,
            count: 1,
            next: None,
        },
        members: Vec::new(),
        items: Vec::new(),
    };
    let mut payload = Vec::new();
    let kind = Message::Page(page.clone()).write(&mut payload);
    let bare = payload.len();
    write_listing(&[word(), Word::default()], &mut payload);
    write_capabilities(&mut payload);
    let golden = bytes(
        "
        01 08                               ; the words of a listing
        01 01 07070707                      ;     the first: capabilities, vouched for
        00 00                               ;     the second says nothing
        02 01 01                            ; the sender's capabilities
        ",
    );
    assert_eq!(hex(&payload[bare..]), hex(&golden));
    let (read, trailer) = Message::read_all(kind, &payload).unwrap();
    assert_eq!(read, Message::Page(page));
    let expected = Trailer {
        words: vec![word(), Word::default()],
        capabilities: Capabilities::OURS,
        unknown: 0,
    };
    assert_eq!(trailer, expected);
}
