//! The registry contract, as tests of anything that implements the traits.
//!
//! Each function is one line of the contract and would fail without that line's behaviour. To run
//! an implementation through all of them, write a [`Fixture`] for it and expand
//! `registry_contract!(name_of_a_module, TheFixture)`.
//!
//! No test sleeps: what must happen is awaited with a bound ([`within`]), and what must not happen
//! is shown by what does happen next.

pub(crate) mod discovery;
pub(crate) mod registrar;
pub(crate) mod watcher;

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tidings::registry::{
    Discovery, Instances, Registrar, ServiceInstance, ServiceInstanceBuilder, WatchError, Watcher,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An implementation under test, one that is alone: it has no peers, and nobody else registers with
/// it.
pub(crate) trait Fixture: Sized {
    /// The implementation.
    type Subject: Registrar + Discovery + 'static;

    /// Starts a fresh one that knows no service.
    async fn start() -> Self;

    /// What was started.
    fn subject(&self) -> &Arc<Self::Subject>;

    /// What it puts in the place of an unspecified host.
    fn address(&self) -> IpAddr;

    /// Shuts it down in good order; returns when that is done.
    async fn shut_down(&self);
}

/// How long anything may take that must happen. Far above what it takes: only a hang reaches it.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Awaits what must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let output = tokio::time::timeout(BOUND, future).await;
    output.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

/// Starts a call in a task of its own and returns once it waits; so it returns only if it is woken.
pub(crate) async fn waiting<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let (pending, is_pending) = oneshot::channel();
    let mut pending = Some(pending);
    let mut call = Box::pin(call);
    let task = tokio::spawn(poll_fn(move |cx| {
        let poll = call.as_mut().poll(cx);
        if poll.is_pending() {
            pending.take().map(|pending| pending.send(()));
        }
        poll
    }));
    // The sender is gone if there was no need to wait.
    within("the first poll", is_pending)
        .await
        .expect("the call waits");
    task
}

/// Starts a `next` that waits.
pub(crate) async fn next_waiting(
    mut watcher: Box<dyn Watcher>,
) -> JoinHandle<Result<Instances, WatchError>> {
    waiting(async move { Watcher::next(&mut *watcher).await }).await
}

/// What a waiting call returns, once it is woken.
pub(crate) async fn woken<T>(task: JoinHandle<T>) -> T {
    within("the call that waits", task).await.expect("no panic")
}

/// The service that most tests register.
pub(crate) const USERS: &str = "user-service";

pub(crate) fn users(id: &str) -> ServiceInstanceBuilder {
    ServiceInstance::builder(USERS)
        .id(id)
        .endpoint("http://10.0.0.9:8000")
}

pub(crate) async fn register(subject: &impl Registrar, instance: ServiceInstanceBuilder) {
    let instance = instance.build().expect("a valid instance");
    within("register", subject.register(instance))
        .await
        .expect("registered");
}

pub(crate) async fn deregister(subject: &impl Registrar, instance: ServiceInstanceBuilder) {
    let instance = instance.build().expect("a valid instance");
    within("deregister", subject.deregister(&instance))
        .await
        .expect("deregistered");
}

pub(crate) async fn get(subject: &impl Discovery, name: &str) -> Instances {
    within("get_service", subject.get_service(name))
        .await
        .expect("a list")
}

pub(crate) async fn watch(subject: &impl Discovery, name: &str) -> Box<dyn Watcher> {
    within("watch", subject.watch(name))
        .await
        .expect("a watcher")
}

/// The next list of a watcher that must have one, or get one.
pub(crate) async fn next(watcher: &mut dyn Watcher) -> Instances {
    within("next", Watcher::next(watcher))
        .await
        .expect("a list")
}

/// What a watcher has at once.
pub(crate) fn look(watcher: &mut dyn Watcher) -> Option<Result<Instances, WatchError>> {
    Watcher::next(watcher).now_or_never()
}

pub(crate) fn ids(instances: &Instances) -> Vec<&str> {
    instances.iter().map(|instance| instance.id()).collect()
}

/// Expands to a module with one test for each line of the contract, run with the given fixture.
macro_rules! registry_contract {
    ($module:ident, $fixture:ty) => {
        mod $module {
            contract_lines! { $fixture, registrar:
                a_registered_instance_is_in_the_table_when_register_returns,
                one_that_is_alone_finds_itself,
                the_same_name_and_id_again_replaces,
                registering_the_same_again_changes_nothing,
                several_names_may_share_one_id,
                several_ids_may_share_one_name,
                metadata_version_weight_and_status_change_while_an_instance_lives,
                an_unspecified_host_is_resolved_before_anybody_sees_it,
                deregistering_goes_by_name_and_id,
                deregistering_an_unknown_instance_is_ok,
                deregistering_again_is_ok,
                what_was_deregistered_can_be_registered_again,
                after_a_shut_down_registering_is_an_error_that_says_so,
                after_a_shut_down_deregistering_is_an_error_that_says_so,
            }
            contract_lines! { $fixture, discovery:
                it_is_object_safe,
                get_service_is_what_the_table_holds_now,
                an_unknown_name_is_an_empty_list,
                the_order_is_that_of_the_ids_whatever_the_order_of_registering,
                a_watcher_is_there_at_once_whether_or_not_the_name_exists,
                waiting_for_what_is_there_returns_at_once,
                waiting_ends_when_enough_instances_are_there,
                waiting_ends_with_the_time_and_says_what_was_missing,
                waiting_ends_with_a_shut_down,
                after_a_shut_down_discovering_is_an_error_that_says_so,
            }
            contract_lines! { $fixture, watcher:
                the_first_call_returns_at_once_when_there_are_instances,
                the_first_call_waits_for_the_first_change_when_there_are_none,
                each_later_call_returns_when_the_list_differs_from_what_was_seen_last,
                a_list_that_came_back_to_what_was_seen_is_no_change,
                a_change_of_another_service_is_no_change,
                a_change_reaches_every_watcher,
                every_list_is_the_full_list,
                the_list_going_empty_is_a_change,
                ten_changes_while_nobody_looked_are_one,
                an_error_never_consumes_an_update,
                a_shut_down_ends_a_call_that_waits,
                stopping_is_idempotent_and_lasts,
                stopping_reaches_a_call_that_waits,
                stopping_ends_no_other_watcher,
                dropping_a_pending_call_loses_nothing,
                it_is_a_stream_that_ends_after_the_error,
                dropping_it_is_stopping_it,
                a_hundred_thousand_watch_and_drop_cycles_leave_memory_where_it_was,
            }
        }
    };
}

/// One test for each line of one part of the contract. A line that is missing here is dead code,
/// and clippy says so.
macro_rules! contract_lines {
    ($fixture:ty, $part:ident: $($line:ident,)*) => {
        mod $part {
            use super::super::*;
            $(
                #[tokio::test]
                async fn $line() {
                    let fixture = <$fixture as contract::Fixture>::start().await;
                    contract::$part::$line(&fixture).await;
                }
            )*
        }
    };
}
