//! Nothing dead stays, and what was taken back does not come back.

use std::collections::BTreeMap;

use super::{Checker, Findings, some};
use crate::world::{Happening, KeyId, LifeId, Told, World};

/// Remembers, for each process, which instances it was told to be taken back, and in which version.
#[derive(Debug, Default)]
pub(super) struct NothingDeadStays {
    /// By observer and key: the latest version that it has seen or was told to be taken back, from 1.
    latest: BTreeMap<LifeId, BTreeMap<KeyId, usize>>,
    events: usize,
}

impl Checker for NothingDeadStays {
    fn name(&self) -> &'static str {
        "dead-stays-dead"
    }

    fn demands(&self) -> &'static str {
        "What a dead process had is gone everywhere in the end; no node goes back to an older state of an instance, and nothing taken back comes back."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        match happening {
            Happening::Event { life, told, .. } => {
                for told in told {
                    self.events += 1;
                    self.told(world, *life, *told, findings);
                }
            }
            // Its memory ends with it.
            Happening::Ended(life) => drop(self.latest.remove(life)),
            _ => {}
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        for (node, host) in world.hosts().iter().enumerate() {
            let Some(guest) = &host.guest else {
                continue;
            };
            let held = world.mirror(guest.life).all_seen();
            let dead: Vec<_> = held
                .filter(|(key, _)| world.truth().current(*key).is_none())
                .map(|(key, _)| {
                    let key = &world.truth().keys()[key];
                    format!("{} {} of {}", key.service, key.id, key.owner)
                })
                .collect();
            if !dead.is_empty() {
                let what = format!(
                    "node {node} still shows what nobody has any more: {}",
                    some(&dead)
                );
                findings.add(world, self.name(), vec![node], what);
            }
        }
    }

    fn looked_at(&self) -> String {
        format!("{} changes of what a node sees", self.events)
    }
}

impl NothingDeadStays {
    fn told(&mut self, world: &World, life: LifeId, told: Told, findings: &mut Findings) {
        let (key, version) = match told {
            Told::Seen(key, version) => (key, version),
            Told::TakenBack(key) => {
                let versions = &world.truth().keys()[key].versions;
                let seen = self.latest.get(&life).and_then(|latest| latest.get(&key));
                let seen = seen.copied().unwrap_or(0);
                // It was told of the first one after what it saw, at least.
                let mut later = versions.iter().enumerate().skip(seen);
                let Some((index, _)) = later.find(|(_, version)| version.content.is_none()) else {
                    if versions.iter().any(|version| version.content.is_none()) {
                        self.taken_back_before(world, life, key, findings);
                    }
                    return; // else the next checker says that nobody ever took it back
                };
                (key, index + 1)
            }
            _ => return,
        };
        let latest = self.latest.entry(life).or_default().entry(key).or_insert(0);
        if version < *latest {
            let key = &world.truth().keys()[key];
            let host = world.truth().life(life).host;
            let what = format!(
                "node {host} went back from version {latest} of {} {} of {} to version {version}",
                key.service, key.id, key.owner
            );
            let owner = world.truth().life(key.life).host;
            return findings.add(world, self.name(), vec![host, owner], what);
        }
        *latest = version;
    }

    /// It saw what was registered anew, and then that it is gone: by a word from before.
    fn taken_back_before(&self, world: &World, life: LifeId, key: KeyId, findings: &mut Findings) {
        let key = &world.truth().keys()[key];
        let [host, owner] = [life, key.life].map(|life| world.truth().life(life).host);
        let what = format!(
            "node {host} saw {} {} of {} taken back, which was so before it was registered anew",
            key.service, key.id, key.owner
        );
        findings.add(world, self.name(), vec![host, owner], what);
    }
}
