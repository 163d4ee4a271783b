//! `compare`: two results side by side.

use std::path::Path;

use super::{Failure, Verdict, file, print, render, tell};
use crate::outcome::Outcome;

/// A figure by its name, and how it is taken from an outcome.
type Figure = (&'static str, fn(&Outcome) -> f64);

#[allow(clippy::cast_precision_loss)] // counts of a run are far below 2^52
const FIGURES: &[Figure] = &[
    ("nodes", |outcome| outcome.nodes as f64),
    ("virtual_s", |outcome| outcome.virtual_s),
    ("wall_s", |outcome| outcome.wall_s),
    ("violations", |outcome| outcome.violations.len() as f64),
    ("convergence_ms p50", |outcome| outcome.convergence_ms.p50),
    ("convergence_ms p99", |outcome| outcome.convergence_ms.p99),
    ("convergence_ms max", |outcome| outcome.convergence_ms.max),
    ("detection_ms p50", |outcome| outcome.detection_ms.p50),
    ("detection_ms max", |outcome| outcome.detection_ms.max),
    ("heal_ms p50", |outcome| outcome.heal_ms.p50),
    ("heal_ms max", |outcome| outcome.heal_ms.max),
    ("false_positives", |outcome| outcome.false_positives as f64),
    ("packets_per_node_s", |outcome| outcome.packets_per_node_s),
    ("bytes_per_node_s mean", |outcome| {
        outcome.bytes_per_node_s.mean
    }),
    ("bytes_per_node_s max", |outcome| {
        outcome.bytes_per_node_s.max
    }),
    ("max_rss_mib", |outcome| outcome.max_rss_mib),
];

pub(super) fn compare(a: &Path, b: &Path) -> Verdict {
    let [one, other] = [read(a)?, read(b)?];
    let row = |cells: [String; 4]| cells.to_vec();
    let name = |outcome: &Outcome| format!("{} #{}", outcome.scenario, outcome.seed);
    let converged = |outcome: &Outcome| if outcome.converged { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        row([String::new(), name(&one), name(&other), "B / A".into()]),
        row([
            "converged".into(),
            converged(&one),
            converged(&other),
            String::new(),
        ]),
    ];
    for (name, figure) in FIGURES {
        let (a, b) = (figure(&one), figure(&other));
        let ratio = if a == 0.0 {
            String::new()
        } else {
            format!("{:.2}", b / a)
        };
        rows.push(row([(*name).to_owned(), number(a), number(b), ratio]));
    }
    let is_same_run = one.trace_hash == other.trace_hash;
    let same = if is_same_run { "equal" } else { "differ" };
    rows.push(row([
        "trace_hash".into(),
        one.trace_hash.clone(),
        other.trace_hash.clone(),
        same.into(),
    ]));
    print(&render::table(&rows))?;
    if one.scenario != other.scenario {
        tell(&format!(
            "warning: these are different scenarios, {} and {}\n",
            one.scenario, other.scenario
        ));
    }
    Ok(true)
}

fn read(path: &Path) -> Result<Outcome, Failure> {
    let shown = path.display();
    let text = file::read(path)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::Bad(format!("{shown} is no result of `run --json`: {error}")))
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
