//! What this node holds, in one number, and in one for each bucket.
//!
//! It covers the live members, this node and suspects included, and what they have registered. Two
//! nodes with the same number agree on these; empty lists, and what waits out of sight, do not count.

use super::Engine;
use crate::table::BUCKETS;

impl Engine {
    /// The sum over the table and the membership, this node included.
    pub fn fingerprint(&self) -> u64 {
        let records = self.replica.fingerprint().total();
        let members = self.members.fingerprint().total();
        records
            .wrapping_add(members)
            .wrapping_add(self.me_hash.hash)
    }

    /// The sums of the buckets, this node included.
    pub(super) fn buckets(&self) -> [u64; BUCKETS] {
        let mut buckets = *self.replica.fingerprint().buckets();
        for (sum, members) in buckets.iter_mut().zip(self.members.fingerprint().buckets()) {
            *sum = sum.wrapping_add(*members);
        }
        let sum = &mut buckets[usize::from(self.me_hash.bucket)];
        *sum = sum.wrapping_add(self.me_hash.hash);
        buckets
    }
}
