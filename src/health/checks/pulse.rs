//! Whether the service's runtime still runs what it is given.

use std::time::Duration;

use tokio::runtime::Handle;

use super::on_runtime::OnRuntime;
use super::{Check, CheckError};

/// The other checks may be many and slow, and this one is what finds a service that no longer
/// answers anybody: it is asked more often.
const INTERVAL: Duration = Duration::from_secs(1);

impl Check {
    /// Passes when the tokio runtime that this is called on runs an empty task within the timeout.
    ///
    /// A node and its monitor have threads of their own: they live on when the service's runtime is
    /// blocked, and without this check the service would be offered still. With the defaults a
    /// blocked runtime is told of after 3 to 4.3 s.
    ///
    /// Of a runtime with several threads it takes all of them to be blocked. One of a single thread
    /// that nobody drives (between two `block_on`) runs nothing, and fails.
    ///
    /// # Errors
    ///
    /// [`CheckError::NoRuntime`] when it is called on none.
    pub fn pulse() -> Result<Self, CheckError> {
        let runtime = Handle::try_current().map_err(|_| CheckError::NoRuntime)?;
        let pulse = OnRuntime::new(Some(runtime), || async { Ok(()) });
        Ok(Self::asked("runtime", pulse).interval(INTERVAL))
    }
}
