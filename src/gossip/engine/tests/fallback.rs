use std::sync::Arc;

use super::*;

/// What a process remembers of `users`, shown for a day.
fn remember(world: &mut World, port: u16, ids: &[&str]) {
    world.with(port, |engine, now| {
        let instances = ids.iter().map(|id| Arc::new(instance("users", id)));
        engine.show_stale(instances, now.instant + secs(86_400));
    });
}

fn is_stale(world: &World, port: u16) -> bool {
    world.engine(port).directory().get("users").is_stale()
}

#[test]
fn in_an_outage_what_is_remembered_is_shown_until_it_is_too_old() {
    let mut world = World::new(1);
    world.start(1, &[9]);
    remember(&mut world, 1, &["a", "b"]);
    world.run(secs(86_399));
    assert_eq!(world.seen(1, "users"), ["a", "b"]);
    assert!(is_stale(&world, 1) && world.events(1).is_empty());
    assert_eq!(world.engine(1).stats().stale_instances, 2);
    world.run(secs(1));
    assert!(world.seen(1, "users").is_empty() && world.events(1).is_empty());
    assert_eq!(world.engine(1).stats().stale_instances, 0);
}

#[test]
fn a_live_members_table_replaces_what_is_remembered_at_once_and_for_good() {
    let mut world = World::cluster(2, 2);
    world.register(1, "users", "c");
    world.register(1, "orders", "x");
    assert!(world.until(secs(5), World::is_converged).is_some());
    world.start(3, &[1]);
    remember(&mut world, 3, &["a", "b"]);
    let mut mixed = 0;
    let confirmed = world.until(secs(5), |world| {
        let seen = world.seen(3, "users");
        mixed += usize::from(seen != ["a", "b"] && seen != ["a", "b", "c"] && seen != ["c"]);
        !is_stale(world, 3)
    });
    assert!(
        confirmed.is_some_and(|took| took < secs(1)),
        "{confirmed:?}"
    );
    assert_eq!((world.seen(3, "users"), mixed), (vec!["c".to_owned()], 0));
    world.partition(&[3]);
    let alone = |world: &World| world.engine(3).members().len() == 1;
    assert!(world.until(secs(120), alone).is_some());
    world.run(secs(1));
    assert!(world.seen(3, "users").is_empty() && !world.engine(3).is_reconciled());
}

#[test]
fn what_a_live_member_confirms_is_no_longer_stale() {
    let mut world = World::cluster(3, 2);
    world.register(1, "users", "a");
    assert!(world.until(secs(5), World::is_converged).is_some());
    world.start(3, &[1]);
    remember(&mut world, 3, &["a"]);
    assert!(world.until(secs(5), |world| !is_stale(world, 3)).is_some());
    assert_eq!(world.seen(3, "users"), ["a"]);
}

#[test]
fn two_that_were_restarted_in_one_outage_confirm_each_other_nothing() {
    let mut world = World::new(4);
    for port in 1..=2 {
        world.start(port, &[1]);
        remember(&mut world, port, &["a"]);
    }
    assert!(world.until(secs(5), World::is_converged).is_some());
    world.run(secs(60));
    for port in 1..=2 {
        assert!(
            world.engine(port).is_reconciled(),
            "they do know each other"
        );
        assert!(is_stale(&world, port));
    }
    world.start(3, &[1]);
    world.register(3, "orders", "x");
    assert!(
        world
            .until(secs(5), |world| !is_stale(world, 1) && !is_stale(world, 2))
            .is_some()
    );
}

#[test]
fn what_this_node_registers_itself_confirms_nothing_and_is_not_stale() {
    let mut world = World::new(5);
    world.start(1, &[9]);
    remember(&mut world, 1, &["a"]);
    world.register(1, "users", "mine");
    world.register(1, "orders", "mine");
    world.run(secs(60));
    assert_eq!(world.seen(1, "users"), ["a", "mine"]);
    assert!(is_stale(&world, 1));
    assert!(!world.engine(1).directory().get("orders").is_stale());
    assert_eq!(world.engine(1).others_instances().count(), 0);
}

#[test]
fn what_is_remembered_spreads_to_nobody() {
    let mut world = World::new(6);
    world.start(1, &[]);
    world.start(2, &[1]);
    remember(&mut world, 2, &["a"]);
    assert!(world.until(secs(5), World::is_converged).is_some());
    world.run(secs(30));
    assert!(is_stale(&world, 2) && world.seen(1, "users").is_empty());
}

#[test]
fn a_node_joins_without_a_seed_through_an_address_that_it_remembers() {
    let mut world = World::cluster(7, 3);
    world.start(4, &[]);
    world.with(4, |engine, now| {
        let dead = (100..160).map(addr);
        engine.handle_remembered(now, dead.chain([addr(2), addr(4)]));
    });
    let took = world.until(secs(60), World::is_converged);
    assert!(took.is_some_and(|took| took <= secs(21)), "{took:?}");
    world.run(secs(620));
    assert!(
        !world.engine(4).contacts.contains(addr(100)),
        "somebody is alive"
    );
}

#[test]
fn a_remembered_address_that_has_not_answered_is_trusted_with_nothing() {
    let mut world = World::cluster(8, 2);
    world.start(9, &[]);
    world.with(9, |engine, now| engine.handle_remembered(now, [addr(2)]));
    let preamble = Preamble {
        session: world.engine(2).session,
        nonce: 1,
        boot: world.engine(2).me.boot,
        fingerprint: 0,
        kind: crate::gossip::wire::message::kind::NEWS,
    };
    let trust = world.with(9, |engine, now| engine.trust(now, addr(2), &preamble));
    assert_eq!(trust, proving::Trust::Unknown);
    assert!(world.engine(9).members().len() == 1);
}
