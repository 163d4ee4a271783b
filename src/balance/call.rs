//! A call that is under way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tonic")]
use tokio::time::Instant;

use super::balancer::Shared;
use super::standing::Kept;
use crate::registry::{Endpoint, ServiceInstance};
use crate::select::{Outcome, Pick};

/// A caller who gives up so late does not hedge: it has waited in vain. Longer than most answers take, and
/// not longer than most callers wait.
const IN_VAIN: Duration = Duration::from_secs(1);
/// What an instance takes of which nothing is known: as long as a connect and an answer may.
const UNKNOWN: Duration = Duration::from_millis(200);

/// One call to one instance, from [`Balancer::pick`](super::Balancer::pick) until this is dropped.
///
/// It is in flight as long as this lives; keep it with the response's body when that is a stream. Dropped
/// without [`finish`](Self::finish), it is over: as a success if the head of the answer
/// [had come](Self::answered), else as [`Outcome::Unanswered`].
///
/// It holds on to what is known of the service, and not to the [`Balancer`](super::Balancer) that
/// follows it.
#[must_use = "a call that is dropped is over"]
pub struct Call<C = ()> {
    /// There until it is dropped.
    pick: Option<Pick<Kept<C>>>,
    shared: Arc<Shared<C>>,
    began: Duration,
    answered: Option<Duration>,
    /// Whether it is made beside another one.
    #[cfg(feature = "reqwest")]
    is_beside: bool,
}

impl<C> Call<C> {
    pub(super) fn new(pick: Pick<Kept<C>>, shared: Arc<Shared<C>>, began: Duration) -> Self {
        Self {
            pick: Some(pick),
            shared,
            began,
            answered: None,
            #[cfg(feature = "reqwest")]
            is_beside: false,
        }
    }

    /// The instance to call, as it was known when it was picked.
    pub fn instance(&self) -> &Arc<ServiceInstance> {
        self.pick().instance()
    }

    /// Its endpoint of the client's scheme.
    pub fn endpoint(&self) -> &Endpoint {
        self.pick().endpoint()
    }

    /// `host:port` of the endpoint: what [`Balancer::pick`](super::Balancer::pick) takes for another try.
    pub fn address(&self) -> &Arc<str> {
        self.pick().address()
    }

    /// What is kept for this address.
    pub fn connection(&self) -> &C {
        &self.pick().connection().connection
    }

    /// When it was picked.
    #[cfg(feature = "tonic")]
    pub(crate) fn began(&self) -> Instant {
        self.shared.origin + self.began
    }

    /// The head of the answer has come: the latency is the time until now, however long the body takes.
    pub fn answered(&mut self) {
        self.answered = Some(self.shared.now());
        if let Some(pick) = &mut self.pick {
            pick.answered();
        }
    }

    /// Ends a call to which there was no answer in the caller's own time. That is a failure, unless the
    /// instance had less than half of the time that it usually takes: then nobody is to blame.
    pub fn expired(mut self) {
        let waited = self.shared.now().saturating_sub(self.began);
        let usual = self.pick().latency().unwrap_or(UNKNOWN);
        self.end(if waited >= usual / 2 {
            Outcome::Failure
        } else {
            Outcome::Unanswered
        });
    }

    /// It is made beside another one, and dropped when that one is answered. Dropped, it blames nobody.
    #[cfg(feature = "reqwest")]
    pub(crate) fn made_beside(&mut self) {
        self.is_beside = true;
    }

    /// Ends a call beside which another one was made, and to which the other's answer came first. That is a failure if
    /// the instance had twice the time that it usually takes, or has not answered since it was overtaken before: it may
    /// hang, and who is merely a little late does not. (What it usually takes does not tell: how long was waited in vain
    /// is in it.)
    #[cfg(feature = "reqwest")]
    pub(crate) fn overtaken(mut self) {
        let now = self.shared.now();
        let waited = now.saturating_sub(self.began);
        let usual = self.pick().latency().unwrap_or(UNKNOWN);
        let standing = &self.pick().connection().standing;
        if standing.overtaken(self.began, now) || waited >= 2 * usual {
            self.end(Outcome::Failure);
        } else {
            self.blame_nobody();
        }
    }

    /// Ends the call and tells how it went.
    pub fn finish(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    /// Ends it as one that had no answer, however long that was waited for.
    #[cfg(feature = "reqwest")]
    fn blame_nobody(&mut self) {
        if let Some(pick) = self.pick.take() {
            pick.finish(self.shared.now(), Outcome::Unanswered);
        }
    }

    fn pick(&self) -> &Pick<Kept<C>> {
        self.pick
            .as_ref()
            .expect("there until this is finished or dropped")
    }

    fn end(&mut self, outcome: Outcome) {
        let Some(pick) = self.pick.take() else {
            return;
        };
        let standing = &pick.connection().standing;
        // The clock is read once for a call that succeeds.
        let ended = self.answered.unwrap_or_else(|| self.shared.now());
        match outcome {
            Outcome::Success => standing.succeeded(),
            Outcome::Failure => self.shared.failed(standing, self.shared.now()),
            Outcome::Unanswered if ended.saturating_sub(self.began) >= IN_VAIN => {
                self.shared.failed(standing, ended);
            }
            Outcome::Unanswered => {}
        }
        pick.finish(ended, outcome);
    }
}

impl<C> Drop for Call<C> {
    fn drop(&mut self) {
        #[cfg(feature = "reqwest")]
        if self.is_beside && self.answered.is_none() {
            // Who was answered had more time, and who gives up has waited for another one longer.
            self.blame_nobody();
            return;
        }
        self.end(match self.answered {
            Some(_) => Outcome::Success,
            None => Outcome::Unanswered,
        });
    }
}

impl<C> fmt::Debug for Call<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("instance", &format_args!("{}", self.instance()))
            .field("address", self.address())
            .finish_non_exhaustive()
    }
}
