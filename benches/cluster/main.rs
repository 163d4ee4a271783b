//! How fast news travels in a cluster, and what a cluster costs when nothing happens.
//!
//! ```text
//! cargo bench --bench cluster -- [--nodes N] [--json]
//! ```
//!
//! Starts N nodes (default 32) in this process, on real UDP over loopback, and measures. Every time is taken
//! where a node's own events are read, none by polling. A figure that is repeated is given as p50, p99 and max
//! over its repetitions, in milliseconds; each repetition is the time until the *last* node had seen it.

mod cluster;
mod figures;
mod process;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cluster::{Cluster, Fact};
use figures::{Figures, Idle, Samples};

/// Clusters that are started, one after the other: each is a repetition of bootstrap and burst.
const CLUSTERS: usize = 5;
const CHANGES: usize = 50;
const LATECOMERS: usize = 20;
const CRASHES: usize = 3;
/// Between two repetitions, so that one does not ride on the other's news.
const PAUSE: Duration = Duration::from_millis(250);
/// After a start or a burst: its rounds of news are over.
const SETTLE: Duration = Duration::from_secs(5);
/// How long an idle cluster is watched.
const IDLE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match arguments().and_then(|(nodes, json)| Ok((runtime.block_on(measure(nodes))?, json))) {
        Ok((figures, json)) => {
            println!(
                "{}",
                if json {
                    figures.json()
                } else {
                    figures.table()
                }
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(usize, bool), Box<dyn Error>> {
    let (mut nodes, mut json) = (32, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--nodes" => nodes = arguments.next().ok_or("--nodes wants a number")?.parse()?,
            "--json" => json = true,
            // cargo says so to everything that it runs as a benchmark.
            "--bench" => {}
            other => return Err(format!("{other}: usage: [--nodes N] [--json]").into()),
        }
    }
    if nodes <= CRASHES + 1 {
        return Err(format!("--nodes {nodes}: at least {}", CRASHES + 2).into());
    }
    Ok((nodes, json))
}

async fn measure(nodes: usize) -> Result<Figures, Box<dyn Error>> {
    let rss_before = process::resident_bytes();
    let mut figures = Figures::new(nodes);
    for repetition in 0..CLUSTERS {
        eprintln!("cluster {} of {CLUSTERS}", repetition + 1);
        let mut cluster = Cluster::new();
        figures.bootstrap.add(bootstrap(&mut cluster, nodes).await?);
        tokio::time::sleep(SETTLE).await;
        figures.burst.add(burst(&mut cluster).await?);
        tokio::time::sleep(SETTLE).await;
        if repetition == 0 {
            change(&mut cluster, &mut figures.change).await?;
            latecomer(&mut cluster, &mut figures.latecomer).await?;
            tokio::time::sleep(SETTLE).await;
            figures.idle = idle(&cluster).await;
            figures.rss_mib_per_node = rss_mib_per_node(rss_before, nodes);
            crash(&mut cluster, &mut figures.crash).await?;
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
async fn change(cluster: &mut Cluster, samples: &mut Samples) -> Result<(), Box<dyn Error>> {
    for repetition in 0..CHANGES {
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
async fn latecomer(cluster: &mut Cluster, samples: &mut Samples) -> Result<(), Box<dyn Error>> {
    for _ in 0..LATECOMERS {
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
async fn crash(cluster: &mut Cluster, samples: &mut Samples) -> Result<(), Box<dyn Error>> {
    for _ in 0..CRASHES {
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
async fn idle(cluster: &Cluster) -> Idle {
    let (sent, cpu, since) = (cluster.sent(), process::cpu_time(), Instant::now());
    tokio::time::sleep(IDLE).await;
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
