//! What services do: register, change, deregister.

use serde::{Deserialize, Serialize};

use super::{NodeSet, Span};

/// What every process registers when it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Services {
    /// Instances of each process. Default 1.
    pub per_node: usize,
    /// How many service names there are; instances are dealt to them in turn. Default 8.
    pub names: usize,
    /// Metadata of each instance, in bytes. Default 64.
    pub bytes: usize,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            per_node: 1,
            names: 8,
            bytes: 64,
        }
    }
}

/// Something that services do, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// When it begins, in the world's time.
    #[serde(default)]
    pub at: Span,
    /// What it is.
    #[serde(flatten)]
    pub kind: WorkKind,
}

/// Something that services do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WorkKind {
    /// Each node registers so many further instances.
    Register {
        /// Which nodes. Default: all.
        #[serde(default = "all")]
        nodes: NodeSet,
        /// How many each. Default 1.
        #[serde(default = "one")]
        count: usize,
        /// The service; each instance has a new id. Default: the scenario's names in turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// The id, the same for all, where they are to collide.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// Metadata of each, in bytes. Default 64.
        #[serde(default = "small")]
        bytes: usize,
        /// The time between one node and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Each node deregisters all that it has.
    Deregister {
        /// Which nodes. Default: all.
        #[serde(default = "all")]
        nodes: NodeSet,
        /// The time between one node and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Nodes, chosen at random each time, change one of their instances.
    Update {
        /// Which nodes. Default: all.
        #[serde(default = "all")]
        nodes: NodeSet,
        /// Changes a second, by all of them together.
        rate: f64,
        /// Metadata of the changed instance, in bytes. Default 64.
        #[serde(default = "small")]
        bytes: usize,
        /// How long it goes on. Default: to the end of the duration.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// Nodes, chosen at random each time, register, change or deregister something.
    Churn {
        /// Which nodes. Default: all.
        #[serde(default = "all")]
        nodes: NodeSet,
        /// Changes a second, by all of them together.
        rate: f64,
        /// The share of registrations that go to the first service name, 0 to 1: a hot service. Default 0.
        #[serde(default)]
        hot: f64,
        /// Metadata of each, in bytes, up to this and drawn each time. Default 64.
        #[serde(default = "small")]
        bytes: usize,
        /// How long it goes on. Default: to the end of the duration.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
}

fn all() -> NodeSet {
    NodeSet::All
}

const fn one() -> usize {
    1
}

const fn small() -> usize {
    64
}
