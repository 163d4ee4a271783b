//! A sealed datagram. The bytes were made with OpenSSL's AES-256-GCM and HKDF, not with what this crate uses.

use super::*;
use crate::gossip::{
    Now,
    security::{Body, ClusterKey, Guard, Keyring, Security},
    wire::frame::Header,
};

const UNIX_MS: u64 = NONCE >> 20;
const NONCE: u64 = 0x0102_0304_0506_0708;

const GOLDEN: &str = "
    01                                  ; format version
    8b                                  ; key id: 1 + SHA-256('tidings 1 name of a key' + key)[0] mod 255
    30313233343536373839616263646566    ; session: the salt of HKDF
    0102030405060708                    ; nonce: GCM's, after four zeros
    8d9001d3                            ; cluster: SHA-256 of `shop`
    2b560d1c88a0c3ad                    ; boot, encrypted
    c6417e2467b9c1db                    ; fingerprint, encrypted
    18                                  ; kind, encrypted
    c6                                  ; payload, encrypted
    2154a8462b5ebd8fd6f022998bbd7a72    ; tag
    ";

fn guard() -> Guard {
    let key = ClusterKey::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let security = Security {
        keyring: Keyring::of([key]).unwrap(),
        ..Security::default()
    };
    Guard::new(&security, "shop", 10, Now::default().instant)
}

#[test]
fn a_sealed_datagram() {
    let preamble = Preamble {
        session: *b"0123456789abcdef",
        nonce: NONCE,
        boot: BOOT,
        fingerprint: 0xF0E0_D0C0_B0A0_9080,
        kind: 5,
    };
    let mut written = Vec::new();
    preamble.write(ClusterTag::of("shop"), &mut written);
    written.push(0);
    guard().seal(preamble.session, preamble.nonce, &mut written);
    assert_eq!(hex(&written), hex(&bytes(GOLDEN)));
}

#[test]
fn a_sealed_datagram_is_opened() {
    let golden = bytes(GOLDEN);
    let now = Now {
        unix_ms: UNIX_MS,
        ..Now::default()
    };
    let (header, _) = Header::read(&golden, ClusterTag::of("shop")).unwrap();
    let mut opened = Vec::new();
    let heard = guard().open(now, v4(), &header, &golden, &mut opened);
    assert_eq!(heard, Ok(Body::Opened));
    let (preamble, payload) = Preamble::of(&header, &opened).unwrap();
    assert_eq!((preamble.boot, preamble.kind, payload), (BOOT, 5, &[0][..]));
}
