//! The figures of one subject in clusters of one size.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::plan::Step;

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    samples: BTreeMap<Step, Samples>,
    pub(crate) idle: Idle,
}

/// What a node costs in a second in which nothing happens, where that is known.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    pub(crate) packets: Option<f64>,
    pub(crate) bytes: Option<f64>,
    pub(crate) cpu_ms: Option<f64>,
}

impl Figures {
    /// Takes one repetition of a step; `None` is one that did not get there in time.
    pub(crate) fn add(&mut self, step: Step, took: Option<Duration>) {
        self.samples.entry(step).or_default().add(took);
    }

    /// Forgets all steps but these.
    pub(crate) fn keep(&mut self, steps: &[Step]) {
        self.samples.retain(|step, _| steps.contains(step));
    }

    pub(crate) fn samples(&self, step: Step) -> Option<&Samples> {
        self.samples.get(&step)
    }

    /// Whether a repetition of this step did not get there in time.
    pub(crate) fn has_failed(&self, step: Step) -> bool {
        self.samples(step).is_some_and(|samples| samples.late() > 0)
    }
}

/// One step's repetitions, in milliseconds. One that did not get there in time is infinite.
#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    fn add(&mut self, took: Option<Duration>) {
        let ms = took.map_or(f64::INFINITY, |took| took.as_secs_f64() * 1_000.0);
        self.0.push(ms);
        self.0.sort_by(f64::total_cmp);
    }

    /// The least sample that half of all do not exceed.
    pub(crate) fn p50(&self) -> f64 {
        self.0[(self.0.len() - 1) / 2]
    }

    pub(crate) fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    fn late(&self) -> usize {
        self.0.iter().filter(|ms| ms.is_infinite()).count()
    }

    /// What did not get there in time is `null`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "p50": finite(self.p50()),
            "max": finite(self.max()),
            "samples": self.0.len(),
            "late": self.late(),
        })
    }
}

impl Idle {
    pub(crate) fn json(&self) -> Value {
        json!({
            "packets_sent_per_node_s": self.packets.and_then(finite),
            "payload_bytes_sent_per_node_s": self.bytes.and_then(finite),
            "cpu_ms_per_node_s": self.cpu_ms.and_then(finite),
        })
    }
}

/// Three decimals are more than these measurements mean.
fn finite(figure: f64) -> Option<f64> {
    let rounded = (figure * 1_000.0).round() / 1_000.0;
    rounded.is_finite().then_some(rounded)
}

/// A count as a figure: exact up to 2^53, which none here comes near.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn count<N: TryInto<u64>>(count: N) -> f64 {
    count.try_into().map_or(f64::NAN, |count| count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_too_late_is_the_longest_and_makes_the_step_a_failed_one() {
        let mut figures = Figures::default();
        for ms in [30, 10, 20] {
            figures.add(Step::Crash, Some(Duration::from_millis(ms)));
        }
        assert!(!figures.has_failed(Step::Crash));
        figures.add(Step::Crash, None);
        let samples = figures.samples(Step::Crash).expect("just added");
        assert!((samples.p50() - 20.0).abs() < 1e-9 && samples.max().is_infinite());
        assert!(figures.has_failed(Step::Crash) && !figures.has_failed(Step::Change));
        assert_eq!(samples.json()["max"], Value::Null);
    }
}
