//! What happens when there is nobody to call.

use std::time::Duration;

/// What a call does when the service has nobody to call: no instance, or none that is up, has the
/// scheme, and passes the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Empty {
    /// It fails at once, with [`NoInstances`](crate::select::NoInstances).
    #[default]
    Fail,
    /// It goes to those who were there last, until there is somebody again. For whoever would rather
    /// try an instance that seems gone than not try. It fails at once if nobody was ever there.
    KeepLast,
    /// It waits for somebody, at most so long, and then fails. A call that is dropped waits no longer.
    WaitUpTo(Duration),
}
