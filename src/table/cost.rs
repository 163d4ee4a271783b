//! What a record costs in memory: what it asks of the allocator, and its part of the lists that readers get.
//!
//! Counted are the record, its encoded content, its instances with every string, list and map in them, the
//! place of each instance in the lists of its service, and [`SHARE_BYTES`] of what there is once for each owner (some
//! 250 bytes) and each service (some 900). `cost/tests.rs` holds that to what an allocator counts: within 15 %, but
//! for services that have one instance in the whole cluster, which cost up to twice what is counted. Not counted is what the
//! allocator rounds up, keeps in reserve, or does not give back to the operating system.

use std::{mem::size_of, sync::Arc};

use crate::registry::{Endpoint, ServiceInstance};

/// The counters of an `Arc`.
pub(super) const ARC_BYTES: usize = 2 * size_of::<usize>();
/// A record's part of its owner's and its service's books, where either has several.
pub(super) const SHARE_BYTES: usize = 140;
/// The place of an instance among a service's, by id and owner, in nodes that are some three quarters full, and in the
/// list that readers get.
const PLACES_BYTES: usize = 64 + 8;
/// The node of a map that has no children holds so many entries; in ascending order it is filled with
/// [`FILLED`] before it is split.
const NODE_ENTRIES: usize = 11;
const FILLED: usize = 6;
/// What such a node takes besides them, and what the pointers to children take.
const NODE_BYTES: usize = 16;
const CHILDREN_BYTES: usize = 12 * size_of::<usize>();
/// The smallest list that a `Vec` makes room for.
const VEC_ENTRIES: usize = 4;

/// What an instance of a record takes.
pub(super) fn of_instance(instance: &Arc<ServiceInstance>) -> usize {
    let texts = instance.id().len() + instance.name().len() + instance.version().len();
    let metadata = instance.metadata();
    let pairs: usize = metadata
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    let endpoints = instance.endpoints();
    let addresses: usize = endpoints
        .iter()
        .map(|endpoint| endpoint.as_str().len())
        .sum();
    let slots = match endpoints.len() {
        0 => 0,
        count => count.next_power_of_two().max(VEC_ENTRIES),
    };
    ARC_BYTES
        + size_of::<ServiceInstance>()
        + texts
        + of_map(metadata.len(), 2 * size_of::<String>())
        + pairs
        + slots * size_of::<Endpoint>()
        + addresses
        + size_of::<Arc<ServiceInstance>>()
        + PLACES_BYTES
}

/// What the nodes of a map take that was filled in ascending order.
fn of_map(entries: usize, entry_bytes: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let node = NODE_ENTRIES * entry_bytes + NODE_BYTES;
    if entries <= NODE_ENTRIES {
        return node;
    }
    let leaves = entries.div_ceil(FILLED + 1);
    leaves * node + node + CHILDREN_BYTES
}

#[cfg(test)]
mod tests;
