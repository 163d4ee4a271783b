//! The workload, the same for every subject.
//!
//! Several clusters, one after the other. Each is started and settles, each node registers, and it settles again. The
//! last one is then changed, left alone, and hurt; the ones before get latecomers. Where nothing is hurt, the last
//! one gets them too.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::figures::{Figures, Idle, count};
use crate::plan::{Plan, Step};
use crate::process;
use crate::sightings::Fact;
use crate::subjects::Subject;
use crate::traffic::Sent;
use crate::{Failure, NAME};

/// Between two repetitions, so that one does not ride on the other's news.
const PAUSE: Duration = Duration::from_millis(250);

/// Measures a subject in clusters of so many nodes.
pub(crate) fn measure<S: Subject>(plan: &Plan, nodes: usize) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    for repetition in 1..=plan.clusters {
        let is_last = repetition == plan.clusters;
        if !is_asked_for(plan, is_last) {
            continue;
        }
        eprintln!("{NAME}: cluster {repetition} of {}", plan.clusters);
        let victims = if is_last { plan.victims() } else { 0 };
        let mut run = Run {
            plan,
            figures: &mut figures,
            cluster: Cluster::<S>::new(nodes)?,
        };
        run.bootstrap(victims)?;
        run.burst();
        if is_last {
            run.change();
            run.idle();
        }
        if victims > 0 {
            run.crash();
            run.silent();
        } else {
            run.latecomer()?;
        }
        run.cluster.end();
    }
    // Bootstrap and burst were done in any case: the other steps need them.
    figures.keep(&plan.only);
    Ok(figures)
}

/// Whether a cluster has a step that is wanted.
fn is_asked_for(plan: &Plan, is_last: bool) -> bool {
    let begins = plan.wants(Step::Bootstrap) || plan.wants(Step::Burst);
    let has_latecomers = !is_last || plan.victims() == 0;
    let ends = [Step::Change, Step::Idle, Step::Crash, Step::Silent];
    begins
        || has_latecomers && plan.wants(Step::Latecomer)
        || is_last && ends.iter().any(|&step| plan.wants(step))
}

/// One cluster's life.
struct Run<'a, S> {
    plan: &'a Plan,
    figures: &'a mut Figures,
    cluster: Cluster<S>,
}

impl<S: Subject> Run<'_, S> {
    /// From the first start until all see all.
    fn bootstrap(&mut self, victims: usize) -> Result<(), Failure> {
        let since = Instant::now();
        self.cluster.start_all(victims)?;
        let pairs = self.cluster.pairs();
        let wanted = pairs.map(|(by, of)| (by, self.cluster.member(of)));
        self.take(Step::Bootstrap, since, wanted.collect());
        sleep(self.plan.settle);
        Ok(())
    }

    /// Each registers at once, until all others have all.
    fn burst(&mut self) {
        let all: Vec<_> = self.cluster.running().collect();
        let since = Instant::now();
        for node in all {
            self.cluster.register(node);
        }
        if !self.figures.has_failed(Step::Burst) {
            let pairs = self.cluster.pairs();
            let wanted = pairs.map(|(by, of)| (by, self.cluster.registration(of)));
            self.take(Step::Burst, since, wanted.collect());
        }
        sleep(self.plan.settle);
    }

    /// One registers a new revision, until all others see it.
    fn change(&mut self) {
        for repetition in 0..self.plan.changes {
            if !self.goes_on(Step::Change) {
                return;
            }
            let one = repetition % self.cluster.running().count();
            let since = Instant::now();
            self.cluster.register(one);
            let fact = self.cluster.registration(one);
            self.take(Step::Change, since, self.by_others(one, fact));
        }
        sleep(self.plan.settle);
    }

    /// What a cluster costs in which nothing happens.
    fn idle(&mut self) {
        if !self.plan.wants(Step::Idle) {
            return;
        }
        let (sent, cpu, since) = (Sent::so_far(), process::cpu_time(), Instant::now());
        sleep(self.plan.idle);
        let node_seconds = count(self.cluster.running().count()) * since.elapsed().as_secs_f64();
        let sent = Sent::so_far()
            .zip(sent)
            .map(|(after, before)| after - before);
        let cpu = process::cpu_time()
            .zip(cpu)
            .map(|(after, before)| after.saturating_sub(before));
        self.figures.idle = Idle {
            packets: sent.map(|sent| count(sent.packets) / node_seconds),
            bytes: sent.map(|sent| count(sent.payload_bytes()) / node_seconds),
            cpu_ms: cpu.map(|cpu| cpu.as_secs_f64() * 1_000.0 / node_seconds),
        };
    }

    /// One crashes, until all others have dropped it.
    fn crash(&mut self) {
        for _ in 0..self.plan.crashes {
            self.lose_one(Step::Crash, Cluster::crash);
        }
    }

    /// One host falls silent, until all others have dropped the node on it.
    fn silent(&mut self) {
        for _ in 0..self.plan.silents {
            self.lose_one(Step::Silent, Cluster::silence);
        }
    }

    fn lose_one(&mut self, step: Step, lose: impl FnOnce(&mut Cluster<S>, usize)) {
        if !self.goes_on(step) {
            return;
        }
        let one = self.cluster.running().next_back();
        let one = one.expect("there are more nodes than victims");
        let since = Instant::now();
        lose(&mut self.cluster, one);
        let fact = self.cluster.gone(one);
        self.take(step, since, self.by_others(one, fact));
    }

    /// One starts late, until it sees all others and has what they registered; then it stays.
    fn latecomer(&mut self) -> Result<(), Failure> {
        for _ in 0..self.plan.latecomers {
            if !self.goes_on(Step::Latecomer) {
                return Ok(());
            }
            let before: Vec<_> = self.cluster.running().collect();
            let since = Instant::now();
            let late = self.cluster.start_one()?;
            let registered = before.iter().filter(|&&of| self.cluster.is_registered(of));
            let registrations = registered.map(|&of| self.cluster.registration(of));
            let members = before.iter().map(|&of| self.cluster.member(of));
            let wanted = members.chain(registrations).map(|fact| (late, fact));
            self.take(Step::Latecomer, since, wanted.collect());
        }
        Ok(())
    }

    /// Whether a step is to be repeated; pauses before it is.
    fn goes_on(&self, step: Step) -> bool {
        let goes_on = self.plan.wants(step) && !self.figures.has_failed(step);
        if goes_on {
            sleep(PAUSE);
        }
        goes_on
    }

    fn by_others(&self, one: usize, fact: Fact) -> HashSet<(usize, Fact)> {
        self.cluster.others(one).map(|by| (by, fact)).collect()
    }

    /// Waits, and takes the time.
    fn take(&mut self, step: Step, since: Instant, wanted: HashSet<(usize, Fact)>) {
        let seen = self.cluster.wait(since, self.plan.bound, wanted);
        if let Err(missing) = &seen {
            eprintln!("{NAME}: {step:?}: {missing}");
        }
        self.figures.add(step, seen.ok());
    }
}
