//! Nodes that send and hear, and are not reached at the address that they advertise.

use super::{seen_elsewhere::start, *};
use crate::gossip::wire::message::kind;

/// What the others told of the process that advertises `of`: how often it failed, and came back.
fn told(world: &World, of: u16) -> (usize, usize) {
    let others = world.nodes.iter().filter(|(at, _)| at.port() < 20);
    let events = others.flat_map(|(_, node)| &node.events);
    events.fold((0, 0), |(failed, recovered), event| match event {
        Event::Failed { member, .. } if member.addr == addr(of) => (failed + 1, recovered),
        Event::Recovered { member, .. } if member.addr == addr(of) => (failed, recovered + 1),
        _ => (failed, recovered),
    })
}

fn is_member_of_all(world: &World, port: u16) -> bool {
    let mut others = world.nodes.keys().filter(|at| at.port() < 20);
    others.all(|at| world.engine(at.port()).members.is_active(addr(port)))
}

/// Nodes on ports 1 to 4, and one that advertises port 5 and sends from 25.
fn with_one_elsewhere(seed: u64) -> World {
    let mut world = World::cluster(seed, 4);
    start(&mut world, 5);
    let joined = |world: &World| is_member_of_all(world, 5);
    let took = world
        .until(secs(5), joined)
        .expect("it is reached, so it joins");
    assert!(took < secs(1), "{took:?}");
    world.register(25, "users", "e");
    world.run(secs(10));
    assert!(world.all_see("users", &["e"]));
    world
}

#[test]
fn a_member_that_is_no_longer_reached_fails_once_and_is_back_when_it_is() {
    let mut world = with_one_elsewhere(1);
    world.aliases.clear();
    world.run(secs(7_200));
    let (failed, recovered) = told(&world, 5);
    assert_eq!((failed, recovered), (4, 0), "once at each of the others");
    assert!(!is_member_of_all(&world, 5));
    assert_eq!(world.engine(25).stats().unreachable_as, Some(addr(25)));
    world.aliases.insert(addr(5), addr(25));
    let back = |world: &World| is_member_of_all(world, 5) && world.all_see("users", &["e"]);
    let took = world.until(secs(30), back).expect("it is back");
    assert!(took < secs(5), "{took:?}");
    assert_eq!(world.engine(25).stats().unreachable_as, None);
}

#[test]
fn one_that_is_not_reached_is_not_let_in_and_knows_why() {
    let mut world = World::cluster(2, 4);
    start(&mut world, 5);
    world.aliases.clear();
    world.run(secs(60));
    let mut nodes = world.nodes.iter().filter(|(at, _)| at.port() < 20);
    assert!(nodes.all(|(_, node)| node.engine.members().len() == 4));
    assert_eq!(world.engine(25).stats().unreachable_as, Some(addr(25)));
    assert_eq!(told(&world, 5), (0, 0));
}

/// As behind Debian's 127.0.1.1: whoever calls the advertised address calls itself.
#[test]
fn one_whose_advertised_address_is_the_introducers_own_is_not_let_in() {
    let mut world = World::cluster(3, 4);
    start(&mut world, 5);
    world.aliases.insert(addr(5), addr(1));
    world.run(secs(60));
    assert_eq!(world.engine(1).members().len(), 4);
    assert!(
        world.engine(1).stats().dropped.own > 0,
        "it has called itself"
    );
    assert_eq!(world.engine(25).stats().unreachable_as, Some(addr(25)));
}

#[test]
fn another_process_that_answers_at_the_address_lets_nobody_in() {
    let mut world = World::cluster(4, 4);
    start(&mut world, 3);
    world.aliases.clear();
    let holder = world.engine(3).identity();
    world.run(secs(60));
    for port in [1, 2, 4] {
        assert_eq!(world.engine(port).members.get(addr(3)).unwrap().id, holder);
    }
    assert_eq!(world.engine(3).identity(), holder, "nothing happened to it");
    assert_eq!(world.failures(1), 0);
}

#[test]
fn a_seed_that_advertises_an_address_that_does_not_answer_is_not_listed() {
    let mut world = World::new(5);
    start(&mut world, 1);
    world.aliases.clear();
    world.start(2, &[21]);
    world.run(secs(30));
    assert_eq!(world.engine(2).members().len(), 1);
    world.aliases.insert(addr(1), addr(21));
    let joined = |world: &World| world.engine(2).members().len() == 2;
    world.until(secs(5), joined).expect("it answers there now");
}

/// The introducer's answer to a hello whose address it has to call comes later, and only once.
#[test]
fn an_applicants_hello_makes_one_call_to_the_address_that_it_claims() {
    use std::{cell::RefCell, rc::Rc};
    let mut world = World::cluster(6, 4);
    start(&mut world, 5);
    world.aliases.clear();
    let sent = Rc::new(RefCell::new((0, 0)));
    let count = Rc::clone(&sent);
    world.link = Box::new(move |from, to, datagram| {
        let mut sent = count.borrow_mut();
        if from == addr(25) && to != addr(5) {
            sent.0 += datagram.len();
        }
        if to == addr(5) && from != addr(25) {
            assert_eq!(kind_of(datagram), kind::HELLO);
            sent.1 += datagram.len();
        }
        Fate::Deliver
    });
    world.run(secs(120));
    let (asked, called) = *sent.borrow();
    assert!(called > 0 && called <= asked, "{called} bytes for {asked}");
}
