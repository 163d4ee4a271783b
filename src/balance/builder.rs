//! How a balancer is set up.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::balancer::Shared;
use super::budget::Balance;
use super::ejection::Ejected;
use super::follow::Following;
use super::source::Source;
use super::standing::{Kept, Standing};
use super::{Balancer, BuildError, Ejection, Empty, RetryBudget};
use crate::registry::{Discovery, Endpoint};
#[cfg(any(feature = "tonic", feature = "reqwest"))]
use crate::select::TargetError;
use crate::select::filter::{self, Filter};
use crate::select::{Pool, Scheme, Strategy, Target};

/// Sets a [`Balancer`] up; from [`Balancer::builder`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct BalancerBuilder {
    discovery: Arc<dyn Discovery>,
    target: String,
    scheme: Scheme,
    tls: bool,
    strategy: Strategy,
    wanted: Vec<Wanted>,
    empty: Empty,
    ejection: Ejection,
    budget: RetryBudget,
}

/// In the order in which they were asked for.
enum Wanted {
    Version(String),
    Filter(Box<dyn Filter>),
}

impl BalancerBuilder {
    pub(super) fn new(discovery: Arc<dyn Discovery>, target: String, scheme: Scheme) -> Self {
        Self {
            discovery,
            target,
            scheme,
            tls: false,
            strategy: Strategy::default(),
            wanted: Vec::new(),
            empty: Empty::default(),
            ejection: Ejection::default(),
            budget: RetryBudget::default(),
        }
    }

    /// Whether calls use TLS: then only endpoints of `https` or `grpcs` count. Default: no.
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Only instances whose version meets this requirement, such as `^1.4`; see [`filter::version`]. One
    /// that is none fails the build.
    pub fn version(mut self, requirement: impl Into<String>) -> Self {
        self.wanted.push(Wanted::Version(requirement.into()));
        self
    }

    /// Only instances that pass this filter, after those that were added before.
    pub fn filter(mut self, filter: impl Filter + 'static) -> Self {
        self.wanted.push(Wanted::Filter(Box::new(filter)));
        self
    }

    /// How to pick. Default: [`Strategy::P2c`].
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// What happens when there is nobody to call. Default: [`Empty::Fail`].
    pub fn empty(mut self, empty: Empty) -> Self {
        self.empty = empty;
        self
    }

    /// When somebody who fails gets no calls for a while. Default: see [`Ejection`].
    pub fn ejection(mut self, ejection: Ejection) -> Self {
        self.ejection = ejection;
        self
    }

    /// How many retries there may be of calls that were sent. Default: see [`RetryBudget`].
    pub fn retry_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Whom it calls.
    #[cfg(any(feature = "tonic", feature = "reqwest"))]
    pub(crate) fn target(&self) -> Result<Target, TargetError> {
        self.target.parse()
    }

    /// A balancer that keeps nothing for an address. See [`build_with`](Self::build_with).
    pub fn build(self) -> Result<Balancer, BuildError> {
        self.build_with(|_| ())
    }

    /// Reads the list, and follows the service from now on. For each address that can be called, `connect`
    /// makes what is kept; see [`PoolBuilder::connections`](crate::select::PoolBuilder::connections).
    ///
    /// `connect` is called by the pick that finds a newer list, or by a task of the tokio runtime in use,
    /// and once for an address. What it spawns ends with that runtime, though the balancer does not.
    ///
    /// A [`Discovery`] that has to wait for its list (a node does not) has the first one a moment
    /// later, and until then nobody.
    pub fn build_with<C: Send + Sync + 'static>(
        self,
        connect: impl Fn(&Endpoint) -> C + Send + Sync + 'static,
    ) -> Result<Balancer<C>, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let target: Target = self.target.parse()?;
        let mut pool = Pool::builder(target.service(), self.scheme)
            .tls(self.tls)
            .strategy(self.strategy);
        for wanted in self.wanted {
            pool = match wanted {
                Wanted::Version(requirement) => pool.filter(filter::version(&requirement)?),
                Wanted::Filter(filter) => pool.filter(filter),
            };
        }
        let kept = move |endpoint: &Endpoint| Kept {
            connection: connect(endpoint),
            standing: Arc::new(Standing::new(endpoint.authority())),
        };
        let (source, first) = Source::open(self.discovery, target.service())?;
        let shared = Arc::new(Shared {
            pool: pool.connections(kept).build(),
            empty: self.empty,
            ejected: Ejected::new(self.ejection),
            budget: Balance::new(self.budget),
            origin: Instant::now(),
        });
        shared.pool.update(&first);
        Ok(Balancer::new(Following::begin(shared, source, &runtime)))
    }
}

/// The settings that every client has, for a builder with a field `balancer`.
#[cfg(any(feature = "tonic", feature = "reqwest"))]
macro_rules! balancer_settings {
    () => {
        /// Only instances whose version meets this requirement, such as `^1.4`; see
        /// [`filter::version`](crate::select::filter::version). One that is none fails the build.
        pub fn version(mut self, requirement: impl Into<String>) -> Self {
            self.balancer = self.balancer.version(requirement);
            self
        }

        /// Only instances that pass this filter, after those that were added before.
        pub fn filter(mut self, filter: impl crate::select::filter::Filter + 'static) -> Self {
            self.balancer = self.balancer.filter(filter);
            self
        }

        /// How to pick. Default: [`Strategy::P2c`](crate::select::Strategy::P2c).
        pub fn strategy(mut self, strategy: crate::select::Strategy) -> Self {
            self.balancer = self.balancer.strategy(strategy);
            self
        }

        /// What happens when there is nobody to call. Default:
        /// [`Empty::Fail`](crate::balance::Empty::Fail).
        pub fn empty(mut self, empty: crate::balance::Empty) -> Self {
            self.balancer = self.balancer.empty(empty);
            self
        }

        /// When somebody who fails gets no calls for a while. Default: see
        /// [`Ejection`](crate::balance::Ejection).
        pub fn ejection(mut self, ejection: crate::balance::Ejection) -> Self {
            self.balancer = self.balancer.ejection(ejection);
            self
        }
    };
}
#[cfg(any(feature = "tonic", feature = "reqwest"))]
pub(crate) use balancer_settings;
