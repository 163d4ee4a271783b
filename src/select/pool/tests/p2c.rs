//! Power of two choices under a load, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::RngExt;

use super::*;
use crate::select::Outcome::{self, Failure, Success};

/// What became of the calls to one instance.
#[derive(Debug, Default, Clone, Copy)]
struct Calls {
    all: u32,
    failed: u32,
}

/// Calls at random times, `per_second` of them, from `from_ms` to `to_ms`. `answer` says of a call to
/// an id at a time, with a random number from 0 to 1, how long it takes and how it ends.
struct World {
    pool: Pool,
    rng: Xoshiro256PlusPlus,
    under_way: BinaryHeap<Reverse<(Duration, usize)>>,
    picks: Vec<Option<(Pick, Outcome)>>,
}

impl World {
    fn new(instances: impl IntoIterator<Item = ServiceInstance>) -> Self {
        Self {
            pool: pool_of(Strategy::P2c, instances),
            rng: rng(7),
            under_way: BinaryHeap::new(),
            picks: Vec::new(),
        }
    }

    fn run(
        &mut self,
        per_second: f64,
        (from_ms, to_ms): (u64, u64),
        answer: impl Fn(&str, f64) -> (Duration, Outcome),
    ) -> BTreeMap<String, Calls> {
        let (mut now, mut calls) = (ms(from_ms), BTreeMap::<_, Calls>::new());
        loop {
            let gap = -(1.0 - self.rng.random::<f64>()).ln() / per_second;
            now += Duration::from_secs_f64(gap);
            self.finish_until(now);
            if now > ms(to_ms) {
                return calls;
            }
            let pick = self.pool.pick(now, &mut self.rng).unwrap();
            let (took, outcome) = answer(pick.instance().id(), self.rng.random());
            let of_one = calls.entry(id(&pick)).or_default();
            of_one.all += 1;
            of_one.failed += u32::from(outcome == Failure);
            self.under_way.push(Reverse((now + took, self.picks.len())));
            self.picks.push(Some((pick, outcome)));
        }
    }

    fn finish_until(&mut self, now: Duration) {
        while let Some(Reverse((at, call))) = self.under_way.peek().copied()
            && at <= now
        {
            self.under_way.pop();
            let (pick, outcome) = self.picks[call].take().unwrap();
            pick.finish(at, outcome);
        }
    }
}

fn share(calls: &BTreeMap<String, Calls>, id: &str) -> f64 {
    let all: u32 = calls.values().map(|calls| calls.all).sum();
    calls
        .get(id)
        .map_or(0.0, |calls| f64::from(calls.all) / f64::from(all))
}

fn three() -> World {
    World::new(["a", "b", "c"].map(instance))
}

/// 10 ms on average, with a long tail.
fn usual(random: f64) -> Duration {
    Duration::from_secs_f64(-0.01 * (1.0 - random).ln())
}

#[test]
fn a_slow_one_of_three_gets_few_calls_at_any_rate() {
    for (per_second, most) in [(20.0, 0.1), (100.0, 0.03), (1_000.0, 0.03)] {
        let slow = |id: &str, _| (ms(if id == "b" { 200 } else { 10 }), Success);
        let calls = three().run(per_second, (0, 60_000), slow);
        assert!(share(&calls, "b") < most, "{per_second}/s: {calls:?}");
        assert!(share(&calls, "b") > 0.0, "it is tried: {calls:?}");
        assert!(
            (share(&calls, "a") - share(&calls, "c")).abs() < 0.1,
            "{calls:?}"
        );
    }
}

#[test]
fn a_slow_one_with_a_tail_gets_few_calls() {
    let slow = |id: &str, random| (usual(random) * if id == "b" { 20 } else { 1 }, Success);
    for per_second in [50.0, 500.0] {
        let calls = three().run(per_second, (0, 60_000), slow);
        assert!(share(&calls, "b") < 0.1, "{per_second}/s: {calls:?}");
    }
}

#[test]
fn equals_with_a_tail_share_the_load() {
    for per_second in [20.0, 500.0] {
        let calls = three().run(per_second, (0, 60_000), |_, random| {
            (usual(random), Success)
        });
        for id in ["a", "b", "c"] {
            assert!(
                (share(&calls, id) - 1.0 / 3.0).abs() < 0.05,
                "{per_second}/s: {calls:?}"
            );
        }
    }
}

#[test]
fn one_that_becomes_slow_is_left_and_comes_back() {
    let mut world = three();
    world.run(200.0, (0, 10_000), |_, _| (ms(10), Success));
    let slow = |id: &str, _| (ms(if id == "b" { 200 } else { 10 }), Success);
    let calls = world.run(200.0, (10_000, 20_000), slow);
    assert!(share(&calls, "b") < 0.05, "{calls:?}");
    world.run(200.0, (20_000, 24_000), |_, _| (ms(10), Success));
    let calls = world.run(200.0, (24_000, 34_000), |_, _| (ms(10), Success));
    assert!(share(&calls, "b") > 0.25, "{calls:?}");
}

#[test]
fn failing_fast_does_not_attract() {
    // It fails in a hundredth of the time that the others take, from the first call on.
    let failing = |id: &str, random| match id {
        "b" => (Duration::from_micros(100), Failure),
        _ => (usual(random), Success),
    };
    for per_second in [50.0, 2_000.0] {
        let calls = three().run(per_second, (0, 30_000), failing);
        assert!(share(&calls, "b") < 0.02, "{per_second}/s: {calls:?}");
        assert!(calls["b"].all >= 9, "it is tried every 3 s: {calls:?}");
    }
}

#[test]
fn one_that_begins_to_fail_fast_is_left_after_a_handful_of_calls_and_comes_back() {
    let mut world = three();
    let well = |_: &str, random| (usual(random), Success);
    world.run(2_000.0, (0, 10_000), well);
    let failing = |id: &str, random| match id {
        "b" => (Duration::from_micros(100), Failure),
        _ => (usual(random), Success),
    };
    let calls = world.run(2_000.0, (10_000, 10_500), failing);
    assert!((1..=60).contains(&calls["b"].failed), "{calls:?}");
    let calls = world.run(2_000.0, (10_500, 20_000), failing);
    assert!(share(&calls, "b") < 0.01, "{calls:?}");
    world.run(2_000.0, (20_000, 24_000), well);
    let calls = world.run(2_000.0, (24_000, 30_000), well);
    assert!(share(&calls, "b") > 0.25, "{calls:?}");
}

#[test]
fn a_failure_now_and_then_costs_little() {
    let answer = |id: &str, random: f64| {
        let failed = id == "b" && (random * 1_000.0).fract() < 0.01;
        (usual(random), if failed { Failure } else { Success })
    };
    let calls = three().run(500.0, (0, 60_000), answer);
    assert!(calls["b"].failed > 50, "{calls:?}");
    assert!(share(&calls, "b") > 0.25, "{calls:?}");
}

#[test]
fn one_that_hangs_holds_few_calls() {
    let hanging = |id: &str, random| match id {
        "b" => (ms(30_000), Failure),
        _ => (usual(random), Success),
    };
    let mut world = three();
    world.run(200.0, (0, 5_000), |_, random| (usual(random), Success));
    let calls = world.run(200.0, (5_000, 30_000), hanging);
    assert!(share(&calls, "b") < 0.02, "{calls:?}");
}

#[test]
fn one_that_freezes_gets_no_call_after_the_first_to_it_has_timed_out() {
    for per_second in [20.0, 200.0, 2_000.0] {
        let mut world = three();
        world.run(per_second, (0, 5_000), |_, random| (usual(random), Success));
        let frozen = |id: &str, random| match id {
            "b" => (ms(2_000), Failure),
            _ => (usual(random), Success),
        };
        let calls = world.run(per_second, (5_000, 7_000), frozen);
        assert!(
            (1..=40).contains(&calls["b"].all),
            "{per_second}/s: {calls:?}"
        );
        // 20 times as long as it took. (One call may have begun at the end of the two seconds.)
        let calls = world.run(per_second, (7_000, 45_000), frozen);
        assert_eq!(
            calls.get("b").map(|calls| calls.all),
            None,
            "{per_second}/s"
        );
        let calls = world.run(per_second, (45_000, 60_000), frozen);
        assert!(calls["b"].all <= 2, "{per_second}/s: {calls:?}");
    }
}

#[test]
fn one_that_hangs_for_a_moment_comes_back_without_having_been_tried_in_vain() {
    let mut world = three();
    let well = |_: &str, random| (usual(random), Success);
    world.run(200.0, (0, 5_000), well);
    // Its answers come, and late.
    let late = |id: &str, random| match id {
        "b" => (ms(1_000), Success),
        _ => (usual(random), Success),
    };
    let calls = world.run(200.0, (5_000, 6_000), late);
    assert!(calls["b"].all <= 5, "{calls:?}");
    world.run(200.0, (6_000, 10_000), well);
    let calls = world.run(200.0, (10_000, 20_000), well);
    assert!(share(&calls, "b") > 0.25, "{calls:?}");
}

#[test]
fn one_that_was_not_picked_for_three_seconds_is_tried_once() {
    let pool = pool_of(Strategy::P2c, ["a", "b"].map(instance));
    let mut rng = rng(1);
    for _ in 0..10 {
        let pick = pool.pick(ms(1), &mut rng).unwrap();
        let (took, outcome) = if id(&pick) == "b" {
            (1, Failure)
        } else {
            (10, Success)
        };
        pick.finish(ms(1 + took), outcome);
    }
    let mut b_at = Vec::new();
    for at in 12..10_000 {
        let pick = pool.pick(ms(at), &mut rng).unwrap();
        if id(&pick) == "b" {
            b_at.push(at);
            pick.finish(ms(at), Failure);
        } else {
            pick.finish(ms(at + 1), Success);
        }
    }
    // With two candidates both are always drawn.
    assert_eq!(b_at.len(), 3, "{b_at:?}");
    assert!(b_at[0] >= 3_001, "{b_at:?}");
    assert!(
        b_at.windows(2).all(|pair| pair[1] - pair[0] == 3_001),
        "{b_at:?}"
    );
}

#[test]
fn a_new_one_is_tried_at_once_and_not_flooded() {
    let mut world = World::new(["a", "b"].map(instance));
    let usual = |_: &str, random| (usual(random), Success);
    world.run(500.0, (0, 5_000), usual);
    world
        .pool
        .update(&Instances::from_iter(["a", "b", "c"].map(instance)));
    let calls = world.run(500.0, (5_000, 5_200), usual);
    assert!((0.15..0.55).contains(&share(&calls, "c")), "{calls:?}");
}

#[test]
fn weights_share_a_load_that_fills_the_instances() {
    let mut world = World::new([weighing("a", "300"), weighing("b", "100")]);
    // Some 40 calls are under way at a time.
    let calls = world.run(800.0, (0, 30_000), |_, _| (ms(50), Success));
    assert!((share(&calls, "a") - 0.75).abs() < 0.05, "{calls:?}");
}

#[test]
fn a_dropped_call_tells_nothing() {
    let pool = pool_of(Strategy::P2c, ["a", "b"].map(instance));
    let mut rng = rng(1);
    let picks = (0..50).map(|at| id(&pool.pick(ms(at), &mut rng).unwrap()));
    let a = picks.filter(|id| id == "a").count();
    assert!((10..=40).contains(&a), "{a}");
    for candidate in &pool.choice.load().candidates {
        assert_eq!(candidate.backend.load.in_flight(), 0);
    }
}
