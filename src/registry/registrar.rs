//! Making an instance known.

use std::net::SocketAddr;

use super::{BoxFuture, InstanceError, ServiceInstance};

/// Makes instances known, and unknown again.
///
/// Both calls are idempotent and need no peer: a node that is alone registers and finds itself.
pub trait Registrar: Send + Sync {
    /// Registers `instance`: when this returns it is in the local table, and on its way to
    /// everybody.
    ///
    /// One of the same name and id that this registrar registered before is replaced: that is how
    /// metadata, version, endpoints or status change. Endpoints with an unspecified host get the
    /// registrar's own address.
    ///
    /// # Errors
    ///
    /// See [`RegistrarError`]; after any of them the table is as it was.
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>>;

    /// Takes back what this registrar registered under the name and id of `instance`; the other
    /// fields do not count. One that is not registered is `Ok`.
    ///
    /// # Errors
    ///
    /// [`RegistrarError::Closed`].
    fn deregister(&self, instance: &ServiceInstance) -> BoxFuture<'_, Result<(), RegistrarError>>;

    /// Why nobody else finds what is registered here at present, if that is so and the registrar knows: a node that has not
    /// joined its cluster. Never waits. Default: nothing is known.
    fn isolation(&self) -> Option<String> {
        None
    }
}

/// Why a registrar did not do what it was asked. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrarError {
    /// The node has been shut down.
    #[error("the node has been shut down, nothing was changed: start another one to register with")]
    Closed,
    /// The instance cannot be registered as it is.
    #[error("the instance cannot be registered, nothing was changed: {0}")]
    InvalidInstance(#[from] InstanceError),
    /// The instance is valid, but with it a limit on all that is registered would be exceeded.
    #[error("{limit} would be {value}, more than {max}, nothing was changed: {mend}")]
    Limit {
        /// What is limited, with its unit, such as ``bytes in the record of `user-service` ``.
        limit: String,
        /// What it would have become.
        value: usize,
        /// The limit.
        max: usize,
        /// What to do about it.
        mend: &'static str,
    },
    /// The node's own list of trusted keys does not let it write records of this service.
    #[error(
        "`trusted` does not let this node ({owner}) offer `{service}` {}, nothing was changed: give \
         it a key that is listed for both by `sign_with`, or add its public key to the rules for them",
        signed_by(public_key.as_deref())
    )]
    Untrusted {
        /// The service.
        service: String,
        /// The node's advertised address.
        owner: SocketAddr,
        /// The public half of the key that the node signs with, in base64; none if it does not sign.
        public_key: Option<String>,
    },
}

fn signed_by(public_key: Option<&str>) -> String {
    match public_key {
        Some(key) => format!("signed by {key}"),
        None => "unsigned".to_owned(),
    }
}
