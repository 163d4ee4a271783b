//! Two builds in one cluster: one knows a kind and extensions that the other does not.

use super::*;
use crate::{
    gossip::wire::{
        codec::encode,
        content::{Content, WireInstance},
        extensions::Extensions,
        message::Message,
        swim::written,
    },
    table::Record,
};

const FUTURE_KIND: u8 = 200;

fn extension() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&(4_711_u32, b"weight=3".to_vec()), &mut bytes);
    bytes
}

/// What a later build on `port` does: it sends a kind of its own, ends its datagrams with an
/// extension, and writes records whose parts have extensions.
fn later_build(world: &mut World, port: u16) {
    world.link = Box::new(|_, _, _| Fate::Deliver);
    let owner = world.engine(port).identity().owner();
    let instance = WireInstance {
        id: "a".into(),
        version: "2".into(),
        metadata: Vec::new(),
        endpoints: vec!["http://10.0.0.9:8000".into()],
        status: 77,
        extensions: Extensions(extension()),
    };
    let mut content = Vec::new();
    encode(
        &Content {
            instances: vec![instance],
            extensions: Extensions(extension()),
        },
        &mut content,
    );
    world.with(port, |engine, now| {
        let understood = crate::gossip::wire::content::read("users", &content).unwrap();
        let record = Record::new(
            owner,
            "users".into(),
            1,
            content.clone().into(),
            understood.instances,
        );
        engine.own.last_seq = 1;
        engine.replica.apply(now.instant, record.clone());
        engine.spread(now, &record, None);
        for to in 1..=4 {
            let datagram = engine.frame_payload(now, FUTURE_KIND, b"what nobody knows yet");
            engine.transmit(addr(to), datagram);
        }
    });
}

#[test]
fn an_unknown_kind_is_skipped_and_counted() {
    let mut world = World::cluster(1, 4);
    later_build(&mut world, 4);
    world.run(ms(10));
    for port in 1..=3 {
        assert_eq!(world.engine(port).stats().unknown_kinds, 1);
        assert_eq!(world.engine(port).stats().dropped.malformed, 0);
    }
}

#[test]
fn unknown_extensions_and_statuses_are_skipped_counted_and_passed_on_unchanged() {
    let mut world = World::cluster(2, 4);
    let owner = world.engine(4).identity().owner();
    later_build(&mut world, 4);
    let all = |world: &World| world.all_see("users", &["a"]);
    world
        .until(secs(5), all)
        .expect("the instance is used for what is known of it");
    world.start(9, &[1]);
    let took = world.until(secs(5), all);
    assert!(
        took.is_some(),
        "a latecomer gets it from a build that does not know all of it"
    );
    let content = |port| {
        world
            .engine(port)
            .replica
            .record(owner, "users")
            .unwrap()
            .content()
            .clone()
    };
    assert_eq!(content(9), content(4), "byte for byte");
    assert!(content(9).windows(8).any(|window| window == b"weight=3"));
    assert!((1..=3).all(|port| world.engine(port).stats().unknown_extensions >= 2));
    let status = world.engine(9).directory().get("users")[0].status();
    assert_eq!(
        status,
        crate::registry::Status::Unhealthy,
        "an unknown status is not called"
    );
}

#[test]
fn an_extension_at_the_end_of_any_datagram_is_skipped_and_counted() {
    let mut world = World::cluster(3, 3);
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let mut injected = Vec::new();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = seen.clone();
    world.link = Box::new(move |from, to, datagram| {
        if from == addr(3) {
            sink.borrow_mut().push((from, to, datagram.to_vec()));
        }
        Fate::Deliver
    });
    world.register(3, "users", "a");
    world.run(secs(3));
    injected.append(&mut seen.borrow_mut());
    assert!(injected.len() > 5);
    for (from, to, mut datagram) in injected {
        // A build that appends to a packet of foca's writes the count of its updates, be it none.
        let (preamble, payload) = Preamble::read(&datagram, ClusterTag::of("test")).unwrap();
        if let Ok((Message::Swim(_, packet), _)) = Message::read(preamble.kind, payload)
            && written(&[packet, &[0, 0]].concat()).is_ok_and(|(.., bare)| bare == packet)
        {
            datagram.extend([0, 0]);
        }
        datagram.extend(extension());
        count.set(count.get() + 1);
        if datagram.len() <= 1_200 {
            world.deliver(from, to, &datagram);
        }
    }
    let malformed: u64 = (1..=3)
        .map(|port| world.engine(port).stats().dropped.malformed)
        .sum();
    let unknown: u64 = (1..=3)
        .map(|port| world.engine(port).stats().unknown_extensions)
        .sum();
    assert_eq!((malformed, unknown), (0, count.get()));
}
