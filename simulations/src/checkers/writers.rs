//! Single writer: no node ever holds a record that its owner did not write, and `seq` never goes back.
//!
//! What an owner has written is learned from the owner itself, after each of its turns; that this is what was
//! registered there is what the other checkers see to. What others hold, visible or not, is compared with it: after
//! every turn that changed what a node holds in worlds of up to [`EVERY_TURN_NODES`] nodes, and for some nodes in every
//! second in larger ones.

use std::{collections::BTreeMap, sync::Arc};

use tidings::table::{Owner, Record};

use super::{Checker, Findings};
use crate::{
    process::Process,
    world::{Happening, LifeId, World},
};

/// In worlds of this size every node is looked at after every turn that changed something.
const EVERY_TURN_NODES: usize = 64;
/// In larger ones so many are looked at in a second.
const NODES_A_SECOND: usize = 8;

/// An owner's record of one service.
type Name = (Owner, Arc<str>);

#[derive(Debug, Default)]
pub(super) struct SingleWriter {
    /// What owners have written: the hash under each number.
    written: BTreeMap<Name, BTreeMap<u64, u64>>,
    /// The number and the hash of each record of its own that a process had when that was noted last.
    noted: BTreeMap<LifeId, Vec<(u64, u64)>>,
    /// The names' numbers.
    names: BTreeMap<Name, usize>,
    /// The number of each record that a node held when it was looked at last, by the name's number; 0 where
    /// it held none.
    held: BTreeMap<LifeId, Vec<u64>>,
    /// What each node's books were then: how many records, and what they cost.
    books: BTreeMap<LifeId, (usize, usize, u64)>,
    events: BTreeMap<LifeId, u64>,
    next: usize,
    records: usize,
}

impl Checker for SingleWriter {
    fn name(&self) -> &'static str {
        "single-writer"
    }

    fn demands(&self) -> &'static str {
        "No node ever holds a record that its owner did not write, and the number of a record never goes back."
    }

    fn begin(&mut self, world: &World) {
        let guests = world.hosts().iter().filter_map(|host| host.guest.as_ref());
        guests.for_each(|guest| drop(self.learn(guest.life, &*guest.process)));
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        match happening {
            Happening::Event { life, .. } => *self.events.entry(*life).or_default() += 1,
            Happening::Ended(life) => {
                self.held.remove(life);
                self.books.remove(life);
                self.noted.remove(life);
            }
            Happening::Turned(life) => {
                let Some(guest) = world.guest(*life) else {
                    return;
                };
                let host = world.truth().life(*life).host;
                for what in self.learn(*life, &*guest.process) {
                    findings.add(
                        world,
                        self.name(),
                        vec![host],
                        format!("node {host} {what}"),
                    );
                }
                if world.hosts().len() > EVERY_TURN_NODES {
                    return;
                }
                let gauges = guest.process.gauges();
                let events = self.events.get(life).copied().unwrap_or(0);
                let books = (gauges.records, gauges.record_bytes, events);
                if self.books.insert(*life, books) != Some(books) {
                    self.look(world, *life, findings);
                }
            }
            _ => {}
        }
    }

    fn second_passed(&mut self, world: &World, findings: &mut Findings) {
        let hosts = world.hosts().len();
        if hosts > EVERY_TURN_NODES {
            for _ in 0..NODES_A_SECOND {
                self.next = (self.next + 1) % hosts;
                if let Some(guest) = &world.hosts()[self.next].guest {
                    self.look(world, guest.life, findings);
                }
            }
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        for host in world.hosts() {
            if let Some(guest) = &host.guest {
                self.look(world, guest.life, findings);
            }
        }
    }

    fn looked_at(&self) -> String {
        format!("{} records of {} names", self.records, self.written.len())
    }
}

impl SingleWriter {
    /// Notes what an owner has written; what of it nobody may write.
    fn learn(&mut self, life: LifeId, process: &dyn Process) -> Vec<String> {
        let own = process.own_records();
        let now = own.iter().map(|record| (record.seq(), record.hash().hash));
        let noted = self.noted.entry(life).or_default();
        // Hardly a turn writes something.
        if now.clone().eq(noted.iter().copied()) {
            return Vec::new();
        }
        *noted = now.collect();
        let owner = process.identity().owner();
        let mut wrong = Vec::new();
        for record in own {
            debug_assert_eq!(record.owner(), owner);
            let numbers = self.written.entry(name(&record)).or_default();
            let (seq, hash) = (record.seq(), record.hash().hash);
            let last = numbers.last_key_value().map(|(last, _)| *last);
            let before = numbers.insert(seq, hash);
            if before.is_some_and(|before| before != hash) {
                let service = record.service();
                wrong.push(format!("wrote {service:?} twice under seq {seq}"));
            } else if before.is_none() && last.is_some_and(|last| last > seq) {
                let service = record.service();
                wrong.push(format!(
                    "wrote {service:?} under seq {seq}, after a higher one"
                ));
            }
        }
        wrong
    }

    /// Holds what a node has against what owners have written.
    fn look(&mut self, world: &World, life: LifeId, findings: &mut Findings) {
        let Some(guest) = world.guest(life) else {
            return;
        };
        let host = world.truth().life(life).host;
        let mut holds = Vec::with_capacity(self.names.len());
        let before = self.held.remove(&life).unwrap_or_default();
        for record in guest.process.records() {
            self.records += 1;
            let (name, seq) = (name(&record), record.seq());
            let what = |why: &str| {
                let (owner, service) = &name;
                format!("node {host} holds {service:?} of {owner} with seq {seq}, {why}")
            };
            if self
                .written
                .get(&name)
                .and_then(|numbers| numbers.get(&seq))
                != Some(&record.hash().hash)
            {
                let what = what("which its owner did not write");
                findings.add(world, self.name(), vec![host], what);
            }
            let next = self.names.len();
            let number = *self.names.entry(name.clone()).or_insert(next);
            if before.get(number).is_some_and(|before| *before > seq) {
                let what = what("and held a higher one before");
                findings.add(world, self.name(), vec![host], what);
            }
            if number >= holds.len() {
                holds.resize(number + 1, 0);
            }
            holds[number] = seq;
        }
        self.held.insert(life, holds);
    }
}

fn name(record: &Record) -> Name {
    (record.owner(), record.service().clone())
}
