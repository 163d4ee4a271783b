//! How long a datagram takes.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};

use crate::scenario::{Conditions, Latency, SpanRange};

/// Within one rack or zone, one way, in microseconds.
const LAN_US: std::ops::RangeInclusive<u64> = 100..=500;
/// The standard deviation of the logarithm in [`Latency::HeavyTail`]: with it one in a hundred takes
/// more than `exp(2.326)`, ten times, the median.
const HEAVY_TAIL_SIGMA: f64 = 1.0;
/// What no datagram takes, however unlucky.
const LATENCY_MAX: Duration = Duration::from_secs(5);

/// How far hosts are from each other.
#[derive(Debug)]
pub(super) struct Distances {
    latency: Latency,
    regions: Vec<Duration>,
}

impl Distances {
    pub(super) fn new(conditions: &Conditions) -> Self {
        let regions = conditions.regions.iter();
        Self {
            latency: conditions.latency,
            regions: regions.map(|region| region.distance.duration()).collect(),
        }
    }

    /// The latency of one datagram from one host to another.
    pub(super) fn draw(&self, rng: &mut StdRng, from: usize, to: usize) -> Duration {
        let within = match self.latency {
            Latency::Lan => Duration::from_micros(rng.random_range(LAN_US)),
            Latency::Uniform(range) => uniform(rng, range),
            Latency::HeavyTail(median) => {
                let factor = (HEAVY_TAIL_SIGMA * normal(rng)).exp();
                median.duration().mul_f64(factor).min(LATENCY_MAX)
            }
        };
        within + self.between(rng, from, to)
    }

    fn between(&self, rng: &mut StdRng, from: usize, to: usize) -> Duration {
        let count = self.regions.len();
        if count == 0 || from % count == to % count {
            return Duration::ZERO;
        }
        let distance = self.regions[from % count] + self.regions[to % count];
        distance.mul_f64(rng.random_range(0.9..=1.1))
    }
}

/// One of the range, each as likely.
pub(super) fn uniform(rng: &mut StdRng, range: SpanRange) -> Duration {
    let nanos =
        |span: crate::scenario::Span| u64::try_from(span.duration().as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.random_range(nanos(range.from)..=nanos(range.to)))
}

/// Of the standard normal distribution (Box and Muller, 1958).
fn normal(rng: &mut StdRng) -> f64 {
    let radius: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    let angle: f64 = rng.random_range(0.0..std::f64::consts::TAU);
    (-2.0 * radius.ln()).sqrt() * angle.cos()
}
