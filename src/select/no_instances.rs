//! Why there was nobody to pick.

use std::fmt;
use std::sync::Arc;

use crate::registry::Status;

/// There is no instance to call.
///
/// It says how many instances the service has and what left them out, so that it can be told whether
/// nobody runs, nobody is well, or the caller asks for what nobody offers. Nothing changed; the next
/// update of the pool may bring some. Making one allocates nothing.
#[derive(Clone, Debug)]
pub struct NoInstances {
    survey: Arc<Survey>,
    /// How many were left and had been tried.
    tried: usize,
}

/// What left an instance out of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Its status: it is not up.
    Status(Status),
    /// It has no endpoint of this scheme that can be called.
    Scheme(&'static str),
    /// The filter of this name.
    Filter(Arc<str>),
    /// Its weight is 0.
    Weight,
}

/// What became of the instances of a list: made once per update.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) service: Arc<str>,
    pub(super) instances: usize,
    /// In the order in which they are applied.
    pub(super) left_out: Vec<(Cause, usize)>,
}

impl Survey {
    pub(super) fn new(service: Arc<str>, instances: usize) -> Self {
        Self {
            service,
            instances,
            left_out: Vec::new(),
        }
    }

    /// Counts `count` more that `cause` left out.
    pub(super) fn leave_out(&mut self, cause: Cause, count: usize) {
        if count == 0 {
            return;
        }
        match self.left_out.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, counted)) => *counted += count,
            None => self.left_out.push((cause, count)),
        }
    }
}

impl NoInstances {
    pub(super) fn new(survey: &Arc<Survey>, tried: usize) -> Self {
        Self {
            survey: Arc::clone(survey),
            tried,
        }
    }

    /// The service.
    pub fn service(&self) -> &str {
        &self.survey.service
    }

    /// How many instances of it there are, whatever their status.
    pub fn instances(&self) -> usize {
        self.survey.instances
    }

    /// What left them out, in the order in which it is applied, and how many each.
    pub fn left_out(&self) -> &[(Cause, usize)] {
        &self.survey.left_out
    }

    /// The filter that left out the last of them, if a filter did.
    pub fn filter(&self) -> Option<&str> {
        match self.survey.left_out.last() {
            Some((Cause::Filter(name), _)) if self.tried == 0 => Some(name),
            _ => None,
        }
    }

    /// How many could have been picked and were excluded by the caller, who had tried them.
    pub fn tried(&self) -> usize {
        self.tried
    }
}

impl fmt::Display for NoInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service();
        let mut reasons: Vec<_> = self.left_out().iter().map(said).collect();
        if self.tried > 0 {
            reasons.push(format!("{} tried already", self.tried));
        }
        match self.instances() {
            0 => write!(
                f,
                "service `{service}` has no instance: check that it runs in this cluster, or wait for \
                 it"
            ),
            1 => write!(
                f,
                "service `{service}` has 1 instance, and it is left out: {}",
                reasons.join(", ")
            ),
            count => write!(
                f,
                "service `{service}` has {count} instances, and all are left out: {}",
                reasons.join(", ")
            ),
        }
    }
}

fn said((cause, count): &(Cause, usize)) -> String {
    match cause {
        Cause::Status(status) => format!("{count} {status}"),
        Cause::Scheme(scheme) => format!("{count} without a `{scheme}` endpoint"),
        Cause::Filter(name) => format!("{count} by the filter `{name}`"),
        Cause::Weight => format!("{count} with weight 0"),
    }
}

impl std::error::Error for NoInstances {}
