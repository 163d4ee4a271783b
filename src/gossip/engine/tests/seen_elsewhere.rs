//! Nodes whose datagrams come from another address than they advertise: bound to every address of a host that has several, or
//! behind a NAT.

use super::{reconciliation::deafen, *};
use crate::gossip::wire::message::{Cookie, Message, kind};

/// Adds one that advertises `port` and sends from 20 + `port`, where it hears what is sent to either.
pub(super) fn start(world: &mut World, port: u16) {
    let (advertised, bound) = (addr(port), addr(20 + port));
    let entropy = Entropy {
        session: world.rng.random(),
        seed: world.rng.random(),
    };
    let mut config = Config::lan("test", advertised);
    config.bind = bound;
    let engine = Engine::new(config, entropy, world.time(0)).unwrap();
    let node = Node {
        engine,
        seeds: vec![addr(1)],
        clock_ms: 0,
        events: Vec::new(),
        told: BTreeSet::new(),
    };
    world.nodes.insert(bound, node);
    world.aliases.insert(advertised, bound);
}

/// Nodes that advertise ports 1 to `n`, of which those from `first` on send from elsewhere.
fn cluster(seed: u64, n: u16, first: u16) -> World {
    let mut world = World::new(seed);
    for port in 1..=n {
        if port < first {
            world.start(port, &[1]);
        } else {
            start(&mut world, port);
        }
    }
    let joined = |world: &World| {
        let members = |node: &Node| node.engine.members().len() == usize::from(n);
        world.nodes.values().all(members)
    };
    world.until(secs(30), joined).expect("they find each other");
    world
}

#[test]
fn nodes_that_send_from_elsewhere_than_they_advertise_stay_together() {
    for (seed, first) in [(1, 1), (2, 3), (3, 4)] {
        let mut world = cluster(seed, 4, first);
        world.register(24, "users", "a");
        world
            .until(secs(5), |world| world.all_see("users", &["a"]))
            .expect("news spreads");
        world.run(secs(600));
        let ports: Vec<_> = world.nodes.keys().map(SocketAddr::port).collect();
        for port in ports {
            assert_eq!(world.failures(port), 0, "{:?}", world.events(port));
        }
        assert!(world.all_see("users", &["a"]));
    }
}

#[test]
fn one_that_sends_from_elsewhere_than_it_advertises_takes_a_large_table_over() {
    let mut world = cluster(4, 4, 1);
    for n in 0..200 {
        let instance = ServiceInstance::builder(format!("service-{n}"))
            .id("a")
            .endpoint("http://10.0.0.9:8000")
            .metadata("note", "x".repeat(400))
            .build()
            .unwrap();
        world
            .with(21, |engine, now| engine.register(now, instance))
            .unwrap();
    }
    world.run(secs(30));
    start(&mut world, 5);
    let has_all = |world: &World| world.nodes[&addr(25)].engine.directory().services().len() == 200;
    let took = world.until(secs(20), has_all).expect("it takes all over");
    assert!(took < secs(3), "{took:?}");
}

#[test]
fn nodes_that_send_from_elsewhere_than_they_advertise_reconcile() {
    let mut world = cluster(5, 4, 1);
    world.run(secs(130));
    deafen(&mut world, 24, &[kind::NEWS]);
    world.register(21, "users", "a");
    let caught_up = |world: &World| world.seen(24, "users") == ["a"];
    let took = world.until(secs(10), caught_up).expect("caught up");
    assert!(took < secs(3), "{took:?}");
}

#[test]
fn a_cookie_in_a_members_name_sends_nothing_where_no_member_is() {
    use std::{cell::RefCell, rc::Rc};
    let mut world = World::cluster(3, 3);
    world.run(secs(5));
    let preamble = Preamble {
        session: [6; 16],
        nonce: 1,
        boot: world.engine(2).me.boot,
        fingerprint: world.engine(1).fingerprint(),
        kind: kind::COOKIE,
    };
    let mut datagram = Vec::new();
    preamble.write(ClusterTag::of("test"), &mut datagram);
    Message::Cookie(Cookie::new(7)).write(&mut datagram);
    let called = Rc::new(RefCell::new(Vec::new()));
    let calls = Rc::clone(&called);
    world.link = Box::new(move |from, to, datagram| {
        if from == addr(1) && kind_of(datagram) == kind::HELLO {
            calls.borrow_mut().push(to);
        }
        Fate::Deliver
    });
    world.deliver(addr(666), addr(1), &datagram);
    assert_eq!(*called.borrow(), [addr(2)]);
}
