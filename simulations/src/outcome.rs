//! What a run gives: the figures, the violations, and, if it was asked for, a recording.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};

use crate::world::Way;

/// The result of one run, as `--json` prints it. Everything but `wall_s` and `max_rss_mib` follows from
/// the scenario and the seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// From which everything was drawn.
    pub seed: u64,
    /// Processes at the start.
    pub nodes: usize,
    /// Virtual time from the start of the first process to the end, in seconds.
    pub virtual_s: f64,
    /// Real time that the run took, in seconds.
    pub wall_s: f64,
    /// Whether all agreed at the end.
    pub converged: bool,
    /// What did not hold; empty if all did.
    pub violations: Vec<Violation>,
    /// For each change that the workload made: until the last running node knew it.
    pub convergence_ms: Quantiles,
    /// For each process that crashed, went silent or left, from the first word of its goodbye: until the last running
    /// node had dropped it.
    pub detection_ms: Quantiles,
    /// The same until those have that were not impaired meanwhile, be it stopped, slow, or deaf.
    pub sound_detection_ms: Quantiles,
    /// For each fault: from its end until all agreed again.
    pub heal_ms: Quantiles,
    /// Times that a node declared a healthy, reachable member failed.
    pub false_positives: u64,
    /// Hostile datagrams that reached a process, by the way in which they are.
    pub hostile: BTreeMap<Way, u64>,
    /// Datagrams sent by a node in a second, over the whole run.
    pub packets_per_node_s: f64,
    /// Their bytes, without UDP and IP headers.
    pub bytes_per_node_s: Spread,
    /// How much nodes held early, halfway and late, where the scenario demands that nothing grows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub growth: Vec<Growth>,
    /// The most memory that this process held, in MiB; 0 where the system does not tell.
    pub max_rss_mib: f64,
    /// A hash over everything that happened, in its order: equal for equal runs.
    pub trace_hash: String,
}

/// The largest size of one thing among the nodes that lived all the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// What.
    pub what: String,
    /// In the window that later ones are held against: the minutes 2 to 12, unless the dead are remembered for less.
    pub early: usize,
    /// Up to the middle of the run.
    pub halfway: usize,
    /// At the end.
    pub late: usize,
}

/// Quantiles of a number of samples, in milliseconds; all 0 where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many samples.
    pub samples: usize,
    /// The median.
    pub p50: f64,
    /// 99 in a hundred are no more.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

impl Quantiles {
    /// Of samples in any order.
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let Some(&max) = samples.last() else {
            return Self::default();
        };
        Self {
            samples: samples.len(),
            p50: quantile(&samples, 50),
            p99: quantile(&samples, 99),
            max,
        }
    }
}

/// The nearest-rank quantile of sorted, non-empty samples.
fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.max(1) - 1]
}

/// How a figure is spread over the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// 99 in a hundred nodes are no higher.
    pub p99: f64,
    /// The highest node.
    pub max: f64,
}

impl Spread {
    /// Of one value a node.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let Some(&max) = values.last() else {
            return Self::default();
        };
        #[allow(clippy::cast_precision_loss)] // a number of nodes is far below 2^52
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Self {
            mean,
            p99: quantile(&values, 99),
            max,
        }
    }
}

/// Something that had to hold and did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Which checker found it.
    pub checker: String,
    /// When, in the world's time, in seconds.
    pub at_s: f64,
    /// The nodes that it is about.
    pub nodes: Vec<usize>,
    /// What is wrong, in a sentence.
    pub what: String,
    /// The last things that happened to those nodes, oldest first.
    pub last_events: Vec<String>,
}

/// What a report is drawn from: the course of a run, in columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// What runs on the nodes, in a word or two.
    pub subject: String,
    /// What the scenario shows.
    pub about: String,
    /// The world's time at the first column's start, in seconds; below 0 during a bootstrap.
    pub start_s: f64,
    /// The length of a column, in seconds.
    pub column_s: f64,
    /// For each node and column: how many running others hold it as a member, in percent of them;
    /// nothing where its process did not run.
    pub believed: Vec<Vec<Option<u8>>>,
    /// For each node and column: how many of the other running nodes it holds as members, in percent;
    /// nothing where its process did not run.
    pub believes: Vec<Vec<Option<u8>>>,
    /// For each node and column: datagrams sent.
    pub packets: Vec<Vec<u32>>,
    /// For each node and column: bytes sent.
    pub bytes: Vec<Vec<u64>>,
    /// The spread of each recorded change.
    pub changes: Vec<Spreading>,
    /// How many changes there were, recorded or not.
    pub changes_in_all: usize,
    /// The faults.
    pub faults: Vec<FaultSpan>,
    /// What each checker says.
    pub verdicts: Vec<Verdict>,
}

/// How one change became known.
#[derive(Debug, Clone, PartialEq)]
pub struct Spreading {
    /// What changed.
    pub label: String,
    /// When, in the world's time, in seconds.
    pub at_s: f64,
    /// The node that made it.
    pub node: usize,
    /// How many nodes should come to know it, the one that made it left out.
    pub of: usize,
    /// After how many milliseconds each of those that did knew it, ascending.
    pub known_ms: Vec<f64>,
}

/// A fault, from its beginning to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSpan {
    /// What it was, in a few words.
    pub label: String,
    /// From when to when, in the world's time, in seconds; equal for what takes no time.
    pub time_s: Range<f64>,
    /// The nodes that it is about.
    pub nodes: Vec<usize>,
    /// What it hit: datagrams lost or held up, processes ended or stopped.
    pub hits: u64,
}

/// What a checker says of a whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub checker: String,
    /// What it demands, in a sentence.
    pub demands: String,
    /// How often that did not hold.
    pub violations: usize,
    /// What it looked at: how many events, tables, datagrams.
    pub looked_at: String,
}
