//! The keys of a running node.

use tokio::sync::oneshot;

use super::Node;
use super::commands::Command;
use crate::gossip::Engine;
use crate::gossip::security::{ClusterKey, KeyId, KeyringError, Rollout};

/// The keys of a running node; from [`Node::keyring`].
///
/// A cluster changes its key in three rounds, each of which is over at every node before the next one begins:
/// [`add`](Self::add) the new one, [`promote`](Self::promote) it, [`remove`](Self::remove) the old one. Nothing is lost
/// meanwhile. What is changed here lasts as long as the node: what it is started with next time is up to its builder.
///
/// A node that has a [`key_file`](super::NodeBuilder::key_file) follows that by itself. What is changed here stays until the
/// file changes: then what is new in the file is added, what is gone from it goes, and its first key seals.
#[derive(Clone, Copy, Debug)]
pub struct NodeKeyring<'a>(pub(super) &'a Node);

impl NodeKeyring<'_> {
    /// From now on `key` opens too. One that does already is `Ok`.
    pub async fn add(&self, key: ClusterKey) -> Result<(), KeyChangeError> {
        self.ask(KeyCommand::Add(key)).await.map(drop)
    }

    /// From now on `key`, which every node has by now, seals what this one sends.
    pub async fn promote(&self, key: &ClusterKey) -> Result<(), KeyChangeError> {
        self.ask(KeyCommand::Promote(key.clone())).await.map(drop)
    }

    /// From now on `key`, with which no node seals any more, does not open.
    pub async fn remove(&self, key: &ClusterKey) -> Result<(), KeyChangeError> {
        self.ask(KeyCommand::Remove(key.clone())).await.map(drop)
    }

    /// What names the keys, the one that seals first; none for a node without a key.
    pub async fn ids(&self) -> Result<Vec<KeyId>, KeyChangeError> {
        self.ask(KeyCommand::List).await
    }

    /// Changes what this node says and hears in the clear. Means nothing for a node without a key.
    ///
    /// [`Rollout::AcceptBoth`] and [`Rollout::Seal`] hear whoever reaches the port; here that is not asked for twice, as it
    /// is when a node [starts](super::NodeBuilder::rollout).
    pub async fn set_rollout(&self, rollout: Rollout) -> Result<(), KeyChangeError> {
        self.ask(KeyCommand::SetRollout(rollout)).await.map(drop)
    }

    async fn ask(&self, command: KeyCommand) -> Result<Vec<KeyId>, KeyChangeError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Keys(command, reply);
        self.0.send(command).await.ok_or(KeyChangeError::Closed)?;
        let answered = answer.await.map_err(|_| KeyChangeError::Closed)?;
        answered.map_err(KeyChangeError::Refused)
    }
}

/// Why the keys of a node were not changed. They are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyChangeError {
    /// The ring refused.
    #[error(transparent)]
    Refused(#[from] KeyringError),
    /// The node has stopped, or is leaving.
    #[error("the node has stopped")]
    Closed,
}

/// What the handle asks of the driver.
#[derive(Debug)]
pub(super) enum KeyCommand {
    Add(ClusterKey),
    Promote(ClusterKey),
    Remove(ClusterKey),
    SetRollout(Rollout),
    List,
}

impl KeyCommand {
    /// Gives what names the keys afterwards.
    pub(super) fn carry_out(self, engine: &mut Engine) -> Result<Vec<KeyId>, KeyringError> {
        match self {
            Self::Add(key) => engine.add_key(key)?,
            Self::Promote(key) => engine.promote_key(&key)?,
            Self::Remove(key) => engine.remove_key(&key)?,
            Self::SetRollout(rollout) => engine.set_rollout(rollout),
            Self::List => {}
        }
        Ok(engine.key_ids())
    }
}
