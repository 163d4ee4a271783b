//! What sealing costs a cluster: `--sealed`.
//!
//! Starts clusters without a key and with one, alternately, each side in processes of its own, so that neither has the
//! other's memory and both have the same machine. In each process is done what [`PLAN`] says, and what is printed of each
//! figure is the median over all of a side, the ratio of both, and the extremes.
//!
//! The CPU of bootstrap and burst is that of the whole cluster, with the kernel's part, from the first start or
//! registration until its rounds of news are over: for a second each.

use std::error::Error;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::{Samples, rounded};
use crate::workload::Plan;

/// What is done in each process.
pub(crate) const PLAN: Plan = Plan {
    clusters: 8,
    changes: 30,
    latecomers: 20,
    crashes: 1,
    settle: Duration::from_secs(1),
    idle: Duration::from_secs(15),
};
/// Arguments of a process that measures one side and prints all samples.
pub(crate) const ONE_PLAIN: &str = "--one-plain";
pub(crate) const ONE_SEALED: &str = "--one-sealed";

/// By name, in the order in which they are printed.
const FIGURES: [&str; 11] = [
    "bootstrap_ms",
    "burst_ms",
    "change_ms",
    "latecomer_ms",
    "crash_ms",
    "bootstrap_cpu_ms",
    "burst_cpu_ms",
    "cpu_ms_per_node_s",
    "packets_per_node_s",
    "bytes_per_node_s",
    "rss_mib_per_node",
];

pub(crate) struct Comparison {
    nodes: usize,
    pairs: usize,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    plain: Samples,
    sealed: Samples,
}

pub(crate) fn compare(nodes: usize, pairs: usize) -> Result<Comparison, Box<dyn Error>> {
    let row = |name| Row {
        name,
        plain: Samples::default(),
        sealed: Samples::default(),
    };
    let mut rows: Vec<Row> = FIGURES.into_iter().map(row).collect();
    for pair in 0..pairs {
        eprintln!("pair {} of {pairs}", pair + 1);
        // Whatever comes second may be better off: each side does in turn.
        let is_first = [pair % 2 == 1, pair % 2 == 0];
        for is_sealed in is_first {
            let measured = one(nodes, is_sealed)?;
            for row in &mut rows {
                let samples = measured[row.name].as_array().into_iter().flatten();
                let side = if is_sealed {
                    &mut row.sealed
                } else {
                    &mut row.plain
                };
                side.extend(samples.filter_map(Value::as_f64));
            }
        }
    }
    Ok(Comparison { nodes, pairs, rows })
}

/// One side, in a process of its own.
fn one(nodes: usize, is_sealed: bool) -> Result<Value, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--nodes", &nodes.to_string()])
        .arg(if is_sealed { ONE_SEALED } else { ONE_PLAIN })
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("a cluster could not be measured".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

impl Row {
    fn ratio(&self) -> f64 {
        self.sealed.percentile(50) / self.plain.percentile(50)
    }
}

impl Comparison {
    pub(crate) fn json(&self) -> String {
        let mut all = json!({
            "nodes": self.nodes,
            "pairs": self.pairs,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
        });
        for row in &self.rows {
            all[row.name] = json!({
                "plain": row.plain.json(),
                "sealed": row.sealed.json(),
                "ratio": rounded(row.ratio()),
            });
        }
        format!("{all:#}")
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<20}{:>10}{:>10}{:>8}  {:<22}{:<22}{:>8}\n",
            format!("{} nodes, {} pairs", self.nodes, self.pairs),
            "plain",
            "sealed",
            "ratio",
            "plain from, to",
            "sealed from, to",
            "samples",
        );
        for row in &self.rows {
            let Row {
                name,
                plain,
                sealed,
            } = row;
            let range = |samples: &Samples| {
                let [least, most] = [0, 100].map(|percent| samples.percentile(percent));
                format!("{least:.3}, {most:.3}")
            };
            let _ = writeln!(
                table,
                "{name:<20}{:>10.3}{:>10.3}{:>8.2}  {:<22}{:<22}{:>8}",
                plain.percentile(50),
                sealed.percentile(50),
                row.ratio(),
                range(plain),
                range(sealed),
                plain.len().min(sealed.len()),
            );
        }
        table
    }
}
