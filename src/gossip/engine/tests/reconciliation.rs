use super::*;
use crate::gossip::wire::message::kind;

/// Loses all news and gossip to a port.
pub(super) fn deafen(world: &mut World, port: u16, kinds: &'static [u8]) {
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

#[test]
fn pages_that_were_said_before_end_no_reconciliation() {
    use std::{cell::RefCell, rc::Rc};
    let mut world = World::cluster(31, 2);
    let pages = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&pages);
    world.link = Box::new(move |from, to, datagram| {
        if to == addr(3) && from == addr(1) && kind_of(datagram) == kind::PAGE {
            kept.borrow_mut().push(datagram.to_vec());
        }
        Fate::Deliver
    });
    world.start(3, &[1]);
    world.until(secs(5), World::is_converged).unwrap();
    world.crash(3);
    world.register(2, "users", "a");
    world.run(secs(30));
    let pages = pages.take();
    assert!(!pages.is_empty());
    deafen(&mut world, 3, &[kind::PAGE, kind::NEWS, kind::INVENTORY]);
    world.start(3, &[1]);
    let asks = |world: &World| world.engine(3).sync.peer() == Some(addr(1));
    world.until(secs(5), asks).expect("it takes the table over");
    for page in pages {
        world.deliver(addr(1), addr(3), &page);
    }
    assert!(world.engine(3).sync.needs_table());
    assert_eq!(world.engine(3).sync.peer(), Some(addr(1)));
    world.heal();
    let has_all = |world: &World| world.seen(3, "users") == ["a"];
    world.until(secs(5), has_all).expect("the real pages come");
}

#[test]
fn a_table_is_compared_with_what_the_present_process_says_of_its_own() {
    let mut world = World::cluster(32, 3);
    world.run(secs(20));
    let syncs = world.engine(3).stats().syncs;
    for boot in [1, 0] {
        let preamble = Preamble {
            session: world.engine(2).session,
            nonce: 1,
            boot: world.engine(2).me.boot - boot,
            fingerprint: 12_345,
            kind: kind::NEWS,
        };
        let mut datagram = Vec::new();
        preamble.write(ClusterTag::of("test"), &mut datagram);
        datagram.push(0);
        world.deliver(addr(2), addr(3), &datagram);
        world.run(secs(1));
        let begun = world.engine(3).stats().syncs - syncs;
        assert_eq!(begun, 1 - boot);
    }
}

#[test]
fn members_whose_proofs_have_ended_prove_themselves_and_reconcile() {
    let mut world = World::cluster(33, 8);
    world.run(secs(130));
    let proven = |world: &World| world.engine(5).stats().sizes.proven;
    deafen(&mut world, 5, &[kind::NEWS]);
    world.register(1, "users", "a");
    let peer_at_first = proven(&world);
    let caught_up = |world: &World| world.seen(5, "users") == ["a"];
    let took = world.until(secs(10), caught_up).expect("caught up");
    assert!(took < secs(3), "{took:?}");
    assert!(proven(&world) > 0, "{peer_at_first} before");
}
