//! Who can be picked at all, and what is said when nobody can.

use super::*;
use crate::registry::Status;
use crate::select::{Cause, NoInstances, filter};

fn refused<C>(pool: &Pool<C>) -> NoInstances {
    pool.pick(ms(1), &mut rng(1)).unwrap_err()
}

#[test]
fn who_is_not_up_is_never_picked() {
    for strategy in ALL {
        let pool = pool_of(
            strategy,
            [
                instance("a"),
                instance("b").with_status(Status::Draining),
                instance("c").with_status(Status::Unhealthy),
            ],
        );
        assert_eq!(pool.len(), 1);
        assert_eq!(
            picked(&pool, 200, 1),
            BTreeMap::from([("a".to_owned(), 200)]),
            "{strategy:?}"
        );
    }
}

#[test]
fn who_begins_to_drain_is_out_of_the_next_pick_and_comes_back() {
    let pool = pool_of(Strategy::P2c, [instance("a"), instance("b")]);
    let draining = instance("b").with_status(Status::Draining);
    pool.update(&Instances::from_iter([instance("a"), draining]));
    assert_eq!(counts(&picked(&pool, 100, 1)), [100]);
    pool.update(&Instances::from_iter([instance("a"), instance("b")]));
    assert_eq!(picked(&pool, 100, 1).len(), 2);
}

#[test]
fn the_scheme_chooses_the_endpoint() {
    let instance = ServiceInstance::builder("orders")
        .endpoint("http://a:80")
        .endpoint("grpcs://a:91")
        .endpoint("grpc://a:90")
        .endpoint("grpc://a:92")
        .build()
        .unwrap();
    let list = Instances::from_iter([instance]);
    let endpoint = |scheme, tls| {
        let pool = Pool::builder("orders", scheme).tls(tls).build();
        pool.update(&list);
        let pick = pool.pick(ms(1), &mut rng(1));
        pick.map(|pick| pick.endpoint().as_str().to_owned())
    };
    assert_eq!(endpoint(Scheme::Http, false).unwrap(), "http://a:80");
    assert_eq!(endpoint(Scheme::Grpc, false).unwrap(), "grpc://a:90");
    assert_eq!(endpoint(Scheme::Grpc, true).unwrap(), "grpcs://a:91");
    let error = endpoint(Scheme::Http, true).unwrap_err();
    assert_eq!(error.left_out(), [(Cause::Scheme("https"), 1)]);
}

#[test]
fn an_instance_that_cannot_be_called_costs_no_sibling() {
    let without = ServiceInstance::builder("orders").id("b").build().unwrap();
    let unresolved = ServiceInstance::builder("orders")
        .id("c")
        .endpoint("http://0.0.0.0:80");
    let pool = pool_of(
        Strategy::Random,
        [instance("a"), without, unresolved.build().unwrap()],
    );
    assert_eq!(counts(&picked(&pool, 10, 1)), [10]);
}

#[test]
fn one_address_is_one_candidate() {
    let at = |id: &str, version: &str, query: &str| {
        let instance = ServiceInstance::builder("orders").id(id).version(version);
        instance
            .endpoint(format!("http://host:80{query}"))
            .build()
            .unwrap()
    };
    let instances = || [at("old", "1.0.0", "?x=1"), at("young", "2.0.0", "")];
    let pool = pool_of(Strategy::RoundRobin, instances());
    assert_eq!(
        picked(&pool, 10, 1),
        BTreeMap::from([("old".to_owned(), 10)])
    );
    // What was there before does not hide what is there now.
    let pool = Pool::builder("orders", Scheme::Http)
        .filter(filter::version("2").unwrap())
        .build();
    pool.update(&Instances::from_iter(instances()));
    assert_eq!(
        picked(&pool, 10, 1),
        BTreeMap::from([("young".to_owned(), 10)])
    );
}

#[test]
fn filters_follow_one_another() {
    let build = |id: &str, version: &str, zone: &str| {
        named(id)
            .version(version)
            .metadata("zone", zone)
            .build()
            .unwrap()
    };
    let pool = Pool::builder("orders", Scheme::Http)
        .filter(filter::version("^1").unwrap())
        .filter(filter::zone_preferred("eu-1"))
        .build();
    let (a, b, c) = (
        build("a", "1.0.0", "eu-2"),
        build("b", "2.0.0", "eu-1"),
        build("c", "1.1.0", "eu-1"),
    );
    pool.update(&Instances::from_iter([a.clone(), b.clone(), c]));
    assert_eq!(picked(&pool, 10, 1).into_keys().collect::<String>(), "c");
    // Nobody of version 1 is left in the zone.
    pool.update(&Instances::from_iter([a, b.clone()]));
    assert_eq!(picked(&pool, 10, 1).into_keys().collect::<String>(), "a");
    pool.update(&Instances::from_iter([b]));
    assert_eq!(refused(&pool).filter(), Some("version ^1"));
}

#[test]
fn nobody_there_is_said() {
    let pool = pool_of(Strategy::P2c, []);
    assert!(pool.is_empty());
    let error = refused(&pool);
    assert_eq!(
        (error.service(), error.instances(), error.filter()),
        ("orders", 0, None)
    );
    assert_eq!(
        error.to_string(),
        "service `orders` has no instance: check that it runs in this cluster, or wait for it"
    );
}

#[test]
fn what_left_out_whom_is_said_with_numbers() {
    let pool = Pool::builder("orders", Scheme::Http)
        .filter(filter::version("^2").unwrap())
        .build();
    let grpc = ServiceInstance::builder("orders")
        .id("a")
        .endpoint("grpc://a:90");
    pool.update(&Instances::from_iter([
        grpc.build().unwrap(),
        instance("b").with_status(Status::Draining),
        instance("c").with_status(Status::Unhealthy),
        instance("d").with_status(Status::Draining),
        named("e").version("1.0.0").build().unwrap(),
        named("f")
            .version("2.0.0")
            .metadata("weight", "0")
            .build()
            .unwrap(),
    ]));
    let error = refused(&pool);
    assert_eq!(
        error.to_string(),
        "service `orders` has 6 instances, and all are left out: 2 draining, 1 unhealthy, 1 without a \
         `http` endpoint, 1 by the filter `version ^2`, 1 with weight 0"
    );
    let sum: usize = error.left_out().iter().map(|(_, count)| count).sum();
    assert_eq!(sum, error.instances());
}

#[test]
fn an_error_and_a_pick_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<NoInstances>();
    crosses::<Pick<String>>();
    crosses::<Pool<String>>();
}
