//! Bounded growth: what a node holds does not go on growing while the same things go on happening. A slow leak shows
//! as a size at the end that is above what it was when everything had come to its level.
//!
//! Every [`Gauges`] of every node is sampled ten times within `remember_down` (once a minute by default), because that is
//! what takes longest to come to its level: the dead, their records, and what was taken back are remembered for so long,
//! 10 minutes by default. So the window that later ones are held against goes from a fifth of that time to six fifths
//! of it: the minutes 2 to 12. Judged are the nodes whose processes lived from the beginning to the end.
//!
//! The largest size in the last half of that time (5 minutes) may be a quarter more than the largest in
//! the first window, and [`SLACK`] more: both are the highest of many counts of what happens at random. A count of a thousand varies by a
//! tenth (three times its square root), one of a hundred by a third, those below that by less than the slack.

use std::time::Duration;

use tidings::gossip::Instant;

use super::{Checker, Findings};
use crate::{
    outcome::Growth,
    process::Gauges,
    scenario::Scenario,
    world::{LifeId, World, engine_config},
};

/// How much more a size may be at the end, in percent.
const MORE_PERCENT: usize = 25;
/// By how much more on top.
const SLACK: usize = 32;
/// The same for sizes in bytes.
const SLACK_BYTES: usize = 64 << 10;
/// How many samples there are within `remember_down`.
const SAMPLES: u32 = 10;

#[derive(Debug)]
pub(super) struct BoundedGrowth {
    remember: Duration,
    samples: Vec<Sample>,
}

/// The sizes of every node at one time.
#[derive(Debug)]
struct Sample {
    at: Instant,
    nodes: Vec<(LifeId, Vec<usize>)>,
}

impl BoundedGrowth {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let addr = std::net::SocketAddr::from(([10, 0, 0, 1], 7_946));
        Self {
            remember: engine_config(scenario, addr).remember_down,
            samples: Vec::new(),
        }
    }

    /// The largest of each size from one time to another, among the given nodes.
    fn largest(&self, lives: &[LifeId], from: Instant, to: Instant) -> Vec<usize> {
        let mut largest = vec![0; names().len()];
        let within = |sample: &&Sample| (from..=to).contains(&sample.at);
        let samples = self.samples.iter().filter(within);
        for (life, sizes) in samples.flat_map(|sample| &sample.nodes) {
            if lives.binary_search(life).is_ok() {
                for (most, size) in largest.iter_mut().zip(sizes) {
                    *most = (*most).max(*size);
                }
            }
        }
        largest
    }
}

impl Checker for BoundedGrowth {
    fn name(&self) -> &'static str {
        "bounded-growth"
    }

    fn demands(&self) -> &'static str {
        "Where a scenario demands it, nothing that a node holds goes on growing once all has come to its level."
    }

    fn second_passed(&mut self, world: &World, _: &mut Findings) {
        if !world.scenario().expect.bounded_growth || world.is_over() {
            return;
        }
        let last = self.samples.last().map(|sample| sample.at);
        if last.is_some_and(|last| world.now() - last < self.remember / SAMPLES) {
            return;
        }
        let guests = world.hosts().iter().filter_map(|host| host.guest.as_ref());
        let sizes = guests.map(|guest| (guest.life, sizes(&guest.process.gauges())));
        self.samples.push(Sample {
            at: world.now(),
            nodes: sizes.collect(),
        });
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        if !world.scenario().expect.bounded_growth {
            return;
        }
        let lives = world.truth().lives().iter().enumerate();
        let begin = World::instant(Duration::from_secs(1));
        let whole = lives.filter(|(_, life)| life.is_alive() && life.started <= begin);
        let whole: Vec<_> = whole.map(|(life, _)| life).collect();
        let (remember, end) = (self.remember, world.scenario().duration.duration());
        let window = |from: Duration, to: Duration| {
            self.largest(&whole, World::instant(from), World::instant(to))
        };
        let early = window(remember / 5, remember * 6 / 5);
        let halfway = window(end.saturating_sub(remember) / 2, end / 2);
        let late = window(end.saturating_sub(remember / 2), end);
        for (index, what) in names().into_iter().enumerate() {
            let growth = Growth {
                what: what.to_owned(),
                early: early[index],
                halfway: halfway[index],
                late: late[index],
            };
            let slack = if what.ends_with("bytes") {
                SLACK_BYTES
            } else {
                SLACK
            };
            let most = growth.early + growth.early * MORE_PERCENT / 100 + slack;
            if growth.late > most {
                let what = format!(
                    "{what}: {} at the end, where {} at first make {most} the most",
                    growth.late, growth.early
                );
                findings.add(world, self.name(), Vec::new(), what);
            }
            findings.growth.push(growth);
        }
        if whole.is_empty() {
            let what = "vacuous: no process lived from the beginning to the end".to_owned();
            findings.add(world, self.name(), Vec::new(), what);
        }
    }

    fn looked_at(&self) -> String {
        format!("{} samples", self.samples.len())
    }
}

/// The sizes that are judged, by name.
fn of(gauges: &Gauges) -> impl Iterator<Item = (&'static str, usize)> {
    let more = [
        ("timers", gauges.timers),
        ("news", gauges.news),
        ("records", gauges.records),
        ("record_bytes", gauges.record_bytes),
        ("waiting_bytes", gauges.waiting_bytes),
        ("absent_owners", gauges.absent_owners),
        ("known_members", gauges.known_members),
        ("sessions", gauges.sessions),
    ];
    more.into_iter().chain(gauges.sizes.each())
}

fn names() -> Vec<&'static str> {
    of(&Gauges::default()).map(|(name, _)| name).collect()
}

fn sizes(gauges: &Gauges) -> Vec<usize> {
    of(gauges).map(|(_, size)| size).collect()
}
