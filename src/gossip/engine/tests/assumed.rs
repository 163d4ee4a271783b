use super::*;

/// Eight nodes on ports 1 to 8, each with one service, that begin settled.
fn settled(seed: u64) -> World {
    let mut world = World::new(seed);
    for port in 1..=8 {
        world.start(port, &[1]);
        let now = world.time(0);
        let node = world.nodes.get_mut(&addr(port)).unwrap();
        let service = format!("service-{port}");
        node.engine.register(now, instance(&service, "a")).unwrap();
    }
    let engines = || world.nodes.values().map(|node| &node.engine);
    let members: Vec<_> = engines().map(Engine::identity).collect();
    let records: Vec<_> = engines().flat_map(Engine::records).cloned().collect();
    for node in world.nodes.values_mut() {
        let now = Now {
            instant: world.now,
            unix_ms: EPOCH_MS,
        };
        node.engine.assume(now, &members, &records);
    }
    world
}

#[test]
fn a_settled_cluster_agrees_from_the_first_moment_and_has_nothing_to_say_but_its_probes() {
    let mut world = settled(1);
    assert!(world.is_converged());
    world.run(secs(10));
    assert!(world.is_converged());
    for port in 1..=8 {
        assert_eq!(world.seen(port, "service-3"), ["a"]);
        assert_eq!(world.failures(port), 0);
        assert_eq!(world.engine(port).stats().syncs, 0);
    }
    // Each sends a ping and an answer a second.
    assert!(world.sent <= 8 * 2 * 11, "{}", world.sent);
}

#[test]
fn a_settled_cluster_notices_a_death_and_spreads_a_change() {
    let mut world = settled(2);
    world.run(secs(1));
    world.register(5, "late", "b");
    assert!(
        world
            .until(ms(100), |world| world.all_see("late", &["b"]))
            .is_some()
    );
    world.crash(5);
    let bound = secs(10);
    assert!(
        world
            .until(bound, |world| world.all_see("late", &[]))
            .is_some()
    );
}
