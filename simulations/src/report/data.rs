//! What the plots are drawn from, as JSON inside the page.

use serde_json::{Value, json};

use crate::outcome::{FaultSpan, Outcome, Recording, Spreading};

/// The most columns that the load is embedded with; more are added up.
const LOAD_COLUMNS: usize = 150;

pub(super) fn json(outcome: &Outcome, recording: &Recording) -> String {
    let columns = recording.believed.first().map_or(0, Vec::len);
    let all_runs = |rows: &[Vec<Option<u8>>]| rows.iter().map(|row| runs(row)).collect::<Value>();
    let merged = columns.div_ceil(LOAD_COLUMNS).max(1);
    let load = |rows: Vec<Vec<u64>>| rows.iter().map(|row| merge(row, merged)).collect::<Value>();
    let packets = recording
        .packets
        .iter()
        .map(|row| row.iter().map(|packets| u64::from(*packets)).collect());
    let data = json!({
        "nodes": recording.believed.len(),
        "columns": columns,
        "start_s": recording.start_s,
        "column_s": recording.column_s,
        "believed": all_runs(&recording.believed),
        "believes": all_runs(&recording.believes),
        "load_columns": columns.div_ceil(merged),
        "load_merged": merged,
        "packets": load(packets.collect()),
        "bytes": load(recording.bytes.clone()),
        "changes": recording.changes.iter().map(change).collect::<Value>(),
        "changes_in_all": recording.changes_in_all,
        "faults": recording.faults.iter().map(fault).collect::<Value>(),
        "violations": outcome.violations.iter().map(|violation| rounded(violation.at_s)).collect::<Value>(),
    });
    // Inside a script only this could end it; the escape means the same in JSON.
    data.to_string().replace('<', "\\u003c")
}

/// Equal values in a row as `[value, how many, ...]`; -1 is none.
fn runs(row: &[Option<u8>]) -> Value {
    let mut runs: Vec<i64> = Vec::new();
    let mut last = None;
    for value in row {
        let value = value.map_or(-1, i64::from);
        if last == Some(value) {
            *runs.last_mut().expect("it has begun") += 1;
        } else {
            runs.extend([value, 1]);
            last = Some(value);
        }
    }
    json!(runs)
}

fn merge(row: &[u64], count: usize) -> Value {
    let sums = row.chunks(count).map(|chunk| chunk.iter().sum::<u64>());
    json!(sums.collect::<Vec<_>>())
}

fn change(change: &Spreading) -> Value {
    let known: Vec<_> = change.known_ms.iter().copied().map(rounded).collect();
    json!({
        "label": change.label,
        "at_s": rounded(change.at_s),
        "node": change.node,
        "of": change.of,
        "known_ms": known,
    })
}

fn fault(fault: &FaultSpan) -> Value {
    json!({
        "label": fault.label,
        "from_s": rounded(fault.time_s.start),
        "to_s": rounded(fault.time_s.end),
    })
}

/// To a thousandth: more is not seen in a plot.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_run() {
        let row = [Some(100), Some(100), None, None, None, Some(7)];
        assert_eq!(runs(&row), json!([100, 2, -1, 3, 7, 1]));
        assert_eq!(runs(&[]), json!([]));
    }

    #[test]
    fn columns_are_added_up() {
        assert_eq!(merge(&[1, 2, 3, 4, 5], 2), json!([3, 7, 5]));
    }
}
