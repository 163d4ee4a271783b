//! `swarm` and `replay`.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    sync::mpsc,
    thread,
    time::Instant,
};

use serde::Serialize;

use super::{
    Failure, Verdict,
    args::{Seeds, WorldArgs},
    print, progress, render,
    run::{create, timed, write_report},
    tell,
};
use crate::{
    outcome::{Outcome, Quantiles},
    run::{Options, run},
    swarm::scenario,
};

/// What a whole swarm gave.
#[derive(Debug, Serialize)]
struct Summary {
    first_seed: u64,
    last_seed: u64,
    /// How many seeds were run.
    runs: u64,
    /// The least seed whose world was violated.
    violated_seed: Option<u64>,
    virtual_s: f64,
    wall_s: f64,
    convergence_ms: Quantiles,
    detection_ms: Quantiles,
    /// The worst heal of each run.
    heal_ms: Quantiles,
    false_positives: u64,
    /// The seed with the slowest heal.
    slowest_heal_seed: u64,
}

/// Runs the worlds of all seeds on all cores, until one of them is violated.
pub(super) fn swarm(seeds: Seeds, world: WorldArgs, json: bool) -> Verdict {
    let start = Instant::now();
    // Seeds are counted from the first, so that the highest number there is can be the last.
    let others = seeds.last - seeds.first;
    let bar = progress::bar(others.saturating_add(1), "seeds");
    let next = AtomicU64::new(0);
    // No seed above this is begun: the least one that was violated so far.
    let stop = AtomicU64::new(others);
    let (finish, finished) = mpsc::channel::<(u64, Outcome)>();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes = Vec::new();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (finish, next, stop) = (finish.clone(), &next, &stop);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let seed = seeds.first + number;
                    let world = scenario(seed, world.nodes.map(usize::from), world.minutes);
                    let outcome = run(&world, seed, Options::default()).outcome;
                    if !outcome.violations.is_empty() {
                        stop.fetch_min(number, Ordering::Relaxed);
                    }
                    if finish.send((seed, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(finish);
        for outcome in finished {
            bar.inc(1);
            outcomes.push(outcome);
        }
    });
    bar.finish_and_clear();
    outcomes.sort_by_key(|(seed, _)| *seed);
    let summary = summary(seeds, &outcomes, start.elapsed().as_secs_f64());
    if json {
        let json = serde_json::to_string(&summary).expect("a summary is JSON");
        print(&format!("{json}\n"))?;
    } else {
        print(&text(&summary))?;
    }
    let Some(seed) = summary.violated_seed else {
        return Ok(true);
    };
    let violated = outcomes.iter().find(|(of, _)| *of == seed);
    let (_, outcome) = violated.expect("its seed comes from there");
    tell(&render::violations(seed, &outcome.violations));
    let nodes = world
        .nodes
        .map(|nodes| format!(" --nodes {nodes}"))
        .unwrap_or_default();
    let minutes = world.minutes;
    tell(&format!(
        "see it: cargo run --release -p simulations -- replay --seed {seed}{nodes} --minutes {minutes}\n"
    ));
    Ok(false)
}

fn summary(seeds: Seeds, outcomes: &[(u64, Outcome)], wall_s: f64) -> Summary {
    let each = |of: fn(&Outcome) -> Quantiles| {
        let quantiles = outcomes.iter().map(|(_, outcome)| of(outcome));
        Quantiles::of(
            quantiles
                .filter(|of| of.samples > 0)
                .map(|of| of.max)
                .collect(),
        )
    };
    let violated = outcomes
        .iter()
        .find(|(_, outcome)| !outcome.violations.is_empty());
    let slowest = outcomes
        .iter()
        .max_by(|(_, one), (_, other)| one.heal_ms.max.total_cmp(&other.heal_ms.max));
    Summary {
        first_seed: seeds.first,
        last_seed: seeds.last,
        runs: outcomes.len() as u64,
        violated_seed: violated.map(|(seed, _)| *seed),
        virtual_s: outcomes.iter().map(|(_, outcome)| outcome.virtual_s).sum(),
        wall_s,
        convergence_ms: each(|outcome| outcome.convergence_ms),
        detection_ms: each(|outcome| outcome.detection_ms),
        heal_ms: each(|outcome| outcome.heal_ms),
        false_positives: outcomes
            .iter()
            .map(|(_, outcome)| outcome.false_positives)
            .sum(),
        slowest_heal_seed: slowest.map_or(0, |(seed, _)| *seed),
    }
}

fn text(summary: &Summary) -> String {
    let verdict = match summary.violated_seed {
        None => "holds".to_owned(),
        Some(seed) => format!("VIOLATED by seed {seed}"),
    };
    let worst = |quantiles: Quantiles| {
        let [p50, max] = [quantiles.p50, quantiles.max].map(render::milliseconds);
        format!("p50 {p50}, max {max}")
    };
    format!(
        "swarm {}..{}: {verdict}\n  \
         {} worlds, {:.0} virtual minutes in {:.1} s\n  \
         worst change of each world  {}\n  \
         worst death noticed         {}\n  \
         worst heal                  {} (seed {})\n  \
         false positives             {}\n",
        summary.first_seed,
        summary.last_seed,
        summary.runs,
        summary.virtual_s / 60.0,
        summary.wall_s,
        worst(summary.convergence_ms),
        worst(summary.detection_ms),
        worst(summary.heal_ms),
        summary.slowest_heal_seed,
        summary.false_positives,
    )
}

/// Runs the world of one seed, and tells all that happens in it.
pub(super) fn replay(seed: u64, world: WorldArgs, report: Option<&Path>) -> Verdict {
    let scenario = scenario(seed, world.nodes.map(usize::from), world.minutes);
    let mut report = report.map(create).transpose()?;
    for line in scenario.to_toml().lines() {
        print(&format!("# {line}\n"))?;
    }
    let mut failed = None;
    let mut trace = |line: &str| {
        if failed.is_none() {
            failed = print(&format!("{line}\n")).err();
        }
    };
    let options = Options {
        record: report.is_some(),
        trace: Some(&mut trace),
        progress: None,
    };
    let run = timed(&scenario, seed, options);
    if let Some(failure) = failed {
        return Err(failure);
    }
    if let Some((path, file)) = &mut report {
        write_report(path, file, &run)?;
    }
    print(&format!("\n{}", render::outcome(&run.outcome)))?;
    tell(&render::violations(seed, &run.outcome.violations));
    Ok(run.outcome.violations.is_empty())
}

impl From<crate::scenario::ScenarioError> for Failure {
    fn from(error: crate::scenario::ScenarioError) -> Self {
        Self::Bad(error.to_string())
    }
}
