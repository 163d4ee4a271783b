//! Every implementation against the same vectors.

use sha2::{Digest, Sha256};

use super::*;

/// Of both implementations, what the tests use.
trait Aead {
    fn sealed(key: &[u8; 32], nonce: u64, header: &[u8], body: &[u8]) -> (Vec<u8>, [u8; 16]);
    fn opened(
        key: &[u8; 32],
        nonce: u64,
        header: &[u8],
        body: &[u8],
        tag: &[u8; 16],
    ) -> Option<Vec<u8>>;
}

macro_rules! aead {
    ($cipher:ty) => {
        impl Aead for $cipher {
            fn sealed(
                key: &[u8; 32],
                nonce: u64,
                header: &[u8],
                body: &[u8],
            ) -> (Vec<u8>, [u8; 16]) {
                let mut body = body.to_vec();
                let tag = <$cipher>::new(key).seal(nonce, header, &mut body);
                (body, tag)
            }

            fn opened(
                key: &[u8; 32],
                nonce: u64,
                header: &[u8],
                body: &[u8],
                tag: &[u8; 16],
            ) -> Option<Vec<u8>> {
                let mut body = body.to_vec();
                let opened = <$cipher>::new(key).open(nonce, header, &mut body, tag);
                opened.is_ok().then_some(body)
            }
        }
    };
}

aead!(rust_crypto::Cipher);
#[cfg(feature = "aws-lc-rs")]
aead!(aws_lc::Cipher);

struct Vector {
    key: [u8; 32],
    nonce: u64,
    header: Vec<u8>,
    body: Vec<u8>,
    /// The ciphertext, or its SHA-256 where it is longer than that.
    sealed: &'static str,
    tag: &'static str,
}

fn counted<const N: usize>() -> [u8; N] {
    std::array::from_fn(|n| u8::try_from(n).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn vectors() -> [Vector; 4] {
    [
        // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 and 14.
        Vector {
            key: [0; 32],
            nonce: 0,
            header: Vec::new(),
            body: Vec::new(),
            sealed: "",
            tag: "530f8afbc74536b9a963b4f1c4cb738b",
        },
        Vector {
            key: [0; 32],
            nonce: 0,
            header: Vec::new(),
            body: vec![0; 16],
            sealed: "cea7403d4d606b6e074ec5d3baf39d18",
            tag: "d0d1c8a799996bf0265b98b5d48ab919",
        },
        // By OpenSSL.
        Vector {
            key: counted(),
            nonce: 0x0102_0304_0506_0708,
            header: b"header".to_vec(),
            body: b"body of a datagram".to_vec(),
            sealed: "663e0177fd8e6fbe62bf998e6a065e821b94",
            tag: "68af58cdae5a5c224f692f04c6bff0e9",
        },
        Vector {
            key: counted(),
            nonce: 0x0102_0304_0506_0708,
            header: counted::<30>().to_vec(),
            body: (0..=250).cycle().take(1_200).collect(),
            sealed: "",
            tag: "3bd3ab7eb959baf1cd99eff58eaef586",
        },
    ]
}

/// SHA-256 of the last vector's ciphertext and tag.
const LONG: &str = "352f69f031273d4b30bc9837ccde3f1207641356865e70c56434eaa1be27451c";

fn follows_the_vectors<C: Aead>() {
    for vector in vectors() {
        let Vector {
            key,
            nonce,
            header,
            body,
            sealed,
            tag,
        } = vector;
        let (ours, our_tag) = C::sealed(&key, nonce, &header, &body);
        assert_eq!(hex(&our_tag), tag);
        if body.len() > 32 {
            let digest = Sha256::digest([&ours[..], &our_tag].concat());
            assert_eq!(hex(&digest), LONG);
        } else {
            assert_eq!(hex(&ours), sealed);
        }
        let opened = C::opened(&key, nonce, &header, &ours, &our_tag);
        assert_eq!(opened, Some(body));
    }
}

fn opens_nothing_else<C: Aead>() {
    let (body, tag) = C::sealed(&[7; 32], 9, b"header", b"body");
    let opens = |key: u8, nonce, header: &[u8], body: &[u8], tag: &[u8; 16]| {
        C::opened(&[key; 32], nonce, header, body, tag).is_some()
    };
    assert!(opens(7, 9, b"header", &body, &tag));
    assert!(!opens(8, 9, b"header", &body, &tag));
    assert!(!opens(7, 8, b"header", &body, &tag));
    assert!(!opens(7, 9, b"Header", &body, &tag));
    assert!(!opens(7, 9, b"header", &body[..3], &tag));
    assert!(!opens(7, 9, b"header", &body, &[0; 16]));
}

#[test]
fn rust_crypto_seals_as_the_standard_says() {
    follows_the_vectors::<rust_crypto::Cipher>();
    opens_nothing_else::<rust_crypto::Cipher>();
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn aws_lc_seals_as_the_standard_says() {
    follows_the_vectors::<aws_lc::Cipher>();
    opens_nothing_else::<aws_lc::Cipher>();
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn both_seal_to_the_same_bytes_and_open_each_others() {
    let body: Vec<u8> = (0..=255).cycle().take(1_154).collect();
    for length in [0, 1, 15, 16, 17, 24, 255, 1_154] {
        let (nonce, body) = (u64::MAX - length as u64, &body[..length]);
        let header = counted::<30>();
        let ours = <rust_crypto::Cipher as Aead>::sealed(&[3; 32], nonce, &header, body);
        let theirs = <aws_lc::Cipher as Aead>::sealed(&[3; 32], nonce, &header, body);
        assert_eq!(ours, theirs);
        let (sealed, tag) = ours;
        let opened = <aws_lc::Cipher as Aead>::opened(&[3; 32], nonce, &header, &sealed, &tag);
        assert_eq!(opened.as_deref(), Some(body));
    }
}
