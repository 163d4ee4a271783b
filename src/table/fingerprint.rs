//! A summary of a set that costs O(1) per change.
//!
//! Two replicas that hold the same items have the same [`Fingerprint::total`], in whatever order the
//! items came. The items are spread over [`BUCKETS`] buckets by a hash of their *key* (what an item
//! is about), and each bucket is the wrapping sum of a strong 64-bit hash of the items in it. So
//! whoever sees that two totals differ can ask which buckets do, and list only those.
//!
//! A sum instead of an exclusive-or, because with the latter an item that is added twice by mistake
//! vanishes. SHA-256, cut to 64 bits, instead of a fast hash, because what goes in comes from the
//! network, and a sender must not be able to make two different sets look the same by accident of a
//! weak mixing function.

use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};

/// How many buckets the items are spread over. 128 sums of 6 bytes fit one datagram, with
/// room for the request around them.
pub const BUCKETS: usize = 128;

const _: () = assert!(BUCKETS <= 256, "a bucket's number is a byte");

/// The sum over a changing set of hashed items.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    total: u64,
    buckets: [u64; BUCKETS],
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            total: 0,
            buckets: [0; BUCKETS],
        }
    }
}

impl Fingerprint {
    /// Counts an item in.
    pub fn add(&mut self, item: ItemHash) {
        self.total = self.total.wrapping_add(item.hash);
        let bucket = &mut self.buckets[usize::from(item.bucket)];
        *bucket = bucket.wrapping_add(item.hash);
    }

    /// Counts an item out that was counted in before.
    pub fn remove(&mut self, item: ItemHash) {
        self.total = self.total.wrapping_sub(item.hash);
        let bucket = &mut self.buckets[usize::from(item.bucket)];
        *bucket = bucket.wrapping_sub(item.hash);
    }

    /// The sum over all items.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The sum over the items of each bucket.
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }
}

/// The hash of one item, and the bucket that its key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemHash {
    /// A strong hash of key and content.
    pub hash: u64,
    /// Which bucket the item's key belongs to, below [`BUCKETS`].
    pub bucket: u8,
}

/// Builds an [`ItemHash`] from the parts of an item. Every part is prefixed with its length, so that
/// no two lists of parts run into the same bytes.
pub(crate) struct ItemHasher {
    state: Sha256,
    bucket: Option<u8>,
}

impl ItemHasher {
    /// `domain` keeps items of different sorts apart.
    pub(crate) fn new(domain: &str) -> Self {
        Self {
            state: Sha256::new(),
            bucket: None,
        }
        .part(domain.as_bytes())
    }

    pub(crate) fn part(mut self, bytes: &[u8]) -> Self {
        self.state.update((bytes.len() as u64).to_be_bytes());
        self.state.update(bytes);
        self
    }

    /// A part that is an address.
    pub(crate) fn addr(self, addr: SocketAddr) -> Self {
        self.part(&addr_bytes(addr))
    }

    /// What came so far is the key; what follows is content.
    pub(crate) fn end_of_key(mut self) -> Self {
        let digest = self.state.clone().finalize();
        self.bucket = Some(bucket_of(digest[0]));
        self
    }

    pub(crate) fn finish(self) -> ItemHash {
        let digest = self.state.finalize();
        let hash = u64::from_be_bytes(digest[..8].try_into().expect("SHA-256 has 32 bytes"));
        ItemHash {
            hash,
            bucket: self.bucket.unwrap_or_else(|| bucket_of(digest[0])),
        }
    }
}

/// An address as it is hashed: 16 bytes (an IPv4 address mapped), and the port.
pub(crate) fn addr_bytes(addr: SocketAddr) -> [u8; 18] {
    let mut bytes = [0; 18];
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&addr.port().to_be_bytes());
    bytes
}

fn bucket_of(byte: u8) -> u8 {
    u8::try_from(usize::from(byte) % BUCKETS).expect("below a byte")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, content: &str) -> ItemHash {
        ItemHasher::new("test")
            .part(key.as_bytes())
            .end_of_key()
            .part(content.as_bytes())
            .finish()
    }

    #[test]
    fn the_order_of_changes_does_not_matter() {
        let (a, b) = (item("a", "1"), item("b", "2"));
        let mut one = Fingerprint::default();
        one.add(a);
        one.add(b);
        let mut other = Fingerprint::default();
        other.add(b);
        other.add(item("c", "3"));
        other.add(a);
        other.remove(item("c", "3"));
        assert_eq!(one.total(), other.total());
        assert_eq!(one.buckets(), other.buckets());
    }

    #[test]
    fn content_changes_the_hash_and_not_the_bucket() {
        assert_eq!(item("a", "1").bucket, item("a", "2").bucket);
        assert_ne!(item("a", "1").hash, item("a", "2").hash);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(item("ab", "c").hash, item("a", "bc").hash);
    }
}
