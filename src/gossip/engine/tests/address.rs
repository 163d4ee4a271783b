use super::*;

fn conflicts(world: &World, port: u16, stepped: bool) -> usize {
    let is = |event: &&Event| matches!(event, Event::AddressConflict { stepped_back, .. } if *stepped_back == stepped);
    world.events(port).iter().filter(is).count()
}

#[test]
fn trap_10_a_quick_restart_on_the_same_address_ends_what_the_earlier_process_had() {
    let mut world = World::cluster(1, 5);
    world.register(2, "users", "old");
    world
        .until(secs(1), |world| world.all_see("users", &["old"]))
        .unwrap();
    world.crash(2);
    world.run(ms(20));
    world.start(2, &[1]);
    world.register(2, "users", "new");
    let took = world
        .until(secs(5), |world| world.all_see("users", &["new"]))
        .expect("replaced");
    assert!(took < ms(200), "{took:?}");
    world.run(secs(30));
    assert!(world.all_see("users", &["new"]));
    for port in [1, 3, 4, 5] {
        assert_eq!(
            world.failures(port),
            1,
            "the earlier process failed, and nothing else did"
        );
    }
}

#[test]
fn trap_11_a_restart_with_the_clock_set_back_takes_an_identity_above_the_known_one() {
    let mut world = World::cluster(2, 5);
    let before = world.engine(2).identity();
    world.crash(2);
    world.start_with(2, &[1], -3_600_000, |_| {});
    world.register(2, "users", "a");
    let back = |world: &World| world.is_converged() && world.all_see("users", &["a"]);
    assert!(world.until(secs(10), back).is_some());
    assert!(world.engine(2).identity().supersedes(&before));
    assert!(world.engine(2).stats().rebirths >= 1);
    let told = conflicts(&world, 2, true) + conflicts(&world, 2, false);
    assert_eq!(told, 0, "an earlier life of its own is no conflict");
}

#[test]
fn a_boot_from_the_far_future_locks_nobody_out_of_an_address() {
    let mut world = World::cluster(3, 4);
    let usurper = PeerId {
        addr: addr(2),
        boot: u64::MAX,
        renewal: 0,
    };
    let stranger = PeerId {
        addr: addr(99),
        boot: u64::MAX,
        renewal: 0,
    };
    let gossip = world.with(3, |engine, now| {
        let to = PeerId {
            addr: addr(1),
            ..engine.members.get(addr(1)).unwrap().id
        };
        let updates = vec![foca::Member::alive(usurper), foca::Member::alive(stranger)];
        engine.send_swim_of_ours(now, to, foca::Message::Gossip, updates);
        engine.poll_transmit().unwrap()
    });
    let before = world.engine(1).members();
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(3), &gossip.payload);
    });
    assert_eq!(world.engine(1).members(), before);
    assert_eq!(world.engine(1).stats().updates_refused, 2);
}

/// Two processes that both advertise port 2; the network takes turns in whom it serves.
fn two_on_one_address(seed: u64, younger_clock_ms: i64) -> World {
    let mut world = World::cluster(seed, 4);
    world.run(secs(10));
    add_second_on_port_2(&mut world, younger_clock_ms);
    world
}

fn add_second_on_port_2(world: &mut World, younger_clock_ms: i64) {
    let younger = addr(22);
    let mut config = Config::lan("test", addr(2));
    config.bind = younger;
    let entropy = Entropy {
        session: [9; 16],
        seed: [9; 32],
    };
    let engine = Engine::new(config, entropy, world.time(younger_clock_ms)).unwrap();
    let seeds = vec![addr(1)];
    let clock_ms = younger_clock_ms;
    world.nodes.insert(
        younger,
        Node {
            engine,
            seeds,
            clock_ms,
            events: Vec::new(),
            told: BTreeSet::new(),
        },
    );
}

#[test]
fn trap_2_of_two_live_processes_on_one_address_the_younger_steps_back_and_neither_renews_for_ever()
{
    let mut world = two_on_one_address(4, 0);
    world.run(secs(60));
    assert_eq!(conflicts(&world, 22, true), 1, "the younger says so");
    assert_eq!(conflicts(&world, 2, true), 0);
    // The older hears of it only from who has taken the younger for a member.
    assert!(conflicts(&world, 2, false) <= 1);
    let holder = world.engine(1).members.get(addr(2)).unwrap().id;
    assert_eq!(
        holder,
        world.engine(2).identity(),
        "the older keeps the address"
    );
    let rebirths = world.engine(2).stats().rebirths + world.engine(22).stats().rebirths;
    assert!(rebirths <= 6, "{rebirths} rebirths");
    world.run(secs(600));
    let later = world.engine(2).stats().rebirths + world.engine(22).stats().rebirths;
    assert_eq!(rebirths, later, "and it stays so");
}

#[test]
fn one_that_stepped_back_takes_the_address_when_it_is_free() {
    let mut world = two_on_one_address(5, 0);
    world.run(secs(60));
    assert_eq!(conflicts(&world, 22, true), 1);
    world.crash(2);
    // From now on the address leads to the younger.
    world.aliases.insert(addr(2), addr(22));
    let taken = |world: &World| {
        let peer = world.engine(1).members.get(addr(2)).copied();
        peer.is_some_and(|peer| peer.is_active() && peer.id == world.engine(22).identity())
    };
    assert!(world.until(secs(120), taken).is_some());
}

#[test]
fn one_that_stepped_back_does_not_return_on_the_word_of_one_that_knows_nothing() {
    let mut world = two_on_one_address(8, 0);
    world.run(secs(60));
    assert_eq!(world.engine(22).life, Life::SteppedBack);
    // One that has just started, and has not joined.
    world.start(5, &[]);
    world.with(22, |engine, now| engine.say_hello(now, addr(5), 0));
    let returned = |world: &World| world.engine(22).life != Life::SteppedBack;
    assert_eq!(world.until(secs(600), returned), None);
    let known = world.engine(5).members.get(addr(2));
    assert!(known.is_none(), "asking is not joining");
    assert_eq!(conflicts(&world, 2, true), 0);
}

#[test]
fn one_that_stepped_back_returns_though_there_is_only_one_other() {
    let mut world = World::cluster(9, 2);
    world.register(2, "users", "a");
    world.run(secs(5));
    world.with(2, Engine::step_back);
    assert_eq!(world.engine(2).life, Life::SteppedBack);
    let back = |world: &World| {
        world.engine(2).life == Life::Running
            && world.is_converged()
            && world.all_see("users", &["a"])
    };
    let took = world.until(secs(300), back).expect("it returns");
    assert!(took < secs(130), "{took:?}");
}

#[test]
fn a_process_that_is_not_reached_at_its_address_steps_back_though_its_clock_says_older() {
    let mut world = two_on_one_address(6, -3_600_000);
    world.run(secs(60));
    assert_eq!(world.engine(22).life, Life::SteppedBack);
    assert_eq!(conflicts(&world, 22, true), 1);
    assert_eq!(conflicts(&world, 2, true), 0);
    let before = world.engine(2).me;
    world.run(secs(600));
    assert_eq!(world.engine(2).me, before);
    assert_eq!(world.engine(22).life, Life::SteppedBack);
}

#[test]
fn the_holder_of_an_address_is_never_missed_while_another_process_claims_it() {
    for clock_ms in [0, -3_600_000, 3_600_000] {
        let mut world = World::cluster(11, 4);
        world.register(2, "users", "a");
        world.run(secs(5));
        add_second_on_port_2(&mut world, clock_ms);
        let before = world.engine(2).me;
        for _ in 0..3_000 {
            world.run(ms(100));
            for port in [1, 3, 4] {
                assert_eq!(world.seen(port, "users"), ["a"], "clock {clock_ms}");
            }
        }
        for port in [1, 3, 4] {
            assert_eq!(world.failures(port), 0, "clock {clock_ms}");
        }
        assert_eq!(world.engine(2).me, before, "clock {clock_ms}");
        assert_eq!(world.engine(22).life, Life::SteppedBack);
        assert!(
            conflicts(&world, 22, true) >= 1 && conflicts(&world, 2, false) >= 1,
            "clock {clock_ms}"
        );
    }
}

#[test]
fn a_node_rolled_back_in_time_comes_back_above_what_is_known_of_it() {
    let mut world = World::cluster(7, 4);
    world.register(2, "users", "a");
    world.run(secs(1));
    let me = world.engine(2).identity();
    // The others know of rebirths that this process has forgotten.
    let known = PeerId { renewal: 7, ..me };
    for port in [1, 3, 4] {
        world.with(port, |engine, now| {
            engine.learn(now, known, 0, Health::Alive, false);
        });
    }
    assert!(world.until(secs(30), World::is_converged).is_some());
    assert!(world.engine(2).identity().supersedes(&known));
    assert_eq!(world.engine(2).identity().boot, me.boot);
}
