//! Handing out calls.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::{SysRng, Xoshiro256PlusPlus};
use rand::{SeedableRng, TryRng};
#[cfg(feature = "tower")]
use tokio::sync::watch;
use tokio::time::Instant;

use super::budget::Balance;
use super::builder::BalancerBuilder;
use super::ejection::{Candidates, Ejected};
use super::follow::Following;
use super::standing::{Kept, Standing};
use super::{Call, Empty};
use crate::registry::{Discovery, Endpoint, Instances};
use crate::select::{Excluded, NoInstances, Pool, Scheme};

thread_local! {
    /// Fast, and predictable by nobody who does not see hundreds of picks; nothing depends on that.
    static RNG: RefCell<Xoshiro256PlusPlus> = RefCell::new(seeded());
}

/// Follows one service and hands out calls to its instances. A clone is the same balancer.
///
/// `C` is what is kept for each address, such as a connection.
pub struct Balancer<C = ()>(Arc<Following<C>>);

/// What balancers and calls have in common.
pub(super) struct Shared<C> {
    pub(super) pool: Pool<Kept<C>>,
    pub(super) empty: Empty,
    pub(super) ejected: Ejected,
    pub(super) budget: Balance,
    pub(super) origin: Instant,
}

impl Balancer {
    /// Starts a client of `target` (`discovery:///name`), which calls endpoints of `scheme`.
    pub fn builder(
        discovery: Arc<dyn Discovery>,
        target: impl Into<String>,
        scheme: Scheme,
    ) -> BalancerBuilder {
        BalancerBuilder::new(discovery, target.into(), scheme)
    }
}

impl<C> Balancer<C> {
    pub(super) const fn new(following: Arc<Following<C>>) -> Self {
        Self(following)
    }

    /// With the newest list.
    fn fresh(&self) -> &Arc<Shared<C>> {
        self.0.refresh();
        &self.0.shared
    }

    /// Picks an instance for a call. `tried` has the addresses at which this very call failed
    /// already: none for its first try.
    ///
    /// Waits only when there is nobody and [`Empty::WaitUpTo`] says so, and then for a first try only.
    /// Somebody who is ejected is picked when there is nobody else.
    ///
    /// # Errors
    ///
    /// [`NoInstances`], also when all were tried.
    pub async fn pick(&self, tried: &[Arc<str>]) -> Result<Call<C>, NoInstances> {
        match self.pick_now(tried) {
            Ok(picked) => picked,
            // (It is large, and rare.)
            Err(longest) => Box::pin(self.wait(longest)).await,
        }
    }

    /// As [`pick`](Self::pick), but where it has to [wait](Self::wait), for so long, that is left to the caller.
    pub(crate) fn pick_now(
        &self,
        tried: &[Arc<str>],
    ) -> Result<Result<Call<C>, NoInstances>, Duration> {
        let shared = self.fresh();
        if tried.is_empty() {
            shared.budget.earn();
        }
        match (Shared::pick(shared, tried), shared.empty) {
            (Err(_), Empty::WaitUpTo(longest)) if tried.is_empty() => Err(longest),
            (picked, _) => Ok(picked),
        }
    }

    /// The rest of a pick that has to wait.
    pub(crate) async fn wait(&self, longest: Duration) -> Result<Call<C>, NoInstances> {
        let mut changed = self.0.signal().subscribe();
        let waiting = async {
            loop {
                // What changed until now is seen by this pick.
                changed.mark_unchanged();
                if let Ok(call) = Shared::pick(self.fresh(), &[]) {
                    return call;
                }
                let told = changed.changed().await;
                told.expect("this has the other end of it");
            }
        };
        match tokio::time::timeout(longest, waiting).await {
            Ok(call) => Ok(call),
            Err(_) => Shared::pick(self.fresh(), &[]),
        }
    }

    /// Whether one more retry of a call that was sent is within the budget; then it counts as made.
    pub fn may_retry(&self) -> bool {
        self.0.shared.budget.spend(self.0.shared.now())
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        self.0.shared.service()
    }

    /// Where calls can go now: an endpoint for each address. Who is ejected is in it.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.fresh().pool.endpoints()
    }

    /// Waits for lists. The first wait is for one that is newer than this.
    #[cfg(feature = "tower")]
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.signal().subscribe()
    }

    /// How often an address was [ejected](crate::balance::Ejection) since this was built. Each time is a line of the
    /// log, too.
    pub fn ejections(&self) -> u64 {
        self.0.shared.ejected.total()
    }

    /// How many addresses can be called now.
    pub fn len(&self) -> usize {
        self.fresh().pool.len()
    }

    /// Whether there is nobody to call now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C> Shared<C> {
    /// Since the balancer was made.
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(super) fn service(&self) -> &str {
        self.pool.service()
    }

    pub(super) fn take(&self, list: &Instances) {
        if self.empty == Empty::KeepLast && !self.pool.is_empty() {
            if !self.pool.update_unless_empty(list) {
                tracing::warn!(
                    target: "tidings::balance", service = self.service(), instances = list.len(),
                    "nobody of the new list can be called: calls go to those who were there last"
                );
            }
        } else {
            self.pool.update(list);
        }
    }

    pub(super) fn failed(&self, standing: &Arc<Standing>, now: Duration) {
        let has = |address: &str| self.pool.can_call(address);
        let count = self.pool.len();
        let candidates = Candidates { count, has: &has };
        self.ejected
            .failed(self.service(), standing, now, candidates);
    }

    fn pick(this: &Arc<Self>, tried: &[Arc<str>]) -> Result<Call<C>, NoInstances> {
        let now = this.now();
        let excluded = if this.ejected.is_nobody() {
            Vec::new()
        } else {
            let has = |address: &str| this.pool.can_call(address);
            let count = this.pool.len();
            this.ejected.addresses(now, Candidates { count, has: &has })
        };
        let pick = RNG.with_borrow_mut(|rng| {
            let out = Excluded {
                tried,
                sorted: &excluded,
            };
            let picked = this.pool.pick_not(now, rng, out);
            if excluded.is_empty() {
                return picked;
            }
            picked.or_else(|_| this.pool.pick_excluding(now, rng, tried))
        })?;
        Ok(Call::new(pick, Arc::clone(this), now))
    }
}

impl<C> Clone for Balancer<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for Balancer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balancer")
            .field("pool", &self.0.shared.pool)
            .field("empty", &self.0.shared.empty)
            .field("ejected", &self.0.shared.ejected)
            .finish_non_exhaustive()
    }
}

fn seeded() -> Xoshiro256PlusPlus {
    // Without the operating system's randomness, threads draw the same numbers: less even, not wrong.
    let seed = SysRng.try_next_u64().unwrap_or(0);
    Xoshiro256PlusPlus::seed_from_u64(seed)
}
