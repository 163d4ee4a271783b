//! A service resolved once: reading it is one atomic load.

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use super::directory::{Lease, Snapshot};
use crate::registry::{Instances, ServiceInstance};

/// The instances of one service, always the newest.
///
/// Made once, by [`Directory::service`](super::Directory::service), and kept by whoever calls that
/// service. It may be made before the service exists, and stays right when the service goes and
/// comes back.
#[derive(Clone)]
pub struct ServiceHandle {
    lease: Lease,
}

impl ServiceHandle {
    pub(super) fn new(lease: Lease) -> Self {
        Self { lease }
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.lease.cell.name
    }

    /// The instances as they are now: one atomic load; no lock, no allocation, no clone.
    ///
    /// Hold it as long as it takes to pick one. The list in it does not change, and a few at a time
    /// per thread are free; [`snapshot`](Self::snapshot) is for keeping. (The first read of a
    /// thread that has never read any handle sets up that thread's bookkeeping.)
    pub fn instances(&self) -> InstancesRef<'_> {
        InstancesRef {
            snapshot: self.lease.cell.snapshot.load(),
            handle: PhantomData,
        }
    }

    /// The instances as they are now, to keep: costs a reference count.
    pub fn snapshot(&self) -> Instances {
        self.lease.cell.snapshot.load().instances.clone()
    }

    /// How often the list has changed since the directory began to keep it: while a handle lives,
    /// the same version is the same list. Versions of handles that did not live at the same time
    /// say nothing about each other.
    pub fn version(&self) -> u64 {
        self.lease.cell.snapshot.load().version
    }
}

impl fmt::Debug for ServiceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.lease.cell.snapshot.load();
        f.debug_struct("ServiceHandle")
            .field("name", &self.name())
            .field("version", &snapshot.version)
            .field("instances", &snapshot.instances)
            .finish()
    }
}

/// What [`ServiceHandle::instances`] returns: derefs to a slice of instances, in the order of their
/// ids.
pub struct InstancesRef<'a> {
    snapshot: Guard<Arc<Snapshot>>,
    handle: PhantomData<&'a ServiceHandle>,
}

impl InstancesRef<'_> {
    /// The version of this list, as [`ServiceHandle::version`] counts.
    pub fn version(&self) -> u64 {
        self.snapshot.version
    }

    /// [`Instances::is_stale`]: some of it is remembered, and not confirmed yet.
    pub fn is_stale(&self) -> bool {
        self.snapshot.instances.is_stale()
    }

    /// The same list, to keep: costs a reference count.
    pub fn to_instances(&self) -> Instances {
        self.snapshot.instances.clone()
    }
}

impl Deref for InstancesRef<'_> {
    type Target = [Arc<ServiceInstance>];

    fn deref(&self) -> &Self::Target {
        &self.snapshot.instances
    }
}

impl fmt::Debug for InstancesRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot.instances.fmt(f)
    }
}
