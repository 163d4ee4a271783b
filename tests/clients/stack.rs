//! tower stacks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use tidings::balance::{Balancer, BalancerBuilder};
use tidings::integrations::tower::{Balance, BalanceError, Changes};
use tidings::registry::Endpoint;
use tidings::select::{Outcome, Scheme};
use tower::discover::Change;
use tower::{Service, ServiceExt, service_fn};

use crate::support::{TARGET, Table, instance, within};

fn address(n: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], n))
}

fn builder(table: &Table) -> BalancerBuilder {
    Balancer::builder(table.discovery(), TARGET, Scheme::Http)
}

/// The next `count` changes: `+` and `-`, with the address.
async fn changes(stream: &mut Changes<u16>, count: usize) -> BTreeSet<String> {
    let described = |change| match change {
        Ok(Change::Insert(address, port)) => format!("+{address} {port}"),
        Ok(Change::Remove(address)) => format!("-{address}"),
        Err(never) => match never {},
    };
    let changes = stream.by_ref().take(count).map(described);
    within(changes.collect()).await
}

fn set<const N: usize>(changes: [&str; N]) -> BTreeSet<String> {
    changes.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn changes_are_inserts_and_removes_by_address() {
    let table = Table::of("http", [address(1), address(2)]);
    let balancer = builder(&table).build().unwrap();
    let mut stream = Changes::new(balancer, Endpoint::port);
    let first = changes(&mut stream, 2).await;
    assert_eq!(first, set(["+127.0.0.1:1 1", "+127.0.0.1:2 2"]));
    let changed = instance("http", address(2)).to_builder().version("2.0.0");
    table.publish([changed.build().unwrap(), instance("http", address(3))]);
    let second = changes(&mut stream, 2).await;
    assert_eq!(second, set(["-127.0.0.1:1", "+127.0.0.1:3 3"]));
    table.publish([]);
    let third = changes(&mut stream, 2).await;
    assert_eq!(third, set(["-127.0.0.1:2", "-127.0.0.1:3"]));
}

#[tokio::test]
async fn towers_own_balancer_takes_the_changes() {
    let table = Table::default();
    let balancer = builder(&table).build().unwrap();
    let services = Changes::new(balancer, |endpoint| {
        let port = endpoint.port();
        let answer = service_fn(move |(): ()| async move { Ok::<_, std::io::Error>(port) });
        tower::load::Constant::new(answer, 1)
    });
    let mut balance = tower::balance::p2c::Balance::new(services);
    let call = tokio::spawn(async move { balance.ready().await.unwrap().call(()).await.unwrap() });
    table.publish([instance("http", address(7))]);
    assert_eq!(within(call).await.unwrap(), 7);
}

#[tokio::test]
async fn an_instance_that_fails_fast_does_not_attract_requests() {
    let table = Table::of("http", [address(1), address(2), address(3)]);
    let make = |endpoint: &Endpoint| {
        let port = endpoint.port();
        tower::util::BoxCloneSyncService::new(service_fn(move |(): ()| async move {
            if port == 1 {
                return Err("refused");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(port)
        }))
    };
    let blame = |answer: &Result<u16, &str>| match answer {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    };
    let balance = Balance::new(builder(&table), make, blame).unwrap();
    let calls = (0..10).map(async |_| {
        let (mut balance, mut failed) = (balance.clone(), 0);
        for _ in 0..50 {
            failed += usize::from(within(balance.call(())).await.is_err());
        }
        failed
    });
    let failed: usize = join_all(calls).await.into_iter().sum();
    assert!(failed <= 25, "{failed} of 500");
}

#[tokio::test]
async fn nobody_to_call_is_an_error_of_its_own() {
    let make = |_: &Endpoint| service_fn(|(): ()| async { Ok::<(), Arc<str>>(()) });
    let blame = |_: &Result<(), Arc<str>>| Outcome::Success;
    let mut balance = Balance::new(builder(&Table::default()), make, blame).unwrap();
    let error = within(balance.call(())).await.unwrap_err();
    assert!(matches!(error, BalanceError::NoInstances(_)), "{error:?}");
}
