//! What all nodes together send to an address in whose name somebody else sends them something, over
//! seconds, for every kind of datagram. The table is printed with `--nocapture`.

#![allow(clippy::cast_precision_loss)] // counts of bytes in a test

use std::{cell::Cell, rc::Rc};

use super::{amplification::every_kind, *};
use crate::gossip::{
    security::{ClusterKey, Keyring, Rollout},
    wire::message::{Ask, Item, Message, News, RecordKey},
};

/// How many bytes may follow for one.
const MOST: f64 = 3.0;
/// How often each datagram is sent to each node, and how far apart.
const TIMES: u32 = 10;
const GAP: Duration = Duration::from_millis(100);
/// How long the consequences are waited for.
const AFTER: Duration = Duration::from_secs(5);

/// Names of what [`every_kind`] makes, and of what follows it here.
const NAMES: [&str; 28] = [
    "hello",
    "hello with a cookie",
    "welcome",
    "cookie",
    "news of nothing",
    "news",
    "digest",
    "inventory",
    "pull of all",
    "pull of records",
    "pull of chunks",
    "page",
    "chunk",
    "ping",
    "pong",
    "ask about the receiver",
    "finding",
    "announce",
    "foca's ping",
    "foca's gossip",
    "ask about another",
    "ask about the sender",
    "news of large records",
    "foca's request to ping another",
    "foca's request to ping the sender",
    "gossip: the sender is suspected",
    "gossip: another is suspected",
    "gossip: a stranger is alive",
];

/// Every kind of datagram in the name of `engine`'s node.
fn all_kinds(engine: &mut Engine, now: Now, to: PeerId, other: PeerId) -> Vec<Vec<u8>> {
    let mut datagrams = every_kind(engine, now, to);
    let me = engine.me;
    for about in [other, me] {
        let about = about.into();
        engine.send(now, to.addr, &Message::Ask(Ask { token: 9, about }));
    }
    let notices = (0..30).map(|n| Item::Notice {
        key: RecordKey::new(me.owner(), &format!("large-{n}")),
        seq: 1,
        length: 60_000,
    });
    let items = notices.collect();
    engine.send(now, to.addr, &Message::News(News { items }));
    for target in [other, me] {
        let probe_number = 7;
        let request = foca::Message::PingReq {
            target,
            probe_number,
        };
        engine.send_swim_of_ours(now, to, request, Vec::new());
    }
    let stranger = PeerId {
        addr: addr(4_000),
        ..other
    };
    for update in [
        foca::Member::new(me, 0, foca::State::Suspect),
        foca::Member::new(other, 0, foca::State::Suspect),
        foca::Member::alive(stranger),
    ] {
        engine.send_swim_of_ours(now, to, foca::Message::Gossip, vec![update]);
    }
    let sent = std::iter::from_fn(|| engine.poll_transmit());
    datagrams.extend(sent.map(|transmit| transmit.payload.to_vec()));
    assert_eq!(datagrams.len(), NAMES.len());
    datagrams
}

fn sealed(config: &mut Config) {
    config.security.keyring = Keyring::of([ClusterKey::from_bytes([1; 32])]).unwrap();
    config.security.rollout = Rollout::Require;
}

/// Five nodes that have been together for a while, of which the last has died.
fn settled(tune: impl Fn(&mut Config)) -> World {
    let mut world = World::cluster_with(1, 5, tune);
    for port in 1..=5 {
        for service in 0..30 {
            world.register(port, &format!("service-{service}"), &format!("{port}"));
        }
        world.register(port, "users", &format!("{port}"));
    }
    world.run(secs(20));
    world.crash(5);
    // Proofs that are not a live member's have ended.
    world.run(secs(150));
    assert_eq!(world.engine(1).members().len(), 4);
    world
}

/// Counts what is sent to `claimed`, but by the process there.
fn tap(world: &mut World, claimed: SocketAddr) -> Rc<Cell<usize>> {
    let bytes = Rc::new(Cell::new(0));
    let count = Rc::clone(&bytes);
    world.link = Box::new(move |from, to, datagram| {
        if to == claimed && from != claimed {
            count.set(count.get() + datagram.len());
        }
        Fate::Deliver
    });
    bytes
}

/// What of each kind the forger sends in the name of `claimed`, to each of the nodes.
fn forged(
    world: &mut World,
    claimed: PeerId,
    tune: impl Fn(&mut Config),
) -> Vec<(SocketAddr, Vec<Vec<u8>>)> {
    let mut config = Config::lan("test", claimed.addr);
    tune(&mut config);
    let entropy = Entropy {
        session: [6; 16],
        seed: [6; 32],
    };
    let now = world.time(0);
    let mut forger = Engine::new(config, entropy, now).unwrap();
    forger.me = claimed;
    forger.replica.adopt(claimed.owner());
    forger.register(now, instance("users", "x")).unwrap();
    let receivers: Vec<_> = world.nodes.values().map(|node| node.engine.me).collect();
    let others = receivers.iter().filter(|id| id.addr != claimed.addr);
    let pairs: Vec<_> = others.collect();
    let datagrams = pairs.iter().enumerate().map(|(n, to)| {
        let other = *pairs[(n + 1) % pairs.len()];
        (to.addr, all_kinds(&mut forger, now, **to, other))
    });
    datagrams.collect()
}

/// Sends what there is of each kind, and says how many bytes follow for one.
fn factors(
    world: &mut World,
    claimed: SocketAddr,
    datagrams: &[(SocketAddr, Vec<Vec<u8>>)],
) -> Vec<f64> {
    let heard = tap(world, claimed);
    world.run(secs(60));
    let at_rest = heard.get() as f64 / 60.0;
    let window = (GAP * TIMES + AFTER).as_secs_f64();
    let kinds = datagrams[0].1.len();
    let factor = |kind: usize| {
        let (before, mut sent) = (heard.get(), 0);
        for _ in 0..TIMES {
            for (to, each) in datagrams {
                sent += each[kind].len();
                world.deliver(claimed, *to, &each[kind]);
            }
            world.run(GAP);
        }
        world.run(AFTER);
        let followed = (heard.get() - before) as f64 - at_rest * window;
        followed.max(0.0) / sent as f64
    };
    (0..kinds).map(factor).collect()
}

/// The claimed addresses: a live member's, a dead member's, nobody's.
fn claims(world: &World) -> [(&'static str, PeerId); 3] {
    let live = world.engine(3).me;
    let dead = world.engine(1).members.get(addr(5)).unwrap().id;
    let nobody = PeerId {
        addr: addr(666),
        ..live
    };
    [
        ("a member", live),
        ("a dead member", dead),
        ("a stranger", nobody),
    ]
}

fn check(title: &str, tune: impl Fn(&mut Config)) {
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    for n in 0..3 {
        let mut world = settled(&tune);
        let (class, claimed) = claims(&world)[n];
        let datagrams = forged(&mut world, claimed, |_| {});
        rows.push((class, factors(&mut world, claimed.addr, &datagrams)));
        assert_eq!(world.engine(1).members().len(), 4, "nobody was let in");
        assert_eq!(world.failures(1), 1, "nobody else was declared dead");
    }
    println!("{title}: bytes to the claimed address for one that is sent in its name");
    println!(
        "{:34}{:>10}{:>16}{:>14}",
        "kind", rows[0].0, rows[1].0, rows[2].0
    );
    for (kind, name) in NAMES.iter().enumerate() {
        let [a, b, c] = [0, 1, 2].map(|class: usize| rows[class].1[kind]);
        println!("{name:34}{a:>10.2}{b:>16.2}{c:>14.2}");
    }
    for (class, factors) in rows {
        for (name, factor) in NAMES.iter().zip(factors) {
            assert!(
                factor <= MOST,
                "{title}: {name} in the name of {class}: {factor:.1}"
            );
        }
    }
}

#[test]
fn in_the_clear_no_kind_has_three_times_its_bytes_sent_to_a_claimed_address() {
    check("in the clear", |_| {});
}

#[test]
fn with_a_key_no_kind_has_anything_sent_to_a_claimed_address() {
    check("sealed", sealed);
}

/// A sealed cluster's own datagrams, said again in their sender's name or in another one's.
#[test]
fn what_a_sealed_cluster_said_has_little_sent_to_a_claimed_address_when_it_is_said_again() {
    let mut world = settled(sealed);
    let captured = Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = Rc::clone(&captured);
    world.link = Box::new(move |from, to, datagram| {
        if from == addr(3) {
            sink.borrow_mut().push((to, datagram.to_vec()));
        }
        Fate::Deliver
    });
    world.register(3, "new", "3");
    world.run(secs(5));
    let said = captured.take();
    assert!(said.len() > 10);
    for claimed in [addr(3), addr(2), addr(5), addr(666)] {
        let heard = tap(&mut world, claimed);
        world.run(secs(30));
        let at_rest = heard.get() as f64 / 30.0;
        let (before, mut sent, start) = (heard.get(), 0, world.now);
        for (_, datagram) in &said {
            for to in [1, 2, 4].map(addr).into_iter().filter(|to| *to != claimed) {
                sent += datagram.len();
                world.deliver(claimed, to, datagram);
            }
            world.run(ms(50));
        }
        world.run(AFTER);
        let window = (world.now - start).as_secs_f64();
        let followed = (heard.get() - before) as f64 - at_rest * window;
        let factor = followed.max(0.0) / f64::from(u32::try_from(sent).unwrap());
        println!("sealed, said again in the name of {claimed}: {factor:.2}");
        assert!(factor <= MOST, "{claimed}: {factor}");
    }
}
