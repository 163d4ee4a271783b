//! The vocabulary: what a service says about itself, and what it may ask about others.
//!
//! The names are those of go-kratos's `registry` package, so that whoever knows it knows this one.
//! A service describes itself as a [`ServiceInstance`]; a [`Registrar`] makes it known; a
//! [`Discovery`] answers who else is there; a [`Watcher`] tells when that changed. A [`Membership`] is a
//! registrar that can leave. All these traits are object-safe: an `Arc<dyn Discovery>` can stand for a node, or for a stand-in of it in a
//! test.
//!
//! # Rules of this room
//!
//! - It uses nothing else of this crate, reads no clock, opens no socket and needs no runtime.
//! - What is wrong is refused where it is built ([`ServiceInstanceBuilder::build`]), with an error
//!   that names the field, the value and the mend. A [`ServiceInstance`] that exists is valid, also
//!   one that was deserialized: nothing is checked again later.
//! - Every field has a limit, and every limit is a constant here, because each instance is stored
//!   by every node of a cluster and sent to it in datagrams.
//! - The one random number is the UUID that an instance gets as its default id; whoever needs the
//!   same ids in every run sets them.

mod builder;
mod composite;
mod discovery;
mod endpoint;
mod instance;
mod instance_error;
mod instances;
mod json;
mod limits;
mod membership;
mod registrar;
mod status;
mod stop;
mod watcher;

use std::future::Future;
use std::pin::Pin;

pub use builder::ServiceInstanceBuilder;
pub use composite::CompositeRegistrar;
pub use discovery::{Discovery, DiscoveryError, WaitError};
pub use endpoint::{Endpoint, EndpointError};
pub use futures_core::Stream;
pub use instance::ServiceInstance;
pub use instance_error::{Field, InstanceError};
pub use instances::Instances;
pub use limits::{
    MAX_ENDPOINT_BYTES, MAX_ENDPOINTS, MAX_ID_BYTES, MAX_METADATA_KEY_BYTES, MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_BYTES, MAX_NAME_BYTES, MAX_RECORD_BYTES, MAX_VERSION_BYTES,
};
pub use membership::Membership;
pub use registrar::{Registrar, RegistrarError};
pub use status::Status;
pub use stop::{StopHandle, Stopped};
pub use watcher::{WatchError, Watcher};

/// A boxed future, as the methods of [`Registrar`], [`Discovery`] and [`Watcher`] return it: boxing
/// keeps these traits object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
