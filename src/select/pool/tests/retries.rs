//! Another try, at another instance.

use super::*;
use crate::select::choice::Excluded;

#[test]
fn who_was_tried_is_not_picked_again() {
    for strategy in ALL {
        let pool = pool_of(strategy, ["a", "b", "c", "d"].map(instance));
        let (mut rng, tried) = (rng(1), [address("b"), address("d")]);
        let mut picked = BTreeMap::<_, usize>::new();
        for _ in 0..1_000 {
            let pick = pool.pick_excluding(ms(1), &mut rng, &tried).unwrap();
            *picked.entry(id(&pick)).or_default() += 1;
        }
        assert_eq!(
            picked.keys().cloned().collect::<String>(),
            "ac",
            "{strategy:?}"
        );
        for count in counts(&picked) {
            assert!(count.abs_diff(500) < 100, "{strategy:?}: {picked:?}");
        }
    }
}

#[test]
fn calls_that_one_refuses_are_spread_over_the_others() {
    for strategy in ALL {
        let pool = pool_of(strategy, ["a", "b", "c", "d"].map(instance));
        let (mut rng, mut picked) = (rng(1), BTreeMap::<_, usize>::new());
        for _ in 0..4_000 {
            let mut pick = pool.pick(ms(1), &mut rng).unwrap();
            if id(&pick) == "b" {
                let tried = [Arc::clone(pick.address())];
                pick = pool.pick_excluding(ms(1), &mut rng, &tried).unwrap();
            }
            *picked.entry(id(&pick)).or_default() += 1;
        }
        for count in counts(&picked) {
            assert!(count.abs_diff(1_333) < 200, "{strategy:?}: {picked:?}");
        }
    }
}

#[test]
fn nobody_is_left_when_all_were_tried() {
    for strategy in ALL {
        let pool = pool_of(strategy, ["a", "b"].map(instance));
        let mut rng = rng(1);
        let mut tried = Vec::new();
        for _ in 0..2 {
            let pick = pool.pick_excluding(ms(1), &mut rng, &tried).unwrap();
            tried.push(Arc::clone(pick.address()));
        }
        let error = pool.pick_excluding(ms(1), &mut rng, &tried).unwrap_err();
        assert_eq!((error.tried(), error.instances()), (2, 2), "{strategy:?}");
        assert!(error.to_string().ends_with("2 tried already"), "{error}");
        assert!(pool.pick(ms(1), &mut rng).is_ok());
    }
}

#[test]
fn a_retry_follows_the_weights_and_finds_who_is_rare() {
    let weights = [("a", "9000"), ("b", "10"), ("c", "90")];
    let pool = pool_of(
        Strategy::Weighted,
        weights.map(|(id, weight)| weighing(id, weight)),
    );
    let tried = [address("a"), address("c")];
    let mut rng = rng(1);
    for _ in 0..100 {
        assert_eq!(
            id(&pool.pick_excluding(ms(1), &mut rng, &tried).unwrap()),
            "b"
        );
    }
    let weights = [("a", "100"), ("b", "100"), ("c", "300")];
    let pool = pool_of(
        Strategy::Weighted,
        weights.map(|(id, weight)| weighing(id, weight)),
    );
    let others = (0..4_000).filter(|_| {
        id(&pool
            .pick_excluding(ms(1), &mut rng, &[address("a")])
            .unwrap())
            == "c"
    });
    assert!(others.count().abs_diff(3_000) < 200);
}

#[test]
fn an_address_that_is_gone_excludes_nobody() {
    let pool = pool_of(Strategy::P2c, [instance("a")]);
    assert!(
        pool.pick_excluding(ms(1), &mut rng(1), &[address("z")])
            .is_ok()
    );
}

#[test]
fn where_half_of_many_are_out_the_others_are_picked_alike() {
    for strategy in ALL {
        let pool = Pool::builder("orders", Scheme::Http)
            .strategy(strategy)
            .build();
        pool.update(&numbered(100));
        let (mut rng, mut picked) = (rng(1), BTreeMap::<_, usize>::new());
        let sorted: Vec<_> = (0..50)
            .map(|id| address(&format!("host-{id:03}")))
            .collect();
        for _ in 0..10_000 {
            let out = Excluded {
                tried: &[address("host-099")],
                sorted: &sorted,
            };
            let pick = pool.pick_not(ms(1), &mut rng, out).unwrap();
            *picked.entry(id(&pick)).or_default() += 1;
        }
        assert_eq!(picked.len(), 49, "{strategy:?}: {picked:?}");
        assert!(picked.keys().all(|id| (50..99).contains(&number(id))));
        for count in counts(&picked) {
            assert!(count.abs_diff(204) < 80, "{strategy:?}: {picked:?}");
        }
    }
}

fn number(id: &str) -> usize {
    id["host-".len()..].parse().unwrap()
}
