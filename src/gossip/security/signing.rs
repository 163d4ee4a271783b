//! The one file that knows signatures: Ed25519 (RFC 8032), by the crate `ed25519-dalek`.
//!
//! # What is signed
//!
//! | bytes | field | |
//! |---|---|---|
//! | 31 | domain | `tidings 1 signature of a record`: sets this apart from every other use of the key |
//! | 1 + n | cluster | the length of its name, and the name |
//! | 16 + 2 | owner | the address, an IPv4 one mapped to IPv6, and the port, big-endian |
//! | 8 | boot | the owner's, big-endian |
//! | 1 + n | service | the length of its name, and the name; none where the owner says that it leaves |
//! | 8 | sequence number | big-endian |
//! | .. | content | byte for byte as its owner wrote it, up to the signature |
//!
//! Every length is fixed or written out, and the content comes last: no two records have the same bytes. The content
//! ends with the public key and the signature, so the key is signed too. Nothing is decoded and encoded again to
//! find out what was signed.

use std::{fmt, str::FromStr, sync::Arc};

use base64ct::{Base64, Encoding};
use ed25519_dalek as dalek;
use ed25519_dalek::Signer;
use zeroize::{Zeroize, Zeroizing};

use super::key::{KEY_BYTES, KeyError, decoded};
use crate::table::{Owner, addr_bytes};

/// How long a public key is, in bytes.
pub const PUBLIC_KEY_BYTES: usize = dalek::PUBLIC_KEY_LENGTH;
/// How long a signature is, in bytes.
pub(in crate::gossip) const SIGNATURE_BYTES: usize = dalek::SIGNATURE_LENGTH;
/// How long a public key is in base64.
const PUBLIC_KEY_TEXT_BYTES: usize = 44;
const DOMAIN: &[u8] = b"tidings 1 signature of a record";

/// With what a node signs its records: the secret half of an Ed25519 key pair, 32 random bytes.
///
/// Each node has one of its own, and shares it with nobody. Others are given its [`PublicKey`], in their lists of
/// [`Trusted`](super::Trusted) keys. It is kept once in memory however often it is cloned, and wiped when the last
/// clone goes. [`Debug`](fmt::Debug) shows the public key and nothing else.
///
/// ```
/// use tidings::SigningKey;
///
/// // As `openssl rand -base64 32` writes it.
/// let key = SigningKey::from_base64("fJ3qTqZ0c1nKZ8mVtq0Qe7v2mB0mTn8Zc0dT4m3kR1s=")?;
/// assert_eq!(format!("{key:?}"), format!("SigningKey(public {})", key.public_key()));
/// # Ok::<(), tidings::gossip::security::KeyError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<dalek::SigningKey>);

impl SigningKey {
    /// The key that is these bytes (the *seed* of RFC 8032). They have to be random: a password is guessed.
    pub fn from_bytes(mut bytes: [u8; KEY_BYTES]) -> Self {
        let key = Self::of(&bytes);
        bytes.zeroize();
        key
    }

    /// The key that is written in base64 (the standard alphabet, padded), as `openssl rand -base64 32` does. Blanks around
    /// it do not count.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        decoded(text, Self::of)
    }

    /// A new key, of the bytes that `fill` draws: from the operating system's random source, or one as good.
    pub fn generate<E>(
        fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// What others know it by.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs. The same statement has the same signature every time.
    pub(in crate::gossip) fn sign(&self, statement: &Statement<'_>) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(&statement.message()).to_bytes()
    }

    fn of(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Arc::new(dalek::SigningKey::from_bytes(bytes)))
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.public_key() == other.public_key()
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public {})", self.public_key())
    }
}

/// What a node's signatures are known by: the public half of its [`SigningKey`]. No secret. Its text is base64.
///
/// ```
/// use tidings::{PublicKey, SigningKey};
///
/// let key = SigningKey::from_bytes([7; 32]).public_key();
/// assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(dalek::VerifyingKey);

impl PublicKey {
    /// The key that is these bytes. Some are none: not a point of the curve, or one under which anything is signed.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, PublicKeyError> {
        match dalek::VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(PublicKeyError::NotAKey),
        }
    }

    /// As it stands in a signed record.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.0.to_bytes()
    }

    /// Whether the holder of the secret half has signed exactly this. Strictly, so that all nodes say the same
    /// (RFC 8032 leaves some signatures to taste).
    pub(in crate::gossip) fn has_signed(
        &self,
        statement: &Statement<'_>,
        signature: &[u8; SIGNATURE_BYTES],
    ) -> bool {
        let signature = dalek::Signature::from_bytes(signature);
        self.0
            .verify_strict(&statement.message(), &signature)
            .is_ok()
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.as_bytes().cmp(other.0.as_bytes())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoded(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let text = text.trim_ascii();
        if text.len() != PUBLIC_KEY_TEXT_BYTES {
            return Err(PublicKeyError::Length { bytes: text.len() });
        }
        let mut place = [0; PUBLIC_KEY_BYTES];
        let bytes = Base64::decode(text, &mut place).map_err(|_| PublicKeyError::NotBase64)?;
        let bytes = bytes.try_into().map_err(|_| PublicKeyError::NotBase64)?;
        Self::from_bytes(bytes)
    }
}

/// How a public key is written, whether or not it is one.
pub(in crate::gossip) fn encoded(key: &[u8; PUBLIC_KEY_BYTES]) -> String {
    let mut text = [0; PUBLIC_KEY_TEXT_BYTES];
    let text = Base64::encode(key, &mut text).expect("32 bytes have 44 in base64");
    text.to_owned()
}

/// Why a text, or bytes, are no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text has another length than base64 of 32 bytes.
    #[error(
        "the public key's text has {bytes} bytes, and base64 of 32 bytes has 44: a node's log says it at start, as `signs_as`"
    )]
    Length {
        /// How long it is.
        bytes: usize,
    },
    /// It is not base64.
    #[error(
        "the public key is not base64 of 32 bytes (the standard alphabet with `+` and `/`, padded with `=`)"
    )]
    NotBase64,
    /// They are no point of the curve, or one under which anything is signed.
    #[error("the 32 bytes are no public key of Ed25519: was a secret one written in its place?")]
    NotAKey,
}

/// What a signature is about. See the [file's docs](self) for the bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::gossip) struct Statement<'a> {
    /// At most 255 bytes, as is checked when a node starts.
    pub(in crate::gossip) cluster: &'a str,
    pub(in crate::gossip) owner: Owner,
    /// At most 255 bytes, as is checked of every record.
    pub(in crate::gossip) service: &'a str,
    pub(in crate::gossip) seq: u64,
    /// Up to the signature.
    pub(in crate::gossip) content: &'a [u8],
}

impl Statement<'_> {
    fn message(&self) -> Vec<u8> {
        let names = self.cluster.len() + self.service.len();
        let mut message = Vec::with_capacity(DOMAIN.len() + 36 + names + self.content.len());
        message.extend_from_slice(DOMAIN);
        push_name(self.cluster, &mut message);
        message.extend_from_slice(&addr_bytes(self.owner.addr));
        message.extend_from_slice(&self.owner.boot.to_be_bytes());
        push_name(self.service, &mut message);
        message.extend_from_slice(&self.seq.to_be_bytes());
        message.extend_from_slice(self.content);
        message
    }
}

fn push_name(name: &str, message: &mut Vec<u8>) {
    message.push(u8::try_from(name.len()).expect("names are checked to have at most 255 bytes"));
    message.extend_from_slice(name.as_bytes());
}

#[cfg(test)]
mod tests;
