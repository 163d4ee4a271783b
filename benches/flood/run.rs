//! One cluster, before the flood and in it.

use std::error::Error;
use std::time::{Duration, Instant};

use tidings::ClusterKey;
use tidings::gossip::{Dropped, Stats};

use crate::cluster::{self, Cluster};
use crate::flooder::{Flood, Sent};
use crate::garbage::{Garbage, Sink};
use crate::{host, process};

/// After the start: rounds of news are over.
const SETTLE: Duration = Duration::from_secs(5);
/// How long changes are watched without a flood.
const BEFORE: Duration = Duration::from_secs(10);
/// How long after the flood a suspicion may still come to its end.
const AFTER: Duration = Duration::from_secs(5);
/// A change each.
const STEP: Duration = Duration::from_secs(1);
/// Memory is looked at once in so many steps.
const MEMORY_EVERY: usize = 5;

pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) rate: u32,
    pub(crate) flooders: u32,
    pub(crate) flooded_for: Duration,
}

pub(crate) struct Outcome {
    pub(crate) has_key: bool,
    /// How long changes took, in order; those of the flooded node apart.
    pub(crate) before: Vec<Duration>,
    pub(crate) by_others: Vec<Duration>,
    pub(crate) by_victim: Vec<Duration>,
    pub(crate) sent: Sent,
    /// What the flooded node counted meanwhile.
    pub(crate) received: u64,
    pub(crate) answered: u64,
    pub(crate) dropped: Dropped,
    pub(crate) unknown_kinds: u64,
    pub(crate) kernel_drops: Option<u64>,
    pub(crate) victims_cpu: Option<Duration>,
    pub(crate) flooded_for: Duration,
    /// When the flood began, every five seconds, and after its end.
    pub(crate) resident_bytes: Vec<Option<usize>>,
    pub(crate) lost: u64,
    pub(crate) is_complete: bool,
    pub(crate) local_health_max: u8,
    pub(crate) pauses: u64,
    pub(crate) probes_failed: u64,
    pub(crate) refutations: u64,
}

/// What is read of the flooded node, and of the cluster, at one moment.
struct Look {
    stats: Stats,
    kernel_drops: Option<u64>,
    victims_cpu: Option<Duration>,
    probes_failed: u64,
    refutations: u64,
}

impl Look {
    fn at(cluster: &Cluster) -> Self {
        Self {
            stats: cluster.victim().stats().gossip,
            kernel_drops: host::dropped_at(cluster.victim().local_addr()),
            victims_cpu: cluster.victims_thread.as_deref().and_then(host::thread_cpu),
            probes_failed: cluster.sum(|stats| stats.probes_failed),
            refutations: cluster.sum(|stats| stats.refutations),
        }
    }
}

pub(crate) async fn run(plan: &Plan, has_key: bool) -> Result<Outcome, Box<dyn Error>> {
    let key = ClusterKey::from_bytes([7; 32]);
    let (own, foreign) = if has_key {
        (Some(key), None)
    } else {
        (None, Some(key))
    };
    let sink = Sink::bind()?;
    let foreign = {
        let sink = Sink::bind()?;
        let stranger = cluster::start(foreign, &[sink.address]).await?;
        let heard = sink.first().await?;
        stranger.abort();
        heard
    };
    let mut cluster = Cluster::start(plan.nodes, own, sink.address).await?;
    let first = sink.first().await?;
    let garbage = || Garbage::new(sink.clone(), first.clone(), foreign.clone());
    tokio::time::sleep(SETTLE).await;
    eprintln!("{}: before", side(has_key));
    let before = changes(&mut cluster, BEFORE, |_, _| {}).await?;
    eprintln!("{}: flooded", side(has_key));
    let outcome = flooded(plan, &mut cluster, garbage, before).await?;
    cluster.abort().await;
    Ok(Outcome { has_key, ..outcome })
}

pub(crate) const fn side(has_key: bool) -> &'static str {
    if has_key { "sealed" } else { "plain" }
}

async fn flooded(
    plan: &Plan,
    cluster: &mut Cluster,
    garbage: impl Fn() -> Garbage,
    before: Vec<(usize, Duration)>,
) -> Result<Outcome, Box<dyn Error>> {
    let start = Look::at(cluster);
    let lost_before = cluster.lost();
    let since = Instant::now();
    let until = since + plan.flooded_for;
    let to = cluster.victim().local_addr();
    let flood = Flood::begin(garbage, to, plan.rate, plan.flooders, until)?;
    let mut resident_bytes = Vec::new();
    let mut local_health_max = 0;
    let during = changes(cluster, plan.flooded_for, |step, cluster| {
        if step % MEMORY_EVERY == 0 {
            resident_bytes.push(process::resident_bytes());
        }
        local_health_max = local_health_max.max(cluster.victim().stats().gossip.local_health);
    })
    .await?;
    let sent = flood.end()?;
    let flooded_for = since.elapsed();
    let end = Look::at(cluster);
    tokio::time::sleep(AFTER).await;
    resident_bytes.push(process::resident_bytes());
    let after = Look::at(cluster);
    let of = |is_victim: bool| {
        let some = during
            .iter()
            .filter(move |(of, _)| (*of == Cluster::VICTIM) == is_victim);
        some.map(|(_, took)| *took).collect()
    };
    Ok(Outcome {
        has_key: false,
        before: before.into_iter().map(|(_, took)| took).collect(),
        by_others: of(false),
        by_victim: of(true),
        sent,
        received: end.stats.datagrams_received - start.stats.datagrams_received,
        answered: end.stats.datagrams_sent - start.stats.datagrams_sent,
        dropped: since_then(&end.stats.dropped, &start.stats.dropped),
        unknown_kinds: end.stats.unknown_kinds - start.stats.unknown_kinds,
        kernel_drops: difference(end.kernel_drops, start.kernel_drops),
        victims_cpu: end
            .victims_cpu
            .zip(start.victims_cpu)
            .map(|(end, start)| end.saturating_sub(start)),
        flooded_for,
        resident_bytes,
        lost: cluster.lost() - lost_before,
        is_complete: cluster.is_complete(),
        local_health_max,
        pauses: end.stats.pauses - start.stats.pauses,
        probes_failed: after.probes_failed - start.probes_failed,
        refutations: after.refutations - start.refutations,
    })
}

/// Lets a node register a change each second, the flooded one and one of the others in turn. Gives who did, and how long it
/// took until all others had it.
async fn changes(
    cluster: &mut Cluster,
    lasting: Duration,
    mut look: impl FnMut(usize, &Cluster),
) -> Result<Vec<(usize, Duration)>, Box<dyn Error>> {
    let since = Instant::now();
    let nodes = cluster.nodes.len();
    let mut changes = Vec::new();
    let mut ticks = tokio::time::interval(STEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for step in 0.. {
        ticks.tick().await;
        if since.elapsed() + STEP > lasting {
            break;
        }
        look(step, cluster);
        // Not at the very beginning, and not in step with anything of the nodes'.
        tokio::time::sleep(STEP / 4 + Duration::from_millis((step as u64 * 37) % 500)).await;
        let of = if step % 2 == 0 {
            Cluster::VICTIM
        } else {
            let other = (step / 2) % (nodes - 1);
            if other < Cluster::VICTIM {
                other
            } else {
                other + 1
            }
        };
        changes.push((of, cluster.change(of).await?));
    }
    Ok(changes)
}

fn difference(end: Option<u64>, start: Option<u64>) -> Option<u64> {
    Some(end?.saturating_sub(start?))
}

fn since_then(end: &Dropped, start: &Dropped) -> Dropped {
    let mut dropped = *end;
    dropped.empty -= start.empty;
    dropped.truncated -= start.truncated;
    dropped.version -= start.version;
    dropped.sealed -= start.sealed;
    dropped.other_cluster -= start.other_cluster;
    dropped.oversized -= start.oversized;
    dropped.malformed -= start.malformed;
    dropped.own -= start.own;
    dropped.unproven -= start.unproven;
    dropped.misaddressed -= start.misaddressed;
    dropped.unexpected -= start.unexpected;
    dropped.plaintext -= start.plaintext;
    dropped.unknown_key -= start.unknown_key;
    dropped.forged -= start.forged;
    dropped.replayed -= start.replayed;
    dropped.clock_skew -= start.clock_skew;
    dropped.sessions_full -= start.sessions_full;
    dropped
}
