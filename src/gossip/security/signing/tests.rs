use super::*;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32])
}

fn statement() -> Statement<'static> {
    Statement {
        cluster: "shop",
        owner: Owner {
            addr: "192.0.2.7:7946".parse().unwrap(),
            boot: 7,
        },
        service: "users",
        seq: 9,
        content: b"content",
    }
}

/// RFC 8032, section 7.1, test 2.
#[test]
fn the_public_key_is_that_of_the_rfc() {
    let secret: [u8; 32] = [
        0x4c, 0xcd, 0x08, 0x9b, 0x28, 0xff, 0x96, 0xda, 0x9d, 0xb6, 0xc3, 0x46, 0xec, 0x11, 0x4e,
        0x0f, 0x5b, 0x8a, 0x31, 0x9f, 0x35, 0xab, 0xa6, 0x24, 0xda, 0x8c, 0xf6, 0xed, 0x4f, 0xb8,
        0xa6, 0xfb,
    ];
    let public: [u8; 32] = [
        0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e,
        0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4,
        0x66, 0x0c,
    ];
    assert_eq!(
        SigningKey::from_bytes(secret).public_key().to_bytes(),
        public
    );
}

#[test]
fn a_signature_is_good_for_its_statement_and_its_key_alone() {
    let signature = key(1).sign(&statement());
    assert!(key(1).public_key().has_signed(&statement(), &signature));
    assert!(!key(2).public_key().has_signed(&statement(), &signature));
    let owner = statement().owner;
    let addr = "192.0.2.7:7947".parse().unwrap();
    let others = [
        Statement {
            cluster: "bank",
            ..statement()
        },
        Statement {
            owner: Owner { addr, ..owner },
            ..statement()
        },
        Statement {
            owner: Owner { boot: 8, ..owner },
            ..statement()
        },
        Statement {
            service: "orders",
            ..statement()
        },
        Statement {
            seq: 10,
            ..statement()
        },
        Statement {
            content: b"contend",
            ..statement()
        },
    ];
    for other in others {
        let signed = key(1).public_key().has_signed(&other, &signature);
        assert!(!signed, "{other:?}");
    }
    for byte in 0..SIGNATURE_BYTES {
        let mut changed = signature;
        changed[byte] ^= 1;
        assert!(!key(1).public_key().has_signed(&statement(), &changed));
    }
}

#[test]
fn names_do_not_run_into_each_other() {
    let message = |cluster, service| {
        Statement {
            cluster,
            service,
            ..statement()
        }
        .message()
    };
    assert_ne!(message("shop", "users"), message("shopu", "sers"));
    assert_ne!(message("a", ""), message("", "a"));
}

#[test]
fn a_signing_key_is_the_same_from_bytes_base64_and_a_source() {
    let text = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    assert_eq!(SigningKey::from_base64(text), Ok(key(1)));
    let generated = SigningKey::generate(|place| {
        place.fill(1);
        Ok::<_, ()>(())
    });
    assert_eq!(generated, Ok(key(1)));
    assert_eq!(SigningKey::generate(|_| Err("no source")), Err("no source"));
    let error = SigningKey::from_base64("AQEB").unwrap_err();
    assert_eq!(error, KeyError::Length { bytes: 3 });
}

#[test]
fn nothing_that_is_shown_has_any_of_the_secret() {
    let shown = format!("{:?}", key(1));
    assert_eq!(shown, format!("SigningKey(public {})", key(1).public_key()));
    assert!(!shown.contains("AQEB"));
}

#[test]
fn a_public_key_is_read_from_its_text_and_ordered_by_its_bytes() {
    let keys = [1, 2, 3].map(|byte| key(byte).public_key());
    for public in keys {
        let text = format!(" {public}\n");
        assert_eq!(text.parse(), Ok(public));
        for other in keys {
            let by_bytes = public.to_bytes().cmp(&other.to_bytes());
            assert_eq!(public.cmp(&other), by_bytes);
        }
    }
}

#[test]
fn each_text_that_is_no_public_key_is_refused_by_its_cause() {
    let error = |text: &str| text.parse::<PublicKey>().unwrap_err();
    assert_eq!(error(""), PublicKeyError::Length { bytes: 0 });
    assert_eq!(error(&"!".repeat(44)), PublicKeyError::NotBase64);
    // 31 bytes.
    let short = format!("{}AA==", "A".repeat(40));
    assert_eq!(error(&short), PublicKeyError::NotBase64);
    // The neutral element, under which every signature would be good.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(PublicKey::from_bytes(&weak), Err(PublicKeyError::NotAKey));
    assert_eq!(error(&encoded(&weak)), PublicKeyError::NotAKey);
    // No point of the curve.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert_eq!(
        PublicKey::from_bytes(&no_point),
        Err(PublicKeyError::NotAKey)
    );
}
