//! From start to stop, whatever happens between.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::sleep;

use super::error::{AppError, Stage};
use super::hooks::{Hook, Hooks};
use super::offer::Offer;
use super::servers::Servers;
use super::wishes::{Hurry, Wishes};
use super::{Server, TARGET};
use crate::health::MonitorBuilder;
use crate::registry::ServiceInstance;

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) drain_delay: Duration,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) hook_timeout: Duration,
}

/// What an app is made of.
pub(super) struct Lifecycle {
    pub(super) instance: ServiceInstance,
    pub(super) times: Times,
    pub(super) hooks: Hooks,
    pub(super) servers: Vec<(String, Box<dyn Server>)>,
    pub(super) monitor: MonitorBuilder,
    pub(super) offer: Offer,
    pub(super) wishes: Wishes,
}

/// What happens to it, in its order.
struct Course {
    instance: ServiceInstance,
    times: Times,
    servers: Servers,
    offer: Offer,
    first_error: Option<AppError>,
}

impl Lifecycle {
    pub(super) async fn run(mut self) -> Result<(), AppError> {
        let mut course = Course {
            instance: self.instance,
            times: self.times,
            servers: Servers::none(),
            offer: self.offer,
            first_error: None,
        };
        let start = (self.hooks.before_start, self.hooks.after_start);
        let live = course.live(start, self.servers, self.monitor);
        let ended = tokio::select! {
            biased;
            why = self.wishes.stop() => Ok(why),
            error = live => Err(error),
        };
        match ended {
            Ok(why) => course.log("stopping", why),
            Err(error) => course.note(error),
        }
        let stop = (
            self.hooks.before_stop,
            self.hooks.after_stop,
            self.hooks.leave,
        );
        course.stop(stop, self.wishes.hurry()).await;
        course.log("stopped", "");
        course.first_error.map_or(Ok(()), Err)
    }
}

impl Course {
    /// Starts, and lives until something fails. Whoever drops it finds in `self` what has started.
    async fn live(
        &mut self,
        (before_start, after_start): (Vec<Hook>, Vec<Hook>),
        servers: Vec<(String, Box<dyn Server>)>,
        monitor: MonitorBuilder,
    ) -> AppError {
        let Times {
            start_timeout,
            hook_timeout,
            ..
        } = self.times;
        if let Err(error) = run_all(Stage::BeforeStart, before_start, hook_timeout).await {
            return error;
        }
        self.servers.start(servers);
        let accepting = self.servers.accepting(start_timeout);
        let live = async {
            accepting.await?;
            let registered = self.offer.make(monitor).await;
            registered.map_err(AppError::Register)?;
            run_all(Stage::AfterStart, after_start, hook_timeout).await?;
            log(&self.instance, "started", "");
            pending::<Result<Infallible, AppError>>().await
        };
        tokio::select! {
            biased;
            error = self.servers.failed() => error,
            Err(error) = live => error,
        }
    }

    /// Nothing in here is left out because something before it failed.
    async fn stop(
        &mut self,
        (before_stop, after_stop, leave): (Vec<Hook>, Vec<Hook>, Vec<Hook>),
        mut hurry: Hurry,
    ) {
        let times = self.times;
        let mut is_hurried = false;
        if let Err(error) = self.offer.settle().await {
            self.note(AppError::Register(error));
        }
        if self.servers.were_started() {
            self.run_each(Stage::BeforeStop, before_stop).await;
        }
        if self.offer.is_made() {
            self.offer.drain().await;
            // It is for those who are still served.
            if !self.servers.have_all_ended() {
                tokio::select! {
                    () = sleep(times.drain_delay) => {}
                    why = hurry.said() => {
                        is_hurried = true;
                        self.log("hurried", why);
                    }
                }
            }
            if let Err(error) = self.offer.withdraw().await {
                self.note(AppError::Deregister(error));
            }
        }
        let hurried = async {
            if !is_hurried {
                hurry.said().await;
            }
        };
        for error in self.servers.stop(times.stop_timeout, hurried).await {
            self.note(error);
        }
        self.run_each(Stage::AfterStop, after_stop).await;
        self.run_each(Stage::Leave, leave).await;
    }

    /// Runs all hooks, each also when one before it failed.
    async fn run_each(&mut self, stage: Stage, hooks: Vec<Hook>) {
        for (place, hook) in (1..).zip(hooks) {
            if let Err(error) = run(stage, place, hook, self.times.hook_timeout).await {
                self.note(error);
            }
        }
    }

    /// The first is kept, as the cause; every one is logged.
    fn note(&mut self, error: AppError) {
        let (service, id) = (self.instance.name(), self.instance.id());
        tracing::error!(target: TARGET, event = "failed", service, id, %error, "the app has failed");
        self.first_error.get_or_insert(error);
    }

    fn log(&self, event: &'static str, why: &str) {
        log(&self.instance, event, why);
    }
}

/// Runs hooks up to the first that fails.
async fn run_all(stage: Stage, hooks: Vec<Hook>, limit: Duration) -> Result<(), AppError> {
    for (place, hook) in (1..).zip(hooks) {
        run(stage, place, hook, limit).await?;
    }
    Ok(())
}

async fn run(stage: Stage, place: usize, hook: Hook, limit: Duration) -> Result<(), AppError> {
    let failed = |source| AppError::Hook {
        stage,
        place,
        source,
    };
    hook.run(limit).await.map_err(failed)
}

fn log(instance: &ServiceInstance, event: &'static str, why: &str) {
    let (service, id) = (instance.name(), instance.id());
    tracing::info!(target: TARGET, event, service, id, why, "{instance}: {event}");
}
