use super::*;

fn leave(world: &mut World, port: u16) {
    world.with(port, Engine::leave);
    let left = world.until(secs(1), |world| world.engine(port).has_left());
    assert!(left.is_some_and(|took| took < ms(200)), "{left:?}");
}

#[test]
fn everybody_can_tell_one_that_left_from_one_that_failed() {
    let mut world = World::cluster(1, 8);
    world.register(3, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    leave(&mut world, 3);
    world.crash(3);
    let took = world
        .until(secs(5), World::is_converged)
        .expect("gone everywhere");
    assert!(took < secs(1), "{took:?}");
    assert!(world.all_see("users", &[]));
    for port in [1, 2, 4, 5, 6, 7, 8] {
        let left = |event: &&Event| matches!(event, Event::Left { .. });
        assert_eq!(
            world.events(port).iter().filter(left).count(),
            1,
            "at {port}"
        );
        assert_eq!(world.failures(port), 0);
    }
}

#[test]
fn one_that_left_is_not_called_again_and_one_that_failed_is() {
    let mut world = World::cluster(2, 4);
    leave(&mut world, 4);
    world.crash(4);
    world.until(secs(5), World::is_converged).unwrap();
    for port in 1..=3 {
        assert!(!world.engine(port).contacts.contains(addr(4)));
    }
    world.crash(3);
    world.until(secs(60), World::is_converged).unwrap();
    assert!(world.engine(1).contacts.contains(addr(3)));
}

#[test]
fn trap_18_after_leaving_nothing_that_comes_brings_it_back() {
    let mut world = World::cluster(3, 3);
    world.with(2, Engine::leave);
    world
        .until(secs(1), |world| world.engine(2).has_left())
        .unwrap();
    let sent = world.engine(2).stats().datagrams_sent;
    world.run(secs(60));
    assert_eq!(world.engine(2).stats().datagrams_sent, sent);
    assert_eq!(
        world.engine(2).poll_timeout().filter(|at| *at < world.now),
        None
    );
    assert_eq!(world.engine(1).members().len(), 2);
}

#[test]
fn a_new_process_on_the_address_of_one_that_left_joins_at_once() {
    let mut world = World::cluster(4, 4);
    world.register(2, "users", "old");
    leave(&mut world, 2);
    world.crash(2);
    world.start(2, &[1]);
    world.register(2, "users", "new");
    let took = world.until(secs(5), |world| {
        world.is_converged() && world.all_see("users", &["new"])
    });
    assert!(took.is_some_and(|took| took < ms(500)), "{took:?}");
}

#[test]
fn a_lone_node_leaves_at_once() {
    let mut world = World::new(5);
    world.start(1, &[]);
    world.with(1, Engine::leave);
    assert!(world.engine(1).has_left());
}
