//! The parts of the page that need no script.

use std::fmt::Write;

use crate::outcome::{FaultSpan, Outcome, Quantiles, Recording, Verdict, Violation};

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn header(outcome: &Outcome, recording: &Recording) -> String {
    let (class, verdict) = if outcome.violations.is_empty() {
        ("holds", "all holds".to_owned())
    } else {
        let count = outcome.violations.len();
        let noun = if count == 1 {
            "violation"
        } else {
            "violations"
        };
        ("violated", format!("{count} {noun}"))
    };
    format!(
        "<h1>{} <span class=\"badge {class}\">{verdict}</span></h1>\n<p class=\"about\">{}</p>\n\
         <p class=\"facts\">{} · seed {} · {} nodes · {:.1} virtual seconds · trace <code>{}</code></p>",
        escape(&outcome.scenario),
        escape(&recording.about),
        escape(&recording.subject),
        outcome.seed,
        outcome.nodes,
        outcome.virtual_s,
        escape(&outcome.trace_hash),
    )
}

pub(super) fn figures(outcome: &Outcome) -> String {
    let mut cards = String::new();
    let agree = if outcome.converged { "yes" } else { "no" };
    card(&mut cards, "all agree in the end", agree, "");
    for (name, quantiles, samples) in [
        (
            "a change is known by all",
            outcome.convergence_ms,
            "changes",
        ),
        ("a death is noticed by all", outcome.detection_ms, "deaths"),
        ("all agree after a fault", outcome.heal_ms, "times"),
    ] {
        times(&mut cards, name, quantiles, samples);
    }
    card(
        &mut cards,
        "false positives",
        &outcome.false_positives.to_string(),
        "healthy members declared failed",
    );
    let packets = format!("{:.1}", outcome.packets_per_node_s);
    card(
        &mut cards,
        "packets per node and second",
        &packets,
        "sent, mean",
    );
    let bytes = outcome.bytes_per_node_s;
    let spread = format!("p99 {:.0}, max {:.0}", bytes.p99, bytes.max);
    card(
        &mut cards,
        "bytes per node and second",
        &format!("{:.0}", bytes.mean),
        &spread,
    );
    let wall = format!("{:.2} s", outcome.wall_s);
    let memory = format!("real time; {:.0} MiB at most", outcome.max_rss_mib);
    card(&mut cards, "the run took", &wall, &memory);
    cards
}

fn times(cards: &mut String, name: &str, quantiles: Quantiles, samples: &str) {
    if quantiles.samples == 0 {
        return card(cards, name, "–", &format!("no {samples}"));
    }
    let [p50, p99, max] = [quantiles.p50, quantiles.p99, quantiles.max].map(milliseconds);
    let detail = format!("p50; p99 {p99}, max {max}, {} {samples}", quantiles.samples);
    card(cards, name, &p50, &detail);
}

/// A time, to three digits.
fn milliseconds(ms: f64) -> String {
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..100.0 => format!("{ms:.1} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1_000.0),
    }
}

fn card(cards: &mut String, name: &str, value: &str, detail: &str) {
    write!(
        cards,
        "<div class=\"card\"><dt>{}</dt><dd>{}</dd><p>{}</p></div>",
        escape(name),
        escape(value),
        escape(detail)
    )
    .expect("a string takes everything");
}

pub(super) fn faults(recording: &Recording) -> String {
    if recording.faults.is_empty() {
        return "<p class=\"none\">None: this world is sound.</p>".to_owned();
    }
    let item = |fault: &FaultSpan| {
        let time = if fault.time_s.start < fault.time_s.end {
            format!("{:.1} – {:.1} s", fault.time_s.start, fault.time_s.end)
        } else {
            format!("{:.1} s", fault.time_s.start)
        };
        format!(
            "<li><span class=\"time\">{time}</span> <strong>{}</strong> <span class=\"detail\">{} · hit {}</span></li>",
            escape(&fault.label),
            nodes(&fault.nodes),
            fault.hits
        )
    };
    let items: String = recording.faults.iter().map(item).collect();
    format!("<ol class=\"faults\">{items}</ol>")
}

/// A few nodes by number, many by how many they are.
fn nodes(nodes: &[usize]) -> String {
    match nodes {
        [] => "no node".to_owned(),
        [node] => format!("node {node}"),
        few if few.len() <= 8 => {
            let few: Vec<_> = few.iter().map(ToString::to_string).collect();
            format!("nodes {}", few.join(", "))
        }
        many => format!("{} nodes", many.len()),
    }
}

pub(super) fn verdicts(recording: &Recording) -> String {
    let item = |verdict: &Verdict| {
        let (class, mark) = if verdict.violations == 0 {
            ("holds", "✓ holds".to_owned())
        } else {
            ("violated", format!("✗ {}×", verdict.violations))
        };
        format!(
            "<li><span class=\"badge {class}\">{mark}</span> <strong>{}</strong> {} <span class=\"detail\">{}</span></li>",
            escape(&verdict.checker),
            escape(&verdict.demands),
            escape(&verdict.looked_at)
        )
    };
    let items: String = recording.verdicts.iter().map(item).collect();
    format!("<ul class=\"verdicts\">{items}</ul>")
}

pub(super) fn violations(outcome: &Outcome) -> String {
    if outcome.violations.is_empty() {
        return String::new();
    }
    let item = |violation: &Violation| {
        let events: Vec<_> = violation
            .last_events
            .iter()
            .map(|event| escape(event))
            .collect();
        format!(
            "<details><summary><strong>{}</strong> at {:.3} s, {}: {}</summary><pre>{}</pre></details>",
            escape(&violation.checker),
            violation.at_s,
            nodes(&violation.nodes),
            escape(&violation.what),
            events.join("\n")
        )
    };
    let items: String = outcome.violations.iter().map(item).collect();
    format!("<section><h2>Violations</h2>{items}</section>")
}
