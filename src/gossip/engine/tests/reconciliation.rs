use super::*;
use crate::gossip::wire::message::kind;

/// Loses all news and gossip to a port.
fn deafen(world: &mut World, port: u16, kinds: &'static [u8]) {
    world.link = Box::new(move |_, to, datagram| {
        if to == addr(port) && kinds.contains(&kind_of(datagram)) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

#[test]
fn one_who_missed_all_news_finds_out_and_catches_up() {
    let mut world = World::cluster(1, 8);
    world.run(secs(15));
    deafen(&mut world, 5, &[kind::NEWS]);
    for port in 1..=4 {
        world.register(port, "users", &format!("{port}"));
    }
    let caught_up = |world: &World| world.seen(5, "users").len() == 4;
    let took = world.until(secs(30), caught_up).expect("caught up");
    assert!(world.lost > 0);
    assert!(took < secs(3), "{took:?}");
}

#[test]
fn a_difference_that_is_just_spreading_starts_no_reconciliation() {
    let mut world = World::cluster(2, 16);
    world.run(secs(20));
    let syncs =
        |world: &World| -> u64 { (1..=16).map(|port| world.engine(port).stats().syncs).sum() };
    let before = syncs(&world);
    for round in 0..20 {
        world.register(1 + round % 16, "users", &format!("{round}"));
        world.run(secs(1));
    }
    assert!(
        syncs(&world) - before <= 2,
        "{} sessions",
        syncs(&world) - before
    );
}

#[test]
fn many_differences_are_paged_over_many_datagrams() {
    let mut world = World::cluster(3, 3);
    world.run(secs(15));
    deafen(&mut world, 3, &[kind::NEWS]);
    for id in 0..900 {
        world.register(1, &format!("service-{id}"), "a");
    }
    let all = |world: &World| world.engine(3).fingerprint() == world.engine(1).fingerprint();
    assert!(world.until(secs(60), all).is_some());
    assert!(world.lost > 0);
}

#[test]
fn reconciliation_gets_through_a_lossy_network() {
    let mut world = World::cluster(4, 6);
    world.run(secs(15));
    world.losing(4, 40);
    for id in 0..50 {
        world.register(1 + id % 6, &format!("service-{id}"), "a");
    }
    world.run(secs(2));
    world.heal();
    assert!(world.until(secs(30), World::is_converged).is_some());
    assert!(world.lost > 0);
}

#[test]
fn a_tombstone_reaches_one_who_missed_it() {
    let mut world = World::cluster(5, 4);
    world.register(1, "users", "a");
    world
        .until(secs(2), |world| world.all_see("users", &["a"]))
        .unwrap();
    world.run(secs(15));
    deafen(&mut world, 3, &[kind::NEWS]);
    world
        .with(1, |engine, now| engine.deregister(now, "users", "a"))
        .unwrap();
    assert!(
        world
            .until(secs(10), |world| world.all_see("users", &[]))
            .is_some()
    );
    assert!(world.lost > 0);
}

#[test]
fn a_peer_that_stops_answering_ends_the_session() {
    let mut world = World::cluster(6, 3);
    world.run(secs(15));
    deafen(&mut world, 3, &[kind::NEWS, kind::INVENTORY, kind::PAGE]);
    world.register(1, "users", "a");
    world.run(secs(20));
    assert!(world.lost > 0);
    assert!(
        world.engine(3).stats().syncs >= 2,
        "it tries again, at most one at a time"
    );
    world.heal();
    assert!(world.until(secs(15), World::is_converged).is_some());
}

#[test]
fn records_of_an_owner_that_is_not_a_member_yet_wait_and_are_never_visible() {
    let mut world = World::cluster(7, 3);
    world.start(9, &[1]);
    world.register(9, "users", "a");
    // Node 3 gets the news of node 9 and does not hear that it exists.
    world.link = Box::new(|_, to, datagram| {
        if to == addr(3) && kind_of(datagram) != kind::NEWS {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.run(ms(500));
    assert_eq!(world.seen(1, "users"), ["a"]);
    assert!(world.seen(3, "users").is_empty());
    world.heal();
    assert!(
        world
            .until(secs(20), |world| world.all_see("users", &["a"]))
            .is_some()
    );
}
