//! The servers of an app, each a task.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::error::{AppError, BoxError, ServerError};
use super::task::panic_message;
use super::{Server, Serving, TARGET};
use crate::registry::StopHandle;

/// After the cut, a server has this long to notice, and its task as long again to be dropped: a
/// task that blocks its thread cannot be, and is left behind. Of a short time it is a quarter.
pub(super) const CUT_GRACE: Duration = Duration::from_millis(500);

type Ended = Result<(), BoxError>;

/// Those that run.
pub(super) struct Servers {
    tasks: JoinSet<Ended>,
    /// By the id of its task.
    running: BTreeMap<Id, (String, Serving)>,
    /// How many there were; nothing before the start.
    started: Option<usize>,
    stopping: StopHandle,
    cut: StopHandle,
}

impl Servers {
    pub(super) fn none() -> Self {
        Self {
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            started: None,
            stopping: StopHandle::new(),
            cut: StopHandle::new(),
        }
    }

    pub(super) fn start(&mut self, servers: Vec<(String, Box<dyn Server>)>) {
        self.started = Some(servers.len());
        for (name, server) in servers {
            let serving = Serving {
                accepts: StopHandle::new(),
                stopping: self.stopping.clone(),
                cut: self.cut.clone(),
                flights: Arc::default(),
            };
            let entry = (name, serving.clone());
            // Called in its task: it may panic.
            let task = self.tasks.spawn(async move { server.serve(serving).await });
            self.running.insert(task.id(), entry);
        }
    }

    pub(super) const fn were_started(&self) -> bool {
        self.started.is_some()
    }

    /// Whether there were any, and none runs any more.
    pub(super) fn have_all_ended(&self) -> bool {
        self.started.is_some_and(|started| started > 0) && self.running.is_empty()
    }

    /// Waits until each of those that run accepts.
    pub(super) fn accepting(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<(), AppError>> + Send + use<> {
        let servers: Vec<_> = self.running.values().cloned().collect();
        async move {
            let over = sleep(limit);
            let mut over = pin!(over);
            for (name, serving) in &servers {
                tokio::select! {
                    biased;
                    () = serving.accepts.stopped() => {}
                    () = &mut over => {
                        let waited = limit;
                        return Err(failure(name, ServerError::NotAccepting { waited }));
                    }
                }
            }
            Ok(())
        }
    }

    /// Waits until one ends that nobody has asked to. Cancel-safe.
    pub(super) async fn failed(&mut self) -> AppError {
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                let (name, error) = self.take(ended);
                failure(&name, error.unwrap_or(ServerError::Ended))
            }
            None => std::future::pending().await,
        }
    }

    /// Asks all to stop and waits for them for at most `limit`. What is not done shortly before, after
    /// `patience`, or a moment after `hurried` is ready, is cut.
    pub(super) async fn stop(
        &mut self,
        (limit, patience): (Duration, Duration),
        hurried: impl Future<Output = ()>,
    ) -> Vec<AppError> {
        let grace = CUT_GRACE.min(limit / 4);
        let patience = patience.min(limit.saturating_sub(2 * grace));
        let started = Instant::now();
        let mut errors = Vec::new();
        self.stopping.stop();
        let hurried = async {
            hurried.await;
            // Who has nothing in flight stops in that time, and is not cut.
            sleep(CUT_GRACE).await;
        };
        let is_in_time = tokio::select! {
            ended = timeout(patience, self.join(&mut errors)) => ended.is_ok(),
            () = hurried => false,
        };
        let waited = started.elapsed();
        if !is_in_time {
            errors.extend(self.not_finished(waited));
        }
        // In time too: an upgraded connection, as of a websocket, is none that its server waits for.
        self.cut.stop();
        if is_in_time {
            return errors;
        }
        // What a cut connection makes of its server follows from the cut, and is no cause.
        let mut following = Vec::new();
        if timeout(grace, self.join(&mut following)).await.is_err() {
            self.tasks.abort_all();
            drop(timeout(grace, self.join(&mut following)).await);
        }
        errors
    }

    /// Those that still run when their time is over, with what they have under way.
    fn not_finished(&self, waited: Duration) -> Vec<AppError> {
        let mut errors = Vec::new();
        for (name, serving) in self.running.values() {
            let requests = serving.flights.requests();
            let connections = serving.flights.connections();
            tracing::warn!(
                target: TARGET, event = "cut", server = name, requests, connections, ?waited,
                "{requests} requests are cut: they have not finished within the server's time to stop"
            );
            errors.push(failure(name, ServerError::NotFinished { waited }));
        }
        errors
    }

    async fn join(&mut self, errors: &mut Vec<AppError>) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let (name, error) = self.take(ended);
            errors.extend(error.map(|error| failure(&name, error)));
        }
    }

    fn take(&mut self, ended: Result<(Id, Ended), JoinError>) -> (String, Option<ServerError>) {
        let (id, error) = match ended {
            Ok((id, result)) => (id, result.err().map(ServerError::Failed)),
            Err(error) => (
                error.id(),
                Some(ServerError::Panicked(panic_message(error))),
            ),
        };
        let (name, _) = self.running.remove(&id).unwrap_or_default();
        (name, error)
    }
}

fn failure(server: &str, source: ServerError) -> AppError {
    AppError::Server {
        server: server.to_owned(),
        source,
    }
}
