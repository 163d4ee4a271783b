//! A fleet of real services, and what happens to them, with times.
//!
//! ```text
//! cargo run --release --example fleet [-- --nodes N]
//! ```
//!
//! Starts N service processes (this program again; three services; real UDP on loopback) and tells the
//! story: all see all, one registers a new version, one is killed, one leaves, one is killed and started again
//! on its address, a latecomer arrives. Each process reports what it sees and when; the table says how
//! long it took until every other one had seen it. Ends with 1 if one never did.

mod child;
mod fleet;
mod report;
mod story;

use std::process::ExitCode;

/// One for each role in the story.
const NODES_MIN: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [child::MARK, rest @ ..] => child::run(rest).map(|()| true),
        [] => story::tell(NODES_MIN),
        ["--nodes", count] => match count.parse() {
            Ok(nodes) if nodes >= NODES_MIN => story::tell(nodes),
            _ => Err(format!("--nodes {count}: a number from {NODES_MIN}").into()),
        },
        other => Err(format!("{other:?}: usage: fleet [--nodes N]").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}
