//! Nothing live is lost: while its owner is reachable, no instance disappears.
//!
//! A node that declares a member failed is wrong (a *false positive*) if the member lives, under that very
//! name, and nothing excuses the mistake. Excused is whoever was itself stopped or slow within the time of
//! grace, a pair between which links were cut within it, and an observer whose datagrams are held up at the moment,
//! for it is cut off from all. Nothing else is: not that the observer was stopped, and not
//! that the member was cut off from third ones, for nobody may be declared failed on the word of those who
//! cannot reach it. Lossy links are no excuse either.
//!
//! The grace is the engine's longest suspicion time in a cluster of this size and five seconds: what began while the excuse
//! lasted may take that long to end.

use std::time::Duration;

use tidings::{
    gossip::Instant,
    table::{Event, Owner},
};

use super::{Checker, Findings, some};
use crate::{
    scenario::Scenario,
    world::{Guest, Happening, LifeId, World, engine_config},
};

/// What is added to the suspicion time: some probes, and the spread of the word.
const GRACE_BEYOND_SUSPICION: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct NothingLiveIsLost {
    grace: Duration,
    allowed: Option<u64>,
    wrong: Vec<String>,
    judged: usize,
}

impl NothingLiveIsLost {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            grace: grace(scenario),
            allowed: u64::try_from(scenario.expect.false_positives).ok(),
            wrong: Vec::new(),
            judged: 0,
        }
    }
}

impl Checker for NothingLiveIsLost {
    fn name(&self) -> &'static str {
        "nothing-live-lost"
    }

    fn demands(&self) -> &'static str {
        "While its owner is reachable no instance disappears, and no healthy member is declared failed (or no more often than stated)."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        let Happening::Event { life, event, .. } = happening else {
            return;
        };
        match event {
            Event::Failed { member, .. } => self.failed(world, *life, *member, findings),
            Event::Left { member, .. } => self.left(world, *life, *member, findings),
            Event::Deregistered { owner, instance } => {
                self.judged += 1;
                let truth = world.truth();
                let Some(key) = truth.key_of(*owner, instance.name(), instance.id()) else {
                    return; // an impossible event, and another checker's
                };
                let versions = &truth.keys()[key].versions;
                let lives_on = truth.keys()[key].owner == truth.life(truth.keys()[key].life).owner;
                if lives_on && versions.iter().all(|version| version.content.is_some()) {
                    let nodes = vec![
                        truth.life(*life).host,
                        truth.life(truth.keys()[key].life).host,
                    ];
                    let what = format!(
                        "node {} saw {instance} taken back, which its owner never did",
                        nodes[0]
                    );
                    findings.add(world, self.name(), nodes, what);
                }
            }
            _ => {}
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        if self
            .allowed
            .is_some_and(|allowed| findings.false_positives > allowed)
        {
            let allowed = self.allowed.unwrap_or_default();
            let count = findings.false_positives;
            let what = format!(
                "healthy members were declared failed {count} times, where {allowed} are allowed: {}",
                some(&self.wrong)
            );
            findings.add(world, self.name(), Vec::new(), what);
        }
    }

    fn looked_at(&self) -> String {
        format!("{} instances and members that went", self.judged)
    }
}

impl NothingLiveIsLost {
    fn failed(&mut self, world: &World, observer: LifeId, member: Owner, findings: &mut Findings) {
        self.judged += 1;
        let Some(life) = living(world, member) else {
            return;
        };
        let truth = world.truth();
        if truth.life(life).leaving.is_some() || self.is_excused(world, observer, life) {
            return;
        }
        findings.false_positives += 1;
        let at = World::seconds(world.now());
        if self.wrong.len() < 1_000 {
            let [from, to] = [observer, life].map(|life| truth.life(life).host);
            self.wrong
                .push(format!("node {to} by node {from} at {at:.3} s"));
        }
    }

    fn left(&mut self, world: &World, observer: LifeId, member: Owner, findings: &mut Findings) {
        self.judged += 1;
        let Some(life) = living(world, member) else {
            return;
        };
        let truth = world.truth();
        if truth.life(life).leaving.is_none() {
            let nodes = vec![truth.life(observer).host, truth.life(life).host];
            let what = format!(
                "node {} was told that node {} has left, which it has not",
                nodes[0], nodes[1]
            );
            findings.add(world, self.name(), nodes, what);
        }
    }

    fn is_excused(&self, world: &World, observer: LifeId, life: LifeId) -> bool {
        let truth = world.truth();
        let from = truth.life(observer).host;
        let since = before(world.now(), self.grace);
        let is_stopped = world.guest(life).is_none_or(Guest::is_impaired);
        let was_impaired = truth.life(life).impaired.is_some_and(|at| at >= since);
        let has_just_started = truth.life(life).started >= world.now();
        let to = truth.life(life).host;
        world.guest(observer).is_some_and(Guest::is_clogged)
            || is_stopped
            || was_impaired
            || has_just_started
            || world.network().was_cut_since(from, to, since)
    }
}

/// How long a suspicion may outlast what gave rise to it.
pub(super) fn grace(scenario: &Scenario) -> Duration {
    let addr = std::net::SocketAddr::from(([10, 0, 0, 1], 7_946));
    let suspicion = engine_config(scenario, addr).suspicion_timeout_max(scenario.nodes);
    suspicion + GRACE_BEYOND_SUSPICION
}

/// The process that lives and goes by this name.
fn living(world: &World, member: Owner) -> Option<LifeId> {
    let name = world.truth().name_of(member)?;
    world.truth().living(name)
}

pub(super) fn before(now: Instant, time: Duration) -> Instant {
    Instant::from_origin(now.since_origin().saturating_sub(time))
}
