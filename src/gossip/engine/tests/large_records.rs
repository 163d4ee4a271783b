use super::*;
use crate::gossip::wire::message::kind;

fn register_large(world: &mut World, port: u16, instances: usize) {
    for id in 0..instances {
        let builder = ServiceInstance::builder("users").id(format!("{port:02}-{id:04}"));
        let builder = builder
            .endpoint("http://10.0.0.9:8000")
            .metadata("k", "v".repeat(900));
        let instance = builder.build().unwrap();
        world
            .with(port, |engine, now| engine.register(now, instance))
            .unwrap();
    }
}

#[test]
fn a_record_of_60_kib_reaches_everybody() {
    let mut world = World::cluster(1, 12);
    register_large(&mut world, 3, 60);
    let all = |world: &World| (1..=12).all(|port| world.seen(port, "users").len() == 60);
    let took = world.until(secs(10), all).expect("all have it");
    assert!(took < ms(1_500), "{took:?}");
    let record = world
        .engine(1)
        .replica
        .record(world.engine(3).me.owner(), "users")
        .unwrap();
    assert!(record.content().len() > 50_000);
}

#[test]
fn a_large_record_survives_a_lossy_network() {
    let mut world = World::cluster(2, 6);
    world.losing(3, 30);
    register_large(&mut world, 3, 60);
    let all = |world: &World| (1..=6).all(|port| world.seen(port, "users").len() == 60);
    assert!(world.until(secs(60), all).is_some());
    assert!(world.lost > 0);
}

#[test]
fn a_latecomer_gets_large_records_too() {
    let mut world = World::cluster(3, 3);
    register_large(&mut world, 2, 40);
    register_large(&mut world, 3, 40);
    let all = |world: &World| world.seen(1, "users").len() == 80;
    world.until(secs(10), all).expect("all have it");
    world.start(9, &[1]);
    assert!(
        world
            .until(secs(5), |world| world.seen(9, "users").len() == 80)
            .is_some()
    );
}

#[test]
fn a_notice_is_passed_on_only_by_those_who_have_the_whole() {
    let mut world = World::cluster(4, 6);
    // Nobody gets a chunk.
    world.link = Box::new(|_, _, datagram| {
        if kind_of(datagram) == kind::CHUNK {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    register_large(&mut world, 1, 30);
    world.run(secs(5));
    assert!(world.lost > 0);
    for port in 2..=6 {
        assert!(world.seen(port, "users").len() < 30);
        assert!(world.engine(port).assemblies.0.len() <= 1);
    }
    world.heal();
    let all = |world: &World| (1..=6).all(|port| world.seen(port, "users").len() == 30);
    assert!(world.until(secs(30), all).is_some());
}

#[test]
fn an_update_while_the_chunks_are_on_their_way_wins() {
    let mut world = World::cluster(5, 4);
    register_large(&mut world, 1, 30);
    world.run(ms(1));
    world.with(1, |engine, now| {
        for id in 0..30 {
            engine
                .deregister(now, "users", &format!("01-{id:04}"))
                .unwrap();
        }
    });
    world.run(secs(10));
    assert!(world.all_see("users", &[]));
    assert!(world.is_converged());
}

#[test]
fn a_holder_that_sends_nothing_is_followed_by_another() {
    let mut world = World::cluster(7, 3);
    world.run(secs(5));
    // What is left to 1 are the notices, and the chunks of 3.
    world.link = Box::new(|from, to, datagram| {
        let kind = kind_of(datagram);
        let is_way_round = [kind::DIGEST, kind::INVENTORY, kind::PAGE].contains(&kind);
        let is_mute = from == addr(2) && to == addr(1) && kind == kind::CHUNK;
        if is_mute || to == addr(1) && is_way_round {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    register_large(&mut world, 2, 60);
    let all = |world: &World| world.seen(1, "users").len() == 60;
    let took = world.until(secs(10), all).expect("it has it from 3");
    assert!(world.lost > 0);
    assert!(took < ms(1_500), "{took:?}");
}

#[test]
fn members_that_have_proven_themselves_need_not_again_while_they_live() {
    use std::{cell::Cell, rc::Rc};
    let mut world = World::cluster(7, 2);
    world.run(secs(130));
    let cookies = Rc::new(Cell::new(0));
    let count = Rc::clone(&cookies);
    world.link = Box::new(move |_, _, datagram| {
        count.set(count.get() + u32::from(kind_of(datagram) == kind::COOKIE));
        Fate::Deliver
    });
    register_large(&mut world, 1, 8);
    let has_all = |world: &World| world.seen(2, "users").len() == 8;
    world.until(secs(5), has_all).expect("they are pulled");
    assert_eq!(cookies.get(), 0);
}
