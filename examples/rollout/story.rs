//! What is done, in order, and what has to hold.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidings::{Discovery, Node};

use crate::Settings;
use crate::load::{Clients, DEADLINE, Kind, Load, Sample};
use crate::replica::{GRPC, HTTP};
use crate::replicas::{Log, Replica};
use crate::table::{self, Promise, Step};

const REPLICAS: usize = 3;
/// How long a replica is frozen: longer than its peers take to find it dead.
const FROZEN: Duration = Duration::from_secs(6);
/// How long after a process is gone a client on this machine knows that the connections are.
const TOLD: Duration = Duration::from_millis(250);

/// A cluster and its load.
struct Stage<'a> {
    settings: &'a Settings,
    node: Arc<Node>,
    discovery: Arc<dyn Discovery>,
    replicas: Vec<Replica>,
    /// Of every replica that ever was.
    logs: Vec<Log>,
    load: Load,
    steps: Vec<Step>,
    promises: Vec<Promise>,
}

pub(crate) fn tell(settings: &Settings) -> Result<bool, Box<dyn Error>> {
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    ring.install_default()
        .map_err(|_| "a second choice of cryptography")?;
    tokio::runtime::Runtime::new()?.block_on(async {
        tokio::select! {
            // Whatever is dropped kills its processes.
            told = play(settings) => told,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}

async fn play(settings: &Settings) -> Result<bool, Box<dyn Error>> {
    let node = Node::builder().cluster("rollout").bind("127.0.0.1:0");
    let node = Arc::new(node.start().await?);
    let mut replicas = Vec::new();
    for kind in [HTTP, GRPC] {
        for _ in 0..REPLICAS {
            replicas.push(Replica::start(&node, node.local_addr(), kind, "1.0.0").await?);
        }
    }
    let discovery: Arc<dyn Discovery> = node.clone();
    let load = Load::start(Clients::new(&discovery, "^1")?, settings.rate);
    let mut stage = Stage {
        settings,
        node,
        discovery,
        logs: replicas.iter().map(|replica| replica.log.clone()).collect(),
        replicas,
        load,
        steps: Vec::new(),
        promises: Vec::new(),
    };
    // Connections are made, and the latencies of all replicas known.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.rolling_restart().await?;
    stage.sigkill().await?;
    if !settings.short {
        stage.freeze().await?;
    }
    stage.canary().await?;
    stage.nothing_is_done_twice();
    table::print(&stage.steps, &stage.promises, settings.json);
    Ok(stage.promises.iter().all(|promise| promise.holds))
}

impl Stage<'_> {
    /// Does a step, with a look before it and after it, and returns what was asked during it and just after it.
    async fn step(
        &mut self,
        name: &'static str,
        step: impl AsyncFnOnce(&mut Self) -> Result<(), Box<dyn Error>>,
    ) -> Result<Vec<Sample>, Box<dyn Error>> {
        let begun = Instant::now();
        tokio::time::sleep(self.settings.pause).await;
        let from = Instant::now();
        step(self).await?;
        let to = Instant::now();
        tokio::time::sleep(self.settings.pause).await;
        let after = self.load.between(to, Instant::now()).await;
        let during = self.load.between(from, to).await;
        let before = self.load.between(begun, from).await;
        let all = during.iter().chain(&after).cloned().collect();
        self.steps.push(Step {
            name,
            before,
            during,
            after,
        });
        Ok(all)
    }

    fn promise(&mut self, step: &'static str, what: String, holds: bool) {
        self.promises.push(Promise { step, what, holds });
    }

    fn position(&self, kind: &str) -> Result<usize, Box<dyn Error>> {
        let found = self
            .replicas
            .iter()
            .position(|replica| replica.kind == kind);
        found.ok_or_else(|| format!("no {kind} is left").into())
    }

    async fn successor(&mut self, kind: &'static str, version: &str) -> Result<(), Box<dyn Error>> {
        let new = Replica::start(&self.node, self.node.local_addr(), kind, version).await?;
        self.logs.push(new.log.clone());
        self.replicas.push(new);
        Ok(())
    }

    async fn rolling_restart(&mut self) -> Result<(), Box<dyn Error>> {
        let samples = self.step("rolling restart", async |stage| {
            for _ in 0..stage.replicas.len() {
                let old = stage.replicas.remove(0);
                let kind = old.kind;
                old.stop().await?;
                stage.successor(kind, "1.0.0").await?;
            }
            Ok(())
        });
        let failed = failures(&samples.await?, &Kind::ALL);
        self.promise(
            "rolling restart",
            format!("{failed} failed, 0 promised"),
            failed == 0,
        );
        Ok(())
    }

    async fn sigkill(&mut self) -> Result<(), Box<dyn Error>> {
        let mut gone = Instant::now();
        let mut victims = Vec::new();
        let samples = self.step("SIGKILL", async |stage| {
            let mut dead = Vec::new();
            for kind in [HTTP, GRPC] {
                dead.push(stage.replicas.remove(stage.position(kind)?));
            }
            for replica in &mut dead {
                gone = replica.kill()?;
                victims.push(replica.log.clone());
            }
            for replica in &dead {
                replica.wait_until(&stage.node, false).await?;
            }
            for replica in dead {
                stage.successor(replica.kind, "1.0.0").await?;
            }
            Ok(())
        });
        let samples = samples.await?;
        let failed = failures(&samples, &[Kind::Get]);
        self.promise(
            "SIGKILL",
            format!("{failed} idempotent ones failed, 0 promised"),
            failed == 0,
        );
        let others = samples
            .iter()
            .filter(|sample| sample.answer.is_err() && sample.kind != Kind::Get);
        let (mut read, mut unread, mut wrong) = (0, 0, 0);
        for sample in others {
            let is_read = |logs: &[Log]| logs.iter().any(|log| log.reads(sample.id) > 0);
            if is_read(&victims) {
                read += 1;
            } else if !is_read(&self.logs) && sample.began <= gone + TOLD {
                unread += 1;
            } else {
                wrong += 1;
            }
        }
        let what = format!(
            "of the others failed {read} that the victims had read, {unread} on their way to one that was just killed, \
             {wrong} else, 0 promised"
        );
        self.promise("SIGKILL", what, wrong == 0);
        Ok(())
    }

    /// What is not idempotent is not sent again once it may have been read, whatever happened.
    fn nothing_is_done_twice(&mut self) {
        let steps = self.steps.iter();
        let samples = steps.flat_map(|step| [&step.before, &step.during, &step.after]);
        let others = samples.flatten().filter(|sample| sample.kind != Kind::Get);
        let (mut all, mut again) = (0, 0);
        for sample in others {
            let reads: u32 = self.logs.iter().map(|log| log.reads(sample.id)).sum();
            all += 1;
            again += u32::from(reads > 1);
        }
        let what = format!("{again} of {all} POST and gRPC were read twice, 0 promised");
        self.promise("all", what, again == 0 && all > 0);
    }

    async fn freeze(&mut self) -> Result<(), Box<dyn Error>> {
        let mut frozen = Instant::now();
        let samples = self.step("frozen", async |stage| {
            let victims = [stage.position(HTTP)?, stage.position(GRPC)?];
            frozen = Instant::now();
            for victim in victims {
                stage.replicas[victim].signal("STOP")?;
            }
            tokio::time::sleep(FROZEN).await;
            for victim in victims {
                stage.replicas[victim].signal("CONT")?;
            }
            for victim in victims {
                stage.replicas[victim].wait_until(&stage.node, true).await?;
            }
            Ok(())
        });
        let samples = samples.await?;
        let failed = failures(&samples, &[Kind::Get]);
        self.promise(
            "frozen",
            format!("{failed} idempotent ones failed, 0 promised"),
            failed == 0,
        );
        for (kinds, limit) in [
            (&[Kind::Get, Kind::Post][..], crate::load::ATTEMPT),
            (&[Kind::Grpc], DEADLINE),
        ] {
            let held_up = |sample: &&Sample| {
                kinds.contains(&sample.kind)
                    && (sample.answer.is_err() || sample.took >= limit.mul_f64(0.9))
            };
            let last = samples
                .iter()
                .filter(held_up)
                .map(|sample| sample.began)
                .max();
            let until = last.map_or(Duration::ZERO, |last| last - frozen);
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            let what = format!(
                "the last {} that it held up began after {} ms, its timeout is {} ms",
                names.join(" or "),
                until.as_millis(),
                limit.as_millis()
            );
            self.promise("frozen", what, until <= limit);
        }
        Ok(())
    }

    async fn canary(&mut self) -> Result<(), Box<dyn Error>> {
        let samples = self.step("canary, clients at ^1", async |stage| {
            for kind in [HTTP, GRPC] {
                stage.successor(kind, "2.0.0").await?;
            }
            Ok(())
        });
        let samples = samples.await?;
        self.version_promise("canary", &samples, "1.0.0");
        let mut moved = Instant::now();
        let samples = self.step("clients moved to ^2", async |stage| {
            stage
                .load
                .use_clients(Clients::new(&stage.discovery, "^2")?);
            moved = Instant::now();
            Ok(())
        });
        let samples = samples.await?;
        let since: Vec<_> = samples
            .into_iter()
            .filter(|sample| sample.began > moved)
            .collect();
        self.version_promise("moved", &since, "2.0.0");
        Ok(())
    }

    fn version_promise(&mut self, step: &'static str, samples: &[Sample], version: &str) {
        let failed = failures(samples, &Kind::ALL);
        let wrong = |sample: &&Sample| matches!(&sample.answer, Ok(by) if by != version);
        let wrong = samples.iter().filter(wrong).count();
        let what = format!(
            "{wrong} of {} at the wrong version, {failed} failed",
            samples.len()
        );
        self.promise(step, what, wrong == 0 && failed == 0 && !samples.is_empty());
    }
}

fn failures(samples: &[Sample], kinds: &[Kind]) -> usize {
    let failed = |sample: &&Sample| kinds.contains(&sample.kind) && sample.answer.is_err();
    samples.iter().filter(failed).count()
}
