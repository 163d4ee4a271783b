//! The network between the hosts.

use serde::{Deserialize, Serialize};

use super::{Span, SpanRange};

/// How links are, where no fault makes them worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// How long a datagram takes between two hosts of one region. Default `lan`.
    pub latency: Latency,
    /// Hosts are dealt to these in turn. Default: there is one region.
    pub regions: Vec<Region>,
    /// The share of datagrams that is lost, 0 to 1, each by itself. Default 0.
    pub loss: f64,
    /// Loss in bursts. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst_loss: Option<BurstLoss>,
    /// The share that arrives twice, 0 to 1. Default 0.
    pub duplicate: f64,
    /// The share that is held back for up to 50 ms, and so overtaken, 0 to 1. Default 0.
    pub reorder: f64,
    /// What each host may send, in bytes per second; what is more waits, up to 200 ms, and is lost
    /// then. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// The largest datagram that passes, in bytes. Default: 1,472, Ethernet's 1,500 less headers.
    pub mtu: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            latency: Latency::Lan,
            regions: Vec::new(),
            loss: 0.0,
            burst_loss: None,
            duplicate: 0.0,
            reorder: 0.0,
            bandwidth: None,
            mtu: 1_472,
        }
    }
}

/// How long a datagram takes, one way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// 0.1 to 0.5 ms, as within one rack or zone.
    Lan,
    /// Between two bounds, every value as likely.
    Uniform(SpanRange),
    /// A log-normal distribution by its median: one in a hundred takes more than ten times as long.
    HeavyTail(Span),
}

/// A part of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// How far its hosts are from the centre, one way: a datagram between two regions takes both
    /// distances and a tenth more or less, besides the latency within a region.
    pub distance: Span,
}

/// Loss in bursts: a Gilbert-Elliott channel for each link and direction. In the good state nothing is
/// lost, in the bad one everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurstLoss {
    /// The mean time between two bursts.
    pub every: Span,
    /// The mean length of a burst.
    pub lasts: Span,
}
