mod following;

use std::sync::Arc;
use std::time::Duration;

use super::budget::Balance;
use super::ejection::{Candidates, Ejected};
use super::standing::Standing;
use super::{Balancer, BalancerBuilder, BuildError, Ejection, Empty, RetryBudget};
use crate::registry::{
    BoxFuture, Discovery, DiscoveryError, Instances, ServiceInstance, Status, WaitError, Watcher,
};
use crate::select::{Outcome, Scheme};
use crate::table::Directory;

/// What a test publishes.
struct Table(Directory);

impl Discovery for Table {
    fn get_service<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoveryError>> {
        Box::pin(async move { Ok(self.0.get(name)) })
    }

    fn watch<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Watcher>, DiscoveryError>> {
        Box::pin(async move {
            if self.0.is_closed() {
                return Err(DiscoveryError::Closed);
            }
            Ok(Box::new(self.0.watch(name)) as Box<dyn Watcher>)
        })
    }

    fn wait_for<'a>(
        &'a self,
        _: &'a str,
        _: usize,
        _: Duration,
    ) -> BoxFuture<'a, Result<Instances, WaitError>> {
        Box::pin(std::future::ready(Err(WaitError::Closed)))
    }
}

fn instance(id: &str) -> ServiceInstance {
    ServiceInstance::builder("orders")
        .id(id)
        .version("1.0.0")
        .endpoint(format!("http://{id}:80"))
        .build()
        .unwrap()
}

fn publish(directory: &Directory, ids: &[&str]) {
    directory.publish("orders", ids.iter().map(|id| instance(id)).collect());
}

fn builder(directory: &Directory) -> BalancerBuilder {
    let discovery = Arc::new(Table(directory.clone()));
    Balancer::builder(discovery, "discovery:///orders", Scheme::Http)
}

/// Lets the task take what was published. Nothing else runs in these tests.
async fn taken() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

/// So many, and everybody is one of them.
fn all(count: usize) -> Candidates<'static> {
    Candidates {
        count,
        has: &|_| true,
    }
}

async fn fail(balancer: &Balancer, times: usize) {
    for _ in 0..times {
        let call = balancer.pick(&["b:80".into()]).await.unwrap();
        assert_eq!(call.instance().id(), "a");
        call.finish(Outcome::Failure);
    }
}

#[tokio::test]
async fn a_first_call_finds_the_list_that_is_there() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let balancer = builder(&directory).build().unwrap();
    assert_eq!(balancer.pick(&[]).await.unwrap().instance().id(), "a");
}

#[tokio::test]
async fn a_list_that_became_empty_before_the_task_ran_is_taken() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let balancer = builder(&directory).build().unwrap();
    publish(&directory, &[]);
    taken().await;
    assert!(balancer.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_set_fails_at_once_and_says_why() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let balancer = builder(&directory).version("^2").build().unwrap();
    let error = balancer.pick(&[]).await.unwrap_err();
    assert_eq!(
        (error.service(), error.filter()),
        ("orders", Some("version ^2"))
    );
}

#[tokio::test]
async fn the_last_list_is_kept_when_the_policy_says_so() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let balancer = builder(&directory).empty(Empty::KeepLast).build().unwrap();
    publish(&directory, &[]);
    taken().await;
    assert_eq!(balancer.pick(&[]).await.unwrap().instance().id(), "a");
    publish(&directory, &["b"]);
    taken().await;
    assert_eq!(balancer.pick(&[]).await.unwrap().instance().id(), "b");
}

#[tokio::test]
async fn nobody_was_ever_there_to_be_kept() {
    let directory = Directory::new();
    let draining = instance("a").with_status(Status::Draining);
    let balancer = builder(&directory).empty(Empty::KeepLast).build().unwrap();
    directory.publish("orders", Instances::from_iter([draining]));
    taken().await;
    let error = balancer.pick(&[]).await.unwrap_err();
    assert_eq!(error.instances(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_somebody_and_not_longer_than_it_may() {
    let directory = Directory::new();
    let longest = Duration::from_secs(3);
    let waiting = || {
        builder(&directory)
            .empty(Empty::WaitUpTo(longest))
            .build()
            .unwrap()
    };
    let (balancer, began) = (waiting(), tokio::time::Instant::now());
    balancer.pick(&[]).await.unwrap_err();
    assert_eq!(began.elapsed(), longest);

    let call = tokio::spawn(async move { balancer.pick(&[]).await.unwrap() });
    taken().await;
    publish(&directory, &["a"]);
    assert_eq!(call.await.unwrap().instance().id(), "a");
    assert_eq!(began.elapsed(), longest);
}

#[tokio::test]
async fn a_discovery_that_ends_leaves_the_last_list() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let balancer = builder(&directory).build().unwrap();
    directory.close();
    taken().await;
    assert_eq!(balancer.len(), 1);
    let error = builder(&directory).build().unwrap_err();
    assert!(matches!(error, BuildError::Discovery(_)), "{error}");
}

#[tokio::test]
async fn a_filter_that_panics_costs_one_list_and_not_those_that_follow() {
    let directory = Directory::new();
    publish(&directory, &["a"]);
    let panics = |instance: &ServiceInstance| {
        assert_ne!(instance.id(), "b", "as told");
        true
    };
    let panics = crate::select::filter::matching("panics", panics);
    let balancer = builder(&directory).filter(panics).build().unwrap();
    publish(&directory, &["b"]);
    taken().await;
    assert_eq!(balancer.pick(&[]).await.unwrap().instance().id(), "a");
    publish(&directory, &["c"]);
    taken().await;
    assert_eq!(balancer.pick(&[]).await.unwrap().instance().id(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_leaves_less_time_than_usual_blames_nobody() {
    let directory = Directory::new();
    publish(&directory, &["a", "b"]);
    let balancer = builder(&directory)
        .strategy(crate::select::Strategy::RoundRobin)
        .build()
        .unwrap();
    let ended_after = async |millis, end: fn(crate::balance::Call)| {
        let call = balancer.pick(&["b:80".into()]).await.unwrap();
        tokio::time::advance(Duration::from_millis(millis)).await;
        end(call);
    };
    let is_out = async || {
        let calls = [balancer.pick(&[]).await, balancer.pick(&[]).await];
        calls.map(|call| call.unwrap().instance().id().to_owned()) == ["b", "b"]
    };
    // Of one that is not known, what a connect may take.
    for _ in 0..5 {
        ended_after(90, crate::balance::Call::expired).await;
    }
    ended_after(50, |call| call.finish(Outcome::Success)).await;
    for _ in 0..5 {
        ended_after(20, crate::balance::Call::expired).await;
    }
    assert!(!is_out().await);
    for _ in 0..5 {
        ended_after(100, crate::balance::Call::expired).await;
    }
    assert!(is_out().await);
}

#[tokio::test]
async fn the_task_ends_with_the_last_clone() {
    let directory = Directory::new();
    let discovery: Arc<dyn Discovery> = Arc::new(Table(directory));
    let balancer = Balancer::builder(discovery.clone(), "discovery:///orders", Scheme::Http)
        .build()
        .unwrap();
    let clone = balancer.clone();
    taken().await;
    drop(balancer);
    taken().await;
    assert_eq!(Arc::strong_count(&discovery), 2);
    drop(clone);
    taken().await;
    assert_eq!(Arc::strong_count(&discovery), 1);
}

#[test]
fn without_a_runtime_there_is_no_client_and_it_says_so() {
    let error = builder(&Directory::new()).build().unwrap_err();
    assert!(matches!(error, BuildError::NoRuntime), "{error}");
}

#[tokio::test]
async fn a_target_or_a_version_that_is_none_is_told_by_the_build() {
    let directory = Directory::new();
    let error = builder(&directory).version("one").build().unwrap_err();
    assert!(matches!(error, BuildError::Version(_)), "{error}");
    let discovery = Arc::new(Table(directory));
    let other = Balancer::builder(discovery, "http://orders", Scheme::Http).build();
    assert!(matches!(other.unwrap_err(), BuildError::Target(_)));
}

#[tokio::test(start_paused = true)]
async fn who_fails_in_a_row_is_out_for_a_time_that_doubles() {
    let directory = Directory::new();
    publish(&directory, &["a", "b"]);
    let balancer = builder(&directory)
        .strategy(crate::select::Strategy::Random)
        .build()
        .unwrap();
    let is_out = async || {
        for _ in 0..64 {
            if balancer.pick(&[]).await.unwrap().instance().id() == "a" {
                return false;
            }
        }
        true
    };
    fail(&balancer, 4).await;
    assert!(!is_out().await);
    assert_eq!(balancer.ejections(), 0);
    fail(&balancer, 1).await;
    assert!(is_out().await);
    assert_eq!(balancer.ejections(), 1);
    // There is nobody else for another try of a call that failed at b.
    assert_eq!(
        balancer
            .pick(&["b:80".into()])
            .await
            .unwrap()
            .instance()
            .id(),
        "a"
    );
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!is_out().await);
    fail(&balancer, 1).await;
    tokio::time::advance(Duration::from_millis(1_999)).await;
    assert!(is_out().await);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!is_out().await);
}

#[tokio::test(start_paused = true)]
async fn who_lets_callers_wait_in_vain_is_out_and_not_who_is_hedged() {
    let directory = Directory::new();
    publish(&directory, &["a", "b"]);
    let balancer = builder(&directory)
        .strategy(crate::select::Strategy::RoundRobin)
        .build()
        .unwrap();
    let given_up_after = async |waited| {
        for _ in 0..5 {
            let call = balancer.pick(&["b:80".into()]).await.unwrap();
            tokio::time::advance(waited).await;
            drop(call);
        }
    };
    let both = async || {
        let calls = [balancer.pick(&[]).await, balancer.pick(&[]).await];
        calls.map(|call| call.unwrap().instance().id().to_owned())
    };
    given_up_after(Duration::from_millis(999)).await;
    assert_ne!(both().await, ["b", "b"]);
    given_up_after(Duration::from_secs(1)).await;
    assert_eq!(both().await, ["b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_ejected_and_no_candidate_does_not_keep_others_from_being_ejected() {
    let directory = Directory::new();
    publish(&directory, &["a", "b"]);
    let balancer = builder(&directory)
        .strategy(crate::select::Strategy::RoundRobin)
        .build()
        .unwrap();
    fail(&balancer, 5).await;
    // Ejected for a second, and drained meanwhile: c is the one of three that may be ejected.
    let drained = instance("a").with_status(Status::Draining);
    let list = [drained, instance("b"), instance("c"), instance("d")];
    directory.publish("orders", Instances::from_iter(list));
    taken().await;
    let others: [Arc<str>; 2] = ["b:80".into(), "d:80".into()];
    for _ in 0..5 {
        let call = balancer.pick(&others).await.unwrap();
        assert_eq!(call.instance().id(), "c");
        call.finish(Outcome::Failure);
    }
    for _ in 0..12 {
        assert_ne!(balancer.pick(&[]).await.unwrap().instance().id(), "c");
    }
}

#[test]
fn at_most_half_are_ejected() {
    let ejected = Ejected::new(Ejection::after(1, Duration::from_secs(1), Duration::MAX));
    let addresses: Vec<_> = (0..5)
        .map(|n| Arc::new(Standing::new(&n.to_string())))
        .collect();
    for standing in &addresses {
        ejected.failed("orders", standing, Duration::ZERO, all(5));
    }
    assert_eq!(ejected.addresses(Duration::ZERO, all(5)).len(), 2);
    // The list has shrunk: the two would be more than half.
    assert!(ejected.addresses(Duration::ZERO, all(3)).is_empty());
    assert!(ejected.addresses(Duration::from_secs(1), all(5)).is_empty());
    let alone = Ejected::new(Ejection::after(1, Duration::MAX, Duration::MAX));
    alone.failed("orders", &addresses[0], Duration::ZERO, all(1));
    assert!(alone.addresses(Duration::ZERO, all(1)).is_empty());
}

#[test]
fn a_success_ends_the_row() {
    let ejected = Ejected::new(Ejection::default());
    let standing = Arc::new(Standing::new("a:80"));
    for _ in 0..10 {
        for _ in 0..4 {
            ejected.failed("orders", &standing, Duration::ZERO, all(2));
        }
        standing.succeeded();
    }
    assert!(ejected.addresses(Duration::ZERO, all(2)).is_empty());
}

#[test]
fn retries_are_a_share_of_the_calls_and_some_a_second() {
    let spent = |balance: &Balance, now| (0..10_000).filter(|_| balance.spend(now)).count();
    let balance = Balance::new(RetryBudget::default());
    assert_eq!(spent(&balance, Duration::ZERO), 100);
    (0..50).for_each(|_| balance.earn());
    assert_eq!(spent(&balance, Duration::ZERO), 10);
    assert_eq!(spent(&balance, Duration::from_secs(2)), 20);
    assert_eq!(spent(&balance, Duration::from_secs(100_000)), 1_000);
    assert_eq!(spent(&Balance::new(RetryBudget::none()), Duration::MAX), 0);
    assert_eq!(RetryBudget::new(f64::NAN, 1), RetryBudget::new(0.0, 1));
}
