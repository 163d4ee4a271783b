//! Calls to a service: who gets this one, and what follows from how it went.
//!
//! What every client integration stands on, and whoever builds their own. A [`Balancer`] follows one
//! service of a [`Discovery`](crate::Discovery) and hands out [`Call`]s, each to one instance.
//!
//! ```no_run
//! use std::sync::Arc;
//! use tidings::Discovery;
//! use tidings::balance::Balancer;
//! use tidings::select::{Outcome, Scheme};
//!
//! # async fn example(discovery: Arc<dyn Discovery>) -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Balancer::builder(discovery, "discovery:///order-service", Scheme::Http)
//!     .version("^1.4")
//!     .build()?;
//! let call = orders.pick(&[]).await?;
//! println!("call {}", call.endpoint());
//! call.finish(Outcome::Success);
//! # Ok(()) }
//! ```
//!
//! # The list
//!
//! It is read when a balancer is built, so that a first call does not fail for want of a list that
//! the table has. Then each pick looks whether there is a newer one, which costs two atomic loads, and
//! takes it first. Between calls a task takes new lists, so that what belongs to instances that are gone
//! does not stay; it ends with the last clone of the balancer.
//!
//! No list hangs on that task, nor on a runtime. A balancer that was built on one tokio runtime and is
//! used on another has the newest list there, also when the first runtime has been shut down or stands
//! still. A pick that finds the task ended begins another, and a line of the log says so. The clients in
//! `integrations` keep connections for each runtime on its own.
//!
//! When the discovery is shut down, the last list stays in use, and a warning says so. When a filter or what makes
//! connections panics on a list, an error says so, the one before stays in use, and the next is taken.
//!
//! When there is nobody to call, [`Empty`] decides: fail at once, call those who were there last, or
//! wait, and never without a bound.
//!
//! # Who gets no calls for a while
//!
//! The [pool](crate::select::Pool)'s success rate makes an instance that fails expensive, but somebody
//! expensive is still picked when both of two that were drawn are; and only power of two choices
//! looks at it. So [`Ejection`] takes out whoever failed several times in a row, for a time that
//! doubles. Never more than half: when most fail, it is not they, and the rest would not bear the load.
//!
//! # Trying again
//!
//! A call that was never sent costs its instance nothing and is tried elsewhere, at as many addresses
//! as the client allows. One that was sent is tried again only if the client knows that this does no
//! harm, and within a [`RetryBudget`]: retries are a share of the calls, so that they do not keep down
//! who is overloaded already.

mod balancer;
mod budget;
mod builder;
mod call;
mod ejection;
mod empty;
mod error;
mod follow;
#[cfg(any(feature = "tonic", feature = "reqwest"))]
mod lent;
#[cfg(any(feature = "tonic", feature = "reqwest", feature = "tower"))]
mod per_runtime;
mod source;
mod standing;
#[cfg(test)]
mod tests;

pub use balancer::Balancer;
pub use budget::RetryBudget;
pub use builder::BalancerBuilder;
#[cfg(any(feature = "tonic", feature = "reqwest"))]
pub(crate) use builder::balancer_settings;
pub use call::Call;
pub use ejection::Ejection;
pub use empty::Empty;
pub use error::BuildError;
#[cfg(any(feature = "tonic", feature = "reqwest"))]
pub(crate) use lent::Retained;
#[cfg(feature = "tonic")]
pub(crate) use lent::{Awaited, BoxError, Lent, Loan};
#[cfg(any(feature = "tonic", feature = "reqwest", feature = "tower"))]
pub(crate) use per_runtime::PerRuntime;
