//! Rolling out under load: what a client sees while replicas are restarted, killed, frozen and replaced.
//!
//! ```text
//! cargo run --release --example rollout --features app,axum,tonic,tonic-server,reqwest [-- --rate N] [--seconds S] [--json] [--short]
//! ```
//!
//! Starts three replicas of an HTTP service and three of a gRPC service as processes (this program again), each with a
//! node of its own on loopback. Clients in this process send N requests a second of each kind (`GET`, which is
//! idempotent, `POST`, which is not, and unary gRPC calls) at even times, whether or not those before have ended. Then, step by
//! step: a rolling restart of all; a SIGKILL of one of each; one of each frozen by SIGSTOP and resumed; and a canary
//! of version 2, from which the clients are kept away (`^1`), and to which they are moved (`^2`).
//!
//! The table says for each step and kind how many requests there were and failed, and how long they took before it, during it and
//! after it. Each replica prints the id of every request that it reads, so that what a victim had in flight is known from itself.
//! Ends with 1 if a promise does not hold. Whether those of the frozen ones do depends on how fast the machine is; `--short` leaves
//! that step out, looks for half a second instead of four, and sends a quarter of the requests: some 15 s.

mod load;
mod replica;
mod replicas;
mod story;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// What can be set.
pub(crate) struct Settings {
    /// Requests of each kind in a second.
    pub(crate) rate: u32,
    /// How long is looked before, between and after the steps.
    pub(crate) pause: Duration,
    pub(crate) json: bool,
    /// Only what does not depend on the machine.
    pub(crate) short: bool,
}

const USAGE: &str = "usage: rollout [--rate N] [--seconds S] [--json] [--short]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["--help"] => {
            println!("{USAGE}");
            Ok(true)
        }
        [replica::MARK, rest @ ..] => replica::run(rest).map(|()| true),
        options => settings(options).and_then(|settings| story::tell(&settings)),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("rollout: {error}");
            ExitCode::FAILURE
        }
    }
}

fn settings(options: &[&str]) -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings {
        rate: 200,
        pause: Duration::from_secs(4),
        json: false,
        short: false,
    };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let mut number = |least: u32| {
            let value = options.next().and_then(|value| value.parse().ok());
            value
                .filter(|value| (least..=10_000).contains(value))
                .ok_or(format!("{option}: a number from {least} to 10000: {USAGE}"))
        };
        match *option {
            "--rate" => settings.rate = number(1)?,
            "--seconds" => settings.pause = Duration::from_secs(number(1)?.into()),
            "--json" => settings.json = true,
            "--short" => {
                settings.short = true;
                settings.rate = 50;
                settings.pause = Duration::from_millis(500);
            }
            other => return Err(format!("{other}: {USAGE}").into()),
        }
    }
    Ok(settings)
}
