//! The one file that knows a cipher: AES-256-GCM (NIST SP 800-38D), by the crate `aes-gcm`, or by AWS-LC where the
//! feature `aws-lc-rs` is on. Both write the same bytes.
//!
//! A nonce is never used twice under one key: the key belongs to one session, and its sender counts.

#[cfg(feature = "aws-lc-rs")]
pub(super) use aws_lc::Cipher;
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use rust_crypto::Cipher;

/// How long the tag behind a sealed body is, in bytes: all that GCM has.
pub(super) const TAG_BYTES: usize = 16;

/// The tag does not belong to the bytes: they were changed, or sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forged;

/// GCM's nonce of 12 bytes.
fn iv(nonce: u64) -> [u8; 12] {
    let mut iv = [0; 12];
    iv[4..].copy_from_slice(&nonce.to_be_bytes());
    iv
}

#[cfg(any(test, not(feature = "aws-lc-rs")))]
mod rust_crypto {
    use aes_gcm::{AeadInOut, AesGcm, KeyInit, aead::consts::U12, aes::Aes256Enc};

    use super::{Forged, TAG_BYTES, iv};

    /// A key, made ready. GCM only ever encrypts blocks, so half of what AES makes of a key is enough.
    pub(in super::super) struct Cipher(AesGcm<Aes256Enc, U12>);

    impl Cipher {
        pub(in super::super) fn new(key: &[u8; 32]) -> Self {
            Self(AesGcm::new(key.into()))
        }

        /// Encrypts `body` in place, and gives the tag over it and the `header`.
        pub(in super::super) fn seal(
            &self,
            nonce: u64,
            header: &[u8],
            body: &mut [u8],
        ) -> [u8; TAG_BYTES] {
            let tag = self
                .0
                .encrypt_inout_detached(&iv(nonce).into(), header, body.into());
            tag.expect("a datagram is far shorter than GCM allows")
                .into()
        }

        /// Decrypts `body` in place, if the tag is right. If not, what is left in it means nothing.
        pub(in super::super) fn open(
            &self,
            nonce: u64,
            header: &[u8],
            body: &mut [u8],
            tag: &[u8; TAG_BYTES],
        ) -> Result<(), Forged> {
            self.0
                .decrypt_inout_detached(&iv(nonce).into(), header, body.into(), tag.into())
                .map_err(|_| Forged)
        }
    }
}

#[cfg(feature = "aws-lc-rs")]
mod aws_lc {
    use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::{Forged, TAG_BYTES, iv};

    /// A key, made ready. ("Less safe" is the library's word for nonces that its user counts.)
    pub(in super::super) struct Cipher(LessSafeKey);

    impl Cipher {
        pub(in super::super) fn new(key: &[u8; 32]) -> Self {
            let key = UnboundKey::new(&AES_256_GCM, key);
            Self(LessSafeKey::new(
                key.expect("32 bytes are a key of AES-256"),
            ))
        }

        /// Encrypts `body` in place, and gives the tag over it and the `header`.
        pub(in super::super) fn seal(
            &self,
            nonce: u64,
            header: &[u8],
            body: &mut [u8],
        ) -> [u8; TAG_BYTES] {
            let nonce = Nonce::assume_unique_for_key(iv(nonce));
            let tag = self
                .0
                .seal_in_place_separate_tag(nonce, Aad::from(header), body)
                .expect("a datagram is far shorter than GCM allows");
            tag.as_ref().try_into().expect("GCM's tag has 16 bytes")
        }

        /// Decrypts `body` in place, if the tag is right. If not, what is left in it means nothing.
        pub(in super::super) fn open(
            &self,
            nonce: u64,
            header: &[u8],
            body: &mut [u8],
            tag: &[u8; TAG_BYTES],
        ) -> Result<(), Forged> {
            let nonce = Nonce::assume_unique_for_key(iv(nonce));
            self.0
                .open_in_place_separate_tag(nonce, Aad::from(header), tag, body)
                .map(|_| ())
                .map_err(|_| Forged)
        }
    }
}

#[cfg(test)]
mod tests;
