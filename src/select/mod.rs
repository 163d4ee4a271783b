//! Picking: which instance of a service gets the next call.
//!
//! A [`Pool`] has the instances of one service. Whoever watches the service hands it each new list;
//! whoever has a call to make picks one, and tells by the [`Pick`] how the call went. A [`Target`] is
//! how a service is named in a URL, `discovery:///name`.
//!
//! ```
//! use std::time::Instant;
//!
//! use rand::{SeedableRng, rngs::StdRng};
//! use tidings::ServiceInstance;
//! use tidings::registry::Instances;
//! use tidings::select::{Outcome, Pool, Scheme, Target, filter};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let target: Target = "discovery:///order-service".parse()?;
//! let pool = Pool::builder(target.service(), Scheme::Grpc)
//!     .filter(filter::version("^1.2")?)
//!     .filter(filter::zone_preferred("eu-1"))
//!     .build();
//!
//! // In life: each list that a watcher returns.
//! let instance = ServiceInstance::builder("order-service")
//!     .version("1.4.2")
//!     .endpoint("grpc://10.0.0.9:9000")
//!     .build()?;
//! pool.update(&Instances::from_iter([instance]));
//!
//! // For each call. The origin and the random source are made once.
//! let (origin, mut rng) = (Instant::now(), StdRng::seed_from_u64(42));
//! let pick = pool.pick(origin.elapsed(), &mut rng)?;
//! println!("call {}", pick.endpoint());
//! pick.finish(origin.elapsed(), Outcome::Success);
//!
//! // Another try is made elsewhere, and here there is no elsewhere.
//! let tried = [pool.pick(origin.elapsed(), &mut rng)?.address().clone()];
//! let error = pool.pick_excluding(origin.elapsed(), &mut rng, &tried).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "service `order-service` has 1 instance, and it is left out: 1 tried already"
//! );
//! # Ok(()) }
//! ```
//!
//! # Who can be picked
//!
//! From the list of instances, in this order: who is not [up](crate::registry::Status::Up) is left
//! out, and so is who has no endpoint of the wished scheme; then the [filters](filter) take out
//! theirs; then whoever has weight 0, if the strategy reads weights; and of several at one address
//! the first stays. When nobody is left, [`NoInstances`] says which of these it was, with numbers.
//!
//! # Weights
//!
//! An instance's weight is its metadata `weight`, a whole number; 100 without one, at most 65,535.
//! [`Strategy::Weighted`] and [`Strategy::P2c`] read it. Weight 0 means drained: it is never picked.
//! What is no number is taken for 100, with a warning when the instance appears or changes.
//!
//! # Power of two choices
//!
//! Two different candidates are drawn, and the one with the lower load has the call. Looking at two
//! instead of one is what makes the difference, and looking at more adds little (Mitzenmacher, *The
//! Power of Two Choices in Randomized Load Balancing*, 2001). Always taking the best of all would send
//! every client to the same instance. The load is
//!
//! ```text
//! latency × (calls in flight + 1) ÷ success rate ÷ weight
//! ```
//!
//! - **Latency** is Finagle's peak EWMA: a sample that is worse counts at once, one that is better
//!   with a weight that grows with the time since the last, by a time constant of 600 ms (Kratos's).
//!   While no call is out, it fades by the same constant, as in Finagle and tower: what is not asked is
//!   not known. So one slow answer takes an instance out for as long as it takes to fade below the
//!   others, and then *one* call finds out how it is: with that call out, the latency counts in full.
//!   It does not fade while the last calls have failed: who hangs is not tried again by a call that would hang too.
//! - **Silence** is latency before it can be measured: while calls wait for the beginning of their answers, the latency is at
//!   least the time since the first of them that began after the last answer (up to 10 s). So an instance that freezes is out of the picks once it
//!   has been silent for longer than the others take, and not only when the first call to it has timed out.
//! - **The success rate** is an EWMA as well, where each call weighs at least a fifth, however fast
//!   they follow each other: an instance that begins to fail is out after a handful of calls. A failure
//!   that came fast leaves the latency as it is. So failing fast does not look fast.
//! - **Not measured yet** means that latency is left out of the comparison: a new instance gets calls
//!   until it has as many in flight as the others, and no flood.
//! - **Who was not picked for over 3 s** is tried when it is drawn, whatever its load (Kratos's
//!   `forcePick`): by one call, also when many threads draw it at once. That is how an instance that
//!   failed comes back. Where calls wait for an answer they find out, and it takes 30 s. And after a failure the next
//!   try is due in 20 times the time that it took, at least 3 s, twice as late for each try in a row that failed, at most
//!   60 s: who refuses at once is tried every 3 s for a long time, who let a call run into a timeout of one second
//!   after 20 s.
//!
//! # Invariants
//!
//! - A pick takes no lock and allocates nothing. It reads one immutable list behind an atomic pointer;
//!   an update puts another in its place.
//! - What is known of an address outlives updates as long as the list names it, and not longer.
//! - The number of calls in flight is exact: it goes up with each [`Pick`] and down with its drop.
//! - No clock, no random source, no task: the time and the random numbers come with each call, and the
//!   same ones give the same picks.

mod candidate;
mod choice;
pub mod filter;
mod load;
mod no_instances;
mod pick;
mod pool;
mod scheme;
mod strategy;
mod target;
mod turn;
mod weighted;

#[cfg(feature = "balance")]
pub(crate) use choice::Excluded;
pub use no_instances::{Cause, NoInstances};
pub use pick::{Outcome, Pick};
pub use pool::{Pool, PoolBuilder};
pub use scheme::Scheme;
pub use strategy::Strategy;
pub use target::{Target, TargetError};
