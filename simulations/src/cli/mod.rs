//! The command: `list`, `run`, `swarm`, `replay`, `compare`.
//!
//! Exit status: 0 if all that had to hold did, 1 if something did not, 2 for a bad call or a bad file. What was
//! asked for goes to standard output; progress, violations and errors to standard error.

mod args;
mod compare;
mod file;
mod progress;
mod render;
mod run;
mod swarm;

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use clap::Parser;

use self::args::{Args, Command};

/// Why a command could not be carried out.
#[derive(Debug)]
enum Failure {
    /// The call or a file is wrong: with which words to say so.
    Bad(String),
}

/// Whether all that had to hold did.
type Verdict = Result<bool, Failure>;

/// Runs the command.
pub fn main() -> ExitCode {
    let command = Args::parse().command; // ends with status 2 where the call is wrong
    let verdict = match command {
        Command::List => run::list(),
        Command::Run {
            scenario,
            nodes,
            seed,
            subject,
            json,
            report,
        } => run::run(&run::Call {
            scenario,
            nodes,
            seed,
            subject: subject.map(Into::into),
            json,
            report,
        }),
        Command::Swarm { seeds, world, json } => swarm::swarm(seeds, world, json),
        Command::Replay {
            seed,
            world,
            report,
        } => swarm::replay(seed, world, report.as_deref()),
        Command::Compare { a, b } => compare::compare(&a, &b),
    };
    match verdict {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Bad(problem)) => {
            tell(&format!("error: {problem}\n"));
            ExitCode::from(2)
        }
    }
}

/// Prints to standard output. That whoever reads it has gone is no failure: the verdict is in the exit status too.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Bad(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints to standard error, if anybody reads it.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
