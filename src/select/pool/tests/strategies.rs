//! Who is picked how often.

use std::io::{self, Write};
use std::sync::Mutex;

use super::*;

#[test]
fn random_gives_each_the_same_chance() {
    let pool = pool_of(Strategy::Random, ["a", "b", "c"].map(instance));
    for count in counts(&picked(&pool, 30_000, 1)) {
        // Four standard deviations.
        assert!(count.abs_diff(10_000) < 330, "{count}");
    }
}

#[test]
fn round_robin_gives_each_its_turn_in_order() {
    let pool = pool_of(Strategy::RoundRobin, ["a", "b", "c"].map(instance));
    let mut rng = rng(3);
    let turns: String = (0..9)
        .map(|_| id(&pool.pick(ms(1), &mut rng).unwrap()))
        .collect();
    assert!("abcabcabcabc".contains(&turns), "{turns}");
}

#[test]
fn not_every_client_begins_with_the_same_one() {
    for strategy in [Strategy::RoundRobin, Strategy::Weighted] {
        let mut firsts = BTreeMap::new();
        for seed in 0..300 {
            let pool = pool_of(strategy, ["a", "b", "c"].map(instance));
            let first = id(&pool.pick(ms(1), &mut rng(seed)).unwrap());
            *firsts.entry(first).or_default() += 1;
        }
        for count in counts(&firsts) {
            assert!(count.abs_diff(100) < 35, "{firsts:?}");
        }
    }
}

#[test]
fn weighted_follows_the_weights_exactly_and_mixes_them() {
    let weights = [("a", "50"), ("b", "10"), ("c", "10")];
    let pool = pool_of(
        Strategy::Weighted,
        weights.map(|(id, weight)| weighing(id, weight)),
    );
    assert_eq!(counts(&picked(&pool, 7_000, 1)), [5_000, 1_000, 1_000]);
    let mut rng = rng(3);
    let turns: String = (0..7)
        .map(|_| id(&pool.pick(ms(1), &mut rng).unwrap()))
        .collect();
    assert!("aabacaaaabacaa".contains(&turns), "{turns}");
}

#[test]
fn a_weight_is_100_without_one_and_when_it_is_none() {
    let instances = [
        instance("a"),
        weighing("b", "heavy"),
        weighing("c", "-1"),
        weighing("d", "200"),
    ];
    let pool = pool_of(Strategy::Weighted, instances);
    assert_eq!(counts(&picked(&pool, 500, 1)), [100, 100, 100, 200]);
}

/// Where log lines are written to.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_weight_that_is_none_is_warned_of_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    tracing::subscriber::with_default(subscriber.finish(), || {
        let pool = pool_of(Strategy::P2c, [weighing("a", "heavy"), instance("b")]);
        for version in ["1", "2"] {
            let changed = named("b").version(version).build().unwrap();
            pool.update(&Instances::from_iter([weighing("a", "heavy"), changed]));
        }
        drop(pool_of(Strategy::Random, [weighing("a", "heavy")]));
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("heavy") && log.contains("orders-a"), "{log}");
}

#[test]
fn weight_0_is_drained_where_weights_are_read() {
    let instances = || [weighing("a", "0"), instance("b")];
    for strategy in ALL {
        let picked = picked(&pool_of(strategy, instances()), 100, 1);
        let drained = matches!(strategy, Strategy::Weighted | Strategy::P2c);
        assert_eq!(picked.contains_key("a"), !drained, "{strategy:?}");
    }
    let pool = pool_of(Strategy::P2c, [weighing("a", "0")]);
    let error = pool.pick(ms(1), &mut rng(1)).unwrap_err();
    assert!(error.to_string().contains("1 with weight 0"), "{error}");
}

#[test]
fn a_weight_can_change() {
    let pool = pool_of(
        Strategy::Weighted,
        [weighing("a", "100"), weighing("b", "300")],
    );
    assert_eq!(counts(&picked(&pool, 400, 1)), [100, 300]);
    pool.update(&Instances::from_iter([
        weighing("a", "300"),
        weighing("b", "100"),
    ]));
    assert_eq!(counts(&picked(&pool, 400, 1)), [300, 100]);
    pool.update(&Instances::from_iter([instance("a"), instance("b")]));
    assert_eq!(counts(&picked(&pool, 400, 1)), [200, 200]);
}

#[test]
fn p2c_spreads_calls_over_equals() {
    let pool = pool_of(Strategy::P2c, ["a", "b", "c"].map(instance));
    for count in counts(&picked(&pool, 30_000, 1)) {
        assert!(count.abs_diff(10_000) < 330, "{count}");
    }
}

#[test]
fn every_strategy_reaches_each_of_300() {
    for strategy in ALL {
        let pool = pool_of(strategy, numbered(300).iter().map(|one| (**one).clone()));
        assert_eq!(picked(&pool, 6_000, 1).len(), 300, "{strategy:?}");
    }
}

#[test]
fn one_is_enough_for_every_strategy() {
    for strategy in ALL {
        let pool = pool_of(strategy, [instance("a")]);
        assert_eq!(counts(&picked(&pool, 10, 1)), [10], "{strategy:?}");
    }
}

#[test]
fn the_same_time_and_chance_give_the_same_picks() {
    for strategy in ALL {
        let run = || {
            let pool = pool_of(strategy, ["a", "b", "c"].map(instance));
            let mut rng = rng(9);
            let picks = (0..100).map(|at| {
                let pick = pool.pick(ms(at), &mut rng).unwrap();
                let picked = id(&pick);
                pick.finish(ms(at + at % 7), crate::select::Outcome::Success);
                picked
            });
            picks.collect::<String>()
        };
        assert_eq!(run(), run(), "{strategy:?}");
    }
}

#[test]
fn a_pick_allocates_nothing() {
    for strategy in ALL {
        let pool = pool_of(strategy, [weighing("a", "3"), instance("b"), instance("c")]);
        let (mut rng, tried) = (rng(1), [address("a")]);
        // The thread's bookkeeping.
        drop(pool.pick(ms(1), &mut rng));
        let none = pool_of(strategy, []);
        let used = allocation_counter::measure(|| {
            for at in 1..1_000 {
                let pick = pool.pick(ms(at), &mut rng).unwrap();
                let other = pool.pick_excluding(ms(at), &mut rng, &tried).unwrap();
                pick.finish(ms(at + 5), crate::select::Outcome::Success);
                drop(other);
                assert_eq!(none.pick(ms(at), &mut rng).unwrap_err().instances(), 0);
            }
        });
        assert_eq!(used.count_total, 0, "{strategy:?}: {used:?}");
    }
}
