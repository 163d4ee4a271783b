//! `list` and `run`.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use super::{Failure, Verdict, file, print, progress, render, tell};
use crate::{
    report,
    run::{Options, Progress, Run, run as run_world},
    scenario::{Scenario, Subject, shipped},
};

/// What is to be run, and what is to come of it.
pub(super) struct Call {
    pub(super) scenario: String,
    pub(super) nodes: Option<usize>,
    pub(super) seed: u64,
    pub(super) subject: Option<Subject>,
    pub(super) json: bool,
    pub(super) report: Option<PathBuf>,
}

pub(super) fn list() -> Verdict {
    let mut rows = Vec::new();
    for file in shipped() {
        let scenario = read(file.text, file.name)?;
        rows.push((
            scenario.name,
            scenario.nodes,
            scenario.duration,
            scenario.about,
        ));
    }
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, nodes, duration, about) in rows {
        let duration = duration.to_string();
        print(&format!(
            "{name:<width$}  {nodes:>5} nodes  {duration:>7}  {about}\n"
        ))?;
    }
    Ok(true)
}

pub(super) fn run(call: &Call) -> Verdict {
    let mut scenario = find(&call.scenario)?;
    if let Some(nodes) = call.nodes {
        scenario = scenario.with_nodes(nodes).map_err(bad)?;
    }
    if let Some(subject) = call.subject {
        scenario.subject = subject;
    }
    let mut report = call.report.as_deref().map(create).transpose()?;
    let bar = progress::bar(scenario.duration.duration().as_secs(), "virtual s");
    let mut advance = |progress: Progress| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // whole seconds of a run
        bar.set_position(progress.at_s.max(0.0) as u64);
    };
    let options = Options {
        record: report.is_some(),
        trace: None,
        progress: Some(&mut advance),
    };
    let run = timed(&scenario, call.seed, options);
    bar.finish_and_clear();
    if let Some((path, file)) = &mut report {
        write_report(path, file, &run)?;
    }
    let outcome = &run.outcome;
    if call.json {
        let json = serde_json::to_string(outcome).expect("an outcome is JSON");
        print(&format!("{json}\n"))?;
    } else {
        print(&render::outcome(outcome))?;
    }
    tell(&render::violations(call.seed, &outcome.violations));
    Ok(outcome.violations.is_empty())
}

/// Runs a scenario, and says what it took.
pub(super) fn timed(scenario: &Scenario, seed: u64, options: Options<'_>) -> Run {
    let start = Instant::now();
    let mut run = run_world(scenario, seed, options);
    run.outcome.wall_s = start.elapsed().as_secs_f64();
    run.outcome.max_rss_mib = max_rss_mib();
    run
}

/// A scenario by its name, or from a file.
fn find(name: &str) -> Result<Scenario, Failure> {
    let path = Path::new(name);
    let is_file = name.contains('/')
        || path
            .extension()
            .is_some_and(|extension| extension == "toml");
    if is_file {
        return read(&file::read(path)?, name);
    }
    let file = shipped().iter().find(|file| file.name == name);
    let Some(file) = file else {
        let known: Vec<_> = shipped().iter().map(|file| file.name).collect();
        let known = known.join(", ");
        return Err(Failure::Bad(format!(
            "scenario is {name:?}, and has to be the path of a .toml file or one of: {known}"
        )));
    };
    read(file.text, file.name)
}

fn read(text: &str, origin: &str) -> Result<Scenario, Failure> {
    Scenario::parse(text, origin).map_err(bad)
}

fn bad(error: impl std::fmt::Display) -> Failure {
    Failure::Bad(error.to_string())
}

/// Opens the report before anything is run, so that a bad path is told at once.
pub(super) fn create(path: &Path) -> Result<(PathBuf, File), Failure> {
    match File::create(path) {
        Ok(file) => Ok((path.to_owned(), file)),
        Err(error) => Err(Failure::Bad(format!(
            "report is {}, which cannot be written: {error}",
            path.display()
        ))),
    }
}

pub(super) fn write_report(path: &Path, file: &mut File, run: &Run) -> Result<(), Failure> {
    let recording = run.recording.as_ref().expect("it was asked for");
    let page = report::page(&run.outcome, recording);
    let synced = |file: &File| match file.sync_all() {
        // A device or a pipe: there is nothing to sync.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    };
    let written = file.write_all(page.as_bytes()).and_then(|()| synced(file));
    written.map_err(|error| Failure::Bad(format!("cannot write {}: {error}", path.display())))
}

/// The most memory that this process ever held, where the system tells (Linux's `VmHWM`); else 0.
fn max_rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1_024.0)
}
