//! Several registrars at once, for moving from one registry to another.

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{BoxFuture, Registrar, RegistrarError, ServiceInstance};

type Answer = Result<(), RegistrarError>;

/// A [`Registrar`] that registers with several: with a leader, and with those that follow it.
///
/// For a migration: the registry that everybody reads leads, the other one follows, and they change
/// places when everybody reads the other.
///
/// - [`register`](Registrar::register): the leader first. If it fails, nobody else is asked, so
///   that nothing was changed, as the trait promises. Then all followers at the same time, each of
///   them also when another one fails. A follower's error is logged, and by default it does not fail
///   the call: the registry that nobody reads yet must not keep a service from starting.
///   With [`require_all`](Self::require_all) the first of them is returned; the leader, and the
///   followers that did not fail, have registered then. Registering again is the way on: it is idempotent.
/// - [`deregister`](Registrar::deregister): all at the same time, each also when another one fails
///   or hangs. The first error is returned, in the order in which the registrars were added, and
///   any other is logged.
///
/// A call takes as long as the slowest of those that it asks; whoever has a bound puts it around
/// the call.
///
/// The log target is `tidings::registry`.
#[derive(Clone)]
pub struct CompositeRegistrar {
    leader: Arc<dyn Registrar>,
    followers: Vec<Arc<dyn Registrar>>,
    requires_all: bool,
}

impl CompositeRegistrar {
    /// One that has a leader only.
    pub fn new(leader: Arc<dyn Registrar>) -> Self {
        Self {
            leader,
            followers: Vec::new(),
            requires_all: false,
        }
    }

    /// Adds a follower.
    #[must_use]
    pub fn follower(mut self, follower: Arc<dyn Registrar>) -> Self {
        self.followers.push(follower);
        self
    }

    /// Makes a follower's error that of `register`. Default: it is logged.
    #[must_use]
    pub fn require_all(mut self) -> Self {
        self.requires_all = true;
        self
    }
}

impl Registrar for CompositeRegistrar {
    fn register(&self, instance: ServiceInstance) -> BoxFuture<'_, Answer> {
        Box::pin(async move {
            self.leader.register(instance.clone()).await?;
            let asked = self.followers.iter();
            let asked = asked.map(|follower| follower.register(instance.clone()));
            let answers = all(asked.collect()).await;
            let first = first_error(answers, &format!("register {instance}"), 1);
            if self.requires_all { first } else { Ok(()) }
        })
    }

    fn deregister(&self, instance: &ServiceInstance) -> BoxFuture<'_, Answer> {
        let what = format!("deregister {instance}");
        let registrars = std::iter::once(&self.leader).chain(&self.followers);
        let asked: Vec<_> = registrars
            .map(|registrar| registrar.deregister(instance))
            .collect();
        Box::pin(async move { first_error(all(asked).await, &what, 0) })
    }

    fn isolation(&self) -> Option<String> {
        let followers = self.followers.iter().map(|follower| follower.isolation());
        let reasons: Option<Vec<_>> = std::iter::once(self.leader.isolation())
            .chain(followers)
            .collect();
        reasons.map(|reasons| reasons.join("; "))
    }
}

impl std::fmt::Debug for CompositeRegistrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompositeRegistrar")
            .field("followers", &self.followers.len())
            .field("requires_all", &self.requires_all)
            .finish_non_exhaustive()
    }
}

/// The first error; every error is logged, with its registrar's place: 0 is the leader.
fn first_error(answers: Vec<Answer>, what: &str, first_place: usize) -> Answer {
    let mut first = Ok(());
    for (place, answer) in (first_place..).zip(answers) {
        let Err(error) = answer else { continue };
        tracing::warn!(
            target: "tidings::registry", event = "registrar_failed", registrar = place, %error,
            "{what}: registrar {place} failed"
        );
        if first.is_ok() {
            first = Err(error);
        }
    }
    first
}

/// Awaits all of them at once; the answers are in their order.
async fn all(asked: Vec<BoxFuture<'_, Answer>>) -> Vec<Answer> {
    let mut pending: Vec<_> = asked.into_iter().map(Asked::Pending).collect();
    poll_fn(move |cx| {
        let still_pending = pending
            .iter_mut()
            .map(|asked| asked.poll(cx))
            .filter(Poll::is_pending)
            .count();
        if still_pending > 0 {
            return Poll::Pending;
        }
        let answers = std::mem::take(&mut pending).into_iter();
        Poll::Ready(answers.filter_map(Asked::answer).collect())
    })
    .await
}

enum Asked<'a> {
    Pending(BoxFuture<'a, Answer>),
    Answered(Answer),
}

impl Asked<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Pending(future) = self {
            match Pin::new(future).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => *self = Self::Answered(answer),
            }
        }
        Poll::Ready(())
    }

    fn answer(self) -> Option<Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::Pending(_) => None,
        }
    }
}
