//! Attacks: no hostile datagram changes what a process holds.

use std::collections::BTreeMap;

use super::{Checker, Findings};
use crate::world::{Happening, Way, World};

#[derive(Default)]
pub(super) struct Attacks {
    hostile: BTreeMap<Way, u64>,
}

impl Checker for Attacks {
    fn name(&self) -> &'static str {
        "attacks"
    }

    fn demands(&self) -> &'static str {
        "No hostile datagram changes what a process holds: its table, its members, whom it suspects, whose datagrams it has opened."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        if let Happening::Harmed { life, harm } = happening {
            let host = world.truth().life(*life).host;
            let what = format!("a hostile datagram at node {host}: {harm}");
            findings.add(world, self.name(), vec![host], what);
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        self.hostile = world.hostile();
        if world.scenario().attacker.is_some() && self.hostile.is_empty() {
            let what = "vacuous: there is an attacker, and it did nothing".to_owned();
            findings.add(world, self.name(), Vec::new(), what);
        }
    }

    fn looked_at(&self) -> String {
        let total: u64 = self.hostile.values().sum();
        format!("{total} hostile datagrams: {:?}", self.hostile)
    }
}
