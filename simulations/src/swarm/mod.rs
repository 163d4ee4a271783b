//! Random worlds: a scenario from a seed.
//!
//! A world has a time of trouble, the first seven tenths of its length, in which faults of all kinds begin one after
//! the other and overlap, while services register, change and go. Then it is healed and must come to agree: safety
//! first, then liveness. False positives are counted where a link may lose or be cut, which gives rise to some, and
//! there must be none elsewhere: in a quarter of the worlds only processes go wrong. Four in ten have a key, and half of
//! these somebody who attacks them all the time. In a quarter of the others somebody lies while the trouble lasts: an
//! insider, or, in the clear, a stranger or one who changes datagrams. Of such a world only the end is judged. In one of ten
//! only majorities die, and how soon that is noticed is judged (`majority`).

mod majority;

pub use majority::detect_within;

use std::{ops::Range, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::scenario::{
    Address, Attacker, BurstLoss, Conditions, Direction, Expect, Fault, FaultKind, Keys, Latency,
    Lies, NodeSet, Offset, Region, Role, Scenario, Services, Share, Span, SpanRange, Start, Step,
    Subject, Tuning, Work, WorkKind,
};

/// The part of a world's length in which faults begin.
const TROUBLED: f64 = 0.7;
/// The mean time between the beginnings of two faults, in seconds.
const FAULT_GAP_S: f64 = 20.0;
/// The share of worlds whose links are sound: of those that have many faults hardly one has none of links.
const SOUND_LINKS: f64 = 0.25;
/// The share of worlds in which majorities die, and nothing else goes wrong.
const MAJORITIES: f64 = 0.1;
/// The share of worlds that have a key.
const WITH_KEY: f64 = 0.4;
/// The share of worlds in which somebody lies, of those that nobody else attacks.
const WITH_LIAR: f64 = 0.25;
/// How long a healed world has to agree. A member that was suspected while a partition healed has to be found dead,
/// or reborn, first, and calls to the lost are a second apart.
const CONVERGE_WITHIN: Span = Span::from_secs(90);

/// The world of a seed: of `nodes` nodes, or of 3 to 12, and of so many virtual minutes.
pub fn scenario(seed: u64, nodes: Option<usize>, minutes: u16) -> Scenario {
    // Not the sequence from which the world of the same seed draws.
    let mut rng = StdRng::seed_from_u64(!seed);
    let nodes = nodes.unwrap_or_else(|| rng.random_range(3..=12));
    let length = Duration::from_secs(60 * u64::from(minutes));
    // Somebody who is no seed: seeds come back, or whoever starts later could find nobody.
    let seeds = rng.random_range(1..=3.min(nodes - 1));
    let is_bootstrap = rng.random_bool(0.5);
    let mut scenario = Scenario {
        name: format!("swarm-{seed}"),
        about: "A random world.".to_owned(),
        subject: Subject::Tidings,
        nodes,
        seeds,
        start: if is_bootstrap {
            Start::Bootstrap
        } else {
            Start::Converged
        },
        start_within: if is_bootstrap {
            ms(&mut rng, 0, 5_000)
        } else {
            Span::ZERO
        },
        duration: length.into(),
        engine: Tuning::default(),
        security: None,
        attacker: None,
        network: conditions(&mut rng),
        services: Services {
            per_node: rng.random_range(0..=4),
            names: rng.random_range(1..=6),
            bytes: rng.random_range(0..=500),
        },
        work: work(&mut rng, length),
        fault: faults(&mut rng, length, seeds..nodes),
        expect: Expect {
            converge_within: CONVERGE_WITHIN,
            hold: Span::from_secs(10),
            change_within: None,
            detect_within: None,
            heal_within: None,
            false_positives: -1,
            bounded_growth: false,
            may_miss: true,
            packets_per_node_s: None,
            bytes_per_node_s: None,
        },
    };
    // Drawn last, so that it changes nothing else.
    if rng.random_bool(SOUND_LINKS) {
        scenario.fault.retain(|fault| !fault.kind.is_of_links());
    }
    if scenario.loses_nothing() {
        scenario.expect.false_positives = 0;
    }
    if rng.random_bool(WITH_KEY) {
        lock(&mut rng, &mut scenario);
    }
    if scenario.attacker.is_none() && rng.random_bool(WITH_LIAR) {
        let attacker = liar(&mut rng, &scenario, length);
        scenario.attacker = Some(attacker);
        // A false word about a member is believed for a time.
        scenario.expect.false_positives = -1;
    }
    if rng.random_bool(MAJORITIES) {
        majority::make(&mut rng, &mut scenario, length);
    }
    scenario
        .validated("the swarm")
        .expect("a world of the swarm is sound")
}

/// Gives the cluster a key, and somebody who attacks it, as the case may be. Clocks are right then: a host whose clock
/// is wrong is not heard by those who do not know it, and never agrees.
fn lock(rng: &mut StdRng, scenario: &mut Scenario) {
    scenario.security = Some(Keys {
        keys: vec!["cluster".to_owned()],
        rollout: Step::Require,
        clock_skew: Span::from_secs(30),
    });
    scenario.attacker = rng.random_bool(0.5).then(|| Attacker {
        role: Role::Outsider,
        lies: Lies::Any,
        lasts: None,
        rate: rng.random_range(1..=200),
        at: Span::ZERO,
        old_key: rng.random_bool(0.5).then(|| "old".to_owned()),
    });
    scenario
        .fault
        .retain(|fault| !matches!(fault.kind, FaultKind::Clock { .. }));
    for fault in &mut scenario.fault {
        if let FaultKind::Restart { clock, .. } = &mut fault.kind {
            *clock = Offset::default();
        }
    }
}

/// Somebody who is believed for a time, while the trouble lasts: an insider, or in the clear anybody.
fn liar(rng: &mut StdRng, scenario: &Scenario, length: Duration) -> Attacker {
    let roles: &[Role] = match scenario.security {
        Some(_) => &[Role::Insider],
        None => &[Role::Insider, Role::Stranger, Role::Corrupter],
    };
    let half = u64::try_from(length.as_millis()).expect("some hours") * 35 / 100;
    Attacker {
        role: *roles.choose(rng).expect("some"),
        lies: *[Lies::Any, Lies::Any, Lies::FakeMembers, Lies::Deaths]
            .choose(rng)
            .expect("some"),
        rate: rng.random_range(1..=200),
        at: ms(rng, 0, half),
        lasts: Some(Span::from_millis(half)),
        old_key: None,
    }
}

fn ms(rng: &mut StdRng, least: u64, most: u64) -> Span {
    Span::from_millis(rng.random_range(least..=most))
}

fn conditions(rng: &mut StdRng) -> Conditions {
    let latency = match rng.random_range(0..4) {
        0 => Latency::Uniform(SpanRange {
            from: Span::from_millis(1),
            to: ms(rng, 2, 60),
        }),
        1 => Latency::HeavyTail(ms(rng, 1, 10)),
        _ => Latency::Lan,
    };
    let regions = if rng.random_bool(0.2) {
        let names = ["eu", "us", "ap"];
        let region = |name: &&str| Region {
            name: (*name).to_owned(),
            distance: ms(rng, 1, 80),
        };
        names.iter().map(region).collect()
    } else {
        Vec::new()
    };
    Conditions {
        latency,
        regions,
        bandwidth: rng
            .random_bool(0.1)
            .then(|| rng.random_range(200_000..2_000_000)),
        ..Conditions::default()
    }
}

/// A network that is bad everywhere while the trouble lasts, and sound when the world is healed.
fn bad_network(rng: &mut StdRng, troubled: Duration) -> Option<Fault> {
    let mut share = |chance: f64, most: f64| {
        if rng.random_bool(chance) {
            // Whole percents: a scenario is read by people.
            (rng.random_range(0.01..most) * 100.0).ceil() / 100.0
        } else {
            0.0
        }
    };
    let (loss, duplicate, reorder) = (share(0.4, 0.2), share(0.3, 0.2), share(0.3, 0.3));
    let bursts = BurstLoss {
        every: ms(rng, 5_000, 30_000),
        lasts: ms(rng, 50, 1_000),
    };
    let burst_loss = rng.random_bool(0.15).then_some(bursts);
    let is_bad = loss + duplicate + reorder > 0.0 || burst_loss.is_some();
    is_bad.then(|| Fault {
        every: None,
        at: Span::ZERO,
        kind: FaultKind::Degrade {
            between: [NodeSet::All, NodeSet::All],
            direction: Direction::Both,
            loss,
            burst_loss,
            delay: None,
            duplicate,
            reorder,
            lasts: Some(troubled.into()),
        },
    })
}

fn work(rng: &mut StdRng, length: Duration) -> Vec<Work> {
    let troubled = length.mul_f64(TROUBLED);
    let mut work = vec![Work {
        at: Span::from_secs(1),
        kind: WorkKind::Churn {
            nodes: NodeSet::All,
            rate: *[0.2, 1.0, 5.0].choose(rng).expect("some"),
            hot: *[0.0, 0.5, 0.9].choose(rng).expect("some"),
            bytes: *[0, 100, 2_000].choose(rng).expect("some"),
            lasts: Some(troubled.into()),
        },
    }];
    if rng.random_bool(0.25) {
        work.push(Work {
            at: at(rng, troubled),
            kind: WorkKind::Register {
                nodes: NodeSet::Random(Share::Count(1)),
                count: 1,
                service: Some("large".to_owned()),
                id: None,
                bytes: 40_000,
                each: Span::ZERO,
            },
        });
    }
    if rng.random_bool(0.25) {
        work.push(Work {
            at: at(rng, troubled),
            kind: WorkKind::Register {
                nodes: NodeSet::Random(Share::Count(2)),
                count: 1,
                service: Some("shared".to_owned()),
                id: Some("the-same".to_owned()),
                bytes: 10,
                each: Span::ZERO,
            },
        });
    }
    work
}

/// A time before `end`, in whole milliseconds.
fn at(rng: &mut StdRng, end: Duration) -> Span {
    let end = u64::try_from(end.as_millis()).expect("some hours");
    Span::from_millis(rng.random_range(0..end))
}

fn faults(rng: &mut StdRng, length: Duration, mortal: Range<usize>) -> Vec<Fault> {
    let troubled = length.mul_f64(TROUBLED);
    let mut faults: Vec<_> = bad_network(rng, troubled).into_iter().collect();
    let mut begins = Duration::ZERO;
    loop {
        begins += Duration::from_secs_f64(rng.random_range(0.05..2.0) * FAULT_GAP_S);
        if begins >= troubled {
            return faults;
        }
        let begins_at =
            Duration::from_millis(u64::try_from(begins.as_millis()).expect("some hours"));
        // It ends while the world is still watched, and long before the end where it can.
        let left = u64::try_from(length.saturating_sub(begins_at).as_millis()).expect("some hours");
        let kind = fault(rng, left.min(60_000), &mortal);
        faults.push(Fault {
            every: None,
            at: begins_at.into(),
            kind,
        });
    }
}

/// Any fault that is over `longest` milliseconds later. Only those that are `mortal` end for good.
fn fault(rng: &mut StdRng, longest: u64, mortal: &Range<usize>) -> FaultKind {
    let lasts = Some(ms(rng, 500.min(longest), longest));
    match rng.random_range(0..12) {
        0 | 1 => FaultKind::Partition {
            between: between(rng),
            direction: direction(rng),
            lasts,
        },
        2 => FaultKind::Flap {
            between: between(rng),
            direction: direction(rng),
            down: ms(rng, 50, 4_000),
            up: ms(rng, 50, 4_000),
            lasts,
        },
        3 => degrade(rng, lasts),
        4 => FaultKind::Crash {
            nodes: one_of(rng, mortal),
            silent: rng.random_bool(0.5),
            each: Span::ZERO,
        },
        5 | 6 => FaultKind::Restart {
            nodes: few(rng),
            graceful: rng.random_bool(0.4),
            after: ms(rng, 0, longest.min(20_000)),
            address: *[Address::Same, Address::Same, Address::New]
                .choose(rng)
                .expect("some"),
            clock: clock(rng, 0.3),
            each: Span::ZERO,
        },
        7 => FaultKind::Replace {
            nodes: one(),
            after: ms(rng, 0, longest.min(10_000)),
        },
        8 => FaultKind::Join {
            count: 1,
            each: Span::ZERO,
        },
        9 => pause(rng, longest, lasts),
        10 => FaultKind::Slow {
            nodes: few(rng),
            per_datagram: ms(rng, 1, 50),
            lasts,
        },
        _ if rng.random_bool(0.5) => FaultKind::Leave {
            nodes: one_of(rng, mortal),
            each: Span::ZERO,
        },
        _ => FaultKind::Clock {
            nodes: few(rng),
            by: clock(rng, 1.0),
        },
    }
}

fn degrade(rng: &mut StdRng, lasts: Option<Span>) -> FaultKind {
    FaultKind::Degrade {
        between: between(rng),
        direction: direction(rng),
        loss: f64::from(rng.random_range(1..=9_u8)) / 10.0,
        burst_loss: None,
        delay: rng.random_bool(0.3).then(|| SpanRange {
            from: Span::from_millis(1),
            to: ms(rng, 2, 400),
        }),
        duplicate: 0.0,
        reorder: 0.0,
        lasts,
    }
}

/// Once, or again and again.
fn pause(rng: &mut StdRng, longest: u64, lasts: Option<Span>) -> FaultKind {
    let nodes = few(rng);
    if rng.random_bool(0.5) {
        return FaultKind::Pause {
            nodes,
            stop: ms(rng, 1.min(longest), longest).into(),
            only_messages: rng.random_bool(0.25),
            run: None,
            lasts: None,
        };
    }
    FaultKind::Pause {
        nodes,
        stop: SpanRange {
            from: Span::from_millis(100),
            to: ms(rng, 200, 8_000),
        },
        only_messages: rng.random_bool(0.25),
        run: Some(SpanRange {
            from: Span::from_millis(1),
            to: ms(rng, 100, 8_000),
        }),
        lasts,
    }
}

fn between(rng: &mut StdRng) -> [NodeSet; 2] {
    match rng.random_range(0..4) {
        0 => [
            NodeSet::First(Share::Part {
                numerator: 1,
                denominator: 2,
            }),
            NodeSet::Others,
        ],
        1 => [NodeSet::Seeds, NodeSet::Others],
        2 => [
            NodeSet::First(Share::Count(1)),
            NodeSet::Last(Share::Count(1)),
        ],
        _ => [one(), NodeSet::Others],
    }
}

fn direction(rng: &mut StdRng) -> Direction {
    if rng.random_bool(0.3) {
        Direction::Forth
    } else {
        Direction::Both
    }
}

const fn one() -> NodeSet {
    NodeSet::Random(Share::Count(1))
}

fn one_of(rng: &mut StdRng, nodes: &Range<usize>) -> NodeSet {
    let node = rng.random_range(nodes.clone());
    NodeSet::Listed(std::iter::once(node..node + 1).collect())
}

fn few(rng: &mut StdRng) -> NodeSet {
    NodeSet::Random(Share::Count(rng.random_range(1..=2)))
}

/// With that chance a setting of a clock, by an hour or by days, forth or back.
fn clock(rng: &mut StdRng, chance: f64) -> Offset {
    const HOUR_MS: i64 = 3_600_000;
    if !rng.random_bool(chance) {
        return Offset::default();
    }
    let hours = *[-240, -1, 1, 240].choose(rng).expect("some");
    Offset {
        ms: hours * HOUR_MS,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_seed_is_a_sound_world_and_always_the_same() {
        for seed in 1..=500 {
            let world = scenario(seed, None, 5);
            assert_eq!(world, scenario(seed, None, 5));
            assert!((3..=12).contains(&world.nodes));
            let read = Scenario::parse(&world.to_toml(), "itself").unwrap();
            assert_eq!(read, world, "a world can be saved as a file");
        }
    }

    #[test]
    fn false_positives_are_judged_in_worlds_whose_links_are_sound_and_there_are_such() {
        let mut judged = 0;
        for seed in 1..=500 {
            let world = scenario(seed, None, 5);
            let links = ["partition", "flap", "degrade"];
            let text = world.to_toml();
            let is_bad = links
                .iter()
                .any(|kind| text.contains(&format!("kind = \"{kind}\"")))
                || world
                    .attacker
                    .is_some_and(|attacker| attacker.role.is_believed());
            assert_eq!(world.expect.false_positives, if is_bad { -1 } else { 0 });
            judged += usize::from(!is_bad);
        }
        assert!((100..150).contains(&judged), "{judged} of 500");
    }

    #[test]
    fn majorities_die_in_some_worlds_and_their_detection_is_judged() {
        let worlds = (1..=500).map(|seed| scenario(seed, None, 5));
        let judged: Vec<_> = worlds
            .filter(|world| world.expect.detect_within.is_some())
            .collect();
        assert!((30..80).contains(&judged.len()), "{} of 500", judged.len());
        for world in &judged {
            let is_kill = |fault: &Fault| {
                let (FaultKind::Crash { nodes, .. } | FaultKind::Restart { nodes, .. }) =
                    &fault.kind
                else {
                    return false;
                };
                matches!(nodes, NodeSet::Random(Share::Count(count))
                    if count * 2 >= world.nodes && *count < world.nodes)
            };
            assert!(!world.fault.is_empty() && world.fault.iter().all(is_kill));
        }
    }

    #[test]
    fn faults_of_every_kind_occur() {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for fault in (1..=120).flat_map(|seed| scenario(seed, None, 5).fault) {
            let kind = toml::Value::try_from(&fault).unwrap()["kind"].to_string();
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.len(), 11, "{kinds:?}");
        assert!(kinds.values().all(|count| *count > 20), "{kinds:?}");
    }
}
