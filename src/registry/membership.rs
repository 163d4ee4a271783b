//! Being a member of what instances are registered in.

use std::error::Error;
use std::sync::Arc;

use super::{BoxFuture, Registrar};

/// A registrar that is itself a member of something, and leaves it: a node of its cluster.
///
/// For whoever ends a process in order, such as an `App`: it registers by
/// [`registrar`](Self::registrar), and [leaves](Self::leave) last of all.
pub trait Membership: Send + Sync {
    /// What instances are registered with.
    fn registrar(&self) -> Arc<dyn Registrar>;

    /// Leaves, so that the others hear of it instead of finding out. Nothing happens before the future is
    /// polled, and it may be dropped: whoever waits has a bound. Leaving again does nothing.
    ///
    /// # Errors
    ///
    /// Whatever kept the others from being told. It has left either way.
    fn leave(&self) -> BoxFuture<'static, Result<(), Box<dyn Error + Send + Sync>>>;
}

impl<M: Membership + ?Sized> Membership for Arc<M> {
    fn registrar(&self) -> Arc<dyn Registrar> {
        (**self).registrar()
    }

    fn leave(&self) -> BoxFuture<'static, Result<(), Box<dyn Error + Send + Sync>>> {
        (**self).leave()
    }
}

impl<M: Membership + ?Sized> Membership for &M {
    fn registrar(&self) -> Arc<dyn Registrar> {
        (**self).registrar()
    }

    fn leave(&self) -> BoxFuture<'static, Result<(), Box<dyn Error + Send + Sync>>> {
        (**self).leave()
    }
}
