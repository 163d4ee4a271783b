//! A path that loses large datagrams without a word: the node is told so.

use super::*;
use crate::gossip::{LargeDatagrams, wire::message::kind};

/// What is larger than this is lost between `port` and the others: from it, to it, or both.
fn black_hole(world: &mut World, port: u16, bytes: usize, out: bool, back: bool) {
    world.link = Box::new(move |from, to, datagram| {
        let is_lost = out && from == addr(port) || back && to == addr(port);
        if is_lost && datagram.len() > bytes {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

fn state(world: &World, port: u16) -> LargeDatagrams {
    world.engine(port).stats().large_datagrams
}

#[test]
fn large_datagrams_arrive_in_a_sound_cluster() {
    for n in [2, 5] {
        let mut world = World::cluster(1, n);
        world.run(secs(20));
        for port in 1..=n {
            assert_eq!(state(&world, port), LargeDatagrams::Arrive, "{port}");
        }
    }
}

#[test]
fn a_node_without_a_peer_knows_nothing_of_large_datagrams() {
    let mut world = World::new(1);
    world.start(1, &[]);
    world.run(secs(60));
    assert_eq!(state(&world, 1), LargeDatagrams::Unknown);
}

#[test]
fn a_node_behind_a_black_hole_knows_within_30_s_whichever_way_it_loses() {
    for (out, back) in [(true, false), (false, true), (true, true)] {
        for n in [2, 3, 8] {
            let mut world = World::new(u64::from(n));
            black_hole(&mut world, n, 1_000, out, back);
            for port in 1..=n {
                world.start(port, &[1]);
            }
            let known = world.until(secs(30), |world| state(world, n) == LargeDatagrams::Lost);
            assert!(world.lost > 0 && known.is_some(), "{n} {out} {back}");
        }
    }
}

#[test]
fn a_hole_that_opens_later_is_found_and_so_is_its_end() {
    let mut world = World::cluster(3, 4);
    world.run(secs(20));
    black_hole(&mut world, 4, 1_000, true, true);
    let known = world.until(secs(400), |world| state(world, 4) == LargeDatagrams::Lost);
    assert!(known.is_some());
    world.heal();
    let known = world.until(secs(90), |world| state(world, 4) == LargeDatagrams::Arrive);
    assert!(known.is_some());
}

#[test]
fn chunks_that_do_not_come_start_a_trial_at_once() {
    let mut world = World::cluster(3, 2);
    world.run(secs(80));
    assert_eq!(state(&world, 2), LargeDatagrams::Arrive);
    black_hole(&mut world, 2, 800, false, true);
    let mut large = ServiceInstance::builder("users")
        .id("a")
        .endpoint("http://10.0.0.9:8000");
    for blob in ["a", "b", "c"] {
        large = large.metadata(blob, "x".repeat(1_000));
    }
    let large = large.build().unwrap();
    world
        .with(1, |engine, now| engine.register(now, large))
        .unwrap();
    let known = world.until(secs(15), |world| state(world, 2) == LargeDatagrams::Lost);
    assert!(known.is_some() && world.seen(2, "users").is_empty());
}

#[test]
fn random_loss_is_no_black_hole() {
    for percent in [20, 40] {
        let mut world = World::cluster(7, 5);
        world.losing(7, percent);
        for _ in 0..15 {
            world.run(secs(30));
            for port in 1..=5 {
                assert_ne!(state(&world, port), LargeDatagrams::Lost, "{percent} %");
            }
        }
    }
}

/// Pings and pongs of an hour, in numbers and bytes.
#[test]
fn trials_cost_a_pair_of_datagrams_in_five_minutes() {
    use std::{cell::RefCell, rc::Rc};

    let mut world = World::cluster(5, 3);
    world.run(secs(20));
    let large = Rc::new(RefCell::new(0));
    let seen = Rc::clone(&large);
    world.link = Box::new(move |_, _, datagram| {
        let is_trial = matches!(kind_of(datagram), kind::PING | kind::PONG);
        *seen.borrow_mut() += u32::from(is_trial && datagram.len() > 1_000);
        Fate::Deliver
    });
    world.run(secs(3_600));
    // Three nodes, a ping and a pong each, 10 to 17 times.
    let large = *large.borrow();
    assert!((50..=100).contains(&large), "{large}");
}

#[test]
fn an_answer_is_never_larger_than_the_padded_ping() {
    use crate::gossip::wire::{
        message::{Message, Ping, addressee},
        padding::{self, Answer},
    };

    let mut world = World::cluster(1, 2);
    world.run(secs(1));
    let to = world.engine(2).identity();
    for bytes in [300, 700, 1_137] {
        for answer in [Answer::Small, Answer::Large] {
            let ping = world.with(1, |engine, now| {
                let mut payload = Vec::new();
                let ping = Ping {
                    token: 5,
                    to: addressee(&to),
                };
                let kind = Message::Ping(ping).write(&mut payload);
                padding::append(&mut payload, bytes, answer);
                engine.frame_payload(now, kind, &payload)
            });
            let now = world.time(0);
            let engine = &mut world.nodes.get_mut(&addr(2)).unwrap().engine;
            engine.handle_datagram(now, addr(1), &ping);
            let sent: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
            let mut sizes = sent
                .iter()
                .filter(|sent| kind_of(&sent.payload) == kind::PONG)
                .map(|sent| sent.payload.len());
            let size = sizes.next().unwrap();
            match answer {
                Answer::Small => assert_eq!(size, 48),
                Answer::Large => assert_eq!(size, ping.len()),
            }
        }
    }
}
