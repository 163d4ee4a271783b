//! The figures, and how they are written.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// All that is measured.
pub(crate) struct Figures {
    nodes: usize,
    pub(crate) bootstrap: Samples,
    pub(crate) burst: Samples,
    pub(crate) change: Samples,
    pub(crate) latecomer: Samples,
    pub(crate) crash: Samples,
    /// What the whole cluster used of the cores, from the first start until its news is over.
    pub(crate) bootstrap_cpu: Samples,
    /// Likewise for a burst.
    pub(crate) burst_cpu: Samples,
    pub(crate) idle: Idle,
    pub(crate) rss_mib_per_node: Option<f64>,
}

/// What a node costs in a second in which nothing happens. CPU is not known on every system.
#[derive(Default)]
pub(crate) struct Idle {
    pub(crate) packets: f64,
    pub(crate) bytes: f64,
    pub(crate) cpu_ms: Option<f64>,
}

/// One figure's repetitions, in milliseconds.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, sample: Duration) {
        self.0.push(sample.as_secs_f64() * 1_000.0);
        self.0.sort_by(f64::total_cmp);
    }

    /// Adds what was used between two looks, where that is known.
    pub(crate) fn add_between(&mut self, before: Option<Duration>, after: Option<Duration>) {
        if let Some((before, after)) = before.zip(after) {
            self.add(after.saturating_sub(before));
        }
    }

    pub(crate) fn extend(&mut self, samples: impl IntoIterator<Item = f64>) {
        self.0.extend(samples);
        self.0.sort_by(f64::total_cmp);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least sample that `percent` of all do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "p50": rounded(self.percentile(50)),
            "p99": rounded(self.percentile(99)),
            "max": rounded(self.percentile(100)),
            "samples": self.0.len(),
        })
    }
}

impl Figures {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            bootstrap: Samples::default(),
            burst: Samples::default(),
            change: Samples::default(),
            latecomer: Samples::default(),
            crash: Samples::default(),
            bootstrap_cpu: Samples::default(),
            burst_cpu: Samples::default(),
            idle: Idle::default(),
            rss_mib_per_node: None,
        }
    }

    fn samples(&self) -> [(&'static str, &Samples); 5] {
        [
            ("bootstrap_ms", &self.bootstrap),
            ("burst_ms", &self.burst),
            ("change_ms", &self.change),
            ("latecomer_ms", &self.latecomer),
            ("crash_ms", &self.crash),
        ]
    }

    /// Every sample of every figure, by name.
    pub(crate) fn raw(&self) -> Value {
        let mut all = json!({
            "bootstrap_cpu_ms": self.bootstrap_cpu.0,
            "burst_cpu_ms": self.burst_cpu.0,
            "packets_per_node_s": [self.idle.packets],
            "bytes_per_node_s": [self.idle.bytes],
            "cpu_ms_per_node_s": Vec::from_iter(self.idle.cpu_ms),
            "rss_mib_per_node": Vec::from_iter(self.rss_mib_per_node),
        });
        for (name, samples) in self.samples() {
            all[name] = json!(samples.0);
        }
        all
    }

    pub(crate) fn json(&self) -> String {
        let mut all = json!({
            "nodes": self.nodes,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "idle": {
                "packets_per_node_s": rounded(self.idle.packets),
                "bytes_per_node_s": rounded(self.idle.bytes),
                "cpu_ms_per_node_s": self.idle.cpu_ms.map(rounded),
            },
            "rss_mib_per_node": self.rss_mib_per_node.map(rounded),
        });
        for (name, samples) in self.samples() {
            all[name] = samples.json();
        }
        format!("{all:#}")
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<22}{:>10}{:>10}{:>10}\n",
            format!("{} nodes", self.nodes),
            "p50",
            "p99",
            "max"
        );
        for (name, samples) in self.samples() {
            let [p50, p99, max] = [50, 99, 100].map(|percent| samples.percentile(percent));
            let _ = writeln!(table, "{name:<22}{p50:>10.2}{p99:>10.2}{max:>10.2}");
        }
        let known = |figure: Option<f64>| {
            figure.map_or("unknown".to_owned(), |figure| format!("{figure:.3}"))
        };
        for (name, figure) in [
            ("packets_per_node_s", Some(self.idle.packets)),
            ("bytes_per_node_s", Some(self.idle.bytes)),
            ("cpu_ms_per_node_s", self.idle.cpu_ms),
            ("rss_mib_per_node", self.rss_mib_per_node),
        ] {
            let _ = writeln!(table, "{name:<22}{:>10}", known(figure));
        }
        table
    }
}

/// A count as a figure: exact up to 2^53, which none here comes near.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(crate) fn count<N: TryInto<u64>>(count: N) -> f64 {
    count.try_into().map_or(f64::NAN, |count| count as f64)
}

/// Three decimals are more than these measurements mean.
pub(crate) fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}
