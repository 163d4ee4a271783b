//! Which nodes a fault is about, and what it draws.

use std::time::Duration;

use rand::{RngExt, seq::IteratorRandom};

use super::{Bits, World};
use crate::scenario::{NodeSet, SpanRange};

impl World {
    /// The hosts of a set.
    pub(in crate::world) fn select(&mut self, set: &NodeSet) -> Bits {
        let nodes = self.scenario.nodes;
        let seeds = self.scenario.seeds.min(nodes);
        match set {
            NodeSet::All => (0..self.hosts.len()).collect(),
            NodeSet::Seeds => (0..seeds).collect(),
            NodeSet::Others => (seeds..self.hosts.len()).collect(),
            NodeSet::First(share) => (0..share.of(nodes)).collect(),
            NodeSet::Last(share) => (nodes - share.of(nodes)..nodes).collect(),
            NodeSet::Random(share) => {
                let running = self.running();
                running
                    .into_iter()
                    .sample(&mut self.fault_rng, share.of(nodes))
                    .into_iter()
                    .collect()
            }
            NodeSet::Listed(ranges) => {
                let listed = ranges.iter().flat_map(Clone::clone);
                listed.filter(|host| *host < self.hosts.len()).collect()
            }
        }
    }

    /// The hosts of two sets, of which one may be `others`.
    pub(super) fn select_pair(&mut self, [first, second]: &[NodeSet; 2]) -> [Bits; 2] {
        let all = 0..self.hosts.len();
        let rest = |set: &Bits| all.clone().filter(|host| !set.contains(*host)).collect();
        match (first, second) {
            (_, NodeSet::Others) => {
                let first = self.select(first);
                let second = rest(&first);
                [first, second]
            }
            (NodeSet::Others, _) => {
                let second = self.select(second);
                let first = rest(&second);
                [first, second]
            }
            _ => [self.select(first), self.select(second)],
        }
    }

    /// Those hosts of a set that have a process which is not leaving, ascending.
    pub(in crate::world) fn select_running(&mut self, set: &NodeSet) -> Vec<usize> {
        let selected = self.select(set);
        let mut running = self.running();
        running.retain(|host| selected.contains(*host));
        running
    }

    fn running(&self) -> Vec<usize> {
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(_, host)| {
                host.guest.as_ref().is_some_and(|guest| {
                    !guest.is_to_leave && self.truth.life(guest.life).leaving.is_none()
                })
            })
            .map(|(host, _)| host)
            .collect()
    }

    /// A time of the range, each as likely.
    pub(super) fn draw(&mut self, range: SpanRange) -> Duration {
        let (from, to) = (range.from.duration(), range.to.duration());
        let share = self.fault_rng.random_range(0.0..=1.0);
        from + to.saturating_sub(from).mul_f64(share)
    }
}
