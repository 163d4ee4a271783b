//! The kinds that ask for members.

use super::{
    super::message::{Ask, Finding, HeldKey, Message, Outcome, Ping, Pong, addressee},
    id, mirror, peer, pinned, v4, v6,
};

#[test]
fn a_ping() {
    let ping = Ping {
        token: 0x0403_0201,
        to: [1, 2, 3, 4],
    };
    pinned::<mirror::Ping>(11, &Message::Ping(ping), "fc 01020304 01020304 ; token, to");
}

#[test]
fn a_pong() {
    let pong = Pong { token: 251 };
    pinned::<mirror::Pong>(12, &Message::Pong(pong), "fb fb00 ; token");
}

#[test]
fn a_question_about_a_member_and_each_finding() {
    let ask = Ask {
        token: 1,
        about: peer(v6(), 5),
    };
    pinned::<mirror::Ask>(
        13,
        &Message::Ask(ask),
        "
        01                              ; token
        01 20010db8000000000000000000000007 fa  ; about: IPv6, octets, port
        fd 07000000c585311a             ;     boot
        05                              ;     renewal
        ",
    );
    for (outcome, golden) in [
        (Outcome::Answers, "fc ffffffff 00 ; token, what came out"),
        (Outcome::Silent, "fc ffffffff 01"),
        (Outcome::Refused, "fc ffffffff 02"),
    ] {
        let finding = Finding {
            token: u32::MAX,
            outcome,
        };
        pinned::<mirror::Finding>(14, &Message::Finding(finding), golden);
    }
}

#[test]
fn a_question_about_a_key_and_its_answer() {
    let mut held = HeldKey {
        key: *b"\x01\x02\x03\x04\x05\x06\x07\xfe",
        me: v6(),
        asks: true,
    };
    let key_and_me = "
        01020304050607fe                ; the start of the key's hash
        01 20010db8000000000000000000000007 fa  ; the sender: IPv6, octets, port
        ";
    let question = format!("{key_and_me} 01 ; asks");
    pinned::<mirror::HeldKey>(20, &Message::HeldKey(held), &question);
    held.asks = false;
    let answer = format!("{key_and_me} 00 ; answers");
    pinned::<mirror::HeldKey>(20, &Message::HeldKey(held), &answer);
}

/// Which of the identities on an address is meant, in four bytes; the address is no part of it.
#[test]
fn the_short_name_of_an_identity() {
    let names = [id(v4(), 0), id(v6(), 0), id(v4(), 1)].map(|id| addressee(&id));
    assert_eq!(
        names,
        [
            [0xdc, 0x51, 0xb9, 0x3b],
            [0xdc, 0x51, 0xb9, 0x3b],
            [0x5d, 0x07, 0x3d, 0x26]
        ]
    );
}
