//! A service for a stack of one's own, by [`tower`]: on hyper, or on whatever else is a
//! [`Service`].
//!
//! [`Balance`] is a [`Service`] over one of yours for each address, and picks for each request. Its load
//! is this crate's, which a fast failure does not attract; tower's own (`PeakEwma`, `PendingRequests`)
//! measure time only, so that an instance that refuses at once gets the most requests.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::sync::Arc;
//! use tidings::Discovery;
//! use tidings::balance::{Balancer, BuildError};
//! use tidings::integrations::tower::Balance;
//! use tidings::registry::Endpoint;
//! use tidings::select::{Outcome, Scheme};
//! use tower::{Service, util::BoxCloneSyncService};
//!
//! # async fn example(
//! #     discovery: Arc<dyn Discovery>,
//! #     client: fn(&Endpoint) -> BoxCloneSyncService<String, String, Infallible>,
//! # ) -> Result<(), BuildError> {
//! let orders = Balancer::builder(discovery, "discovery:///order-service", Scheme::Http);
//! let mut orders = Balance::new(orders, client, |answer: &Result<String, Infallible>| match answer {
//!     Ok(_) => Outcome::Success,
//!     Err(_) => Outcome::Failure,
//! })?;
//! let answer = orders.call("hello".to_owned()).await;
//! # let _ = answer;
//! # Ok(()) }
//! ```
//!
//! [`Changes`] is a [`Discover`](tower::discover::Discover), for balancers that are there already.

mod balance;
mod changes;

pub use balance::{Balance, BalanceError};
pub use changes::Changes;
#[cfg(doc)]
use tower::Service;
