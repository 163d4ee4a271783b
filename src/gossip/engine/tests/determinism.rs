use std::hash::{DefaultHasher, Hasher};

use super::*;

/// Everything that leaves the engines of a busy world, as one hash.
fn trace(seed: u64) -> u64 {
    let hasher = std::rc::Rc::new(std::cell::RefCell::new(DefaultHasher::new()));
    let sink = hasher.clone();
    let mut world = World::new(seed);
    let mut losses = StdRng::seed_from_u64(seed);
    world.link = Box::new(move |from, to, datagram| {
        let mut sink = sink.borrow_mut();
        sink.write(from.to_string().as_bytes());
        sink.write(to.to_string().as_bytes());
        sink.write(datagram);
        if losses.random_ratio(1, 5) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    for port in 1..=10 {
        world.start(port, &[1]);
        world.register(port, "users", &format!("{port:02}"));
    }
    world.run(secs(5));
    world.crash(4);
    world.run(secs(10));
    world.with(5, Engine::leave);
    world.start(4, &[2]);
    world.run(secs(10));
    for node in world.nodes.values() {
        hasher
            .borrow_mut()
            .write(format!("{:?}", node.events).as_bytes());
    }
    let hash = hasher.borrow().finish();
    assert!(world.lost > 0);
    hash
}

#[test]
fn the_same_inputs_and_seed_give_the_same_bytes() {
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}
