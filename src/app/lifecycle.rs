//! From start to stop, whatever happens between.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::budget::{Budget, Step};
use super::error::{AppError, HookError, Stage};
use super::hooks::{Hook, Hooks};
use super::offer::Offer;
use super::servers::{CUT_GRACE, Servers};
use super::wishes::{Hurry, Wishes};
use super::{Server, TARGET};
use crate::health::MonitorBuilder;
use crate::registry::ServiceInstance;

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) drain_delay: Duration,
    pub(super) start_timeout: Duration,
    pub(super) stop_budget: Duration,
    /// None of its own: what the budget leaves.
    pub(super) stop_timeout: Option<Duration>,
    pub(super) hook_timeout: Duration,
}

impl Times {
    /// What makes no sense is refused, and what does not fit into the budget is told.
    pub(super) fn check(&self) -> Result<(), AppError> {
        if self.stop_budget.is_zero() {
            return Err(AppError::Setting {
                field: "stop_budget",
                value: format!("{:?}", self.stop_budget),
                mend: "nothing can be stopped in no time: set what is granted until the kill, less a margin, \
                       such as 25 s",
            });
        }
        let parts = [
            ("drain_delay", Some(self.drain_delay)),
            ("stop_timeout", self.stop_timeout),
        ];
        for (field, value) in parts {
            if let Some(value) = value.filter(|value| *value > self.stop_budget) {
                tracing::warn!(
                    target: TARGET, event = "setting", field, ?value, stop_budget = ?self.stop_budget,
                    "`{field}` is longer than `stop_budget`, which ends it: set a longer `stop_budget`"
                );
            }
        }
        Ok(())
    }
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
            let (registrar, ..) = monitor.terms();
            let registered = self.offer.make(monitor).await;
            registered.map_err(AppError::Register)?;
            run_all(Stage::AfterStart, after_start, hook_timeout).await?;
            log(&self.instance, "started", "");
            if let Some(why) = registrar.isolation() {
                log(&self.instance, "not_joined", &why);
            }
            pending::<Result<Infallible, AppError>>().await
        };
        tokio::select! {
            biased;
            error = self.servers.failed() => error,
            Err(error) = live => error,
        }
    }

    /// Nothing in here is left out because something before it failed, or took all of its time.
    async fn stop(
        &mut self,
        (before_stop, after_stop, leave): (Vec<Hook>, Vec<Hook>, Vec<Hook>),
        hurry: Hurry,
    ) {
        let before_stop = if self.servers.were_started() {
            before_stop
        } else {
            Vec::new()
        };
        let steps = self.steps(&before_stop, &after_stop, &leave);
        let mut rest = Rest::new(self.times.stop_budget, steps, hurry);
        // Also in a hurry: what may be registered has to be deregistered.
        let settling = self.offer.settle(rest.budget.limit(Step::Announce));
        let settled = if let Some(settled) = rest.unless_hurried(settling).await {
            settled
        } else {
            self.log_if(true, &rest);
            self.offer.settle(rest.budget.limit(Step::Announce)).await
        };
        if let Err(error) = settled {
            self.note(AppError::Register(error));
        }
        // Before anything else may take long: everybody shall know, whatever becomes of us.
        let announced = timeout(rest.budget.limit(Step::Announce), self.offer.drain());
        let hurried = rest.unless_hurried(announced).await.is_none();
        self.log_if(hurried, &rest);
        self.run_each(Stage::BeforeStop, before_stop, &mut rest)
            .await;
        if self.offer.is_made() {
            // It is for those who are still served.
            if !self.servers.have_all_ended() && !rest.is_hurried {
                let delay = self.times.drain_delay.min(rest.budget.limit(Step::Drain));
                let hurried = rest.unless_hurried(sleep(delay)).await.is_none();
                self.log_if(hurried, &rest);
            }
            let limit = rest.budget.limit(Step::Deregister);
            if let Err(error) = self.offer.withdraw(limit).await {
                self.note(AppError::Deregister(error));
            }
        }
        self.stop_servers(&mut rest).await;
        self.run_each(Stage::AfterStop, after_stop, &mut rest).await;
        self.run_each(Stage::Leave, leave, &mut rest).await;
    }

    /// What there is to do when it stops.
    fn steps(&self, before_stop: &[Hook], after_stop: &[Hook], leave: &[Hook]) -> Vec<Step> {
        let is_offered = !self.offer.is_not();
        let serves = self.servers.were_started();
        let steps = [
            (Step::Announce, is_offered),
            (Step::BeforeStop, !before_stop.is_empty()),
            (Step::Drain, is_offered && !self.times.drain_delay.is_zero()),
            (Step::Deregister, is_offered),
            (Step::Servers, serves && !self.servers.have_all_ended()),
            (Step::AfterStop, !after_stop.is_empty()),
            (Step::Leave, !leave.is_empty()),
        ];
        let there = steps.iter().filter(|(_, is_there)| *is_there);
        there.map(|(step, _)| *step).collect()
    }

    async fn stop_servers(&mut self, rest: &mut Rest) {
        let limit = rest.budget.limit(Step::Servers);
        let mut patience = self.times.stop_timeout.unwrap_or(limit);
        let was_hurried = rest.is_hurried;
        if was_hurried {
            // A server that has nothing in flight stops in that time, and is not cut.
            patience = patience.min(CUT_GRACE);
        }
        let hurried = async {
            if was_hurried {
                pending::<()>().await;
            }
            rest.hurry.said().await;
        };
        let errors = self.servers.stop((limit, patience), hurried).await;
        if !was_hurried && rest.heed() {
            self.log_if(true, rest);
        }
        for error in errors {
            self.note(error);
        }
    }

    /// Runs all hooks, each also when one before it failed.
    async fn run_each(&mut self, stage: Stage, hooks: Vec<Hook>, rest: &mut Rest) {
        let step = match stage {
            Stage::BeforeStop => Step::BeforeStop,
            Stage::AfterStop => Step::AfterStop,
            _ => Step::Leave,
        };
        let count = u32::try_from(hooks.len()).unwrap_or(u32::MAX);
        for (place, hook) in (1..).zip(hooks) {
            // A hook that hangs leaves a tenth of the time to each hook after it, or half to all.
            let following = count.saturating_sub(u32::try_from(place).unwrap_or(u32::MAX));
            let limit = rest.budget.limit(step) / 20 * 20_u32.saturating_sub(2 * following).max(10);
            let limit = limit.min(self.times.hook_timeout);
            let was_hurried = rest.is_hurried;
            let failed = match rest.unless_hurried(hook.run(limit)).await {
                Some(result) => result.err(),
                None => Some(HookError::Hurried),
            };
            self.log_if(!was_hurried && rest.is_hurried, rest);
            if let Some(source) = failed {
                self.note(AppError::Hook {
                    stage,
                    place,
                    source,
                });
            }
        }
    }

    fn log_if(&self, hurried: bool, rest: &Rest) {
        if hurried {
            self.log("hurried", rest.why);
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

/// What is left of a stop.
struct Rest {
    budget: Budget,
    hurry: Hurry,
    is_hurried: bool,
    /// The signal that made it so.
    why: &'static str,
}

impl Rest {
    fn new(budget: Duration, steps: Vec<Step>, hurry: Hurry) -> Self {
        Self {
            budget: Budget::new(budget, steps),
            hurry,
            is_hurried: false,
            why: "",
        }
    }

    /// Waits for this until a second signal comes. None if that came first. Whoever was told so already is
    /// bounded by what is left.
    async fn unless_hurried<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        if self.is_hurried {
            return Some(wait.await);
        }
        let why = tokio::select! {
            biased;
            done = wait => return Some(done),
            why = self.hurry.said() => why,
        };
        self.is_hurried = true;
        self.why = why;
        self.budget.hurry();
        None
    }

    /// Takes note of a second signal that came while something else waited for it.
    fn heed(&mut self) -> bool {
        if let Some(why) = self.hurry.heard() {
            self.is_hurried = true;
            self.why = why;
            self.budget.hurry();
        }
        self.is_hurried
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
