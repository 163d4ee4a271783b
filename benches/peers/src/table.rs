//! The figures of all subjects side by side.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::{Figures, Idle};
use crate::plan::Step;
use crate::subjects::Kind;

/// What the workspace was built with.
const LOCK: &str = include_str!("../../../Cargo.lock");

const TIMES: [(Step, &str, &str); 6] = [
    (
        Step::Change,
        "change_ms",
        "one node registers, until all others see it",
    ),
    (
        Step::Crash,
        "crash_ms",
        "one node crashes, until all others have dropped it",
    ),
    (
        Step::Silent,
        "silent_ms",
        "one host falls silent, until all others have dropped it",
    ),
    (
        Step::Bootstrap,
        "bootstrap_ms",
        "all start at once, until all see all",
    ),
    (
        Step::Burst,
        "burst_ms",
        "each registers at once, until all have all",
    ),
    (
        Step::Latecomer,
        "latecomer_ms",
        "a latecomer, until it holds everything",
    ),
];

type OfIdle = fn(&Idle) -> Option<f64>;
const COSTS: [(&str, OfIdle); 3] = [
    ("idle: packets sent per node and second", |idle| {
        idle.packets
    }),
    ("idle: payload bytes sent per node and second", |idle| {
        idle.bytes
    }),
    ("idle: CPU ms per node and second", |idle| idle.cpu_ms),
];

/// All subjects in clusters of one size.
pub(crate) struct Table {
    pub(crate) nodes: usize,
    pub(crate) bound: Duration,
    pub(crate) columns: Vec<(Kind, Figures)>,
}

impl Table {
    pub(crate) fn markdown(&self) -> String {
        let mut table = format!("| {} nodes: ms, p50 / max |", self.nodes);
        for (kind, _) in &self.columns {
            let _ = write!(table, " {} {} |", kind.name(), version(kind.name()));
        }
        table.push_str(" ratio to the best peer |\n|---|");
        table.push_str(&"---|".repeat(self.columns.len() + 1));
        table.push('\n');
        for (step, _, what) in TIMES {
            let samples = |figures: &Figures| {
                let samples = figures.samples(step)?;
                let cell = format!("{} / {}", self.ms(samples.p50()), self.ms(samples.max()));
                Some((samples.p50(), cell))
            };
            self.row(&mut table, what, samples);
        }
        for (what, of_idle) in COSTS {
            self.row(&mut table, what, |figures| {
                let figure = of_idle(&figures.idle)?;
                Some((figure, shown(figure)))
            });
        }
        table
    }

    /// A row, unless nobody has it: for each subject the figure that is compared, and what is shown.
    fn row(&self, table: &mut String, what: &str, of: impl Fn(&Figures) -> Option<(f64, String)>) {
        let cells: Vec<_> = self
            .columns
            .iter()
            .map(|(kind, figures)| (*kind, of(figures)))
            .collect();
        if cells.iter().all(|(_, cell)| cell.is_none()) {
            return;
        }
        let _ = write!(table, "| {what} |");
        for (_, cell) in &cells {
            let shown = cell.as_ref().map_or("-", |(_, shown)| shown);
            let _ = write!(table, " {shown} |");
        }
        let figures = cells
            .iter()
            .filter_map(|(kind, cell)| Some((*kind, cell.as_ref()?.0)));
        let ratio = ratio(figures).map_or("-".to_owned(), shown);
        let _ = writeln!(table, " {ratio} |");
    }

    fn ms(&self, ms: f64) -> String {
        if ms.is_finite() {
            shown(ms)
        } else {
            format!("> {}", shown(self.bound.as_secs_f64() * 1_000.0))
        }
    }

    pub(crate) fn json(&self) -> Value {
        let mut subjects = json!({});
        for (kind, figures) in &self.columns {
            let mut all = json!({
                "version": version(kind.name()),
                "idle": figures.idle.json(),
            });
            for (step, name, _) in TIMES {
                if let Some(samples) = figures.samples(step) {
                    all[name] = samples.json();
                }
            }
            subjects[kind.name()] = all;
        }
        json!({ "nodes": self.nodes, "subjects": subjects })
    }
}

/// This crate's figure by the least of the others'.
fn ratio(figures: impl Iterator<Item = (Kind, f64)>) -> Option<f64> {
    let (ours, theirs): (Vec<_>, Vec<_>) = figures.partition(|(kind, _)| *kind == Kind::Tidings);
    let best = theirs
        .iter()
        .map(|(_, figure)| *figure)
        .min_by(f64::total_cmp)?;
    let ratio = ours.first()?.1 / best;
    (ratio.is_finite() && best.is_finite()).then_some(ratio)
}

/// Three digits, or all before the point, with a comma at each thousand.
fn shown(figure: f64) -> String {
    if figure < 1.0 {
        return format!("{figure:.3}");
    }
    if figure < 10.0 {
        return format!("{figure:.2}");
    }
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A crate's version in this build.
fn version(name: &str) -> &'static str {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = LOCK
        .split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(kind: Kind, ms: Option<u64>) -> (Kind, Figures) {
        let mut figures = Figures::default();
        figures.add(Step::Change, ms.map(Duration::from_millis));
        (kind, figures)
    }

    #[test]
    fn a_row_compares_with_the_best_peer_and_says_who_did_not_get_there() {
        let table = Table {
            nodes: 3,
            bound: Duration::from_secs(60),
            columns: vec![
                changes(Kind::Tidings, Some(5)),
                changes(Kind::Memberlist, Some(1_234)),
                changes(Kind::Chitchat, Some(50)),
                changes(Kind::Foca, None),
            ],
        };
        let rows: Vec<_> = table
            .markdown()
            .lines()
            .skip(2)
            .map(str::to_owned)
            .collect();
        let cells = "5.00 / 5.00 | 1,234 / 1,234 | 50.0 / 50.0 | > 60,000 / > 60,000 | 0.100 |";
        assert_eq!(rows, [format!("| {} | {cells}", TIMES[0].2)]);
    }

    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        assert!(version("memberlist").starts_with("0.8."));
        assert!(version("chitchat").starts_with("0.13."));
    }
}
