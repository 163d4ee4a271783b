//! The upgrade: all processes of the older build, replaced one by one by the newer one, and back.

use std::{error::Error, net::SocketAddr, path::Path, time::Duration};

use crate::{cluster::Cluster, process::NO_KEY};

/// How many processes there are.
const PROCESSES: usize = 8;
/// How long the cluster runs under load between two replacements.
const BETWEEN: Duration = Duration::from_millis(1_500);
/// A gap in the changes that a process sees must be below this. Changes are 50 ms apart.
const GAP_MAX: Duration = Duration::from_secs(3);
/// The values of a process's successor begin this much higher.
const LIFE: u64 = 1_000_000;
/// A key of the test's own: 32 bytes of zero would be refused as weak, these are not.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Rolls forth and back, in the clear and sealed. Says whether everything held.
pub(crate) fn both_ways(old: &Path, new: &Path) -> Result<bool, Box<dyn Error>> {
    let mut holds = true;
    for (name, key) in [("in the clear", NO_KEY), ("sealed", KEY)] {
        let mut cluster = Cluster::new(key);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let ids: Vec<_> = (0..PROCESSES).map(|number| format!("p{number}")).collect();
        for id in &ids {
            cluster.start(old, id, loopback, 0)?;
        }
        for id in &ids {
            cluster.all_see(id, 1)?;
        }
        let mut lives = 0;
        for (direction, program) in [("old to new", new), ("new to old", old)] {
            lives += 1;
            for id in &ids {
                cluster.watch(BETWEEN);
                replace(&mut cluster, program, id, lives * LIFE)?;
            }
            println!("{name}, {direction}: {PROCESSES} processes replaced");
        }
        cluster.watch(BETWEEN);
        cluster.settle()?;
        holds &= judge(name, &cluster);
    }
    Ok(holds)
}

fn replace(
    cluster: &mut Cluster,
    program: &Path,
    id: &str,
    first: u64,
) -> Result<(), Box<dyn Error>> {
    cluster.excuse(id);
    let addr = cluster.leave(id)?;
    cluster.start(program, id, addr, first)?;
    cluster.all_see(id, first)?;
    cluster.sees_all(id)?;
    cluster.expect(id);
    Ok(())
}

fn judge(name: &str, cluster: &Cluster) -> bool {
    let gap = cluster.longest_gap;
    println!(
        "{name}: {} changes seen, the longest gap {} ms, {} things wrong",
        cluster.changes_seen,
        gap.as_millis(),
        cluster.wrong.len()
    );
    for what in &cluster.wrong {
        println!("  wrong: {what}");
    }
    if gap > GAP_MAX {
        println!("  wrong: no change was seen for {gap:?}, with one each 50 ms");
    }
    cluster.wrong.is_empty() && gap <= GAP_MAX
}
