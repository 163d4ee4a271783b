//! A call, from the first pick to the head of its answer.
//!
//! A try whose own share of the call's time is over is not given up: it may still be the one that is answered, where all
//! instances take that long. Others are made beside it, and the call ends with the first answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Request, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt::{Again, Attempt, Sent, without_client};
use super::body::Outgoing;
use super::{Connection, HttpClient, HttpError};
use crate::balance::Call;

/// Long for a service, and short for whoever waits for one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The tries of a call.
///
/// They and the request are kept in one place, so that the future of a call, which callers move and which runtimes
/// keep, stays below a kilobyte. A large one made calls slower than all that is done here.
pub(super) struct Tries {
    client: HttpClient,
    deadline: Deadline,
    idempotent: bool,
    outgoing: Outgoing,
    tried: Vec<Arc<str>>,
    /// Whether they are made beside another one.
    is_beside: bool,
}

/// How long one try waits for the head of its answer.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    /// After this, others are made beside it.
    share: Option<Duration>,
    pub(super) whole: Duration,
    /// Whether that is the caller's own time.
    pub(super) of_caller: bool,
}

impl Tries {
    /// None was made yet. The caller's time begins now.
    pub(super) fn new(client: HttpClient, request: Request) -> Self {
        Self {
            client,
            deadline: Deadline::new(request.timeout().copied()),
            idempotent: is_idempotent(request.method()),
            outgoing: Outgoing::new(request),
            tried: Vec::new(),
            is_beside: false,
        }
    }

    /// One after the other, until there is an answer, or nobody else to ask.
    pub(super) async fn go_on(&mut self) -> Attempt {
        let mut last: Option<Box<Attempt>> = None;
        loop {
            let picked = self.pick().await;
            let (call, request) = match (picked, self.outgoing.lend(), last) {
                (Ok(call), Some(request), _) => (call, request),
                (_, _, Some(last)) => return *last,
                (Err(none), _, None) => return Attempt::unsent(none),
                (Ok(_), None, None) => unreachable!("it is whole at a first try"),
            };
            let attempt = match self.begin(call, request) {
                Ok((sent, answer)) => self.attempt(sent, answer).await,
                Err(error) => Attempt::unsent(error),
            };
            if !self.may_go_on(attempt.again) {
                return attempt;
            }
            last = Some(Box::new(attempt));
        }
    }

    async fn pick(&self) -> Result<Call<Connection>, HttpError> {
        let balancer = &self.client.0.balancer;
        // Who has no time is not picked: it would answer nothing.
        if self.deadline.is_over() {
            return Err(self.unsent());
        }
        match balancer.pick_now(&self.tried) {
            Ok(picked) => Ok(picked?),
            Err(longest) => {
                let waiting = self.deadline.bound(balancer.wait(longest));
                Ok(Box::pin(waiting).await.ok_or_else(|| self.unsent())??)
            }
        }
    }

    /// There was no time.
    fn unsent(&self) -> HttpError {
        HttpError::Unsent {
            service: self.client.service().to_owned(),
            timeout: self.deadline.timeout().unwrap_or_default(),
        }
    }

    /// What is set, and otherwise a default; at most what is left of the caller's time. Of that, a try that another one
    /// may follow has half for itself alone.
    fn limit(&self) -> Limit {
        let limits = self.client.0.limits;
        let left = self.deadline.left();
        let is_last = !self.idempotent
            || self.tried.len() + 1 >= limits.addresses.min(self.client.0.balancer.len())
            || !self.outgoing.is_reusable();
        let whole = match (limits.attempt, left) {
            (Some(set), Some(left)) => set.min(left),
            (Some(set), None) => set,
            (None, Some(left)) => left,
            (None, None) => ATTEMPT_TIMEOUT,
        };
        let has_share = limits.attempt.is_none() && left.is_some() && !is_last;
        Limit {
            share: has_share.then(|| whole / 2),
            whole,
            of_caller: left.is_some_and(|left| limits.attempt.is_none_or(|set| left < set)),
        }
    }

    /// Whether there may be another try. Then it has been paid for.
    fn may_go_on(&self, again: Again) -> bool {
        self.tried.len() < self.client.0.limits.addresses
            && match again {
                Again::Never | Again::NoMore => false,
                Again::Always => self.outgoing.is_whole(),
                Again::IfIdempotent => {
                    self.idempotent
                        && !self.deadline.is_over()
                        && self.outgoing.is_whole()
                        && self.client.0.balancer.may_retry()
                }
            }
    }

    /// Makes a try ready, and returns what is to be awaited.
    fn begin(
        &mut self,
        mut call: Call<Connection>,
        mut request: Request,
    ) -> Result<(Sent, impl Answering + use<>), HttpError> {
        if self.is_beside {
            call.made_beside();
        }
        let limit = self.limit();
        self.tried.push(Arc::clone(call.address()));
        // For the answer's body.
        *request.timeout_mut() = self.deadline.left();
        let made = call.connection().caller();
        let caller = match &*made {
            Ok(caller) => caller,
            Err(reason) => return Err(without_client(call, Arc::clone(reason))),
        };
        let redirects = caller.redirects();
        let answer = caller.client.execute(request);
        let sent = Sent {
            call,
            redirects,
            connect_timeout: self.client.0.limits.connect,
            limit,
            deadline: self.deadline,
        };
        Ok((sent, answer))
    }

    /// One try.
    #[expect(
        clippy::manual_async_fn,
        reason = "it would keep twice what it is given"
    )]
    fn attempt<A: Answering>(&mut self, sent: Sent, answer: A) -> impl Future<Output = Attempt> {
        async move {
            let mut answer = pin!(answer);
            let Some(share) = sent.limit.share else {
                let answered = timeout(sent.limit.whole, answer).await;
                return sent.end(answered.ok());
            };
            match timeout(share, answer.as_mut()).await {
                Ok(answered) => sent.end(Some(answered)),
                // What hardly a call comes to is boxed: it would make the future of each larger.
                Err(_) if self.may_go_on(Again::IfIdempotent) => {
                    Box::pin(self.race(sent, answer)).await
                }
                Err(_) => sent.end(Box::pin(self.deadline.bound(answer)).await),
            }
        }
    }

    /// What comes first: this answer, or one to others.
    async fn race<A: Answering>(&mut self, first: Sent, mut answer: Pin<&mut A>) -> Attempt {
        let deadline = self.deadline;
        self.is_beside = true;
        let mut others = self.others();
        let (first, others) = tokio::select! {
            biased;
            answered = deadline.bound(answer.as_mut()) => {
                let first = first.end(answered);
                if first.is_final() {
                    return first;
                }
                (first, others.await)
            }
            others = &mut others => {
                if others.is_final() {
                    first.overtaken();
                    return others;
                }
                (first.end(deadline.bound(answer).await), others)
            }
        };
        first.better(others)
    }

    /// The tries that follow.
    fn others(&mut self) -> Pin<Box<dyn Future<Output = Attempt> + Send + '_>> {
        Box::pin(self.go_on())
    }
}

/// What an answer is awaited by.
trait Answering: Future<Output = reqwest::Result<Response>> + Send {}

impl<F: Future<Output = reqwest::Result<Response>> + Send> Answering for F {}

/// RFC 9110, 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// The caller's own timeout, and when it is over.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Option<(Duration, Instant)>);

impl Deadline {
    fn new(timeout: Option<Duration>) -> Self {
        // One that is beyond all clocks is none.
        let at = |timeout| Some((timeout, Instant::now().checked_add(timeout)?));
        Self(timeout.and_then(at))
    }

    pub(super) fn timeout(self) -> Option<Duration> {
        self.0.map(|(timeout, _)| timeout)
    }

    fn left(self) -> Option<Duration> {
        self.0
            .map(|(_, at)| at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// None if it is over first.
    async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        match self.0 {
            Some((_, at)) => timeout_at(at, future).await.ok(),
            None => Some(future.await),
        }
    }
}
