//! What the handles ask of the driver.

use tokio::sync::oneshot;

use super::isolation::SeedStatus;
use super::keyring::KeyCommand;
use crate::gossip::security::{KeyId, KeyringError};
use crate::registry::{RegistrarError, ServiceInstance};

/// How many requests may wait for the driver. A caller that finds the queue full waits; it is never
/// refused.
pub(super) const COMMAND_CAPACITY: usize = 256;

/// Who waits for the answer. A caller that has gone away is no reason not to carry out its request.
pub(super) type Reply = oneshot::Sender<Result<(), RegistrarError>>;

#[derive(Debug)]
pub(super) enum Command {
    Register(ServiceInstance, Reply),
    Deregister {
        service: String,
        id: String,
        reply: Reply,
    },
    Keys(
        KeyCommand,
        oneshot::Sender<Result<Vec<KeyId>, KeyringError>>,
    ),
    /// What is known of the seeds.
    Seeds(oneshot::Sender<Vec<SeedStatus>>),
    Leave,
}
