//! What an instance has to be like to be picked.
//!
//! A [`Filter`] sees the list of those who are up and have an endpoint of the pool's scheme, and
//! takes some out. Most look at one instance after the other ([`matching`]); one that sees the list
//! can do what those cannot: fall back to all when nobody is left ([`preferring`]), or keep a
//! subset.
//!
//! ```
//! use tidings::select::{Pool, Scheme, filter};
//!
//! # fn main() -> Result<(), filter::VersionError> {
//! let pool = Pool::builder("order-service", Scheme::Grpc)
//!     .filter(filter::version(">=1.4, <2")?)
//!     .filter(filter::matching("no canary", |instance| {
//!         !instance.metadata().contains_key("canary")
//!     }))
//!     .filter(filter::zone_preferred("eu-1"))
//!     .build();
//! # drop(pool);
//! # Ok(()) }
//! ```

mod metadata;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

pub use metadata::{ZONE, metadata_equals, metadata_preferred, zone_preferred};
pub use version::{VersionError, version};

use super::candidate::Found;
use crate::registry::ServiceInstance;

/// Takes instances out of a pool. Filters run one after the other, each on what the one before left,
/// at every update and never in a pick.
pub trait Filter: Send + Sync {
    /// What it asks for, in a few words, such as `version ^1.2`: told in
    /// [`NoInstances`](super::NoInstances).
    fn name(&self) -> &str;

    /// Takes out who is not wanted.
    fn apply(&self, candidates: &mut Candidates<'_>);
}

/// The instances that a [`Filter`] chooses from, in the order of their ids.
pub struct Candidates<'a> {
    found: Vec<Found<'a>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(found: Vec<Found<'a>>) -> Self {
        Self { found }
    }

    pub(super) fn into_found(self) -> Vec<Found<'a>> {
        self.found
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &ServiceInstance> {
        self.found.iter().map(|found| &**found.instance)
    }

    /// Keeps those for which `wanted` is true; it is asked once for each, in their order.
    pub fn retain(&mut self, mut wanted: impl FnMut(&ServiceInstance) -> bool) {
        self.found.retain(|found| wanted(found.instance));
    }
}

/// Keeps the instances for which `wanted` is true.
pub fn matching(
    name: impl Into<String>,
    wanted: impl Fn(&ServiceInstance) -> bool + Send + Sync + 'static,
) -> impl Filter + 'static {
    ByInstance {
        name: name.into(),
        wanted,
        or_all: false,
    }
}

/// Keeps the instances for which `wanted` is true, and all when that is nobody.
pub fn preferring(
    name: impl Into<String>,
    wanted: impl Fn(&ServiceInstance) -> bool + Send + Sync + 'static,
) -> impl Filter + 'static {
    ByInstance {
        name: name.into(),
        wanted,
        or_all: true,
    }
}

struct ByInstance<F> {
    name: String,
    wanted: F,
    or_all: bool,
}

impl<F: Fn(&ServiceInstance) -> bool + Send + Sync> Filter for ByInstance<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn apply(&self, candidates: &mut Candidates<'_>) {
        if self.or_all && !candidates.iter().any(&self.wanted) {
            return;
        }
        candidates.retain(&self.wanted);
    }
}

impl<F: Filter + ?Sized> Filter for Arc<F> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn apply(&self, candidates: &mut Candidates<'_>) {
        (**self).apply(candidates);
    }
}

impl<F: Filter + ?Sized> Filter for Box<F> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn apply(&self, candidates: &mut Candidates<'_>) {
        (**self).apply(candidates);
    }
}
