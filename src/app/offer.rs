//! The app's instance in the registry.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::registration::{self, ANSWER_GRACE, Registration};
use crate::health::{Health, MonitorBuilder, MonitorError, Standing, StatusWatch, StopError};
use crate::registry::{Registrar, ServiceInstance};

/// Whether it is offered, and how.
pub(super) struct Offer {
    state: State,
    status: watch::Sender<Health>,
    /// Passes the registration's status on to `status`.
    following: JoinSet<()>,
}

enum State {
    Not,
    Asked(Asked),
    Made(Box<Registration>),
}

struct Asked {
    /// A task of its own, so that who stops waiting can still find out what became of it.
    answer: JoinHandle<Result<Registration, MonitorError>>,
    at: Instant,
    /// Whom, of what, and how long one call may take.
    terms: (Arc<dyn Registrar>, ServiceInstance, Duration),
}

impl Asked {
    fn now(monitor: MonitorBuilder) -> Self {
        Self {
            terms: monitor.terms(),
            at: Instant::now(),
            answer: tokio::spawn(Registration::monitored(monitor)),
        }
    }

    /// It takes one call, and one more to take back what was not answered. A registrar that blocks its thread keeps neither
    /// bound: then it is left behind, and asked to deregister. If it ever answers, what it has registered is deregistered.
    ///
    /// All of it takes at most `longest`, half of it for the answer.
    async fn answered(&mut self, longest: Duration) -> Result<Registration, MonitorError> {
        let (registrar, instance, limit) = &self.terms;
        let most = limit.saturating_mul(2).saturating_add(ANSWER_GRACE);
        let left = most.saturating_sub(self.at.elapsed()).min(longest / 2);
        if let Ok(answer) = timeout(left, &mut self.answer).await {
            return answer.map_err(|_| MonitorError::ThreadEnded)?;
        }
        let waited = self.at.elapsed();
        registration::take_back(registrar, instance, (*limit).min(longest / 2)).await;
        Err(MonitorError::Timeout { waited })
    }
}

impl Offer {
    /// Not yet; and what follows it.
    pub(super) fn new() -> (Self, StatusWatch) {
        let (status, watch) = StatusWatch::of(nobody());
        let offer = Self {
            state: State::Not,
            status,
            following: JoinSet::new(),
        };
        (offer, watch)
    }

    /// Whether nobody was asked to offer it, or nobody does any more.
    pub(super) const fn is_not(&self) -> bool {
        matches!(self.state, State::Not)
    }

    pub(super) const fn is_made(&self) -> bool {
        matches!(self.state, State::Made(_))
    }

    /// Registers. If this is dropped before it is ready, [`settle`](Self::settle) has the answer.
    pub(super) async fn make(&mut self, monitor: MonitorBuilder) -> Result<(), MonitorError> {
        self.state = State::Asked(Asked::now(monitor));
        self.settle(Duration::MAX).await
    }

    /// Waits for the registrar's answer, if one is awaited: for three calls and a moment at most, and no longer
    /// than `longest`.
    pub(super) async fn settle(&mut self, longest: Duration) -> Result<(), MonitorError> {
        let State::Asked(asked) = &mut self.state else {
            return Ok(());
        };
        let answer = asked.answered(longest).await;
        self.state = State::Not;
        let registration = answer?;
        let follow = follow(registration.status(), self.status.clone());
        self.following.spawn(follow);
        self.state = State::Made(Box::new(registration));
        Ok(())
    }

    /// Tells everybody that the instance is draining.
    pub(super) async fn drain(&self) {
        if let State::Made(registration) = &self.state {
            registration.drain().await;
        }
    }

    /// Deregisters, within `longest` or a moment more.
    pub(super) async fn withdraw(&mut self, longest: Duration) -> Result<(), StopError> {
        let State::Made(registration) = std::mem::replace(&mut self.state, State::Not) else {
            return Ok(());
        };
        let result = registration.deregister_within(longest).await;
        // Its last word comes before this one's, unless a registrar blocks the thread that it waits for.
        drop(timeout(ANSWER_GRACE.min(longest / 4), self.following.shutdown()).await);
        self.status.send_replace(nobody());
        result
    }
}

/// Not registered, and without checks.
fn nobody() -> Health {
    Health {
        standing: Standing::Deregistered,
        checks: Vec::new(),
    }
}

async fn follow(mut status: StatusWatch, followed: watch::Sender<Health>) {
    while let Some(health) = status.changed().await {
        followed.send_replace(health);
    }
}
