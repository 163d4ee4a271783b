//! From a list of instances to what can be picked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::Pool;
use crate::registry::{Endpoint, Instances};
use crate::select::Strategy;
use crate::select::candidate::{Backend, Candidate, Found};
use crate::select::choice::Choice;
use crate::select::filter::{Candidates, Filter};
use crate::select::no_instances::{Cause, Survey};
use crate::select::turn::Turn;
use crate::select::weighted::smooth;

type Known<C> = BTreeMap<Arc<str>, Arc<Candidate<C>>>;

impl<C> Pool<C> {
    pub(super) fn empty(
        service: Arc<str>,
        scheme: &'static str,
        strategy: Strategy,
        filters: Vec<(Arc<str>, Box<dyn Filter>)>,
        connect: Box<dyn Fn(&Endpoint) -> C + Send + Sync>,
    ) -> Self {
        let choice = Choice {
            candidates: Box::default(),
            turns: Arc::default(),
            #[cfg(feature = "balance")]
            addresses: Box::default(),
            survey: Arc::new(Survey::new(Arc::clone(&service), 0)),
        };
        Self {
            service,
            scheme,
            strategy,
            filters,
            connect,
            known: Mutex::default(),
            turn: Turn::new(),
            choice: ArcSwap::from_pointee(choice),
        }
    }

    /// Takes a new list of the service's instances, in place of the one before.
    ///
    /// Whoever is up, has an endpoint of the scheme, passes the filters, and has a weight can be
    /// picked from now on. Of several at one address the first counts, in the order of the list.
    /// State is kept by address: a load average, calls in flight and a connection stay as long as
    /// the list names their address, also while its instance is unhealthy, draining or filtered out.
    ///
    /// Two updates at once follow one another; picks go on meanwhile.
    pub fn update(&self, instances: &Instances) {
        self.take(instances, false);
    }

    /// The same, unless nobody could be picked from the new list: then all stays as it is. Returns
    /// whether the list was taken.
    ///
    /// For whoever would rather call instances that may be gone than none.
    pub fn update_unless_empty(&self, instances: &Instances) -> bool {
        self.take(instances, true)
    }

    fn take(&self, instances: &Instances, unless_empty: bool) -> bool {
        // What is in it is whole, also when a filter or a `connections` has panicked.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut survey = Survey::new(Arc::clone(&self.service), instances.len());
        let (mut found, named) = self.find(instances, &mut survey);
        self.filter(&mut found, &mut survey);
        if unless_empty && found.is_empty() {
            return false;
        }

        let mut candidates = Vec::with_capacity(found.len());
        let mut taken = BTreeSet::new();
        for found in found {
            if taken.insert(found.address()) {
                candidates.push(self.candidate(found, &known));
            }
        }
        known.retain(|address, _| named.contains(&**address));
        for candidate in &candidates {
            known.insert(
                Arc::clone(&candidate.backend.address),
                Arc::clone(candidate),
            );
        }
        #[cfg(feature = "balance")]
        let addresses = {
            let address = |candidate: &Arc<Candidate<C>>| Arc::clone(&candidate.backend.address);
            let mut sorted: Box<[_]> = candidates.iter().map(address).collect();
            sorted.sort_unstable();
            sorted
        };
        self.choice.store(Arc::new(Choice {
            turns: self.turns(&candidates),
            #[cfg(feature = "balance")]
            addresses,
            candidates: candidates.into(),
            survey: Arc::new(survey),
        }));
        true
    }

    /// Who is up and can be called, and the addresses that the list names at all.
    fn find<'a>(
        &self,
        instances: &'a Instances,
        survey: &mut Survey,
    ) -> (Vec<Found<'a>>, BTreeSet<&'a str>) {
        let (mut up, mut named) = (Vec::with_capacity(instances.len()), BTreeSet::new());
        for instance in instances {
            let found = Found::new(instance, self.scheme);
            named.extend(found.map(|found| found.address()));
            match found {
                _ if !instance.status().is_up() => {
                    survey.leave_out(Cause::Status(instance.status()), 1);
                }
                None => survey.leave_out(Cause::Scheme(self.scheme), 1),
                Some(found) => up.push(found),
            }
        }
        // In the order in which they are applied: first all by status.
        survey
            .left_out
            .sort_by_key(|(cause, _)| matches!(cause, Cause::Scheme(_)));
        (up, named)
    }

    fn filter(&self, found: &mut Vec<Found<'_>>, survey: &mut Survey) {
        let mut candidates = Candidates::new(std::mem::take(found));
        for (name, filter) in &self.filters {
            let before = candidates.len();
            filter.apply(&mut candidates);
            survey.leave_out(Cause::Filter(Arc::clone(name)), before - candidates.len());
        }
        *found = candidates.into_found();
        if self.strategy.reads_weights() {
            let before = found.len();
            found.retain(|found| found.weight_or_default() > 0);
            survey.leave_out(Cause::Weight, before - found.len());
        }
    }

    /// The known candidate when it is still the same, else a new one with the address's state.
    fn candidate(&self, found: Found<'_>, known: &Known<C>) -> Arc<Candidate<C>> {
        let known = known.get(found.address());
        if let Some(known) = known.filter(|known| known.is(found)) {
            return Arc::clone(known);
        }
        // Once for each change of the instance, since one that did not change is known.
        if self.strategy.reads_weights()
            && let Err(weight) = found.weight()
        {
            tracing::warn!(
                target: "tidings::select", service = %self.service, instance = %found.instance, weight,
                "the metadata `weight` is no whole number: 100 is taken"
            );
        }
        let backend = match known {
            Some(known) => Arc::clone(&known.backend),
            None => Arc::new(Backend::new(
                found.address(),
                (self.connect)(found.endpoint()),
            )),
        };
        Arc::new(Candidate::new(found, backend))
    }

    fn turns(&self, candidates: &[Arc<Candidate<C>>]) -> Arc<[u32]> {
        if self.strategy != Strategy::Weighted {
            return Arc::default();
        }
        let weights = |candidates: &[Arc<Candidate<C>>]| -> Vec<u16> {
            candidates
                .iter()
                .map(|candidate| candidate.weight)
                .collect()
        };
        let (present, wanted) = (self.choice.load(), weights(candidates));
        if weights(&present.candidates) == wanted {
            return Arc::clone(&present.turns);
        }
        smooth(&wanted).into()
    }
}
