//! The fault happened: a scenario whose loss, partition or pause hit nothing shows nothing.

use super::{Checker, Findings};
use crate::world::World;

/// Looks at what each fault, each condition and each piece of work did.
#[derive(Debug)]
pub(super) struct FaultsHappened;

impl Checker for FaultsHappened {
    fn name(&self) -> &'static str {
        "fault-happened"
    }

    fn demands(&self) -> &'static str {
        "Every instance that the scenario states was registered; every fault, every condition of the network and every piece of work has happened, and has hit something."
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        let scenario = world.scenario();
        if world.truth().alive() == 0 {
            let what =
                "vacuous: no process lives in the end, so that nobody could agree".to_owned();
            findings.add(world, self.name(), Vec::new(), what);
        }
        self.all_were_registered(world, findings);
        if scenario.expect.may_miss {
            if !world.faults().is_empty() && world.faults().iter().all(|fault| fault.hits == 0) {
                let what = "vacuous: no fault hit anything".to_owned();
                findings.add(world, self.name(), Vec::new(), what);
            }
            return;
        }
        for fault in world.faults().iter().filter(|fault| fault.hits == 0) {
            let what = format!(
                "vacuous: fault[{}] ({}) hit nothing",
                fault.index, fault.label
            );
            findings.add(world, self.name(), fault.nodes.clone(), what);
        }
        let began: Vec<_> = world.faults().iter().map(|fault| fault.index).collect();
        let never = (0..scenario.fault.len()).filter(|index| !began.contains(index));
        for index in never {
            let what = format!("vacuous: fault[{index}] never began");
            findings.add(world, self.name(), Vec::new(), what);
        }
        for (index, _) in world
            .work_done()
            .iter()
            .enumerate()
            .filter(|(_, done)| **done == 0)
        {
            let what = format!("vacuous: work[{index}] did nothing");
            findings.add(world, self.name(), Vec::new(), what);
        }
        let (conditions, counts) = (&scenario.network, world.network().counts());
        let loses = conditions.loss > 0.0 || conditions.burst_loss.is_some();
        for (condition, is_set, hits) in [
            ("loss", loses, counts.lost),
            ("duplicate", conditions.duplicate > 0.0, counts.duplicated),
            ("reorder", conditions.reorder > 0.0, counts.reordered),
            (
                "bandwidth",
                conditions.bandwidth.is_some(),
                counts.queued + counts.overflowed,
            ),
        ] {
            if is_set && hits == 0 {
                let what = format!("vacuous: the network's {condition} hit nothing");
                findings.add(world, self.name(), Vec::new(), what);
            }
        }
    }

    fn looked_at(&self) -> String {
        "all of them".to_owned()
    }
}

impl FaultsHappened {
    /// A world of fewer instances than it states is not the one that was asked for.
    fn all_were_registered(&self, world: &World, findings: &mut Findings) {
        let refusals = world.refused_at_start();
        if refusals.count == 0 {
            return;
        }
        let nodes = refusals.first.iter().map(|(node, ..)| *node).collect();
        let first = refusals.first.iter();
        let first: Vec<_> = first
            .map(|(node, service, reason)| format!("node {node} {service} ({reason})"))
            .collect();
        let count = refusals.count;
        let what = format!(
            "{count} instances of the start were refused: {}",
            first.join(", ")
        );
        findings.add(world, self.name(), nodes, what);
    }
}
