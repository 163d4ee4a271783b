//! Goodbyes: where nothing gets lost, whoever leaves is known to have left, and not to have failed.
//!
//! It is judged where the network loses nothing: no loss and no faults of links in the scenario, and no queue that was
//! full. Excused is an observer that was stopped, slow or deaf since the goodbye began, and one that leaves who was so
//! within the time of grace of `alive` before it did: it may be under suspicion from then, and a suspicion may end
//! before any word arrives. So is an observer that was told of the member only after its goodbye had begun: by one that had not
//! heard it, and then it finds the member gone.

use std::{collections::BTreeSet, time::Duration};

use tidings::table::{Event, Owner};

use super::{
    Checker, Findings,
    alive::{before, grace},
};
use crate::{
    scenario::Scenario,
    world::{Guest, Happening, LifeId, World},
};

#[derive(Debug)]
pub(super) struct Goodbyes {
    grace: Duration,
    /// Who was told of whom only after the goodbye.
    too_late: BTreeSet<(LifeId, Owner)>,
    judged: usize,
}

impl Goodbyes {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            grace: grace(scenario),
            too_late: BTreeSet::new(),
            judged: 0,
        }
    }
}

impl Checker for Goodbyes {
    fn name(&self) -> &'static str {
        "goodbyes"
    }

    fn demands(&self) -> &'static str {
        "Where the network loses nothing, a process that leaves is known to have left, and not to have failed, by all who were not impaired meanwhile."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        let Happening::Event { life, event, .. } = happening else {
            return;
        };
        let (Event::Joined { member }
        | Event::Recovered { member, .. }
        | Event::Left { member, .. }
        | Event::Failed { member, .. }) = event
        else {
            return;
        };
        let Some(leaver) = said_goodbye(world, *member) else {
            return;
        };
        if matches!(event, Event::Joined { .. } | Event::Recovered { .. }) {
            self.too_late.insert((*life, *member));
            return;
        }
        if self.too_late.remove(&(*life, *member)) {
            return;
        }
        if !has_lost_nothing(world) || self.is_excused(world, *life, leaver) {
            return;
        }
        self.judged += 1;
        if matches!(event, Event::Failed { .. }) {
            let [host, of] = [*life, leaver].map(|life| world.truth().life(life).host);
            let what = format!("node {host} was told that node {of} failed, which said goodbye");
            findings.add(world, self.name(), vec![host, of], what);
        }
    }

    fn looked_at(&self) -> String {
        format!("{} words of who left", self.judged)
    }
}

impl Goodbyes {
    fn is_excused(&self, world: &World, observer: LifeId, leaver: LifeId) -> bool {
        let [observed_by, left] = [observer, leaver].map(|life| world.truth().life(life));
        let began = left.leaving.expect("it said goodbye");
        let is_impaired = world.guest(observer).is_none_or(Guest::is_impaired);
        let suspected = before(began, self.grace);
        is_impaired
            || observed_by.impaired.is_some_and(|at| at >= began)
            || left.impaired.is_some_and(|at| at >= suspected)
    }
}

/// The process that goes or went by this name at last, if it has begun to say goodbye.
fn said_goodbye(world: &World, member: Owner) -> Option<LifeId> {
    let truth = world.truth();
    let name = truth.name_of(member)?;
    let (_, life) = truth.name(name);
    (truth.life(life).name == name && truth.life(life).leaving.is_some()).then_some(life)
}

fn has_lost_nothing(world: &World) -> bool {
    let counts = world.network().counts();
    let lost = counts.lost + counts.overflowed + world.receive_overflows();
    world.scenario().loses_nothing() && lost == 0
}
