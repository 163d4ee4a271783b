//! Outcomes as text for a terminal.

use std::fmt::Write;

use crate::outcome::{Outcome, Quantiles, Violation};

/// A run's outcome, in some lines.
pub(super) fn outcome(outcome: &Outcome) -> String {
    let mut text = String::new();
    let verdict = if outcome.violations.is_empty() {
        "holds"
    } else {
        "VIOLATED"
    };
    let Outcome {
        scenario,
        seed,
        nodes,
        virtual_s,
        wall_s,
        ..
    } = outcome;
    line(&mut text, &format!("{scenario}: {verdict}"));
    line(
        &mut text,
        &format!(
            "  seed {seed}, {nodes} nodes, {virtual_s:.1} virtual seconds in {wall_s:.2} s, {:.0} MiB",
            outcome.max_rss_mib
        ),
    );
    let converged = if outcome.converged {
        "all agree"
    } else {
        "not all agree"
    };
    line(&mut text, &format!("  in the end           {converged}"));
    quantiles(
        &mut text,
        "a change is known",
        "changes",
        outcome.convergence_ms,
    );
    quantiles(
        &mut text,
        "a death is noticed",
        "deaths",
        outcome.detection_ms,
    );
    if outcome.sound_detection_ms != outcome.detection_ms {
        quantiles(
            &mut text,
            "... by the sound",
            "deaths",
            outcome.sound_detection_ms,
        );
    }
    quantiles(&mut text, "a fault is healed", "times", outcome.heal_ms);
    line(
        &mut text,
        &format!("  false positives      {}", outcome.false_positives),
    );
    if !outcome.hostile.is_empty() {
        let total: u64 = outcome.hostile.values().sum();
        let ways = outcome.hostile.iter();
        let ways: Vec<_> = ways.map(|(way, n)| format!("{way} {n}")).collect();
        let ways = ways.join(", ");
        line(
            &mut text,
            &format!("  hostile datagrams    {total}: {ways}"),
        );
    }
    let bytes = outcome.bytes_per_node_s;
    line(
        &mut text,
        &format!(
            "  per node and second  {:.1} packets, {:.0} bytes (p99 {:.0}, max {:.0})",
            outcome.packets_per_node_s, bytes.mean, bytes.p99, bytes.max
        ),
    );
    line(
        &mut text,
        &format!("  trace                {}", outcome.trace_hash),
    );
    if !outcome.growth.is_empty() {
        let head = ["  at most held", "early", "halfway", "late"].map(str::to_owned);
        let rows = outcome.growth.iter().map(|growth| {
            let sizes = [growth.early, growth.halfway, growth.late];
            let name = std::iter::once(format!("  {}", growth.what));
            name.chain(sizes.map(|size| size.to_string())).collect()
        });
        let rows: Vec<_> = std::iter::once(head.to_vec()).chain(rows).collect();
        text.push_str(&table(&rows));
    }
    text
}

fn quantiles(text: &mut String, what: &str, samples: &str, quantiles: Quantiles) {
    let Quantiles {
        samples: count,
        p50,
        p99,
        max,
    } = quantiles;
    if count == 0 {
        return;
    }
    let [p50, p99, max] = [p50, p99, max].map(milliseconds);
    line(
        text,
        &format!("  {what:<20} p50 {p50}, p99 {p99}, max {max} ({count} {samples})"),
    );
}

/// A time, to three digits.
pub(super) fn milliseconds(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..100.0 => format!("{ms:.1} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1_000.0),
    }
}

/// What did not hold, for whoever has to find out why.
pub(super) fn violations(seed: u64, violations: &[Violation]) -> String {
    let mut text = String::new();
    for violation in violations {
        let Violation {
            checker,
            at_s,
            nodes,
            what,
            last_events,
        } = violation;
        let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        let nodes = if nodes.is_empty() {
            "none in particular".to_owned()
        } else {
            nodes.join(", ")
        };
        line(
            &mut text,
            &format!("violation of {checker}, seed {seed}, at {at_s:.3} s, nodes {nodes}:"),
        );
        line(&mut text, &format!("  {what}"));
        for event in last_events {
            line(&mut text, &format!("  | {event}"));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// Columns, as wide as what stands in them; the first to the left, the rest to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<_> = cells
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        line(&mut text, cells.join("  ").trim_end());
    }
    text
}
