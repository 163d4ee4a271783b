//! The command line, and with it what is measured and how often.

use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use humantime::parse_duration;

use crate::subjects::Kind;

/// One workload over tidings and its peers, on loopback.
///
/// Prints a Markdown table for each number of nodes. Exit status: 0 if all was measured, 1 if something failed, 2
/// for a bad call.
#[derive(Debug, Parser)]
#[command(name = "peers", version)]
pub(crate) struct Call {
    /// How many nodes a cluster has; one table for each number.
    #[arg(long, value_delimiter = ',', default_value = "32,128")]
    pub(crate) nodes: Vec<usize>,
    /// Which subjects, in the order of the columns.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "tidings,chitchat,memberlist,foca"
    )]
    pub(crate) subjects: Vec<Kind>,
    /// Prints one JSON object instead.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) plan: Plan,
}

/// What is measured, and how often.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Which steps.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "change,crash,silent,bootstrap,burst,latecomer,idle"
    )]
    pub(crate) only: Vec<Step>,
    /// How many clusters are started, one after the other: each is a repetition of bootstrap and burst.
    #[arg(long, default_value_t = 2)]
    pub(crate) clusters: usize,
    /// How many changes.
    #[arg(long, default_value_t = 10)]
    pub(crate) changes: usize,
    /// How many crashes.
    #[arg(long, default_value_t = 2)]
    pub(crate) crashes: usize,
    /// How many hosts fall silent.
    #[arg(long, default_value_t = 2)]
    pub(crate) silents: usize,
    /// How many latecomers to each cluster that has them; they stay.
    #[arg(long, default_value_t = 5)]
    pub(crate) latecomers: usize,
    /// How long anything may take. What takes longer is not repeated.
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub(crate) bound: Duration,
    /// How long nothing is done after a start and after a burst, until their rounds of news are over.
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub(crate) settle: Duration,
    /// How long an idle cluster is watched.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub(crate) idle: Duration,
}

/// A step of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Step {
    /// One node registers, until all others see it.
    Change,
    /// One node crashes and its port is closed, until all others have dropped it.
    Crash,
    /// One host falls silent with its port open, until all others have dropped it.
    Silent,
    /// All start at once, until all see all.
    Bootstrap,
    /// Each registers at once, until all have all.
    Burst,
    /// A node joins a settled cluster, until it holds everything.
    Latecomer,
    /// What a node costs in a second in which nothing happens.
    Idle,
}

impl Plan {
    pub(crate) fn wants(&self, step: Step) -> bool {
        self.only.contains(&step)
    }

    /// How many nodes a cluster with faults loses.
    pub(crate) fn victims(&self) -> usize {
        let of = |step, count| if self.wants(step) { count } else { 0 };
        of(Step::Crash, self.crashes) + of(Step::Silent, self.silents)
    }

    /// How many nodes there have to be: two have to be left to see the last fault.
    pub(crate) fn nodes_min(&self) -> usize {
        self.victims() + 2
    }
}
