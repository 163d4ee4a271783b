//! What is done to a cluster, and how long it takes.

use std::error::Error;
use std::time::{Duration, Instant};

use tidings::ClusterKey;

use crate::cluster::{Cluster, Fact};
use crate::figures::{self, Figures, Idle, Samples};
use crate::process;

/// Between two repetitions, so that one does not ride on the other's news.
const PAUSE: Duration = Duration::from_millis(250);

/// How often what is done.
pub(crate) struct Plan {
    /// Clusters that are started, one after the other: each is a repetition of bootstrap and burst. The rest is done
    /// with the first.
    pub(crate) clusters: usize,
    pub(crate) changes: usize,
    pub(crate) latecomers: usize,
    pub(crate) crashes: usize,
    /// After a start or a burst: its rounds of news are over.
    pub(crate) settle: Duration,
    /// How long an idle cluster is watched.
    pub(crate) idle: Duration,
}

pub(crate) async fn measure(
    nodes: usize,
    key: Option<ClusterKey>,
    plan: &Plan,
) -> Result<Figures, Box<dyn Error>> {
    let rss_before = process::resident_bytes();
    let mut figures = Figures::new(nodes);
    for repetition in 0..plan.clusters {
        eprintln!("cluster {} of {}", repetition + 1, plan.clusters);
        let mut cluster = Cluster::new(key.clone());
        let before = process::cpu_time();
        figures.bootstrap.add(bootstrap(&mut cluster, nodes).await?);
        tokio::time::sleep(plan.settle).await;
        let between = process::cpu_time();
        figures.burst.add(burst(&mut cluster).await?);
        tokio::time::sleep(plan.settle).await;
        figures.bootstrap_cpu.add_between(before, between);
        figures.burst_cpu.add_between(between, process::cpu_time());
        if repetition == 0 {
            change(&mut cluster, plan, &mut figures.change).await?;
            latecomer(&mut cluster, plan, &mut figures.latecomer).await?;
            tokio::time::sleep(plan.settle).await;
            figures.idle = idle(&cluster, plan).await;
            figures.rss_mib_per_node = rss_mib_per_node(rss_before, nodes);
            crash(&mut cluster, plan, &mut figures.crash).await?;
        }
        cluster.abort().await;
    }
    Ok(figures)
}

/// From the first start until all see all.
async fn bootstrap(cluster: &mut Cluster, nodes: usize) -> Result<Duration, Box<dyn Error>> {
    let since = Instant::now();
    for _ in 0..nodes {
        cluster.start().await?;
    }
    let wanted = cluster
        .pairs()
        .map(|(by, of)| (by, Fact::Member(cluster.address(of))));
    let wanted = wanted.collect();
    cluster.seen_since(since, wanted).await
}

/// Each registers at once, until all have all.
async fn burst(cluster: &mut Cluster) -> Result<Duration, Box<dyn Error>> {
    let since = Instant::now();
    let all: Vec<usize> = cluster.running().collect();
    for node in all {
        cluster.register_in_background(node);
    }
    let pairs = cluster
        .pairs()
        .chain(cluster.running().map(|node| (node, node)));
    let wanted = pairs.map(|(by, of)| (by, cluster.instance(of))).collect();
    cluster.seen_since(since, wanted).await
}

/// One registers a new version, until all others see it.
async fn change(
    cluster: &mut Cluster,
    plan: &Plan,
    samples: &mut Samples,
) -> Result<(), Box<dyn Error>> {
    for repetition in 0..plan.changes {
        tokio::time::sleep(PAUSE).await;
        let one = repetition % cluster.running().count();
        let since = Instant::now();
        cluster.register_in_background(one);
        let wanted = cluster
            .others(one)
            .map(|by| (by, cluster.instance(one)))
            .collect();
        samples.add(cluster.seen_since(since, wanted).await?);
    }
    Ok(())
}

/// One starts late, until it holds the whole table; then it leaves again.
async fn latecomer(
    cluster: &mut Cluster,
    plan: &Plan,
    samples: &mut Samples,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..plan.latecomers {
        tokio::time::sleep(PAUSE).await;
        let since = Instant::now();
        let late = cluster.start().await?;
        let wanted = cluster
            .others(late)
            .map(|of| (late, cluster.instance(of)))
            .collect();
        samples.add(cluster.seen_since(since, wanted).await?);

        // Whoever has not heard of it yet would not see it leave.
        let there = Fact::Member(cluster.address(late));
        let wanted = cluster.others(late).map(|by| (by, there)).collect();
        cluster.seen_since(since, wanted).await?;
        let gone = Fact::Gone(cluster.address(late));
        let left = Instant::now();
        cluster.shut_down(late).await?;
        let wanted = cluster.others(late).map(|by| (by, gone)).collect();
        cluster.seen_since(left, wanted).await?;
    }
    Ok(())
}

/// One is aborted, until all others have dropped it.
async fn crash(
    cluster: &mut Cluster,
    plan: &Plan,
    samples: &mut Samples,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..plan.crashes {
        tokio::time::sleep(PAUSE).await;
        let one = cluster.running().last().ok_or("nobody is left")?;
        let gone = Fact::Gone(cluster.address(one));
        let since = Instant::now();
        cluster.abort_one(one);
        let wanted = cluster.others(one).map(|by| (by, gone)).collect();
        samples.add(cluster.seen_since(since, wanted).await?);
    }
    Ok(())
}

/// What a cluster costs in which nothing happens.
async fn idle(cluster: &Cluster, plan: &Plan) -> Idle {
    let (sent, cpu, since) = (cluster.sent(), process::cpu_time(), Instant::now());
    tokio::time::sleep(plan.idle).await;
    let (now, elapsed) = (cluster.sent(), since.elapsed());
    let node_seconds = figures::count(cluster.running().count()) * elapsed.as_secs_f64();
    let cpu = process::cpu_time()
        .zip(cpu)
        .map(|(after, before)| after.saturating_sub(before));
    Idle {
        packets: figures::count(now.datagrams - sent.datagrams) / node_seconds,
        bytes: figures::count(now.bytes - sent.bytes) / node_seconds,
        cpu_ms: cpu.map(|cpu| cpu.as_secs_f64() * 1_000.0 / node_seconds),
    }
}

fn rss_mib_per_node(before: Option<usize>, nodes: usize) -> Option<f64> {
    let grown = process::resident_bytes()?.saturating_sub(before?);
    Some(figures::count(grown) / f64::from(1 << 20) / figures::count(nodes))
}
