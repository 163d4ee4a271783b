//! Many threads, one pool.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::select::Outcome;

#[test]
fn calls_in_flight_are_counted_right_beside_updates() {
    for strategy in ALL {
        let pool = pool_of(strategy, ["a", "b", "c"].map(instance));
        let held: Vec<_> = thread::scope(|scope| {
            let pick = |seed: u64| {
                let pool = &pool;
                move || {
                    let mut rng = rng(seed);
                    let mut held = Vec::new();
                    for at in 1..2_000 {
                        let pick = pool.pick(ms(at), &mut rng).unwrap();
                        // (Not in step with three instances that are picked in turn.)
                        match at % 4 {
                            0 => drop(pick),
                            1 => pick.finish(ms(at + 1), Outcome::Success),
                            _ => held.push(pick),
                        }
                    }
                    held
                }
            };
            let threads: Vec<_> = (0..4).map(|seed| scope.spawn(pick(seed))).collect();
            for turn in 0..200 {
                let changed = named("a").version(turn.to_string()).build().unwrap();
                pool.update(&Instances::from_iter([
                    changed,
                    instance("b"),
                    instance("c"),
                ]));
            }
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        let in_flight = |pool: &Pool| -> Vec<usize> {
            let candidates = &pool.choice.load().candidates;
            candidates
                .iter()
                .map(|one| one.backend.load.in_flight() as usize)
                .collect()
        };
        let mut expected: BTreeMap<_, usize> = ["a", "b", "c"].map(|id| (id.into(), 0)).into();
        for pick in &held {
            *expected.entry(id(pick)).or_default() += 1;
        }
        assert_eq!(in_flight(&pool), counts(&expected), "{strategy:?}");
        drop(held);
        assert_eq!(in_flight(&pool), [0; 3], "{strategy:?}");
    }
}

#[test]
fn turns_are_nobodys_twice() {
    let pool = pool_of(Strategy::RoundRobin, ["a", "b", "c"].map(instance));
    let total: BTreeMap<_, usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|seed| {
                scope.spawn({
                    let pool = &pool;
                    move || picked(pool, 1_000, seed)
                })
            })
            .collect();
        let mut total = BTreeMap::new();
        for (id, count) in threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
        {
            *total.entry(id).or_default() += count;
        }
        total
    });
    assert_eq!(counts(&total), [1_000; 3]);
}

#[test]
fn an_idle_one_is_tried_by_one_of_all_threads() {
    let pool = pool_of(Strategy::P2c, ["a", "b"].map(instance));
    // So bad that it is never the cheaper one, however many calls the other one has in flight.
    for candidate in &pool.choice.load().candidates {
        let load = &candidate.backend.load;
        let outcome = match candidate.instance.id() {
            "b" => Outcome::Failure,
            _ => Outcome::Success,
        };
        load.began(ms(1).into());
        (0..50).for_each(|_| load.sample(ms(2).into(), ms(1), outcome));
        load.ended(false);
    }
    let (to_b, go) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for seed in 0..4 {
            let (pool, to_b, go) = (&pool, &to_b, &go);
            scope.spawn(move || {
                let mut rng = super::rng(seed);
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                for _ in 0..100 {
                    let pick = pool.pick(ms(20_000), &mut rng).unwrap();
                    to_b.fetch_add(usize::from(id(&pick) == "b"), Ordering::Relaxed);
                }
            });
        }
        go.store(true, Ordering::Release);
    });
    assert_eq!(to_b.load(Ordering::Relaxed), 1);
}
