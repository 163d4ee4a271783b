//! Signed records, byte for byte.
//!
//! The vectors were made apart from this crate, by Python's `cryptography` (`Ed25519PrivateKey`, of OpenSSL) from what the docs of
//! `security::signing` say. Should one change, nodes of two builds refuse each other's records.

use super::{
    super::content::{read, signed_part, write_signed},
    *,
};
use crate::{
    gossip::security::{PublicKey, SigningKey, Statement},
    table::LEAVING,
};

const KEY_GOLDEN: &str = "
    62                                  ; extensions of the record
    01                                  ; tag: signature
    60                                  ; length
    03a107bff3ce10be1d70dd18e74bc099    ; public key
    67e4d6309ba50d5f1ddc8664125531b8
    ";

/// Of `a` of the service `user`, by [`v4`], number 7.
const SIGNATURE_GOLDEN: &str = "
    537a0796b009e7aa456432f595528529e78128c45c982c9616db49fd7abfe9e1
    3694d857c304f0ae778b9434efae9bbef20addcca5725449c9736018152ee905
    ";

/// Of the goodbye of [`v6`], number 300.
const GOODBYE_GOLDEN: &str = "
    cab20ba4fdeef288f63a69c324b4d950f122f87dad7dd1117ba205c96433c2dc
    ddab633e99b75c796402558bb39e9d38b56c9b0622b75f3b4558b89fd9d3ff02
    ";

/// The secret half is bytes 0 to 31.
fn signing_key() -> SigningKey {
    SigningKey::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()))
}

fn pinned(statement: Statement<'_>, instances: &[Arc<ServiceInstance>], golden: &str) {
    let golden = bytes(golden);
    let sign = |content: &[u8]| {
        signing_key().sign(&Statement {
            content,
            ..statement
        })
    };
    let key = signing_key().public_key().to_bytes();
    let written = write_signed(instances.iter(), &key, sign);
    assert_eq!(hex(&written), hex(&golden));
    let understood = read(statement.service, &golden).unwrap();
    assert_eq!(understood.instances, instances);
    let signature = understood.signature.unwrap();
    let statement = Statement {
        content: signed_part(&golden),
        ..statement
    };
    let key = PublicKey::from_bytes(&signature.key).unwrap();
    assert!(key.has_signed(&statement, &signature.signature));
}

#[test]
fn a_signed_record() {
    let statement = Statement {
        cluster: "shop",
        owner: Owner {
            addr: v4(),
            boot: BOOT,
        },
        service: "user",
        seq: 7,
        content: &[],
    };
    let golden = format!("{INSTANCE_GOLDEN} 00 {KEY_GOLDEN} {SIGNATURE_GOLDEN}");
    pinned(statement, &[instance().into()], &golden);
}

#[test]
fn a_signed_goodbye() {
    let statement = Statement {
        cluster: "shop",
        owner: Owner {
            addr: v6(),
            boot: BOOT,
        },
        service: LEAVING,
        seq: 300,
        content: &[],
    };
    let golden = format!("00 {KEY_GOLDEN} {GOODBYE_GOLDEN}");
    pinned(statement, &[], &golden);
}
