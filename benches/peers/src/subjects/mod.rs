//! What is measured: one file for each subject, all behind one trait.

mod chitchat;
mod foca;
mod memberlist;
mod tidings;

use std::future::Future;
use std::net::SocketAddr;

use clap::ValueEnum;

pub(crate) use self::chitchat::Chitchat;
pub(crate) use self::foca::PlainFoca;
pub(crate) use self::memberlist::Memberlist;
pub(crate) use self::tidings::Tidings;
use crate::Failure;
use crate::figures::Figures;
use crate::plan::Plan;
use crate::sightings::Eyes;
use crate::workload;

/// What a node is started with.
pub(crate) struct Start {
    pub(crate) number: usize,
    /// Whom it joins; the first node has nobody.
    pub(crate) seed: Option<SocketAddr>,
    /// For those whose defaults depend on it.
    pub(crate) cluster_size: usize,
    pub(crate) eyes: Eyes,
}

/// A running node. All that it does it does on the tokio runtime that it was started on, so that it ends with it.
pub(crate) trait Subject: Sized + Send + Sync + 'static {
    /// Starts a node on a free port of 127.0.0.1, with the subject's defaults for a LAN. It joins in the
    /// background, and tries until it has succeeded.
    fn start(start: Start) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Where the others reach it, and by which they know it.
    fn address(&self) -> SocketAddr;

    /// Registers the node's one instance, in this revision.
    fn register(&self, revision: u32) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Which subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This crate.
    Tidings,
    /// Scuttlebutt reconciliation, with a phi-accrual detector.
    Chitchat,
    /// The Rust port of memberlist, over UDP and TCP.
    Memberlist,
    /// Plain foca, as somebody gets it who drives it by UDP.
    Foca,
}

impl Kind {
    /// The crate's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidings => "tidings",
            Self::Chitchat => "chitchat",
            Self::Memberlist => "memberlist",
            Self::Foca => "foca",
        }
    }

    pub(crate) fn measure(self, plan: &Plan, nodes: usize) -> Result<Figures, Failure> {
        match self {
            Self::Tidings => workload::measure::<Tidings>(plan, nodes),
            Self::Chitchat => workload::measure::<Chitchat>(plan, nodes),
            Self::Memberlist => workload::measure::<Memberlist>(plan, nodes),
            Self::Foca => workload::measure::<PlainFoca>(plan, nodes),
        }
    }
}

/// What is registered where a subject takes text: what `tidings` sends of its instance, the owner aside.
fn registration(revision: u32) -> String {
    format!("bench {revision} http://10.0.0.9:8000")
}

/// The revision of what was registered.
fn revision(registration: &str) -> Option<u32> {
    registration.split(' ').nth(1)?.parse().ok()
}
