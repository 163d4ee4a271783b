//! How fast news travels in a cluster, and what a cluster costs when nothing happens.
//!
//! ```text
//! cargo bench --bench cluster -- [--nodes N] [--json] [--sealed [--pairs P]]
//! ```
//!
//! Starts N nodes (default 32) in this process, on real UDP over loopback, and measures. Every time is taken
//! where a node's own events are read, none by polling. A figure that is repeated is given as p50, p99 and max
//! over its repetitions, in milliseconds; each repetition is the time until the *last* node had seen it.
//!
//! `--sealed` compares clusters without a key and with one, see [`compare`].

mod cluster;
mod compare;
mod figures;
mod process;
mod workload;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tidings::ClusterKey;
use workload::Plan;

/// Without comparing.
const PLAN: Plan = Plan {
    clusters: 5,
    changes: 50,
    latecomers: 20,
    crashes: 3,
    settle: Duration::from_secs(5),
    idle: Duration::from_secs(20),
};
const USAGE: &str = "usage: [--nodes N] [--json] [--sealed [--pairs P]]";

struct Arguments {
    nodes: usize,
    json: bool,
    /// Whether both sides are compared, and in how many pairs of processes.
    sealed: bool,
    pairs: usize,
    /// One side, for whoever compares: whether it has a key.
    one: Option<bool>,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(printed) => {
            println!("{printed}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, Box<dyn Error>> {
    let &Arguments {
        nodes, json, pairs, ..
    } = arguments;
    if arguments.sealed {
        let comparison = compare::compare(nodes, pairs)?;
        return Ok(if json {
            comparison.json()
        } else {
            comparison.table()
        });
    }
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(has_key) = arguments.one {
        let key = has_key.then(|| ClusterKey::from_bytes([7; 32]));
        let figures = runtime.block_on(workload::measure(nodes, key, &compare::PLAN))?;
        return Ok(figures.raw().to_string());
    }
    let figures = runtime.block_on(workload::measure(nodes, None, &PLAN))?;
    Ok(if json {
        figures.json()
    } else {
        figures.table()
    })
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut parsed = Arguments {
        nodes: 32,
        json: false,
        sealed: false,
        pairs: 5,
        one: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<usize, Box<dyn Error>> {
            let number = arguments.next();
            let number = number.ok_or_else(|| format!("{argument} wants a number"))?;
            Ok(number.parse()?)
        };
        match argument.as_str() {
            "--nodes" => parsed.nodes = number()?,
            "--pairs" => parsed.pairs = number()?,
            "--json" => parsed.json = true,
            "--sealed" => parsed.sealed = true,
            compare::ONE_PLAIN => parsed.one = Some(false),
            compare::ONE_SEALED => parsed.one = Some(true),
            // cargo says so to everything that it runs as a benchmark.
            "--bench" => {}
            other => return Err(format!("{other}: {USAGE}").into()),
        }
    }
    let nodes = parsed.nodes;
    if nodes <= PLAN.crashes + 1 {
        return Err(format!("--nodes {nodes}: at least {}", PLAN.crashes + 2).into());
    }
    if parsed.pairs == 0 {
        return Err("--pairs 0: at least 1".into());
    }
    Ok(parsed)
}
