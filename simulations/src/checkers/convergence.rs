//! Once all faults have ended, every live node's table is the union of what live processes have registered, and
//! every one knows exactly the live ones.

use std::{collections::BTreeMap, sync::Arc};

use tidings::{ServiceInstance, table::Owner};

use super::{Checker, Findings, some};
use crate::world::{Guest, World};

/// Looks at the tables themselves, not at what the event streams made of them.
#[derive(Debug, Default)]
pub(super) struct Convergence {
    tables: usize,
}

/// What readers should see: by service, the instances in the order in which they get them.
type Table = BTreeMap<String, Vec<Arc<ServiceInstance>>>;

impl Checker for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn demands(&self) -> &'static str {
        "Once all faults have ended, every live node's table is what live processes have registered, and it knows exactly them."
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        let expected = expected(world);
        let living = world.truth().lives().iter().filter(|life| life.is_alive());
        let members: Vec<Owner> = living.map(|life| life.owner).collect();
        for (node, host) in world.hosts().iter().enumerate() {
            let Some(guest) = &host.guest else {
                continue;
            };
            self.tables += 1;
            let wrong = differences(guest, &expected);
            if !wrong.is_empty() {
                let what = format!("node {node}'s table differs: {}", some(&wrong));
                findings.add(world, self.name(), vec![node], what);
            }
            let wrong = strangers(guest, &members);
            if !wrong.is_empty() {
                let what = format!("node {node}'s members differ: {}", some(&wrong));
                findings.add(world, self.name(), vec![node], what);
            }
        }
    }

    fn looked_at(&self) -> String {
        format!("{} tables", self.tables)
    }
}

fn expected(world: &World) -> Table {
    let truth = world.truth();
    let mut held: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for life in truth.lives().iter().filter(|life| life.is_alive()) {
        for ((service, id), key) in &life.holds {
            let version = truth.keys()[*key].versions.last().expect("never empty");
            let content = version
                .content
                .clone()
                .expect("what is held is not taken back");
            held.entry(service)
                .or_default()
                .push((id, life.owner, content));
        }
    }
    held.into_iter()
        .map(|(service, mut instances)| {
            // By id, then by owner: that is the order in which readers get them.
            instances.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
            let instances = instances
                .into_iter()
                .map(|(_, _, content)| content)
                .collect();
            (service.to_owned(), instances)
        })
        .collect()
}

fn differences(guest: &Guest, expected: &Table) -> Vec<String> {
    let directory = guest.process.directory();
    let mut wrong = Vec::new();
    for (service, instances) in expected {
        let seen = directory.get(service);
        if !seen.iter().eq(instances.iter()) {
            wrong.push(format!(
                "{} of {} of {service}",
                seen.len(),
                instances.len()
            ));
        }
    }
    let known = directory.services();
    let extra = known
        .iter()
        .filter(|service| !expected.contains_key(*service));
    wrong.extend(extra.map(|service| format!("{service}, which nobody has registered")));
    wrong
}

fn strangers(guest: &Guest, living: &[Owner]) -> Vec<String> {
    let own = guest.process.identity().owner();
    let mut expected: Vec<_> = living
        .iter()
        .copied()
        .filter(|owner| *owner != own)
        .collect();
    expected.sort_unstable();
    let members = guest.process.members();
    let known: Vec<_> = members
        .iter()
        .map(|member| Owner {
            addr: member.addr,
            boot: member.boot,
        })
        .collect();
    let missing = expected.iter().filter(|owner| !known.contains(owner));
    let extra = known
        .iter()
        .filter(|owner| expected.binary_search(owner).is_err());
    missing
        .map(|owner| format!("{owner} is missing"))
        .chain(extra.map(|owner| format!("{owner} is there and does not live")))
        .collect()
}
