//! What goes wrong.

use serde::{Deserialize, Serialize};

use super::{BurstLoss, KeyChange, NodeSet, Offset, Span, SpanRange};

/// One thing that goes wrong, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, in the world's time.
    #[serde(default)]
    pub at: Span,
    /// How long after each beginning it begins again, until the duration is over. Default: it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// Which way a cut works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Neither side hears the other.
    #[default]
    Both,
    /// What the first side sends does not reach the second.
    Forth,
}

/// Where a restarted process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// Where it lived before.
    #[default]
    Same,
    /// On an address that nobody had before.
    New,
}

/// What goes wrong. Where `for` is left out a fault lasts until the end of the duration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Two sets of nodes do not reach each other. The second may be `others`.
    Partition {
        /// The two sides.
        between: [NodeSet; 2],
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How long.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// The links between two sets go down and up again and again, down first.
    Flap {
        /// The two sides.
        between: [NodeSet; 2],
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// How long they are down.
        down: Span,
        /// How long they are up.
        up: Span,
        /// How long it goes on.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// The links between two sets get worse: these come on top of the network's own conditions.
    Degrade {
        /// The two sides. Default: all links.
        #[serde(default = "everywhere")]
        between: [NodeSet; 2],
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// The share of datagrams that is lost, 0 to 1, each by itself.
        #[serde(default)]
        loss: f64,
        /// Loss in bursts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        burst_loss: Option<BurstLoss>,
        /// What each datagram takes longer, drawn for each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delay: Option<SpanRange>,
        /// The share that arrives twice, 0 to 1.
        #[serde(default)]
        duplicate: f64,
        /// The share that is held back for up to 50 ms, and so overtaken, 0 to 1.
        #[serde(default)]
        reorder: f64,
        /// How long.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// Processes end without a word.
    Crash {
        /// Which.
        nodes: NodeSet,
        /// Whether the whole host is gone, so that nothing at all answers. Default: the port is closed.
        #[serde(default)]
        silent: bool,
        /// The time between one and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Processes say goodbye and end.
    Leave {
        /// Which.
        nodes: NodeSet,
        /// The time between one and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Processes end and start again.
    Restart {
        /// Which.
        nodes: NodeSet,
        /// Whether they say goodbye. Default: they crash.
        #[serde(default)]
        graceful: bool,
        /// How long they are gone.
        #[serde(default)]
        after: Span,
        /// Where they come back.
        #[serde(default)]
        address: Address,
        /// What their wall clock is set by meanwhile.
        #[serde(default)]
        clock: Offset,
        /// The time between one and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Processes crash, and others, which register services of their own, take their addresses.
    Replace {
        /// Which.
        nodes: NodeSet,
        /// How long the address is free.
        #[serde(default)]
        after: Span,
    },
    /// Further processes start, on hosts of their own.
    Join {
        /// How many.
        count: usize,
        /// The time between one and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
    /// Processes are stopped, as by SIGSTOP or a VM pause, with their datagrams waiting in the
    /// receive buffer.
    Pause {
        /// Which.
        nodes: NodeSet,
        /// How long, drawn for each stop.
        stop: SpanRange,
        /// Whether only their datagrams are stopped, coming and going, while their timers go on: the anomaly of the
        /// Lifeguard paper's experiment. Default: all of the process.
        #[serde(default)]
        only_messages: bool,
        /// How long they run between two stops. Default: they are stopped once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<SpanRange>,
        /// How long it goes on, where it is more than once.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// Each received datagram keeps the processes busy for a time.
    Slow {
        /// Which.
        nodes: NodeSet,
        /// How long.
        per_datagram: Span,
        /// How long it goes on.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        lasts: Option<Span>,
    },
    /// The wall clocks of hosts are set, with their processes running.
    Clock {
        /// Which.
        nodes: NodeSet,
        /// By how much.
        by: Offset,
    },
    /// Processes are told to change their keys, while they run.
    Keys {
        /// Which.
        nodes: NodeSet,
        /// What changes.
        change: KeyChange,
        /// The time between one and the next. Default: all at once.
        #[serde(default)]
        each: Span,
    },
}

impl FaultKind {
    /// Whether it is about links, and not about processes.
    pub const fn is_of_links(&self) -> bool {
        matches!(
            self,
            Self::Partition { .. } | Self::Flap { .. } | Self::Degrade { .. }
        )
    }
}

fn everywhere() -> [NodeSet; 2] {
    [NodeSet::All, NodeSet::All]
}
