//! Forged word of another process on a node's own address: every kind of datagram that can carry
//! it, sent to every node at once.

use super::{
    super::{standing::Life, verifying::Teller},
    *,
};
use crate::gossip::{
    security::{ClusterKey, Keyring, Rollout, Security},
    wire::{
        message::{MemberItem, Standing},
        word::Word,
    },
};

/// The size of the cluster.
const N: u16 = 5;

fn sealed(config: &mut Config) {
    config.security = Security {
        keyring: Keyring::of([ClusterKey::from_bytes([1; 32])]).unwrap(),
        rollout: Rollout::Require,
        ..Security::default()
    };
}

fn clear(_: &mut Config) {}

/// What may carry the word.
#[derive(Debug, Clone, Copy)]
enum Carrier {
    /// An update in a packet of foca's.
    Gossip,
    /// What a hello says of the receiver's address.
    HelloKnown,
    /// A member of a page.
    Page,
    /// A hello of a process that claims the receiver's address.
    HelloFrom,
    /// A packet of foca's in the name of such a process.
    PacketFrom,
}

const CARRIERS: [Carrier; 5] = [
    Carrier::Gossip,
    Carrier::HelloKnown,
    Carrier::Page,
    Carrier::HelloFrom,
    Carrier::PacketFrom,
];

/// Later identities than `me`, near and far.
fn rivals_of(me: PeerId) -> [PeerId; 5] {
    let later = |ms: u64| PeerId {
        boot: me.boot + (ms << 20),
        ..me
    };
    let year_ms = 366 * 24 * 3_600 * 1_000;
    [
        PeerId {
            boot: me.boot + 1,
            ..me
        },
        PeerId {
            renewal: me.renewal + 7,
            ..me
        },
        later(5),
        later(9 * year_ms),
        PeerId {
            boot: u64::MAX,
            ..me
        },
    ]
}

/// An engine that speaks as `rival` would, to be heard by `to`.
fn impostor(world: &World, to: u16, rival: PeerId, tune: fn(&mut Config)) -> Engine {
    let mut config = Config::lan("test", addr(to));
    config.bind = addr(99);
    tune(&mut config);
    let entropy = Entropy {
        session: [3; 16],
        seed: [4; 32],
    };
    let mut engine = Engine::new(config, entropy, world.time(0)).unwrap();
    engine.me = rival;
    engine
}

/// One forged datagram to the node on `to`, in the name of the member on `by`.
fn forge(
    world: &mut World,
    by: u16,
    to: u16,
    rival: PeerId,
    carrier: Carrier,
    tune: fn(&mut Config),
) {
    let now = world.time(0);
    let target = world.engine(to).me;
    let cookie = world.engine(to).proofs.cookie(now.instant, addr(by));
    let known = Standing {
        boot: rival.boot,
        renewal: rival.renewal,
        health: Health::Alive,
    };
    let last = |engine: &mut Engine| engine.transmits.pop_back().expect("it was sent").payload;
    let datagram = match carrier {
        Carrier::Gossip => world.with(by, |engine, now| {
            let updates = vec![foca::Member::alive(rival)];
            engine.send_swim_of_ours(now, target, foca::Message::Gossip, updates);
            last(engine)
        }),
        Carrier::HelloKnown => world.with(by, |engine, now| {
            engine.call(now, addr(to), cookie, Some(known));
            last(engine)
        }),
        Carrier::Page => {
            let item = MemberItem {
                id: rival.into(),
                incarnation: 0,
                health: Health::Alive,
            };
            let teller = Teller::unproven(addr(by));
            return world.with(to, |engine, now| {
                engine.member_listed(now, &teller, item, Word::default());
            });
        }
        Carrier::HelloFrom => {
            let mut impostor = impostor(world, to, rival, tune);
            impostor.call(now, addr(to), cookie, None);
            last(&mut impostor)
        }
        Carrier::PacketFrom => {
            let mut impostor = impostor(world, to, rival, tune);
            impostor.send_swim_of_ours(now, target, foca::Message::Gossip, Vec::new());
            last(&mut impostor)
        }
    };
    world.with(to, |engine, now| {
        engine.handle_datagram(now, addr(by), &datagram);
    });
}

/// A cluster in which a service is registered, after some seconds.
fn settled(seed: u64, n: u16, tune: fn(&mut Config)) -> World {
    let mut world = World::cluster_with(seed, n, tune);
    world.register(2, "users", "a");
    world.run(secs(5));
    world
}

fn identities(world: &World) -> Vec<(PeerId, Life)> {
    let nodes = world.nodes.values();
    nodes
        .map(|node| (node.engine.me, node.engine.life))
        .collect()
}

fn conflicts(world: &World) -> usize {
    let nodes = world.nodes.values();
    let events = nodes.flat_map(|node| &node.events);
    let is = |event: &&Event| matches!(event, Event::AddressConflict { .. });
    events.filter(is).count()
}

/// Nothing has come of it: everybody is who it was, nobody was missed, and a kill is noticed.
fn assert_unchanged(mut world: World, before: &[(PeerId, Life)], case: &str) {
    for _ in 0..30 {
        world.run(ms(100));
        assert_eq!(identities(&world), before, "{case}");
    }
    world.run(secs(20));
    assert_eq!(identities(&world), before, "{case}");
    assert_eq!(world.all_failures(), 0, "{case}");
    assert_eq!(conflicts(&world), 0, "{case}");
    assert!(
        world.is_converged() && world.all_see("users", &["a"]),
        "{case}"
    );
    let last = world.nodes.keys().map(SocketAddr::port).max().unwrap();
    world.crash(last);
    let noticed = |world: &World| world.failures(1) == 1;
    assert!(world.until(secs(10), noticed).is_some(), "{case}");
}

/// One datagram to each node, all at once.
fn one_to_each(n: u16, carrier: Carrier, pick: usize, tune: fn(&mut Config)) {
    let case = format!("{n} nodes, {carrier:?}, rival {pick}");
    let mut world = settled(7 + pick as u64, n, tune);
    let before = identities(&world);
    for to in 1..=n {
        let rival = rivals_of(world.engine(to).me)[pick];
        forge(&mut world, to % n + 1, to, rival, carrier, tune);
    }
    assert_unchanged(world, &before, &case);
}

#[test]
fn one_forged_word_to_each_of_five_nodes_changes_nothing_in_the_clear() {
    for carrier in CARRIERS {
        for pick in 0..5 {
            one_to_each(N, carrier, pick, clear);
        }
    }
}

#[test]
fn one_forged_word_of_an_insider_to_each_of_five_nodes_changes_nothing() {
    for carrier in CARRIERS {
        for pick in 0..5 {
            one_to_each(N, carrier, pick, sealed);
        }
    }
}

#[test]
fn one_forged_word_to_each_node_of_smaller_clusters_changes_nothing() {
    for n in [2, 3, 4] {
        for carrier in CARRIERS {
            for pick in 0..4 {
                one_to_each(n, carrier, pick, clear);
            }
        }
    }
}

#[test]
fn claims_without_end_change_nothing_and_are_looked_into_at_a_pace() {
    let mut world = settled(3, N, clear);
    let before = identities(&world);
    let me = world.engine(1).me;
    for n in 0..600u64 {
        let rival = PeerId {
            boot: me.boot + 1 + (n << 20),
            ..me
        };
        forge(&mut world, 2, 1, rival, Carrier::Gossip, clear);
        world.run(ms(100));
    }
    let stats = world.engine(1).stats();
    assert_eq!(stats.address_claims, 600);
    assert!(
        (5..=12).contains(&stats.address_checks),
        "{}",
        stats.address_checks
    );
    world.run(secs(12));
    assert_unchanged(world, &before, "claims without end");
}

#[test]
fn nodes_that_have_all_stepped_back_return_within_seconds() {
    for n in [2, 3, 5, 12] {
        let mut world = settled(4, n, clear);
        for port in 1..=n {
            world.with(port, Engine::step_back);
        }
        world.start(50, &[1]);
        let back = |world: &World| {
            let lives = identities(world)
                .iter()
                .all(|(_, life)| *life == Life::Running);
            lives && world.is_converged() && world.all_see("users", &["a"])
        };
        let took = world.until(secs(60), back);
        assert!(
            took.is_some_and(|took| took < secs(15)),
            "{n} nodes: {took:?}"
        );
    }
}

#[test]
fn a_node_that_has_stepped_back_returns_though_all_its_peers_are_gone() {
    let mut world = settled(5, 3, clear);
    world.with(2, Engine::step_back);
    world.crash(1);
    world.crash(3);
    let back = |world: &World| world.engine(2).life == Life::Running;
    let took = world.until(secs(60), back).expect("it returns");
    assert!(took < secs(15), "{took:?}");
    world.start(7, &[2]);
    let joined = |world: &World| world.seen(7, "users") == ["a"];
    assert!(
        world.until(secs(10), joined).is_some(),
        "a newcomer finds it"
    );
}

#[test]
fn a_rival_that_others_were_made_to_hold_costs_the_holder_no_more_than_a_rebirth() {
    for n in [2, 3, 5] {
        let mut world = settled(6, n, clear);
        let rival = PeerId {
            boot: world.engine(2).me.boot + 1,
            ..world.engine(2).me
        };
        for port in (1..=n).filter(|port| *port != 2) {
            world.with(port, |engine, now| {
                engine.learn(now, rival, 0, Health::Alive, true);
            });
        }
        let back = |world: &World| {
            let taken = world.engine(2).me.supersedes(&rival);
            taken && world.is_converged() && world.all_see("users", &["a"])
        };
        let took = world.until(secs(30), back);
        assert!(
            took.is_some_and(|took| took < secs(3)),
            "{n} nodes: {took:?}"
        );
        assert_eq!(world.engine(2).life, Life::Running);
    }
}
