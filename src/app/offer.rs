//! The app's instance in the registry.

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::Registration;
use crate::health::{Health, MonitorBuilder, MonitorError, Standing, StatusWatch, StopError};

/// Whether it is offered, and how.
pub(super) struct Offer {
    state: State,
    status: watch::Sender<Health>,
    /// Passes the registration's status on to `status`.
    following: JoinSet<()>,
}

enum State {
    Not,
    /// A task of its own, so that who stops waiting can still find out what became of it.
    Asked(JoinHandle<Result<Registration, MonitorError>>),
    Made(Box<Registration>),
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

    pub(super) const fn is_made(&self) -> bool {
        matches!(self.state, State::Made(_))
    }

    /// Registers. If this is dropped before it is ready, [`settle`](Self::settle) has the answer.
    pub(super) async fn make(&mut self, monitor: MonitorBuilder) -> Result<(), MonitorError> {
        self.state = State::Asked(tokio::spawn(Registration::monitored(monitor)));
        self.settle().await
    }

    /// Waits for the registrar's answer, if one is awaited.
    pub(super) async fn settle(&mut self) -> Result<(), MonitorError> {
        let State::Asked(answer) = &mut self.state else {
            return Ok(());
        };
        let answer = answer.await;
        self.state = State::Not;
        let registration = answer.map_err(|_| MonitorError::ThreadEnded)??;
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

    /// Deregisters.
    pub(super) async fn withdraw(&mut self) -> Result<(), StopError> {
        let State::Made(registration) = std::mem::replace(&mut self.state, State::Not) else {
            return Ok(());
        };
        let result = registration.deregister().await;
        self.following.shutdown().await;
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
