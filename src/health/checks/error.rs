//! Why a check was not made.

/// Why there is no such check. Nothing was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no tokio runtime where the check was made, so there is none to watch.
    #[error("there is no tokio runtime here to watch: make the check in the service's runtime")]
    NoRuntime,
    /// Nothing can be reached under that address.
    #[error("`{address}` cannot be checked: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}
