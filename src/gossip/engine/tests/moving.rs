use super::*;
use crate::gossip::security::{ClusterKey, Keyring};

/// The node on port `from` is reached on port `to` from now on, and only there.
fn move_node(world: &mut World, from: u16, to: u16) {
    let node = world.nodes.remove(&addr(from)).expect("it runs");
    world.nodes.insert(addr(to), node);
    let moved = world.with(to, |engine, now| engine.move_to(now, addr(to)));
    assert!(moved, "from {from} to {to}");
}

fn count(world: &World, port: u16, is: impl Fn(&Event) -> bool) -> usize {
    world.events(port).iter().filter(|event| is(event)).count()
}

fn left(world: &World, port: u16, of: u16) -> usize {
    count(
        world,
        port,
        |event| matches!(event, Event::Left { member, .. } if member.addr == addr(of)),
    )
}

fn joined(world: &World, port: u16, of: u16) -> usize {
    count(
        world,
        port,
        |event| matches!(event, Event::Joined { member } if member.addr == addr(of)),
    )
}

#[test]
fn a_node_that_moves_leaves_its_old_address_and_joins_at_the_new_one_at_once() {
    for seed in 1..=20 {
        let mut world = World::cluster(seed, 5);
        world.register(2, "users", "a");
        world.until(secs(1), |world| world.all_see("users", &["a"]));
        world.run(secs(5));
        move_node(&mut world, 2, 22);
        let settled = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
        let took = world.until(secs(5), settled).expect("all have followed");
        assert!(took < ms(500), "{took:?} with seed {seed}");
        world.run(secs(60));
        for port in [1, 3, 4, 5] {
            assert_eq!(world.failures(port), 0, "it left, seed {seed}");
            assert_eq!((left(&world, port, 2), joined(&world, port, 22)), (1, 1));
        }
        assert!(settled(&world));
    }
}

#[test]
fn what_was_registered_on_an_unspecified_host_is_offered_at_the_new_address() {
    let mut world = World::new(2);
    world.start(1, &[]);
    let given = |id: &str, endpoint: &str| {
        let builder = ServiceInstance::builder("users").id(id);
        builder.endpoint(endpoint).build().unwrap()
    };
    let next = "192.0.2.10:7946".parse().unwrap();
    let seen = world.with(1, |engine, now| {
        for (id, endpoint) in [
            ("a", "http://0.0.0.0:8000"),
            ("b", "http://10.0.0.7:8000"),
            ("c", "http://0.0.0.0:8001"),
            ("d", "http://0.0.0.0:8002"),
        ] {
            engine.register(now, given(id, endpoint)).unwrap();
        }
        // What replaces it counts, and what is taken back is not offered again.
        engine
            .register(now, given("c", "http://10.0.0.8:1"))
            .unwrap();
        engine.deregister(now, "users", "d").unwrap();
        assert!(engine.move_to(now, next));
        engine.publish();
        let seen = engine.directory().get("users");
        let endpoints = seen.iter().map(|one| one.endpoints()[0].to_string());
        endpoints.collect::<Vec<_>>()
    });
    let expected = [
        "http://192.0.2.10:8000",
        "http://10.0.0.7:8000",
        "http://10.0.0.8:1",
    ];
    assert_eq!(seen, expected);
    let owner = world.engine(1).identity().owner();
    assert_eq!(owner.addr, next);
    assert!(
        world
            .engine(1)
            .own_records()
            .all(|record| record.owner() == owner)
    );
}

#[test]
fn an_instance_is_not_offered_at_an_address_of_a_family_that_its_listener_does_not_hear() {
    let mut world = World::new(11);
    world.start(1, &[]);
    let builder = ServiceInstance::builder("users").id("a");
    let users = builder.endpoint("http://0.0.0.0:8000").build().unwrap();
    world
        .with(1, |engine, now| engine.register(now, users))
        .unwrap();
    let mut offered = Vec::new();
    for next in ["[2001:db8::9]:7946", "192.0.2.10:7946"] {
        let next = next.parse().unwrap();
        world.with(1, |engine, now| assert!(engine.move_to(now, next)));
        let seen = world.engine(1).directory().get("users");
        offered.push(
            seen.iter()
                .map(|one| one.endpoints()[0].to_string())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(offered, [vec![], vec!["http://192.0.2.10:8000".to_owned()]]);
}

#[test]
fn word_of_the_old_address_brings_nobody_back() {
    let mut world = World::cluster(3, 6);
    world.register(2, "users", "a");
    world.run(secs(5));
    // One that hears nothing of the move tells the others of the old identity afterwards.
    world.partition(&[6]);
    move_node(&mut world, 2, 22);
    world.run(ms(400));
    world.heal();
    world
        .until(secs(30), World::is_converged)
        .expect("one view");
    world.run(secs(60));
    assert!(world.is_converged() && world.all_see("users", &["a"]));
    for port in [1, 3, 4, 5] {
        assert_eq!((left(&world, port, 2), joined(&world, port, 2)), (1, 1));
    }
}

#[test]
fn a_move_is_followed_with_a_third_of_the_packets_lost() {
    for seed in 1..=5 {
        let mut world = World::cluster(seed, 8);
        world.register(2, "users", "a");
        world.run(secs(5));
        world.losing(seed, 30);
        move_node(&mut world, 2, 22);
        let gone = |world: &World| {
            let mut others = world.nodes.values();
            others.all(|node| node.engine.members().iter().all(|m| m.addr != addr(2)))
        };
        let took = world.until(secs(20), gone).expect("the old one is dropped");
        assert!(took < secs(10), "{took:?}");
        world.heal();
        let settled = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
        world.until(secs(20), settled).expect("all have followed");
    }
}

#[test]
fn an_address_that_another_member_had_can_be_moved_to() {
    let mut world = World::cluster(5, 5);
    world.run(secs(5));
    // Its lease ended with it, and nobody has noticed yet.
    world.crash(3);
    world.register(2, "users", "a");
    move_node(&mut world, 2, 3);
    let settled = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
    world.until(secs(20), settled).expect("all have followed");
    world.run(secs(60));
    assert!(settled(&world));
}

#[test]
fn a_sealed_cluster_follows_a_move_too() {
    let mut world = World::cluster_with(10, 5, |config| {
        let key = ClusterKey::from_bytes([1; 32]);
        config.security.keyring = Keyring::of([key]).unwrap();
    });
    world.register(2, "users", "a");
    world.run(secs(5));
    move_node(&mut world, 2, 22);
    let settled = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
    let took = world.until(secs(5), settled).expect("all have followed");
    assert!(took < ms(500), "{took:?}");
    world.run(secs(30));
    let failures: usize = [1, 3, 4, 5].map(|port| world.failures(port)).iter().sum();
    assert_eq!(failures, 0);
}

#[test]
fn a_node_can_move_again_and_again_and_return() {
    let mut world = World::cluster(6, 4);
    world.register(2, "users", "a");
    let path = [2, 22, 23, 2, 24, 22, 2];
    for step in path.windows(2) {
        world.run(secs(3));
        move_node(&mut world, step[0], step[1]);
    }
    let settled = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
    world.until(secs(5), settled).expect("all have followed");
    let known = world.engine(1).members.len();
    assert!(
        known <= 3 + 3,
        "{known} are known: the others, and the dead of each address"
    );
}

#[test]
fn a_lone_node_that_moves_calls_its_seeds_again() {
    let mut world = World::new(7);
    world.partition(&[2]);
    world.start(1, &[]);
    world.start(2, &[1]);
    world.run(secs(60));
    world.heal();
    move_node(&mut world, 2, 22);
    let took = world.until(secs(5), World::is_converged).expect("it joins");
    assert!(took < ms(500), "{took:?}");
}

#[test]
fn a_node_that_stepped_back_takes_part_again_at_another_address() {
    let mut world = World::cluster(8, 4);
    world.with(2, |engine, _| engine.life = Life::SteppedBack);
    move_node(&mut world, 2, 22);
    let is_back = |world: &World| {
        let engine = world.engine(1);
        engine
            .members()
            .iter()
            .any(|member| member.addr == addr(22))
    };
    assert!(world.until(secs(5), is_back).is_some());
    assert_eq!(world.engine(22).life, Life::Running);
}

#[test]
fn a_node_that_is_there_already_or_leaves_does_not_move() {
    let mut world = World::cluster(9, 2);
    world.with(2, |engine, now| {
        assert!(!engine.move_to(now, addr(2)));
        assert!(!engine.move_to(now, "[::ffff:127.0.0.1]:2".parse().unwrap()));
        engine.leave(now);
        assert!(!engine.move_to(now, addr(22)));
    });
    world.run(secs(1));
    world.with(2, |engine, now| {
        assert!(engine.has_left() && !engine.move_to(now, addr(22)));
    });
}
