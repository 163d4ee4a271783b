//! The table, the same as JSON, and what is claimed.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::garbage::Kind;
use crate::run::{Outcome, Plan, side};

/// Within this every change has to be everywhere.
const CHANGE_MAX: Duration = Duration::from_millis(100);
/// Memory may grow by so much from the first seconds of the flood to its end: allocators keep some.
const GROWTH_MAX: usize = 4 << 20;
/// So much of what was asked for has to have been sent, in percent.
const SENT_MIN_PERCENT: u64 = 90;

impl Outcome {
    /// What was claimed and is wrong.
    pub(crate) fn failed_claims(&self, plan: &Plan) -> Vec<String> {
        let mut failed = Vec::new();
        let asked = u64::from(plan.rate) * plan.flooded_for.as_secs();
        let sent = self.sent_in_all();
        if sent * 100 < asked * SENT_MIN_PERCENT {
            failed.push(format!("{sent} datagrams were sent of {asked}"));
        }
        if self.dropped.total() == 0 {
            failed.push("nothing was dropped, so nothing was there to drop".to_owned());
        }
        if self.lost > 0 || !self.is_complete {
            failed.push(format!("a node has lost another one {} times", self.lost));
        }
        let late = self.changes().filter(|took| **took > CHANGE_MAX).count();
        if late > 0 {
            failed.push(format!("{late} changes took longer than {CHANGE_MAX:?}"));
        }
        let grown = self.grown_bytes();
        if grown.is_some_and(|grown| grown > GROWTH_MAX) {
            failed.push(format!("memory grew by {grown:?} bytes"));
        }
        failed
    }

    fn changes(&self) -> impl Iterator<Item = &Duration> {
        self.by_others.iter().chain(&self.by_victim)
    }

    fn sent_in_all(&self) -> u64 {
        self.sent.iter().sum()
    }

    /// From five seconds into the flood, or its start where it was shorter, to after its end.
    fn grown_bytes(&self) -> Option<usize> {
        let early = self
            .resident_bytes
            .get(1.min(self.resident_bytes.len() - 2));
        let late = self.resident_bytes.last();
        Some((*late?)?.saturating_sub((*early?)?))
    }

    fn per_second(&self, count: u64) -> u64 {
        count * 1_000 / u64::try_from(self.flooded_for.as_millis().max(1)).unwrap_or(u64::MAX)
    }

    /// What it is, and how much.
    fn rows(&self) -> Vec<(String, String)> {
        let mut rows = self.delivered();
        rows.extend(self.suffered());
        rows
    }

    /// What was sent, and what became of it.
    fn delivered(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let mut row = |name: &str, value: u64| rows.push((name.to_owned(), value.to_string()));
        row("sent", self.sent_in_all());
        row("... a second", self.per_second(self.sent_in_all()));
        for (kind, sent) in Kind::ALL.iter().zip(self.sent) {
            row(&format!("... {kind:?}"), sent);
        }
        if let Some(drops) = self.kernel_drops {
            row("dropped by the kernel", drops);
        }
        row("received, the cluster's own too", self.received);
        row("... dropped, in all", self.dropped.total());
        for (cause, count) in self.causes() {
            if count > 0 {
                row(&format!("... ... {cause}"), count);
            }
        }
        row("... of an unknown kind, skipped", self.unknown_kinds);
        row("sent by the victim", self.answered);
        rows
    }

    /// What it did to the cluster and to the flooded node.
    fn suffered(&self) -> Vec<(String, String)> {
        let changes = |changes| {
            let (p50, max) = p50_and_max(changes);
            format!("{p50:.1} / {max:.1}")
        };
        let cpu = self.cpu_percent().zip(self.cpu_us_each());
        let resident = self.resident_bytes.iter().flatten();
        let resident = resident.map(|bytes| format!("{:.1}", mib(*bytes)));
        let rows = [
            ("change before: p50 / max, ms", changes(&self.before)),
            ("change at another: p50 / max, ms", changes(&self.by_others)),
            (
                "change at the victim: p50 / max, ms",
                changes(&self.by_victim),
            ),
            ("members lost", self.lost.to_string()),
            ("all see all at the end", self.is_complete.to_string()),
            (
                "all nodes: probes failed / refutations",
                format!("{} / {}", self.probes_failed, self.refutations),
            ),
            (
                "victim: pauses / worst local health",
                format!("{} / {}", self.pauses, self.local_health_max),
            ),
            (
                "victim: CPU, % of a core / us a datagram",
                cpu.map_or("unknown".to_owned(), |(percent, us)| {
                    format!("{percent:.1} / {us:.2}")
                }),
            ),
            (
                "resident MiB: start, each 5 s, end",
                resident.collect::<Vec<_>>().join(" "),
            ),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn causes(&self) -> [(&'static str, u64); 17] {
        let dropped = &self.dropped;
        [
            ("empty", dropped.empty),
            ("truncated", dropped.truncated),
            ("version", dropped.version),
            ("sealed", dropped.sealed),
            ("other_cluster", dropped.other_cluster),
            ("oversized", dropped.oversized),
            ("malformed", dropped.malformed),
            ("own", dropped.own),
            ("unproven", dropped.unproven),
            ("misaddressed", dropped.misaddressed),
            ("unexpected", dropped.unexpected),
            ("plaintext", dropped.plaintext),
            ("unknown_key", dropped.unknown_key),
            ("forged", dropped.forged),
            ("replayed", dropped.replayed),
            ("clock_skew", dropped.clock_skew),
            ("sessions_full", dropped.sessions_full),
        ]
    }

    fn cpu_percent(&self) -> Option<f64> {
        let cpu = self.victims_cpu?.as_secs_f64();
        Some(cpu / self.flooded_for.as_secs_f64() * 100.0)
    }

    fn cpu_us_each(&self) -> Option<f64> {
        Some(self.victims_cpu?.as_secs_f64() * 1e6 / count(self.received))
    }

    fn json(&self, plan: &Plan) -> Value {
        let changes = |changes: &[Duration]| {
            let (p50, max) = p50_and_max(changes);
            json!({ "p50": p50, "max": max, "samples": changes.len() })
        };
        let causes = self
            .causes()
            .map(|(cause, count)| (cause.to_owned(), json!(count)));
        json!({
            "sealed": self.has_key,
            "seconds": self.flooded_for.as_secs_f64(),
            "sent": self.sent_in_all(),
            "kernel_drops": self.kernel_drops,
            "received": self.received,
            "dropped": Value::Object(causes.into_iter().collect()),
            "unknown_kinds": self.unknown_kinds,
            "sent_by_victim": self.answered,
            "change_before_ms": changes(&self.before),
            "change_at_another_ms": changes(&self.by_others),
            "change_at_victim_ms": changes(&self.by_victim),
            "members_lost": self.lost,
            "is_complete": self.is_complete,
            "probes_failed": self.probes_failed,
            "refutations": self.refutations,
            "victim_pauses": self.pauses,
            "victim_local_health_max": self.local_health_max,
            "victim_cpu_percent": self.cpu_percent(),
            "victim_cpu_us_each": self.cpu_us_each(),
            "resident_bytes": self.resident_bytes,
            "failed_claims": self.failed_claims(plan),
        })
    }
}

pub(crate) fn json(plan: &Plan, outcomes: &[Outcome]) -> String {
    let outcomes: Vec<_> = outcomes.iter().map(|outcome| outcome.json(plan)).collect();
    format!(
        "{:#}",
        json!({
            "nodes": plan.nodes,
            "rate": plan.rate,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "outcomes": outcomes,
        })
    )
}

pub(crate) fn table(plan: &Plan, outcomes: &[Outcome]) -> String {
    let mut table = String::new();
    for outcome in outcomes {
        let (nodes, side) = (plan.nodes, side(outcome.has_key));
        let seconds = outcome.flooded_for.as_secs_f64();
        let _ = writeln!(
            table,
            "{side}: {nodes} nodes, one of them flooded for {seconds:.1} s"
        );
        for (name, value) in outcome.rows() {
            let _ = writeln!(table, "  {name:<42}{value}");
        }
        for failed in outcome.failed_claims(plan) {
            let _ = writeln!(table, "  NOT AS CLAIMED: {failed}");
        }
    }
    table
}

/// In milliseconds.
fn p50_and_max(durations: &[Duration]) -> (f64, f64) {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let ms = |at: Option<&Duration>| at.map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0);
    (ms(sorted.get(sorted.len() / 2)), ms(sorted.last()))
}

fn mib(bytes: usize) -> f64 {
    count(bytes) / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count<N: TryInto<u64>>(count: N) -> f64 {
    count.try_into().map_or(f64::NAN, |count| count as f64)
}
