//! Crashes, restarts, stops, loss, partitions and forged evidence at random; then everything is mended, and a
//! cluster has to come out of it in which everybody knows who lives, and is well.
//!
//! The invariants of `assert_books_agree` and `assert_detection_goes_on` hold after every step on the way.

use super::*;
use crate::gossip::Detection;

/// How many addresses there are, as the seed has it: few, and some more.
const SIZES: [u16; 4] = [3, 5, 8, 12];

fn running(world: &World) -> Vec<u16> {
    world.nodes.keys().map(SocketAddr::port).collect()
}

/// All parts of the detection, none, or all but one.
fn detection(pick: u64) -> Detection {
    let mut detection = Detection::default();
    match pick % 12 {
        0 => detection = Detection::none(),
        1 => detection.local_health = false,
        2 => detection.confirm = false,
        3 => detection.resend = false,
        4 => detection.buddy = false,
        5 => detection.pauses = false,
        6 => detection.hurry = false,
        7 => detection.evidence = false,
        _ => {}
    }
    detection
}

/// Starts a node that has all addresses for seeds.
fn start(world: &mut World, port: u16, ports: u16, detection: Detection) {
    let seeds: Vec<_> = (1..=ports).collect();
    world.start_with(port, &seeds, 0, |config| config.detection = detection);
}

/// One thing that goes wrong, or is mended.
fn mishap(world: &mut World, rng: &mut StdRng, ports: u16, detection: Detection) {
    let port = rng.random_range(1..=ports);
    let runs = world.nodes.contains_key(&addr(port));
    let is_stopped = world.stopped.contains_key(&addr(port));
    match rng.random_range(0..10) {
        0 | 1 if runs && running(world).len() > 2 => world.crash(port),
        0..=2 if !runs => start(world, port, ports, detection),
        3 | 4 if runs && !is_stopped => world.stop(port),
        3 | 4 if is_stopped => world.resume(port),
        5 => world.losing(rng.random(), rng.random_range(1..=40)),
        6 => world.partition(&[port, port % ports + 1, (port + 3) % ports + 1]),
        7 => world.heal(),
        8 => world.hosts_answer = !world.hosts_answer,
        9 if runs && !is_stopped => {
            let about = addr(rng.random_range(1..=ports));
            for _ in 0..rng.random_range(1..5) {
                world.with(port, |engine, now| engine.handle_unreachable(now, about));
            }
        }
        _ => {}
    }
}

fn is_well(world: &World) -> bool {
    let mut engines = world.nodes.values().map(|node| &node.engine);
    world.is_converged()
        && engines.all(|engine| {
            engine.suspicions.is_empty()
                && engine.cases.is_empty()
                && engine.inquiries.is_empty()
                && engine.local_health.score() == 0
        })
}

fn live_through(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let ports = SIZES[usize::try_from(seed % 4).unwrap()];
    let detection = detection(seed / 4);
    let mut world = World::new(seed);
    for port in 1..=ports {
        start(&mut world, port, ports, detection);
    }
    world
        .until(secs(30), World::is_converged)
        .expect("it comes together");
    for port in 1..=ports {
        world.register(port, "users", &format!("{port}"));
    }
    for _ in 0..40 {
        mishap(&mut world, &mut rng, ports, detection);
        world.run(ms(rng.random_range(1..2_000)));
    }
    world.heal();
    for port in world
        .stopped
        .keys()
        .map(SocketAddr::port)
        .collect::<Vec<_>>()
    {
        world.resume(port);
    }
    let took = world.until(secs(300), is_well);
    let report: Vec<_> = world
        .nodes
        .values()
        .map(|n| (n.engine.me, n.engine.stats()))
        .collect();
    let took = took.unwrap_or_else(|| panic!("seed {seed}: {report:#?}"));
    assert!(took < secs(120), "seed {seed}: {took:?}");
    // A failure is told after a moment in which a rebirth may come.
    world.run(secs(1));
    let before = world.all_failures();
    world.run(secs(30));
    assert_eq!(
        world.all_failures(),
        before,
        "seed {seed}: a sound cluster blames nobody"
    );
}

#[test]
fn whatever_has_happened_a_mended_cluster_knows_who_lives_and_is_well() {
    // Four sizes, with each pick of the detection.
    for seed in 0..48 {
        live_through(seed);
    }
}
