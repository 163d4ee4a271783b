//! A cluster's key: where it comes from, what names it, and what is derived from it.

use std::{convert::Infallible, fmt, num::NonZeroU8, sync::Arc};

use base64ct::{Base64, Encoding};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// How long a key is, in bytes.
pub const KEY_BYTES: usize = 32;
/// The longest base64 text that is looked at: twice what a key takes, so that one of a wrong length is told from
/// what is no key at all.
const TEXT_BYTES_MAX: usize = 128;
/// Sets the hash that names a key apart from every other use of SHA-256.
const NAME_DOMAIN: &[u8] = b"tidings 1 name of a key";
/// Likewise the keys of sessions. Its length is fixed and the name's is written out, so no two pairs run together.
const SESSION_DOMAIN: &[u8] = b"tidings 1 datagrams of a session";

/// What names a key in the clear header of every datagram that it seals: 1 to 255.
///
/// It is one byte of a hash of the key, and tells nothing else of it. Two keys can share one, by a chance of 1 in
/// 255; then both are tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(NonZeroU8);

impl KeyId {
    /// As it stands in the header.
    pub const fn value(self) -> u8 {
        self.0.get()
    }

    /// The one in a header; none where the body is not sealed.
    pub(in crate::gossip) const fn read(byte: u8) -> Option<Self> {
        match NonZeroU8::new(byte) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The secret that the nodes of a cluster share: 32 random bytes.
///
/// Whoever has it can read and write everything in the cluster; see [the room's docs](super). It is kept once in memory
/// however often it is cloned, and wiped when the last clone goes. [`Debug`](fmt::Debug) shows its [`KeyId`] and nothing else.
///
/// ```
/// use tidings::ClusterKey;
///
/// // As `openssl rand -base64 32` writes it.
/// let key = ClusterKey::from_base64("fJ3qTqZ0c1nKZ8mVtq0Qe7v2mB0mTn8Zc0dT4m3kR1s=")?;
/// assert_eq!(format!("{key:?}"), format!("ClusterKey(id {})", key.id()));
/// # Ok::<(), tidings::gossip::security::KeyError>(())
/// ```
#[derive(Clone)]
pub struct ClusterKey(Arc<Secret>);

/// Two keys are the same if their hashes are: to compare those gives away no byte of either.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash([u8; 32]);

/// The first eight bytes of a key's hash: what names it among members, where the [`KeyId`] could be that of two.
pub(in crate::gossip) type KeyName = [u8; 8];

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

impl KeyHash {
    pub(super) fn name(self) -> KeyName {
        *self.0.first_chunk().expect("a hash is longer than a name")
    }
}

struct Secret {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    hash: KeyHash,
}

impl ClusterKey {
    /// The key that is these bytes. They have to be random: a password is guessed.
    pub fn from_bytes(mut bytes: [u8; KEY_BYTES]) -> Self {
        let key = Self::generate(|place| {
            place.copy_from_slice(&bytes);
            Ok::<_, Infallible>(())
        });
        bytes.zeroize();
        match key {
            Ok(key) => key,
            Err(never) => match never {},
        }
    }

    /// The key that is written in base64 (the standard alphabet, padded), as `openssl rand -base64 32` does. Blanks around
    /// it do not count.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        decoded(text, |bytes| {
            Self::generate(|place| {
                place.copy_from_slice(bytes);
                Ok::<_, Infallible>(())
            })
        })
        .map(|Ok(key)| key)
    }

    /// A new key, of the bytes that `fill` draws: from the operating system's random source, or one as good. They are
    /// written to where they stay.
    pub fn generate<E>(
        fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Arc::new(Secret {
            bytes: Zeroizing::new([0; KEY_BYTES]),
            hash: KeyHash([0; 32]),
        });
        let place = Arc::get_mut(&mut secret).expect("it was made just now");
        fill(&mut place.bytes)?;
        let hash = Sha256::new()
            .chain_update(NAME_DOMAIN)
            .chain_update(*place.bytes);
        place.hash = KeyHash(hash.finalize().into());
        Ok(Self(secret))
    }

    /// What names it on the wire and in logs.
    pub fn id(&self) -> KeyId {
        let KeyHash([first, ..]) = self.0.hash;
        KeyId(NonZeroU8::MIN.saturating_add(first % 255))
    }

    pub(super) fn hash(&self) -> KeyHash {
        self.0.hash
    }

    /// The key under which a session's datagrams are sealed: HKDF-SHA256 (RFC 5869) with the session's random id as
    /// the salt. So no two senders share a key, and a sender that counts its nonces never repeats one under any.
    pub(super) fn of_session(
        &self,
        session: &[u8; 16],
        cluster: &str,
    ) -> Zeroizing<[u8; KEY_BYTES]> {
        let length = u8::try_from(cluster.len())
            .expect("a cluster's name is checked to have at most 255 bytes");
        let info = [SESSION_DOMAIN, &[length], cluster.as_bytes()];
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        Hkdf::<Sha256>::new(Some(session), &*self.0.bytes)
            .expand_multi_info(&info, &mut *key)
            .expect("one hash is long enough for a key");
        key
    }
}

/// Hands the 32 secret bytes that are written in base64 to `make`, and leaves no copy of them.
pub(super) fn decoded<T>(
    text: &str,
    make: impl FnOnce(&[u8; KEY_BYTES]) -> T,
) -> Result<T, KeyError> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(KeyError::TextTooLong { bytes: text.len() });
    }
    let mut decoded = Zeroizing::new([0; TEXT_BYTES_MAX]);
    let bytes = Base64::decode(text, &mut *decoded).map_err(|_| KeyError::NotBase64)?;
    let length = KeyError::Length { bytes: bytes.len() };
    bytes.try_into().map(make).map_err(|_| length)
}

impl PartialEq for ClusterKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for ClusterKey {}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey(id {})", self.id())
    }
}

/// Why a text is no key. None of these shows any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is nothing.
    #[error("the key is empty: make one with `openssl rand -base64 32`")]
    Empty,
    /// It is longer than any base64 of a key.
    #[error(
        "the key's text has {bytes} bytes, and base64 of 32 bytes has 44: make one with `openssl rand -base64 32`"
    )]
    TextTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It is not base64.
    #[error(
        "the key is not base64 (the standard alphabet with `+` and `/`, padded with `=`): make one with `openssl rand -base64 32`"
    )]
    NotBase64,
    /// It is base64 of more or fewer bytes. (64 hexadecimal digits read as base64 give 48.)
    #[error(
        "the key has {bytes} bytes, and has to have 32: make one with `openssl rand -base64 32`"
    )]
    Length {
        /// How many.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl rand -base64 32` of bytes 0 to 31.
    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn counted() -> ClusterKey {
        ClusterKey::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()))
    }

    #[test]
    fn a_key_is_the_same_from_bytes_and_from_base64() {
        for text in [TEXT.to_owned(), format!("{TEXT}\n"), format!(" {TEXT}\r\n")] {
            assert_eq!(ClusterKey::from_base64(&text), Ok(counted()));
        }
        assert_ne!(ClusterKey::from_bytes([0; 32]), counted());
    }

    #[test]
    fn each_text_that_is_no_key_is_refused_by_its_cause() {
        let error = |text: &str| ClusterKey::from_base64(text).unwrap_err();
        assert_eq!(error(" \n"), KeyError::Empty);
        assert_eq!(error("not a key!"), KeyError::NotBase64);
        assert_eq!(error(&TEXT[..43]), KeyError::NotBase64, "not padded");
        assert_eq!(error("AAECAw=="), KeyError::Length { bytes: 4 });
        assert_eq!(error(&"0f".repeat(32)), KeyError::Length { bytes: 48 });
        let bytes = 4_000;
        assert_eq!(error(&"A".repeat(bytes)), KeyError::TextTooLong { bytes });
    }

    #[test]
    fn nothing_that_is_shown_has_any_of_the_key() {
        let shown = format!("{:?}", counted());
        assert_eq!(shown, format!("ClusterKey(id {})", counted().id()));
        let secret = "c2VjcmV0IHNlY3JldA==";
        let error = ClusterKey::from_base64(secret).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2Vj"), "{error}");
    }

    #[test]
    fn no_two_of_key_session_and_cluster_share_a_sessions_key() {
        let keys = [
            counted().of_session(&[1; 16], "shop"),
            counted().of_session(&[2; 16], "shop"),
            counted().of_session(&[1; 16], "bank"),
            ClusterKey::from_bytes([7; 32]).of_session(&[1; 16], "shop"),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(keys[..n].iter().all(|other| other != key));
        }
    }

    #[test]
    fn an_id_is_never_that_of_plaintext() {
        let ids = (0..=255).map(|byte| ClusterKey::from_bytes([byte; 32]).id());
        assert!(ids.into_iter().all(|id| id.value() != 0));
        assert_eq!(KeyId::read(0), None);
        assert_eq!(KeyId::read(counted().id().value()), Some(counted().id()));
    }
}
