//! A rolling upgrade of a cluster under load, both ways.
//!
//! ```text
//! upgrade-cluster roll OLD NEW       replaces eight processes of OLD by NEW, and then back
//! upgrade-cluster process ...        one of the processes; `roll` starts them
//! ```
//!
//! OLD and NEW are paths of this program, built with the older and the newer library. Each process
//! offers one instance, changes it every 50 ms, and reports what it sees of the others.

mod cluster;
mod process;
mod report;
mod roll;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["roll", old, new] => roll::both_ways(old.as_ref(), new.as_ref()),
        ["process", rest @ ..] => process::run(rest).map(|()| true),
        other => Err(format!("{other:?}: usage: upgrade-cluster roll OLD NEW").into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("upgrade-cluster: {error}");
            ExitCode::FAILURE
        }
    }
}
