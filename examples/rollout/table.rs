//! What is printed in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::load::{Kind, Sample};

/// A step, and the requests before, during and after it.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) before: Vec<Sample>,
    pub(crate) during: Vec<Sample>,
    pub(crate) after: Vec<Sample>,
}

/// Something that has to hold.
pub(crate) struct Promise {
    /// Of which step.
    pub(crate) step: &'static str,
    pub(crate) what: String,
    pub(crate) holds: bool,
}

/// Of the requests of one kind in one part of a step.
struct Figures {
    requests: usize,
    failed: usize,
    p50_ms: f64,
    p99_ms: f64,
}

impl Figures {
    fn of(samples: &[Sample], kind: Kind) -> Self {
        let samples: Vec<_> = samples
            .iter()
            .filter(|sample| sample.kind == kind)
            .collect();
        let mut took: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let at = |percent: usize| {
            let at = took.len().saturating_sub(1) * percent / 100;
            took.get(at)
                .map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
        };
        Self {
            requests: samples.len(),
            failed: samples
                .iter()
                .filter(|sample| sample.answer.is_err())
                .count(),
            p50_ms: at(50),
            p99_ms: at(99),
        }
    }
}

pub(crate) fn print(steps: &[Step], promises: &[Promise], as_json: bool) {
    if as_json {
        return print_json(steps, promises);
    }
    println!(
        "{:22}{:6}{:>22}{:>22}{:>22}",
        "requests/failed p50/p99 ms", "", "before", "during", "after"
    );
    for step in steps {
        for kind in Kind::ALL {
            let parts = [&step.before, &step.during, &step.after].map(|samples| {
                let part = Figures::of(samples, kind);
                format!(
                    "{}/{} {:.1}/{:.1}",
                    part.requests, part.failed, part.p50_ms, part.p99_ms
                )
            });
            let [before, during, after] = parts;
            let name = if kind == Kind::Get { step.name } else { "" };
            println!(
                "{name:22}{:6}{before:>22}{during:>22}{after:>22}",
                kind.name()
            );
        }
    }
    println!();
    for promise in promises {
        let verdict = if promise.holds { "holds" } else { "BROKEN" };
        println!("{verdict:7}{}: {}", promise.step, promise.what);
    }
    for step in steps {
        for (why, count) in reasons(step) {
            println!("{}: {count} failed: {why}", step.name);
        }
    }
}

fn reasons(step: &Step) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for sample in [&step.before, &step.during, &step.after]
        .into_iter()
        .flatten()
    {
        if let Err(why) = &sample.answer {
            *reasons.entry(why.as_str()).or_default() += 1;
        }
    }
    reasons
}

fn print_json(steps: &[Step], promises: &[Promise]) {
    let part = |samples: &[Sample], kind| {
        let part = Figures::of(samples, kind);
        json!({
            "requests": part.requests, "failed": part.failed, "p50_ms": part.p50_ms, "p99_ms": part.p99_ms,
        })
    };
    let rows = steps.iter().flat_map(|step| {
        Kind::ALL.map(|kind| {
            json!({
                "step": step.name,
                "kind": kind.name(),
                "before": part(&step.before, kind),
                "during": part(&step.during, kind),
                "after": part(&step.after, kind),
            })
        })
    });
    let promises = promises.iter().map(
        |promise| json!({ "step": promise.step, "what": promise.what, "holds": promise.holds }),
    );
    let all =
        json!({ "steps": rows.collect::<Vec<_>>(), "promises": promises.collect::<Vec<_>>() });
    println!("{all:#}");
}
