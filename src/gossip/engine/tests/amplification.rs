//! Nobody whose address is not proven gets more than it sent, whatever that was: with a key, and without.

use super::*;
use crate::gossip::{
    security::{ClusterKey, Keyring, Rollout},
    wire::message::{
        Ask, Chunk, Cookie, Cursor, Digest, Finding, Hello, Inventory, Item, Message, News,
        Outcome, Page, Part, Ping, Pong, Pull, RecordKey, Welcome, addressee, kind,
    },
    wire::reject::Reject,
};

/// Every kind of datagram to `to`, as `engine` sends it; what invites a large answer among them.
#[allow(clippy::too_many_lines)] // a list
pub(super) fn every_kind(engine: &mut Engine, now: Now, to: PeerId) -> Vec<Vec<u8>> {
    let me = engine.me;
    let key = || RecordKey::new(to.owner(), "users");
    let part = Part {
        session: 1,
        index: 0,
        count: 1,
        next: Some(Cursor::Record(key())),
    };
    let content = engine.own_records().next().unwrap().content().clone();
    let item = || Item::Record {
        key: RecordKey::new(me.owner(), "more"),
        seq: 9,
        content: &content,
    };
    let hello = |cookie| {
        Message::Hello(Hello {
            token: 7,
            cookie,
            me: me.into(),
            to: to.addr,
            known: None,
            joining: true,
            padding: vec![0; 64],
        })
    };
    let messages = [
        hello(0),
        hello(5),
        Message::Welcome(Welcome {
            token: 7,
            cookie: 5,
            me: me.into(),
            observed: to.addr,
            known: None,
            accepted: true,
        }),
        Message::Cookie(Cookie::new(5)),
        Message::News(News { items: Vec::new() }),
        Message::News(News {
            items: vec![item()],
        }),
        Message::Digest(Box::new(Digest {
            session: 1,
            buckets: engine.buckets().map(|sum| (!sum).into()),
            after: None,
        })),
        Message::Inventory(Inventory {
            part: part.clone(),
            members: Vec::new(),
            records: Vec::new(),
        }),
        Message::Pull(Pull::All {
            session: 1,
            after: None,
        }),
        Message::Pull(Pull::Records {
            session: 1,
            keys: vec![key(); 10],
        }),
        Message::Pull(Pull::Chunks {
            key: key(),
            seq: 1,
            chunks: vec![0; 100],
        }),
        Message::Page(Page {
            part,
            members: Vec::new(),
            items: vec![item()],
        }),
        Message::Chunk(Chunk {
            key: key(),
            seq: 1,
            length: 1,
            number: 0,
            bytes: vec![0],
        }),
        Message::Ping(Ping {
            token: 1,
            to: addressee(&to),
        }),
        Message::Pong(Pong { token: 1 }),
        Message::Ask(Ask {
            token: 1,
            about: to.into(),
        }),
        Message::Finding(Finding {
            token: 1,
            outcome: Outcome::Silent,
        }),
    ];
    for message in &messages {
        engine.send(now, to.addr, message);
    }
    for message in [
        foca::Message::Announce,
        foca::Message::Ping(1),
        foca::Message::Gossip,
    ] {
        engine.send_swim_of_ours(now, to, message, Vec::new());
    }
    let sent = std::iter::from_fn(|| engine.poll_transmit());
    sent.map(|transmit| transmit.payload.to_vec()).collect()
}

fn answers_are_no_larger(tune: impl Fn(&mut Config)) {
    let mut world = World::cluster_with(1, 3, &tune);
    for port in 1..=3 {
        for service in 0..30 {
            world.register(port, &format!("service-{service}"), &format!("{port}"));
        }
        world.register(port, "users", &format!("{port}"));
    }
    world.run(secs(5));
    let to = world.engine(1).identity();
    let [dead, seed, stranger] = [addr(3), addr(777), addr(666)];
    let mut sets = Vec::new();
    for from in [dead, seed, stranger] {
        let now = world.time(0);
        let engine = &mut world.nodes.get_mut(&addr(3)).unwrap().engine;
        sets.push((from, every_kind(engine, now, to)));
    }
    world.crash(3);
    let is_gone = |world: &World| world.engine(1).members().len() == 2;
    world.until(secs(20), is_gone).expect("it is held dead");
    // The proof of when it joined has ended.
    world.run(secs(130));
    world.with(1, |engine, now| engine.handle_seeds(now, [seed]));
    let held = world.engine(1).fingerprint();
    let pages = world.engine(1).stats().pages_sent;
    let mut heard = BTreeSet::new();
    for (from, datagrams) in sets {
        for datagram in datagrams {
            let now = world.time(0);
            let engine = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
            while engine.poll_transmit().is_some() {}
            engine.handle_datagram(now, from, &datagram);
            let answers = std::iter::from_fn(|| engine.poll_transmit());
            let answers = answers.filter(|answer| answer.to == from);
            let bytes: usize = answers.map(|answer| answer.payload.len()).sum();
            heard.insert(bytes > 0);
            assert!(
                bytes <= datagram.len(),
                "{from}: {bytes} bytes for {}, {:?}",
                datagram.len(),
                (engine.config.security.rollout, datagram.get(42))
            );
        }
    }
    assert_eq!(heard.len(), 2, "some are answered, and some are not");
    let stats = world.engine(1).stats();
    assert!(stats.dropped.unproven > 20, "{:?}", stats.dropped);
    assert_eq!(stats.dropped.replayed + stats.dropped.forged, 0);
    assert_eq!(stats.pages_sent, pages, "no page before the proof");
    assert_eq!(world.engine(1).fingerprint(), held);
}

#[test]
fn without_a_key_no_unproven_address_gets_more_than_it_sent() {
    answers_are_no_larger(|_| {});
}

#[test]
fn with_a_key_no_unproven_address_gets_more_than_it_sent() {
    answers_are_no_larger(|config| {
        config.security.keyring = Keyring::of([ClusterKey::from_bytes([1; 32])]).unwrap();
        config.security.rollout = Rollout::Require;
    });
}

#[test]
fn who_has_no_key_gets_one_reject_a_second_from_those_who_have_one() {
    let mut world = World::cluster_with(2, 2, |config| {
        config.security.keyring = Keyring::of([ClusterKey::from_bytes([1; 32])]).unwrap();
    });
    world.start(3, &[]);
    world.register(3, "users", "x");
    let to = world.engine(1).identity();
    let now = world.time(0);
    let datagrams = every_kind(&mut world.nodes.get_mut(&addr(3)).unwrap().engine, now, to);
    assert!(
        datagrams
            .iter()
            .any(|datagram| kind_of(datagram) == kind::PULL)
    );
    let count = datagrams.len() as u64;
    let engine = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
    for datagram in datagrams {
        engine.handle_datagram(now, addr(3), &datagram);
    }
    let answers: Vec<_> = std::iter::from_fn(|| engine.poll_transmit()).collect();
    let [answer] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(Reject::read(&answer.payload).is_some());
    assert_eq!(world.engine(1).stats().dropped.plaintext, count);
}

#[test]
fn a_member_that_has_not_proven_its_address_is_sent_no_page_and_asked_for_no_chunk() {
    let mut world = World::cluster(3, 2);
    for service in 0..60 {
        world.register(1, &format!("service-{service}"), "1");
    }
    world.register(1, "users", "1");
    world.start(666, &[]);
    world.register(666, "users", "x");
    world.run(secs(130));
    let to = world.engine(1).identity();
    let now = world.time(0);
    let engine = &mut world.nodes.get_mut(&addr(666)).unwrap().engine;
    let me = engine.me;
    let mut datagrams = every_kind(engine, now, to);
    let notices = (0..30).map(|n| Item::Notice {
        key: RecordKey::new(me.owner(), &format!("large-{n}")),
        seq: 1,
        length: 60_000,
    });
    let notices = Message::News(News {
        items: notices.collect(),
    });
    engine.send(now, to.addr, &notices);
    datagrams.push(engine.transmits.pop_back().unwrap().payload.to_vec());
    world.crash(666);
    let victim = &mut world.nodes.get_mut(&addr(1)).unwrap().engine;
    // It has heard of it, and not from it.
    victim.learn(now, me, 0, Health::Alive, true);
    assert!(victim.is_member(&me));
    let pages = victim.stats().pages_sent;
    while victim.poll_transmit().is_some() {}
    // The first is a joiner's hello.
    for datagram in &datagrams[1..] {
        victim.handle_datagram(now, addr(666), datagram);
        let answers = std::iter::from_fn(|| victim.poll_transmit());
        let answers = answers.filter(|answer| answer.to == addr(666));
        let bytes: usize = answers.map(|answer| answer.payload.len()).sum();
        let most = match kind_of(datagram) {
            // A cookie of an older build is sent back in a hello where something was sent lately.
            kind::COOKIE => 143,
            _ => datagram.len(),
        };
        assert!(
            bytes <= most,
            "{bytes} bytes for {}, {:?}",
            datagram.len(),
            Preamble::read(datagram, ClusterTag::of("test"))
        );
    }
    assert_eq!(world.engine(1).stats().pages_sent, pages);
    // Nor later.
    world.link = Box::new(|_, to, datagram| {
        if to == addr(666) {
            let kind = kind_of(datagram);
            let is_small = ![kind::DIGEST, kind::PULL, kind::PAGE, kind::CHUNK].contains(&kind);
            assert!(is_small, "kind {kind}");
        }
        Fate::Deliver
    });
    world.run(secs(3));
}
