//! The command line.

use std::{path::PathBuf, str::FromStr};

use clap::{Parser, Subcommand, ValueEnum};

use crate::scenario::Subject;

/// Whole tidings clusters in virtual time: every fault, from one seed.
///
/// Exit status: 0 if all that had to hold did, 1 if something did not, 2 for a bad call or a bad file.
#[derive(Debug, Parser)]
#[command(name = "simulations", version)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the scenarios that ship.
    List,
    /// Runs a scenario.
    Run {
        /// A scenario's name, or the path of a scenario file (with a `/` or ending in `.toml`).
        scenario: String,
        /// Another number of nodes than the scenario states.
        #[arg(long)]
        nodes: Option<usize>,
        /// The seed from which everything is drawn.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Something else than the scenario states to run on the nodes.
        #[arg(long)]
        subject: Option<SubjectArg>,
        /// Prints the result as one JSON object.
        #[arg(long)]
        json: bool,
        /// Writes a report: one HTML page that needs nothing else.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Runs random worlds, one for each seed, and stops at the first violation.
    Swarm {
        /// The seeds, as `1..1000`; both ends are run. A single number is one seed.
        #[arg(long)]
        seeds: Seeds,
        #[command(flatten)]
        world: WorldArgs,
        /// Prints the summary as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Runs one seed of the swarm, and prints its world and all that happens in it.
    Replay {
        /// The seed.
        #[arg(long)]
        seed: u64,
        #[command(flatten)]
        world: WorldArgs,
        /// Writes a report: one HTML page that needs nothing else.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Shows two results of `run --json` side by side.
    Compare {
        /// The first file.
        a: PathBuf,
        /// The second file.
        b: PathBuf,
    },
}

/// What makes one seed another world.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct WorldArgs {
    /// How many nodes each world has, 3 to 200. Default: drawn from the seed, 3 to 12.
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..=200))]
    pub(super) nodes: Option<u16>,
    /// How many virtual minutes each world lasts, 1 to 600.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(super) minutes: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SubjectArg {
    /// The engine of the crate.
    Tidings,
    /// foca with its own defaults, to compare with.
    SwimBaseline,
}

impl From<SubjectArg> for Subject {
    fn from(arg: SubjectArg) -> Self {
        match arg {
            SubjectArg::Tidings => Self::Tidings,
            SubjectArg::SwimBaseline => Self::SwimBaseline,
        }
    }
}

/// A range of seeds, with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeds {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let refused =
                |_| format!("{text:?} is no seed; write a number, or a range such as 1..1000");
            text.trim().parse().map_err(refused)
        };
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
            None => (number(text)?, number(text)?),
        };
        if first > last {
            return Err(format!("{text:?} begins above its end"));
        }
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_with_both_ends_or_one_number() {
        let seeds = |first, last| Ok(Seeds { first, last });
        assert_eq!("1..1000".parse(), seeds(1, 1_000));
        assert_eq!("7".parse(), seeds(7, 7));
        for wrong in ["", "a..b", "5..1", "1..", "-1"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
