//! One workload over tidings and its peers, on loopback.
//!
//! ```text
//! cargo run --release -p peers -- [--nodes 32,128] [--subjects tidings,foca] [--only change,crash] [--json]
//! ```
//!
//! All nodes of a cluster run in this process, on real sockets on 127.0.0.1, each subject with its own defaults for a
//! LAN; [`subjects`] says for each what that is, what a registration is, and where its times are taken. A run with
//! all defaults takes about a quarter of an hour.
//!
//! # What is measured, from where to where
//!
//! Every time is that of the *last* node to see it, in milliseconds, as p50 and maximum over the repetitions. It is
//! taken where a node tells its user, never by polling. What takes longer than `--bound` is printed as
//! `> 60,000`, and its step is not repeated for that subject.
//!
//! | figure | from | to |
//! |---|---|---|
//! | change | one node is told to register a new revision | all others have the revision |
//! | crash | one node's tasks are dropped with their sockets; no goodbye, the port is closed | all others hold it for dead |
//! | silent | one node's only thread stands still; its sockets stay open, and nobody reads them | the same |
//! | bootstrap | the first node is started, and all others as soon as its port is known: it is their seed | all see all |
//! | burst | each node is told to register | all have what all others registered |
//! | latecomer | one more node is started in a settled cluster | it sees all others, and has what they registered |
//!
//! Idle is what the cluster costs while nothing happens, divided by nodes and seconds. Packets and bytes are those
//! that the kernel counts as sent on the loopback interface, the same for all: TCP segments and ICMP are among
//! them, 28 bytes of headers are taken off each, and what others send over loopback is counted too. In a
//! network of its own there is nobody else:
//!
//! ```text
//! unshare --net --map-root-user sh -c 'ip link set lo up; target/release/peers'
//! ```
//!
//! # What is not comparable
//!
//! - All nodes share the machine's cores. Where a subject needs much of them, its times are those of a busy machine.
//! - Loopback takes 64 KiB in one packet. chitchat's datagrams grow with the cluster and are one packet here; on
//!   an Ethernet they are several. The others stay below 1,500 bytes.
//! - A silent host's kernel goes on: it accepts TCP connections that nobody serves. memberlist asks by TCP
//!   where UDP gets no answer, and waits for one here; a host that is really gone does not accept.
//! - chitchat's detector learns: a node is dropped the sooner, the longer it was heard of regularly. Here that is
//!   about half a minute.
//! - Plain foca leaves repair and what a latecomer misses to its user. A broadcast that missed somebody is not
//!   seen at all, and a latecomer never holds everything.
//! - memberlist's only repair is its full exchange by TCP every 30 s. What its gossip misses takes that long.
//! - What is registered is about as long for all, forty bytes, but is text in one field for all but tidings.
//! - A run is short: leaks, growth over days and real networks are not looked at. Memory is not measured,
//!   since one process runs all subjects.

mod cluster;
mod figures;
mod host;
mod plan;
#[path = "../../cluster/process.rs"]
#[expect(
    dead_code,
    reason = "memory is not measured: one process runs all subjects"
)]
mod process;
mod sightings;
mod subjects;
mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::plan::{Call, Step};
use crate::table::Table;

const NAME: &str = "peers";

/// Why something could not be measured.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let call = Call::parse(); // ends with status 2 where the call is wrong
    match run(&call) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(call: &Call) -> Result<(), Failure> {
    let least = call.plan.nodes_min();
    if let Some(nodes) = call.nodes.iter().find(|&&nodes| nodes < least) {
        return Err(format!("--nodes {nodes}: at least {least}").into());
    }
    say_who_else_sends(call);
    let mut runs = Vec::new();
    for &nodes in &call.nodes {
        let mut columns = Vec::new();
        for &kind in &call.subjects {
            eprintln!("{NAME}: {nodes} nodes of {}", kind.name());
            columns.push((kind, kind.measure(&call.plan, nodes)?));
        }
        let bound = call.plan.bound;
        let table = Table {
            nodes,
            bound,
            columns,
        };
        if call.json {
            runs.push(table.json());
        } else {
            println!("{}", table.markdown());
        }
    }
    if call.json {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("{:#}", json!({ "cores": cores, "runs": runs }));
    }
    Ok(())
}

/// Traffic is counted for the whole interface.
fn say_who_else_sends(call: &Call) {
    if !call.plan.wants(Step::Idle) {
        return;
    }
    match traffic::others() {
        Some(0) => {}
        Some(packets) => eprintln!(
            "{NAME}: others send over loopback too, {packets} packets in half a second: they are counted with ours"
        ),
        None => eprintln!("{NAME}: what is sent cannot be counted on this system"),
    }
}
