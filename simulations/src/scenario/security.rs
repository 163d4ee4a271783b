//! Keys, and who attacks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::gossip::{
    Lie, Security,
    security::{ClusterKey, Keyring, Rollout},
};

use super::Span;

/// The cluster's key. Without it everything is in plaintext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The labels of the keys that every process starts with, the one that seals first.
    pub keys: Vec<String>,
    /// What is said and heard in the clear. Default `require`.
    #[serde(default)]
    pub rollout: Step,
    /// How far clocks may be apart. Default 30 s.
    #[serde(default = "default_skew")]
    pub clock_skew: Span,
}

const fn default_skew() -> Span {
    Span::from_secs(30)
}

impl Keys {
    /// As the engine wants it. The scenario has been validated.
    pub(crate) fn security(&self) -> Security {
        let keys = self.keys.iter().map(|label| key(label));
        let mut security = Security::default();
        security.keyring = Keyring::of(keys).expect("the scenario was validated");
        security.rollout = self.rollout.into();
        security.clock_skew = self.clock_skew.duration();
        security
    }

    /// What a process that starts after the change begins with.
    pub(crate) fn apply(&mut self, change: &KeyChange) {
        match change {
            KeyChange::Add(label) if !self.keys.contains(label) => self.keys.push(label.clone()),
            KeyChange::Add(_) => {}
            KeyChange::Promote(label) => {
                self.keys.retain(|key| key != label);
                self.keys.insert(0, label.clone());
            }
            KeyChange::Remove(label) => self.keys.retain(|key| key != label),
            KeyChange::Rollout(step) => self.rollout = *step,
        }
    }
}

/// The key of a label: its text, over and over.
pub(crate) fn key(label: &str) -> ClusterKey {
    let mut bytes = [0; 32];
    for (byte, letter) in bytes.iter_mut().zip(label.bytes().cycle()) {
        *byte = letter;
    }
    ClusterKey::from_bytes(bytes)
}

/// Where a cluster stands on its way from plaintext to sealing; the engine's `Rollout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the engine's docs say what they are
pub enum Step {
    AcceptBoth,
    Seal,
    #[default]
    Require,
}

impl From<Step> for Rollout {
    fn from(step: Step) -> Self {
        match step {
            Step::AcceptBoth => Self::AcceptBoth,
            Step::Seal => Self::Seal,
            Step::Require => Self::Require,
        }
    }
}

/// A change of the keys of a process that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChange {
    /// The key opens too from now on.
    Add(String),
    /// The key seals from now on.
    Promote(String),
    /// The key does not open any more.
    Remove(String),
    /// What is said and heard in the clear changes.
    Rollout(Step),
}

/// Somebody on the network who sends what it likes, at every node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attacker {
    /// What it can do. Default `outsider`.
    #[serde(default)]
    pub role: Role,
    /// What a stranger or an insider says. Default `any`.
    #[serde(default)]
    pub lies: Lies,
    /// Hostile datagrams in a second: 1 to 1,000,000.
    pub rate: u32,
    /// When it begins. Default 0 s.
    #[serde(default)]
    pub at: Span,
    /// How long it goes on. Default: until the end of the duration.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// The label of a key that it holds, which no process has (any more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_key: Option<String>,
}

/// What an attacker can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees every datagram of a cluster that has a key, and holds none. No datagram of its may change what a
    /// process holds.
    #[default]
    Outsider,
    /// Sees every datagram of a cluster in the clear, and sends changed ones.
    Corrupter,
    /// Sees nothing, and speaks to a cluster in the clear from whatever address. It knows who the members are.
    Stranger,
    /// Is the process on the last host: a member like any other, with the key, that also tells lies.
    Insider,
}

impl Role {
    /// Whether the attacker can make processes believe, for a time, what is not so. Then only the end is judged.
    pub const fn is_believed(self) -> bool {
        !matches!(self, Self::Outsider)
    }
}

/// What a liar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lies {
    /// Anything of the protocol: the kind of each datagram and its fields are drawn.
    #[default]
    Any,
    /// Members that are none.
    FakeMembers,
    /// That real members are down.
    Deaths,
}

impl From<Lies> for Lie {
    fn from(lies: Lies) -> Self {
        match lies {
            Lies::Any => Self::Any,
            Lies::FakeMembers => Self::FakeMembers,
            Lies::Deaths => Self::Deaths,
        }
    }
}

impl Attacker {
    /// How often it acts: in a hundredth of a second it sends a hundredth of what it sends in one.
    pub(crate) const TICK: Duration = Duration::from_millis(10);
}
