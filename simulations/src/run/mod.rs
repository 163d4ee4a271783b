//! A run: a world from its beginning to its end, watched by the checkers and measured.
//!
//! | file | concern |
//! |---|---|
//! | `measures` | how long changes, deaths and healing took |
//! | `recorder` | the course of a run, for a report |
//! | `panics` | a run that panics is one that went wrong, with its seed |

mod measures;
mod panics;
mod recorder;

use std::time::Duration;

use tidings::gossip::Instant;

use self::{measures::Measures, recorder::Recorder};
use crate::{
    checkers::{self, Checker, Findings},
    outcome::{Outcome, Quantiles, Recording, Spread, Violation},
    scenario::Scenario,
    world::World,
};

/// What a run is to give besides its outcome.
#[derive(Default)]
pub struct Options<'a> {
    /// Whether a [`Recording`] is made.
    pub record: bool,
    /// Where what happens is told, a line each; datagrams are not.
    pub trace: Option<&'a mut dyn FnMut(&str)>,
    /// Where it is told how far the run is, ten times in a virtual second at most.
    pub progress: Option<&'a mut dyn FnMut(Progress)>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The world's time, in seconds.
    pub at_s: f64,
    /// When the run ends at the latest.
    pub end_s: f64,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Run {
    /// The figures and the violations. `wall_s` and `max_rss_mib` are 0: a run reads no clock, and is not
    /// alone in its process.
    pub outcome: Outcome,
    /// The course of the run, if that was asked for.
    pub recording: Option<Recording>,
}

/// Runs a scenario from a seed. The scenario has been validated. A panic is a violation.
pub fn run(scenario: &Scenario, seed: u64, options: Options<'_>) -> Run {
    match panics::caught(|| World::new(scenario, seed)) {
        Ok(world) => watch(world, options),
        Err(message) => panics::before_the_start(scenario, seed, options.record, message),
    }
}

/// Runs a world that has just been made. A panic is a violation.
pub fn watch(mut world: World, options: Options<'_>) -> Run {
    if options.trace.is_some() {
        world.trace_to().keep_lines();
    }
    let mut watch = Watch::new(&world, options);
    match panics::caught(|| watch.whole(&mut world)) {
        Ok(converged) => watch.conclude(&world, converged),
        Err(message) => {
            watch.tell_trace(&mut world);
            let panicked = panics::violation(&world, message);
            watch.findings.violations.push(panicked);
            watch.conclude(&world, false)
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// All that watches a world.
struct Watch<'a> {
    checkers: Vec<Box<dyn Checker>>,
    findings: Findings,
    measures: Measures,
    recorder: Option<Recorder>,
    next_second: Instant,
    trace: Option<&'a mut dyn FnMut(&str)>,
    progress: Option<&'a mut dyn FnMut(Progress)>,
    end_s: f64,
}

impl<'a> Watch<'a> {
    fn new(world: &World, options: Options<'a>) -> Self {
        let scenario = world.scenario();
        let expect = &scenario.expect;
        let end = World::instant(scenario.duration.duration());
        let latest = end + expect.converge_within.duration() + expect.hold.duration();
        Self {
            checkers: checkers::all(scenario),
            findings: Findings::default(),
            measures: Measures::new(world, options.record),
            recorder: options.record.then(|| Recorder::new(world)),
            next_second: world.now() + SECOND,
            trace: options.trace,
            progress: options.progress,
            end_s: World::seconds(latest),
        }
    }

    /// From the beginning to the end; whether all agree then.
    fn whole(&mut self, world: &mut World) -> bool {
        for checker in &mut self.checkers {
            checker.begin(world);
        }
        let expect = world.scenario().expect.clone();
        let end = World::instant(world.scenario().duration.duration());
        self.look(world);
        self.go_on(world, end, |_| false);
        world.end_faults();
        self.look(world);
        let deadline = world.now() + expect.converge_within.duration();
        let converged = self.go_on(world, deadline, World::all_agree);
        if !converged {
            for checker in &mut self.checkers {
                checker.too_late(world, &mut self.findings);
            }
        }
        let rest = world.now() + expect.hold.duration();
        self.go_on(world, rest, |_| false);
        for checker in &mut self.checkers {
            checker.at_rest(world, &mut self.findings);
        }
        let unmet = self.measures.take_unmet(world);
        self.findings.violations.extend(unmet);
        converged && world.all_agree()
    }

    /// Lets the world go on until `end`, or until it is `done`; whether it is.
    fn go_on(&mut self, world: &mut World, end: Instant, done: impl Fn(&World) -> bool) -> bool {
        while !done(world) {
            let column = self.recorder.as_ref().map(Recorder::next_column);
            let tick = column.map_or(self.next_second, |column| column.min(self.next_second));
            let is_more = world.step(end.min(tick));
            self.look(world);
            if !is_more {
                self.tick(world);
                if world.now() >= end {
                    return done(world);
                }
            }
        }
        true
    }

    /// Looks at what has happened.
    fn look(&mut self, world: &mut World) {
        for happening in world.take_happenings() {
            for checker in &mut self.checkers {
                checker.happened(world, &happening, &mut self.findings);
            }
            self.measures.happened(world, &happening);
        }
        self.measures.look(world);
        self.tell_trace(world);
    }

    fn tell_trace(&mut self, world: &mut World) {
        if let Some(trace) = &mut self.trace {
            for line in world.trace_to().take_lines() {
                trace(&line);
            }
        }
    }

    fn tick(&mut self, world: &World) {
        if let Some(recorder) = &mut self.recorder {
            recorder.look(world);
        }
        if world.now() < self.next_second {
            return;
        }
        self.next_second = self.next_second + SECOND;
        for checker in &mut self.checkers {
            checker.second_passed(world, &mut self.findings);
        }
        if let Some(progress) = &mut self.progress {
            progress(Progress {
                at_s: World::seconds(world.now()),
                end_s: self.end_s,
            });
        }
    }

    fn conclude(mut self, world: &World, converged: bool) -> Run {
        let violations = std::mem::take(&mut self.findings.violations);
        let recording = self.recorder.take().map(|recorder| {
            let verdicts = verdicts(&self.checkers, &violations);
            recorder.finish(world, self.measures.take_spreads(), verdicts)
        });
        let outcome = self.outcome(world, converged, violations);
        Run { outcome, recording }
    }

    fn outcome(&self, world: &World, converged: bool, violations: Vec<Violation>) -> Outcome {
        let seconds = world.seconds_alive();
        let rate = |what: fn(&crate::world::Host) -> u64| -> Vec<f64> {
            let hosts = world.hosts().iter().zip(&seconds);
            let alive = hosts.filter(|(_, seconds)| **seconds > 0.0);
            alive
                .map(|(host, seconds)| count(what(host)) / seconds)
                .collect()
        };
        let total: u64 = world.hosts().iter().map(|host| host.packets).sum();
        let all_seconds: f64 = seconds.iter().sum();
        Outcome {
            scenario: world.scenario().name.clone(),
            seed: world.seed(),
            nodes: world.scenario().nodes,
            virtual_s: World::seconds(world.now()),
            wall_s: 0.0,
            converged,
            violations,
            convergence_ms: Quantiles::of(self.measures.convergence_ms().to_vec()),
            detection_ms: Quantiles::of(self.measures.detection_ms().to_vec()),
            sound_detection_ms: Quantiles::of(self.measures.sound_detection_ms().to_vec()),
            heal_ms: Quantiles::of(self.measures.heal_ms().to_vec()),
            false_positives: self.findings.false_positives,
            hostile: world.hostile(),
            packets_per_node_s: count(total) / all_seconds.max(f64::MIN_POSITIVE),
            bytes_per_node_s: Spread::of(rate(|host| host.bytes)),
            growth: self.findings.growth.clone(),
            max_rss_mib: 0.0,
            trace_hash: world.trace().hash(),
        }
    }
}

#[allow(clippy::cast_precision_loss)] // packets and bytes of a run are far below 2^52
const fn count(count: u64) -> f64 {
    count as f64
}

fn verdicts(
    checkers: &[Box<dyn Checker>],
    violations: &[Violation],
) -> Vec<crate::outcome::Verdict> {
    let verdict = |name: &str, demands: &str, looked_at: String| {
        let of_it = violations
            .iter()
            .filter(|violation| violation.checker == name);
        crate::outcome::Verdict {
            checker: name.to_owned(),
            demands: demands.to_owned(),
            violations: of_it.count(),
            looked_at,
        }
    };
    let mut verdicts: Vec<_> = checkers
        .iter()
        .map(|checker| verdict(checker.name(), checker.demands(), checker.looked_at()))
        .collect();
    verdicts.push(verdict(measures::NAME, measures::DEMANDS, String::new()));
    verdicts.push(verdict(panics::NAME, panics::DEMANDS, String::new()));
    verdicts
}
