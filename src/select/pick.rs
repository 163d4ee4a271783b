//! A call that is under way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::candidate::Candidate;
use super::load::Moment;
use crate::registry::{Endpoint, ServiceInstance};

/// How a call ended, as far as it tells something of the instance.
///
/// What the instance is to blame for is a failure: no connection, a timeout, `UNAVAILABLE`, a 5xx.
/// An answer that says no to the caller (not found, not allowed) is a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It answered.
    Success,
    /// It did not answer, or not as it should.
    Failure,
    /// Nobody waited for the answer any longer. That blames nobody, but an answer would have taken at
    /// least so long: it counts as latency if it is a worse one.
    Unanswered,
}

/// One call to one instance, from [`Pool::pick`](super::Pool::pick) until this is dropped.
///
/// It counts as in flight as long as this lives; keep it with the response's body when that is a
/// stream, and tell when that [has begun](Self::answered): who lets calls wait for longer than usual is taken to hang.
/// [`finish`](Self::finish) tells how the call went. Dropped without it, the call is over and
/// says nothing about the instance: that is right for a call that the caller gave up.
///
/// It borrows nothing from the pool, and outlives an update that takes its instance away.
#[must_use = "a pick that is dropped is a call that is over"]
pub struct Pick<C = ()> {
    candidate: Arc<Candidate<C>>,
    began: Moment,
    answered: bool,
}

impl<C> Pick<C> {
    pub(super) fn begin(candidate: Arc<Candidate<C>>, now: Moment) -> Self {
        candidate.backend.load.began(now);
        Self {
            candidate,
            began: now,
            answered: false,
        }
    }

    /// The instance to call, as it was known when it was picked.
    pub fn instance(&self) -> &Arc<ServiceInstance> {
        &self.candidate.instance
    }

    /// Its endpoint of the pool's scheme.
    pub fn endpoint(&self) -> &Endpoint {
        self.candidate.endpoint()
    }

    /// `host:port` of the endpoint: what the state is kept by, and what
    /// [`pick_excluding`](super::Pool::pick_excluding) takes.
    pub fn address(&self) -> &Arc<str> {
        &self.candidate.backend.address
    }

    /// What [`connections`](super::PoolBuilder::connections) made for this address.
    pub fn connection(&self) -> &C {
        &self.candidate.backend.connection
    }

    /// How many calls to this address are under way in this pool, with this one.
    pub fn in_flight(&self) -> u32 {
        self.candidate.backend.load.in_flight()
    }

    /// The answer has begun: the call is in flight still, and its instance is not silent. For an answer that is
    /// a stream; otherwise [`finish`](Self::finish) says it.
    pub fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.candidate.backend.load.answered();
        }
    }

    /// Ends the call and tells how it went. Its latency is the time from the pick until `now`; of an answer
    /// that is a stream, hand in when it began.
    pub fn finish(mut self, now: Duration, outcome: Outcome) {
        if outcome == Outcome::Success {
            self.answered();
        }
        let now = Moment::from(now);
        let latency = now.since(self.began);
        self.candidate.backend.load.sample(now, latency, outcome);
    }

    /// What a call there took of late; none if that is not known.
    #[cfg(feature = "balance")]
    pub(crate) fn latency(&self) -> Option<Duration> {
        self.candidate.backend.load.latency()
    }
}

impl<C> Drop for Pick<C> {
    fn drop(&mut self) {
        self.candidate.backend.load.ended(self.answered);
    }
}

impl<C> fmt::Debug for Pick<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pick")
            .field("instance", &format_args!("{}", self.instance()))
            .field("address", self.address())
            .finish_non_exhaustive()
    }
}
