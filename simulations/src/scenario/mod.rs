//! Scenarios: a world, what happens in it, and what must hold, as data.
//!
//! A scenario is a TOML file (`simulations/scenarios/*.toml`, or one of your own) or drawn by the
//! [swarm](crate::swarm) from a seed. It names no random choice: those are the run's seed's. So one
//! scenario and one seed are one run, to the byte.
//!
//! # Time
//!
//! A run has three parts. At the world's time 0 it begins, either *converged*, as if it had run for long, or
//! with a *bootstrap* in which every process starts within [`Scenario::start_within`]. For the `duration` there are
//! the workload and the faults, at the times that they state. When it is over all faults end: links are healed,
//! stopped processes go on. Then the cluster has [`Expect::converge_within`] to agree, is watched for
//! [`Expect::hold`] longer, and everything is checked.

mod duration;
mod fault;
mod network;
mod node_set;
mod parse;
mod security;
mod shipped;
#[cfg(test)]
mod tests;
mod validate;
mod workload;

use serde::{Deserialize, Serialize};

pub(crate) use self::security::key;
pub use self::{
    duration::{Offset, Span, SpanRange},
    fault::{Address, Direction, Fault, FaultKind},
    network::{BurstLoss, Conditions, Latency, Region},
    node_set::{NodeSet, Share},
    parse::ScenarioError,
    security::{Attacker, KeyChange, Keys, Lies, Role, Step},
    shipped::{Shipped, shipped},
    workload::{Services, Work, WorkKind},
};

/// A world, what happens in it, and what must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// How it is called: lower-case letters, digits and dashes.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// What runs on the nodes. Default `tidings`.
    #[serde(default)]
    pub subject: Subject,
    /// How many processes there are at the start, each on a host of its own: 1 to 10,000.
    pub nodes: usize,
    /// How many of them, from the first, are everybody's seeds. Default 3.
    #[serde(default = "default_seeds")]
    pub seeds: usize,
    /// How the world comes up. Default `converged`.
    #[serde(default)]
    pub start: Start,
    /// In a bootstrap: the time in which all processes start, at random. Default 0 s.
    #[serde(default)]
    pub start_within: Span,
    /// For how long things happen, in virtual time.
    pub duration: Span,
    /// Departures from the engine's defaults.
    #[serde(default)]
    pub engine: Tuning,
    /// The cluster's key. Default: none, everything is in plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Keys>,
    /// Who attacks. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attacker: Option<Attacker>,
    /// The network between the hosts.
    #[serde(default)]
    pub network: Conditions,
    /// What every process registers when it starts.
    #[serde(default)]
    pub services: Services,
    /// What is registered, changed and taken back meanwhile.
    #[serde(default)]
    pub work: Vec<Work>,
    /// What goes wrong.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// What must hold.
    pub expect: Expect,
}

impl Scenario {
    /// Whether no datagram is lost or cut off by what the network is, and by no fault of it: one to a sound process
    /// arrives, but where `bandwidth` is too narrow for it.
    pub fn loses_nothing(&self) -> bool {
        let is_lossy = self.network.loss > 0.0 || self.network.burst_loss.is_some();
        !is_lossy && !self.fault.iter().any(|fault| fault.kind.is_of_links())
    }
}

const fn default_seeds() -> usize {
    3
}

/// What runs on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The engine of the crate.
    #[default]
    Tidings,
    /// foca with its own LAN defaults, its own broadcasts and none of our additions.
    SwimBaseline,
}

/// How the world comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Everybody knows everybody and everything from the first moment.
    #[default]
    Converged,
    /// Every process starts alone, with nothing but its seeds.
    Bootstrap,
}

/// Departures from the engine's defaults; each field is one of `tidings::gossip::Config`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// How often one member is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_period: Option<Span>,
    /// How long a probed member has to answer before others are asked to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_timeout: Option<Span>,
    /// How many others are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indirect_probes: Option<u8>,
    /// How many members get each push of news.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fanout: Option<u8>,
    /// How long a probed member has to answer before it is suspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_deadline: Option<Span>,
    /// The least suspicion time is this times `max(1, log10 N)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion_min: Option<Span>,
    /// The longest suspicion time is so many times the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspicion_max_multiplier: Option<u8>,
    /// The parts of the failure detection that are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<DetectionPart>,
    /// A piece of news is sent this times `ceil(log10(N + 1))` times by each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmit_multiplier: Option<u8>,
    /// The largest datagram, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_datagram: Option<usize>,
    /// Members that are known at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_members: Option<usize>,
    /// How many lost peers and seeds are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_contacts: Option<usize>,
    /// How long the dead are remembered, their records, and what was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember_down: Option<Span>,
}

/// A part of the failure detection; each is a field of `tidings::gossip::Detection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the fields' docs say what they are
pub enum DetectionPart {
    LocalHealth,
    Confirm,
    Resend,
    Buddy,
    Pauses,
    Hurry,
    Evidence,
    Sweep,
    LocalVerdicts,
}

impl DetectionPart {
    /// Switches the part off.
    pub const fn switch_off(self, detection: &mut tidings::gossip::Detection) {
        *match self {
            Self::LocalHealth => &mut detection.local_health,
            Self::Confirm => &mut detection.confirm,
            Self::Resend => &mut detection.resend,
            Self::Buddy => &mut detection.buddy,
            Self::Pauses => &mut detection.pauses,
            Self::Hurry => &mut detection.hurry,
            Self::Evidence => &mut detection.evidence,
            Self::Sweep => &mut detection.sweep,
            Self::LocalVerdicts => &mut detection.local_verdicts,
        } = false;
    }
}

/// What must hold. A time that is not stated is measured and not judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Once all faults have ended: until every live node's table is the union of what live processes
    /// have registered, and everybody knows exactly the live ones.
    pub converge_within: Span,
    /// How long the world goes on after that, watched: what is dead must stay dead. Default 5 s.
    #[serde(default = "default_hold")]
    pub hold: Span,
    /// Until the last running node knows a change, for changes that no fault overlaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_within: Option<Span>,
    /// Until the last running node has dropped a process that crashed, went silent or left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_within: Option<Span>,
    /// From the end of each fault until all agree again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_within: Option<Span>,
    /// How often a healthy, reachable member may be declared failed; each time that one node does so
    /// counts. Default 0; `-1` for any number.
    #[serde(default)]
    pub false_positives: i64,
    /// Whether single faults, conditions and pieces of work may hit nothing, as they may in a random world;
    /// something must all the same. Default: each must hit something.
    #[serde(default)]
    pub may_miss: bool,
    /// Whether what nodes hold may not go on growing once all has come to its level. Default: it is not looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bounded_growth: bool,
    /// Datagrams sent by a node in a second, as a mean over all nodes and the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets_per_node_s: Option<f64>,
    /// Their bytes, without UDP and IP headers, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_node_s: Option<f64>,
}

const fn default_hold() -> Span {
    Span::from_secs(5)
}
