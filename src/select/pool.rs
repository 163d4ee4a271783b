//! The instances of one service that can be called, and picking one.

mod builder;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
pub use builder::PoolBuilder;
use rand::Rng;

use super::candidate::Candidate;
use super::choice::{Choice, Excluded};
use super::filter::Filter;
use super::load::Moment;
use super::turn::Turn;
use super::{NoInstances, Pick, Scheme, Strategy};
use crate::registry::Endpoint;

/// The instances of one service that can be called.
///
/// Somebody who watches the service hands each new list to [`update`](Self::update), and whoever has
/// a call to make [picks](Self::pick) an instance. A pool is shared: everything takes `&self`.
///
/// `C` is what the caller keeps for each address, such as a connection that is made lazily:
/// [`PoolBuilder::connections`] makes it, and it lives as long as the list names the address.
///
/// # Time and chance
///
/// A pool reads no clock and has no random source. `now` is the time since an origin that the caller
/// chose, the same for all calls (with `std::time::Instant`: one that was taken at the start, and its
/// `elapsed()`). The random source wants to be fast and need not be secure; one per thread is best.
pub struct Pool<C = ()> {
    service: Arc<str>,
    scheme: &'static str,
    strategy: Strategy,
    filters: Vec<(Arc<str>, Box<dyn Filter>)>,
    connect: Box<dyn Fn(&Endpoint) -> C + Send + Sync>,
    /// By address: everybody of the list who was a candidate once, also who is none now. Only
    /// updates take this lock.
    known: Mutex<BTreeMap<Arc<str>, Arc<Candidate<C>>>>,
    turn: Turn,
    choice: ArcSwap<Choice<C>>,
}

impl Pool {
    /// Starts a pool for `service`, which calls endpoints of `scheme`. It is empty until its first
    /// [`update`](Self::update).
    pub fn builder(service: impl Into<Arc<str>>, scheme: Scheme) -> PoolBuilder {
        PoolBuilder::new(service.into(), scheme)
    }
}

impl<C> Pool<C> {
    /// Picks an instance. Takes no lock and allocates nothing. (The first pick of a thread sets up
    /// that thread's bookkeeping.)
    ///
    /// # Errors
    ///
    /// [`NoInstances`] when there is nobody to call; it says why.
    pub fn pick(
        &self,
        now: Duration,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Pick<C>, NoInstances> {
        self.pick_excluding(now, rng, &[])
    }

    /// Picks an instance at none of the addresses in `tried`: for another try of a call that failed.
    /// A short list: each candidate that is looked at is compared with all of it.
    ///
    /// # Errors
    ///
    /// [`NoInstances`] also when all were tried: whether to try one of them again is for the caller
    /// to decide.
    pub fn pick_excluding(
        &self,
        now: Duration,
        rng: &mut (impl Rng + ?Sized),
        tried: &[Arc<str>],
    ) -> Result<Pick<C>, NoInstances> {
        self.pick_not(now, rng, Excluded { tried, sorted: &[] })
    }

    /// Picks an instance that is not excluded.
    pub(crate) fn pick_not(
        &self,
        now: Duration,
        rng: &mut (impl Rng + ?Sized),
        out: Excluded<'_>,
    ) -> Result<Pick<C>, NoInstances> {
        let now = Moment::from(now);
        let choice = self.choice.load();
        match choice.choose(self.strategy, &self.turn, now, rng, out) {
            Some(candidate) => Ok(Pick::begin(Arc::clone(candidate), now)),
            None => Err(NoInstances::new(&choice.survey, choice.candidates.len())),
        }
    }

    /// Where calls can go now: an endpoint for each address, in the order of the list.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let choice = self.choice.load();
        let endpoint = |candidate: &Arc<Candidate<C>>| candidate.endpoint().clone();
        choice.candidates.iter().map(endpoint).collect()
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Whether this address can be picked now.
    #[cfg(feature = "balance")]
    pub(crate) fn can_call(&self, address: &str) -> bool {
        let addresses = &self.choice.load().addresses;
        addresses
            .binary_search_by(|known| (**known).cmp(address))
            .is_ok()
    }

    /// How many addresses can be picked now.
    pub fn len(&self) -> usize {
        self.choice.load().candidates.len()
    }

    /// Whether [`pick`](Self::pick) would fail now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choice = self.choice.load();
        let load = |candidate: &Arc<Candidate<C>>| {
            let backend = &candidate.backend;
            (Arc::clone(&backend.address), backend.load.in_flight())
        };
        let filters = self.filters.iter().map(|(name, _)| name);
        f.debug_struct("Pool")
            .field("service", &self.service)
            .field("scheme", &self.scheme)
            .field("strategy", &self.strategy)
            .field("filters", &filters.collect::<Vec<_>>())
            .field(
                "in_flight",
                &choice
                    .candidates
                    .iter()
                    .map(load)
                    .collect::<BTreeMap<_, _>>(),
            )
            .finish_non_exhaustive()
    }
}
