//! The counters, sums and deadlines that change with whatever is held.

use std::{collections::BTreeMap, sync::Arc};

use super::{Holding, Owner, Replica, Standing, holding::Records};
use crate::registry::ServiceInstance;

impl Replica {
    /// Forgets an empty list; its deadline has been taken out.
    pub(super) fn forget_empty(&mut self, owner: Owner, service: &Arc<str>) {
        let Some(holding) = self.owners.get_mut(&owner) else {
            return;
        };
        holding.forget.remove(service);
        let Some(record) = holding.records.remove(service) else {
            return;
        };
        let cost = record.cost_bytes();
        holding.bytes -= cost;
        self.bytes -= cost;
        self.records -= 1;
        if matches!(holding.standing, Standing::Waiting { .. }) {
            self.waiting_bytes -= cost;
        }
    }

    pub(super) fn standing(&self, owner: Owner) -> Option<Standing> {
        self.owners.get(&owner).map(|holding| holding.standing)
    }

    /// Moves an owner to a standing, with the books that go with it.
    pub(super) fn set_standing(&mut self, owner: Owner, standing: Standing) {
        let was = self.standing(owner);
        if matches!(was, Some(Standing::Failing { .. })) && standing != Standing::Live {
            self.gone.insert(owner.addr);
        }
        let holding = self.owners.entry(owner).or_insert_with(|| Holding {
            standing,
            records: Records::default(),
            forget: BTreeMap::new(),
            bytes: 0,
        });
        holding.standing = standing;
        self.live -= usize::from(was == Some(Standing::Live));
        self.live += usize::from(standing == Standing::Live);
        if matches!(was, Some(Standing::Waiting { .. })) {
            self.waiting -= 1;
            self.waiting_bytes -= holding.bytes;
        }
        if matches!(standing, Standing::Waiting { .. }) {
            self.waiting += 1;
            self.waiting_bytes += holding.bytes;
        }
        if let Some(until) = was.and_then(Standing::deadline) {
            self.deadlines.remove(&(until, owner, None));
        }
        if let Some(until) = standing.deadline() {
            self.deadlines.insert((until, owner, None));
        }
    }

    /// Takes an owner's records out, from sight too, and says which instances it had.
    pub(super) fn drop_owner(&mut self, owner: Owner) -> Vec<Arc<ServiceInstance>> {
        if self.standing(owner) == Some(Standing::Live) {
            self.withdraw_hashes(owner);
        }
        let Some(holding) = self.owners.remove(&owner) else {
            return Vec::new();
        };
        if matches!(holding.standing, Standing::Failing { .. }) {
            self.gone.insert(owner.addr);
        }
        self.live -= usize::from(holding.standing == Standing::Live);
        if let Some(until) = holding.standing.deadline() {
            self.deadlines.remove(&(until, owner, None));
        }
        for (service, at) in &holding.forget {
            self.deadlines.remove(&(*at, owner, Some(service.clone())));
        }
        if matches!(holding.standing, Standing::Waiting { .. }) {
            self.waiting -= 1;
            self.waiting_bytes -= holding.bytes;
        }
        self.bytes -= holding.bytes;
        self.records -= holding.records.len();
        for record in holding.records.iter() {
            self.visible
                .hide(owner, record.service(), record.instances());
        }
        holding.instances()
    }

    /// The owner is live and will not be: its records leave the fingerprint.
    pub(super) fn withdraw_hashes(&mut self, owner: Owner) {
        for record in self.owners[&owner].counted() {
            self.fingerprint.remove(record.hash());
        }
    }
}
