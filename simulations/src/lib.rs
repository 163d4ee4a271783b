//! Whole tidings clusters in virtual time, from one seed.
//!
//! # The promise
//!
//! - It drives the very [`Engine`](tidings::gossip::Engine) that the tokio driver drives: nothing of the
//!   protocol is written twice.
//! - One scenario and one seed are one run, to the byte: everything is drawn from the seed, ties are
//!   ordered, there is no hash order and no wall clock. [`Outcome::trace_hash`](outcome::Outcome) shows it.
//! - The [checkers] stand apart from the code that they check: what should be so they know from
//!   what was done to the world, never from the engine.
//! - A fault that hit nothing is a violation too.
//!
//! # The rooms
//!
//! | room | what is in it |
//! |---|---|
//! | [`scenario`] | worlds, faults, workloads and expectations as data (TOML) |
//! | [`world`] | virtual time, hosts, processes, the network, the faults; what happened |
//! | [`checkers`] | what must hold, one file each |
//! | [`process`], [`baseline`] | what runs on a host: the engine, or plain foca to compare with |
//! | [`run`] | a world from its beginning to its end, watched by the checkers and measured |
//! | [`outcome`] | a run's figures, violations and recording |
//! | [`swarm`] | random scenarios from a seed |
//! | [`report`] | a recording as one HTML page |
//! | [`cli`] | the command |

pub mod baseline;
pub mod checkers;
pub mod cli;
pub mod outcome;
pub mod process;
pub mod report;
pub mod run;
pub mod scenario;
pub mod swarm;
pub mod world;
