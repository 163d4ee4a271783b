//! What is known of an address, and how long.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::registry::Status;
use crate::select::Outcome;

/// A pool whose connections are numbered in the order in which they are made.
fn numbering() -> (Pool<usize>, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let next = Arc::clone(&made);
    let pool = Pool::builder("orders", Scheme::Http)
        .connections(move |_| next.fetch_add(1, Ordering::Relaxed))
        .build();
    (pool, made)
}

fn only(pool: &Pool<usize>) -> Pick<usize> {
    pool.pick(ms(1), &mut rng(1)).unwrap()
}

fn list<const N: usize>(instances: [ServiceInstance; N]) -> Instances {
    instances.into_iter().collect()
}

#[test]
fn a_connection_is_made_once_for_an_address_and_survives_updates() {
    let (pool, made) = numbering();
    pool.update(&list([instance("a")]));
    assert_eq!(*only(&pool).connection(), 0);
    let changed = named("a")
        .version("2.0.0")
        .metadata("zone", "eu-1")
        .build()
        .unwrap();
    pool.update(&list([changed]));
    let pick = only(&pool);
    assert_eq!(
        (*pick.connection(), pick.instance().version()),
        (0, "2.0.0")
    );
    // Another instance at the same address.
    let other = ServiceInstance::builder("orders")
        .endpoint("http://a:80")
        .build()
        .unwrap();
    pool.update(&list([other]));
    assert_eq!(*only(&pool).connection(), 0);
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stale_list_is_picked_from_and_what_is_known_survives_its_confirmation() {
    let (pool, made) = numbering();
    let confirmed = list([instance("a")]);
    pool.update(&confirmed.clone().into_stale());
    let in_flight = only(&pool);
    pool.update(&confirmed);
    assert_eq!(only(&pool).in_flight(), 2);
    drop(in_flight);
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn calls_in_flight_survive_updates() {
    let (pool, _) = numbering();
    pool.update(&list([instance("a")]));
    let before = only(&pool);
    pool.update(&list([
        named("a").version("2").build().unwrap(),
        instance("b"),
    ]));
    pool.update(&list([instance("a")]));
    let after = only(&pool);
    assert_eq!((before.in_flight(), after.in_flight()), (2, 2));
    drop(before);
    assert_eq!(after.in_flight(), 1);
}

#[test]
fn a_load_average_survives_updates() {
    let pool = pool_of(Strategy::P2c, [instance("a"), instance("b")]);
    let mut rng = rng(1);
    // Both are picked, and `a` is the slow one.
    let picks = [
        pool.pick(ms(1), &mut rng).unwrap(),
        pool.pick(ms(1), &mut rng).unwrap(),
    ];
    for pick in picks {
        let slow = pick.instance().id() == "a";
        pick.finish(ms(if slow { 200 } else { 10 }), Outcome::Success);
    }
    pool.update(&list([
        named("a").version("2").build().unwrap(),
        instance("b"),
        instance("c"),
    ]));
    pool.update(&list([
        named("a").version("3").build().unwrap(),
        instance("b"),
    ]));
    for _ in 0..20 {
        assert_eq!(id(&pool.pick(ms(201), &mut rng).unwrap()), "b");
    }
}

#[test]
fn state_is_kept_while_an_instance_is_no_candidate() {
    let (pool, made) = numbering();
    pool.update(&list([instance("a")]));
    let pick = only(&pool);
    for status in [Status::Unhealthy, Status::Draining] {
        pool.update(&list([instance("a").with_status(status)]));
        assert!(pool.is_empty());
    }
    pool.update(&list([instance("a")]));
    assert_eq!((pick.in_flight(), made.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn nothing_is_made_for_who_was_never_a_candidate() {
    let (pool, made) = numbering();
    pool.update(&list([instance("a").with_status(Status::Unhealthy)]));
    assert_eq!(made.load(Ordering::Relaxed), 0);
}

#[test]
fn a_removed_address_loses_its_state() {
    let (pool, made) = numbering();
    pool.update(&list([instance("a"), instance("b")]));
    pool.update(&list([instance("b")]));
    pool.update(&list([instance("a"), instance("b")]));
    assert_eq!(made.load(Ordering::Relaxed), 3);
    assert!(pool.known.lock().unwrap().len() == 2);
    pool.update(&Instances::new());
    assert!(pool.known.lock().unwrap().is_empty());
}

#[test]
fn a_connection_is_dropped_with_the_last_call_to_a_removed_address() {
    let pool = Pool::builder("orders", Scheme::Http)
        .connections(|_| Arc::new(()))
        .build();
    pool.update(&list([instance("a")]));
    let pick = pool.pick(ms(1), &mut rng(1)).unwrap();
    let watched = Arc::downgrade(pick.connection());
    pool.update(&list([instance("b")]));
    assert!(watched.upgrade().is_some());
    assert_eq!((pick.endpoint().host(), pick.in_flight()), ("a", 1));
    pick.finish(ms(20), Outcome::Success);
    assert!(watched.upgrade().is_none());
}

#[test]
fn an_instance_that_did_not_change_is_kept_as_it_is() {
    let pool = pool_of(Strategy::P2c, [instance("a"), instance("b")]);
    let candidates = |pool: &Pool| pool.choice.load().candidates.to_vec();
    let before = candidates(&pool);
    pool.update(&list([
        instance("a"),
        named("b").version("2").build().unwrap(),
    ]));
    let after = candidates(&pool);
    assert!(Arc::ptr_eq(&before[0], &after[0]));
    assert!(!Arc::ptr_eq(&before[1], &after[1]));
}

#[test]
fn a_filter_that_panics_leaves_the_pool_as_it_was() {
    let pool = Pool::builder("orders", Scheme::Http)
        .filter(crate::select::filter::matching("odd", |one| {
            assert_ne!(one.id(), "bad", "a filter of the user's");
            true
        }))
        .build();
    pool.update(&list([instance("a")]));
    let update = || pool.update(&list([instance("bad")]));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(update)).is_err());
    assert_eq!(counts(&picked(&pool, 10, 1)), [10]);
    pool.update(&list([instance("b")]));
    assert_eq!(picked(&pool, 10, 1).into_keys().collect::<String>(), "b");
}

#[test]
fn a_list_that_leaves_nobody_can_be_refused_and_then_nothing_changes() {
    let (pool, made) = numbering();
    assert!(pool.update_unless_empty(&list([instance("a")])));
    let draining = named("a").status(Status::Draining).build().unwrap();
    assert!(!pool.update_unless_empty(&list([draining.clone()])));
    assert!(!pool.update_unless_empty(&Instances::new()));
    assert_eq!(*only(&pool).connection(), 0);
    pool.update(&list([draining]));
    assert!(pool.is_empty());
    assert_eq!(made.load(Ordering::Relaxed), 1);
}
