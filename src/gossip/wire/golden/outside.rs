//! What tells a node why it is alone, and whether its large datagrams arrive.

use super::{
    super::{
        message::{Message, Ping, kind},
        padding::{self, Answer},
        reject::{Reason, Reject},
    },
    bytes, hex,
};

const REJECT: &str = "
    01                                  ; format version
    00                                  ; key id: in the clear
    30313233343536373839616263646566    ; session, nonce and cluster of what it answers
    0102030405060708
    8d9001d3
    0000000000000000                    ; boot: none
    0000000000000000                    ; fingerprint: none
    40                                  ; kind
    ";

#[test]
fn a_reject_for_each_reason() {
    let hello = bytes("01 8b 30313233343536373839616263646566 0102030405060708 8d9001d3 ffff");
    for (reason, code) in [
        (Reason::OtherKey, "01"),
        (Reason::NoKey, "02"),
        (Reason::Unsealed, "03"),
        (Reason::OtherCluster, "04"),
    ] {
        let golden = bytes(&format!("{REJECT}\n{code}"));
        let written = Reject::answer(&hello, reason).unwrap();
        assert_eq!(hex(&written), hex(&golden));
        assert_eq!(Reject::read(&golden).unwrap().reason, reason);
    }
}

#[test]
fn a_padded_ping() {
    for (answer, wanted) in [(Answer::Small, "00"), (Answer::Large, "01")] {
        let ping = Ping {
            token: 1,
            to: [1, 2, 3, 4],
        };
        let mut written = Vec::new();
        Message::Ping(ping).write(&mut written);
        padding::append(&mut written, 300, answer);
        // Token, addressee; tag, length 291, the answer wanted; zeros follow.
        let mut golden = bytes(&format!("01 01020304 10 fb2301 {wanted}"));
        golden.resize(300, 0);
        assert_eq!(hex(&written), hex(&golden));
        assert_eq!(padding::asked(kind::PING, &golden), Some(answer));
    }
}
