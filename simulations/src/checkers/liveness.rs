//! Liveness: after all faults the world is healed, and must come to agree; every join is answered, or tried again
//! until it is.

use std::collections::BTreeMap;

use tidings::gossip::Instant;

use super::{Checker, Findings};
use crate::world::{Happening, LifeId, Told, World};

/// Remembers who has found nobody yet.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    alone: BTreeMap<LifeId, Instant>,
    started: usize,
    was_late: bool,
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn demands(&self) -> &'static str {
        "Once the world is healed all come to agree within the stated time, and every process that started has found the others."
    }

    fn happened(&mut self, world: &World, happening: &Happening, _: &mut Findings) {
        match happening {
            Happening::Started(life) => {
                self.started += 1;
                self.alone.insert(*life, world.now());
            }
            Happening::Ended(life) => {
                self.alone.remove(life);
            }
            Happening::Event { life, told, .. }
                if told.iter().any(|told| matches!(told, Told::Member(_))) =>
            {
                self.alone.remove(life);
            }
            _ => {}
        }
    }

    fn too_late(&mut self, world: &World, findings: &mut Findings) {
        self.was_late = true;
        self.disagree(world, findings);
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        if world.truth().alive() > 1 {
            for (life, since) in &self.alone {
                let host = world.truth().life(*life).host;
                let since = World::seconds(*since);
                let what = format!("node {host} started at {since:.3} s and has not found anybody");
                findings.add(world, self.name(), vec![host], what);
            }
        }
        if !self.was_late {
            self.disagree(world, findings);
        }
    }

    fn looked_at(&self) -> String {
        format!("{} starts", self.started)
    }
}

impl Liveness {
    fn disagree(&self, world: &World, findings: &mut Findings) {
        let disagreeing = world.disagreeing();
        if !disagreeing.is_empty() {
            let nodes: Vec<_> = disagreeing
                .iter()
                .map(|life| world.truth().life(*life).host)
                .collect();
            let what = format!(
                "{} of {} processes were not told all that is so within {}",
                nodes.len(),
                world.truth().alive(),
                world.scenario().expect.converge_within
            );
            findings.add(world, self.name(), nodes, what);
        }
    }
}
