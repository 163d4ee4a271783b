//! What a node under a flood of garbage still does for its cluster.
//!
//! ```text
//! cargo bench --bench flood -- [--seconds S] [--rate R] [--nodes N] [--flooders F] [--json]
//! ```
//!
//! Starts N nodes (default 16) on loopback, each on a thread of its own, and sends R datagrams a second (default
//! 100,000) of five [kinds](garbage) to one of them for S seconds (default 30), from eight sockets of each
//! of F threads (default 1). Meanwhile a node
//! registers a change each second, the flooded one every second time, and what is measured is printed: once with a key,
//! and once without. All of it, the flooder too, shares the machine's cores.
//!
//! It fails, and exits with 1, if one of its claims for the cluster with a key is wrong: the flood was sent; nobody was lost; every change was
//! everywhere within 100 ms; memory stayed as it was. Without a key they are printed and no more: then garbage can
//! be what a member might have said.

mod cluster;
mod flooder;
mod garbage;
mod host;
#[path = "../cluster/process.rs"]
#[expect(dead_code, reason = "the CPU is that of one thread")]
mod process;
mod report;
mod run;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use run::Plan;

fn main() -> ExitCode {
    match arguments().and_then(|(plan, json)| flood(&plan, json)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that is claimed was so.
fn flood(plan: &Plan, json: bool) -> Result<bool, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut outcomes = Vec::new();
    for has_key in [true, false] {
        outcomes.push(runtime.block_on(run::run(plan, has_key))?);
    }
    let printed = if json {
        report::json(plan, &outcomes)
    } else {
        report::table(plan, &outcomes)
    };
    println!("{printed}");
    Ok(outcomes[0].failed_claims(plan).is_empty())
}

fn arguments() -> Result<(Plan, bool), Box<dyn Error>> {
    let (mut seconds, mut rate, mut nodes, mut flooders) = (30, 100_000, 16, 1);
    let mut json = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u32, Box<dyn Error>> {
            let number = arguments.next();
            let number = number.ok_or_else(|| format!("{argument} wants a number"))?;
            Ok(number.parse()?)
        };
        match argument.as_str() {
            "--seconds" => seconds = number()?,
            "--rate" => rate = number()?,
            "--nodes" => nodes = number()?,
            "--flooders" => flooders = number()?,
            "--json" => json = true,
            // cargo says so to everything that it runs as a benchmark.
            "--bench" => {}
            other => {
                let usage = "usage: [--seconds S] [--rate R] [--nodes N] [--flooders F] [--json]";
                return Err(format!("{other}: {usage}").into());
            }
        }
    }
    let is_bounded = (2..=600).contains(&seconds)
        && (1_000..=1_000_000).contains(&rate)
        && (3..=256).contains(&nodes)
        && (1..=16).contains(&flooders);
    if !is_bounded {
        return Err(
            "2 to 600 seconds, 1,000 to 1,000,000 a second, 3 to 256 nodes, 1 to 16 flooders"
                .into(),
        );
    }
    let plan = Plan {
        nodes: usize::try_from(nodes)?,
        rate,
        flooders,
        flooded_for: Duration::from_secs(seconds.into()),
    };
    Ok((plan, json))
}
