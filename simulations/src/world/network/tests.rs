use rand::SeedableRng;

use super::*;
use crate::scenario::{Latency, Region, Span};

fn at(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn network(conditions: Conditions) -> Network {
    Network::new(conditions, StdRng::seed_from_u64(1))
}

fn sides(first: &[usize], second: &[usize], direction: Direction) -> Sides {
    Sides {
        first: first.iter().copied().collect(),
        second: second.iter().copied().collect(),
        direction,
    }
}

fn ignored(_: FaultId) {}

/// What becomes of 10,000 datagrams of 100 bytes, a millisecond apart.
fn fates(network: &mut Network) -> Vec<Fate> {
    (0..10_000)
        .map(|ms| network.send(at(ms), 0, 1, 100, ignored))
        .collect()
}

fn arrived(fates: &[Fate]) -> usize {
    let arrives = |fate: &&Fate| matches!(fate, Fate::Arrives(_) | Fate::Twice(..));
    fates.iter().filter(arrives).count()
}

#[test]
fn a_cut_works_between_its_sides_and_in_its_direction_until_it_ends() {
    let mut network = network(Conditions::default());
    network.begin(
        7,
        sides(&[0], &[1], Direction::Forth),
        Trouble::Cut { is_down: true },
    );
    let mut hits = Vec::new();
    assert_eq!(
        network.send(at(0), 0, 1, 100, |fault| hits.push(fault)),
        Fate::Cut
    );
    assert!(matches!(
        network.send(at(0), 1, 0, 100, ignored),
        Fate::Arrives(_)
    ));
    assert!(matches!(
        network.send(at(0), 0, 2, 100, ignored),
        Fate::Arrives(_)
    ));
    assert_eq!(hits, [7]);
    network.set_down(7, false);
    assert!(matches!(
        network.send(at(1), 0, 1, 100, ignored),
        Fate::Arrives(_)
    ));
    assert!(
        network.was_cut_since(1, 0, at(1)),
        "links that flap are cut, up or down"
    );
    network.end(at(5), 7);
    assert!(network.was_cut_since(1, 0, at(5)) && !network.was_cut_since(1, 0, at(6)));
}

#[test]
fn the_stated_share_is_lost_and_the_stated_share_comes_twice() {
    let mut network = network(Conditions {
        loss: 0.3,
        duplicate: 0.1,
        ..Conditions::default()
    });
    let fates = fates(&mut network);
    let lost = 10_000 - arrived(&fates);
    assert!((2_850..3_150).contains(&lost), "{lost}");
    let twice = fates
        .iter()
        .filter(|fate| matches!(fate, Fate::Twice(..)))
        .count();
    assert!((600..800).contains(&twice), "{twice} of {}", 10_000 - lost);
    assert_eq!(network.counts().lost, lost as u64);
    assert_eq!(network.counts().duplicated, twice as u64);
}

#[test]
fn bursts_take_their_share_in_long_rows() {
    let mut network = network(Conditions {
        burst_loss: Some(BurstLoss {
            every: Span::from_millis(900),
            lasts: Span::from_millis(100),
        }),
        ..Conditions::default()
    });
    let fates = fates(&mut network);
    let lost = 10_000 - arrived(&fates);
    assert!(
        (500..2_000).contains(&lost),
        "{lost} of 10,000, where a tenth is due"
    );
    let begun = fates
        .windows(2)
        .filter(|pair| pair[0] != Fate::Lost && pair[1] == Fate::Lost);
    let begun = begun.count().max(1);
    assert!(
        lost / begun > 20,
        "{lost} lost in {begun} bursts of some 100"
    );
}

#[test]
fn what_is_larger_than_the_mtu_does_not_pass() {
    let mut network = network(Conditions::default());
    assert_eq!(network.send(at(0), 0, 1, 1_473, ignored), Fate::TooLarge);
    assert!(matches!(
        network.send(at(0), 0, 1, 1_472, ignored),
        Fate::Arrives(_)
    ));
}

#[test]
fn a_narrow_link_delays_and_then_loses() {
    let mut network = network(Conditions {
        bandwidth: Some(10_000),
        latency: Latency::Uniform(Span::from_millis(1).into()),
        ..Conditions::default()
    });
    // 1,000 bytes take 100 ms on it: the first leaves at once, the second behind it, the fourth
    // would wait for 300 ms.
    let fates: Vec<_> = (0..4)
        .map(|_| network.send(at(0), 0, 1, 1_000, ignored))
        .collect();
    let arrives = |ms| Fate::Arrives(at(ms));
    assert_eq!(
        fates,
        [arrives(101), arrives(201), arrives(301), Fate::Overflow]
    );
    assert!(matches!(
        network.send(at(0), 1, 0, 1_000, ignored),
        Fate::Arrives(_)
    ));
}

#[test]
fn regions_are_as_far_from_each_other_as_both_are_from_the_centre() {
    let region = |name: &str, ms| Region {
        name: name.to_owned(),
        distance: Span::from_millis(ms),
    };
    let mut network = network(Conditions {
        regions: vec![region("eu", 10), region("us", 40)],
        ..Conditions::default()
    });
    let mut latency = |from, to| match network.send(at(0), from, to, 100, ignored) {
        Fate::Arrives(when) => when - at(0),
        other => panic!("{other:?}"),
    };
    let between = latency(0, 1);
    assert!(between > Duration::from_millis(45) && between < Duration::from_millis(56));
    assert!(latency(0, 2) < Duration::from_millis(1));
}

#[test]
fn a_heavy_tail_has_its_median_and_a_hundredth_beyond_ten_times_that() {
    let mut network = network(Conditions {
        latency: Latency::HeavyTail(Span::from_millis(10)),
        ..Conditions::default()
    });
    let mut took: Vec<_> = (0..10_000)
        .map(|ms| match network.send(at(ms), 0, 1, 100, ignored) {
            Fate::Arrives(when) => when - at(ms),
            other => panic!("{other:?}"),
        })
        .collect();
    took.sort_unstable();
    let median = took[5_000].as_secs_f64() * 1_000.0;
    assert!((9.0..11.0).contains(&median), "{median}");
    let beyond = took
        .iter()
        .filter(|took| **took > Duration::from_millis(100))
        .count();
    assert!((60..160).contains(&beyond), "{beyond}");
}

#[test]
fn what_is_held_back_is_overtaken() {
    let mut network = network(Conditions {
        reorder: 0.2,
        ..Conditions::default()
    });
    let arrivals: Vec<_> = fates(&mut network)
        .into_iter()
        .filter_map(|fate| match fate {
            Fate::Arrives(at) => Some(at),
            _ => None,
        })
        .collect();
    let overtaken = arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 1_000, "{overtaken}");
}

#[test]
fn a_degraded_link_loses_what_its_fault_states_and_tells_the_fault() {
    let mut network = network(Conditions::default());
    let trouble = Trouble::Degraded {
        loss: 0.5,
        burst_loss: None,
        delay: Some(Span::from_millis(30).into()),
        duplicate: 0.0,
        reorder: 0.0,
    };
    network.begin(3, sides(&[0], &[1], Direction::Both), trouble);
    let mut hits = 0;
    let fates: Vec<_> = (0..1_000)
        .map(|ms| network.send(at(ms), 1, 0, 100, |_| hits += 1))
        .collect();
    assert!((400..600).contains(&arrived(&fates)));
    assert_eq!(hits, 1_000, "each is lost or late");
    assert!(!network.was_cut_since(0, 1, at(0)), "half of it passes");
}
