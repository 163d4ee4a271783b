use std::time::Duration;

use super::{Averages, Load, Moment};
use crate::select::Outcome::{self, Failure, Success, Unanswered};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(at_ms: u64) -> Moment {
    ms(at_ms).into()
}

/// A call that ends at `end_ms` and took `took_ms`.
fn call(load: &Load, end_ms: u64, took_ms: u64, outcome: Outcome) {
    load.began(at(end_ms - took_ms));
    if outcome == Success {
        load.answered();
    }
    load.sample(at(end_ms), ms(took_ms), outcome);
    load.ended(outcome == Success);
}

fn averages(load: &Load) -> (f32, f32) {
    let Averages { latency, success } = Averages::unpack(load.averages.load(super::Relaxed));
    (latency * 1_000.0, success)
}

#[track_caller]
fn about(value: f32, wanted: f32) {
    assert!(
        (value - wanted).abs() <= wanted * 0.01 + 0.0001,
        "{value}, not {wanted}"
    );
}

#[test]
fn a_first_call_is_taken_for_the_latency() {
    let load = Load::new();
    assert_eq!(averages(&load), (0.0, 1.0));
    call(&load, 100, 20, Success);
    about(averages(&load).0, 20.0);
}

#[test]
fn a_peak_counts_at_once_and_fades_by_the_time_constant() {
    let load = Load::new();
    call(&load, 1_000, 10, Success);
    call(&load, 1_001, 110, Success);
    about(averages(&load).0, 110.0);
    // Of the 100 ms above, 1/e is left.
    call(&load, 1_601, 10, Success);
    about(averages(&load).0, 10.0 + 100.0 / std::f32::consts::E);
}

#[test]
fn a_failure_that_comes_fast_leaves_the_latency() {
    let load = Load::new();
    call(&load, 1_000, 50, Success);
    call(&load, 9_000, 1, Failure);
    about(averages(&load).0, 50.0);
    // A timeout is a peak.
    call(&load, 20_000, 1_000, Failure);
    about(averages(&load).0, 1_000.0);
    let never_answered = Load::new();
    call(&never_answered, 1_000, 1, Failure);
    about(averages(&never_answered).0, 0.0);
}

#[test]
fn failures_tell_at_whatever_rate_and_successes_put_it_right() {
    let load = Load::new();
    for end_ms in 1_000..1_010 {
        call(&load, end_ms, 1, Failure);
    }
    about(averages(&load).1, 0.8_f32.powi(10));
    call(&load, 5_000, 1, Success);
    assert!(averages(&load).1 > 0.99);
}

#[test]
fn a_latency_fades_while_nobody_asks_and_not_while_somebody_waits() {
    let (slow, quick) = (Load::new(), Load::new());
    call(&slow, 1_000, 200, Success);
    call(&quick, 1_000, 10, Success);
    // ln(20) time constants are 1.8 s: until then the slow one is the dearer one.
    let slow_is_below = |at_ms| {
        call(&quick, at_ms - 1, 10, Success);
        slow.cost(at(at_ms), 100)
            .is_below(quick.cost(at(at_ms), 100))
    };
    assert!(!slow_is_below(2_000));
    assert!(!slow_is_below(2_700));
    assert!(slow_is_below(2_900));
    slow.began(at(2_900));
    assert!(!slow_is_below(2_901));
    assert!(!slow_is_below(60_000));
}

#[test]
fn an_address_that_hung_is_not_tried_again_before_it_is_idle() {
    let (hung, quick) = (Load::new(), Load::new());
    call(&hung, 1_000, 10, Success);
    call(&hung, 1_600, 500, Failure);
    let hung_is_below = |at_ms| {
        // Ten calls out, as while others wait for their turn.
        call(&quick, at_ms - 1, 10, Success);
        (0..9).for_each(|_| quick.began(at(at_ms)));
        let is_below = hung
            .cost(at(at_ms), 100)
            .is_below(quick.cost(at(at_ms), 100));
        (0..9).for_each(|_| quick.ended(false));
        is_below
    };
    assert!(!hung_is_below(2_900));
    // 20 times what the call took in vain.
    assert!(!hung_is_below(11_500) && !hung.claim_idle(at(11_599)));
    assert!(hung.claim_idle(at(11_600)));
    // It answers again: what it was is over, as with any other.
    (11_610..11_615).for_each(|end_ms| call(&hung, end_ms, 5, Success));
    assert!(hung_is_below(13_000));
}

#[test]
fn what_was_not_measured_is_compared_by_calls_and_weight() {
    let (new, known) = (Load::new(), Load::new());
    call(&known, 1_000, 1, Success);
    let new_is_below = |weight| {
        new.cost(at(1_000), weight)
            .is_below(known.cost(at(1_000), 100))
    };
    assert!(!new_is_below(100));
    assert!(new_is_below(200));
    known.began(at(1_000));
    assert!(new_is_below(100));
    assert!(!new_is_below(50));
}

#[test]
fn weights_share_the_calls_in_flight() {
    let (heavy, light) = (Load::new(), Load::new());
    for load in [&heavy, &light] {
        call(load, 1_000, 10, Success);
        load.began(at(1_000));
    }
    // Measured at once, and both with calls in flight, so only these and the weights count.
    heavy.began(at(1_000));
    let heavy_is_below = |weight| {
        heavy
            .cost(at(1_000), weight)
            .is_below(light.cost(at(1_000), 100))
    };
    assert!(!heavy_is_below(100));
    assert!(heavy_is_below(200));
}

#[test]
fn an_address_is_idle_after_three_seconds_and_for_one_caller() {
    let load = Load::new();
    assert!(load.claim_idle(at(0)));
    assert!(!load.claim_idle(at(0)));
    call(&load, 1_000, 0, Success);
    assert!(!load.claim_idle(at(4_000)));
    assert!(load.claim_idle(at(4_001)));
    assert!(!load.claim_idle(at(4_001)));
}

#[test]
fn where_a_call_waits_nobody_is_tried_for_long_and_who_is_answered_does_not_wait() {
    let load = Load::new();
    call(&load, 900, 10, Success);
    load.began(at(1_000));
    assert!(!load.claim_idle(at(31_000)) && load.claim_idle(at(31_001)));
    // A stream, from here on.
    load.answered();
    assert_eq!(load.in_flight(), 1);
    assert!(!load.claim_idle(at(34_001)) && load.claim_idle(at(34_002)));
    load.ended(true);
    assert_eq!(load.in_flight(), 0);
}

#[test]
fn calls_that_wait_longer_than_usual_make_an_address_dear_before_they_end() {
    let (silent, busy) = (Load::new(), Load::new());
    for load in [&silent, &busy] {
        call(load, 1_000, 10, Success);
    }
    silent.began(at(1_000));
    let silent_is_below = |at_ms| {
        (0..3).for_each(|_| busy.began(at(at_ms)));
        let is_below = silent
            .cost(at(at_ms), 100)
            .is_below(busy.cost(at(at_ms), 100));
        (0..3).for_each(|_| busy.ended(false));
        is_below
    };
    // 2 calls of 10 ms, and 4.
    assert!(silent_is_below(1_010));
    assert!(!silent_is_below(1_021));
}

#[test]
fn a_call_that_waits_by_design_does_not_keep_others_away() {
    let (uploads, busy) = (Load::new(), Load::new());
    for load in [&uploads, &busy] {
        call(load, 1_000, 10, Success);
    }
    uploads.began(at(1_000));
    call(&uploads, 2_000, 10, Success);
    for _ in 0..3 {
        busy.began(at(60_000));
        busy.answered();
    }
    let below = |at_ms| {
        let busy = busy.cost(at(at_ms), 100);
        uploads.cost(at(at_ms), 100).is_below(busy)
    };
    assert!(below(60_000));
    uploads.began(at(60_000));
    assert!(!below(60_100));
}

#[test]
fn a_silent_address_of_which_nothing_is_known_is_left_when_others_would_have_answered() {
    let (new, known) = (Load::new(), Load::new());
    call(&known, 1_000, 10, Success);
    new.began(at(1_000));
    let new_is_below = |at_ms| {
        (0..5).for_each(|_| known.began(at(at_ms)));
        let is_below = new
            .cost(at(at_ms), 100)
            .is_below(known.cost(at(at_ms), 100));
        (0..5).for_each(|_| known.ended(false));
        is_below
    };
    assert!(new_is_below(1_010));
    assert!(!new_is_below(1_100));
}

#[test]
fn calls_that_wait_for_long_everywhere_are_shared_by_their_number() {
    let (old, new) = (Load::new(), Load::new());
    old.began(at(1_000));
    (0..3).for_each(|_| new.began(at(3_500_000)));
    for load in [&old, &new] {
        call(load, 3_500_001, 1, Unanswered);
    }
    let now = at(3_600_000);
    assert!(old.cost(now, 100).is_below(new.cost(now, 100)));
}

#[test]
fn each_try_that_fails_puts_off_the_next_for_twice_as_long() {
    let load = Load::new();
    // Three that were out together are one try.
    for end_ms in [1_000, 1_001, 1_002] {
        call(&load, end_ms, 400, Failure);
    }
    let mut due_ms = 1_000;
    for put_off_ms in [8_000, 16_000, 32_000, 60_000, 60_000] {
        due_ms += put_off_ms;
        assert!(!load.claim_idle(at(due_ms - 1)), "{due_ms}");
        assert!(load.claim_idle(at(due_ms)), "{due_ms}");
        due_ms += 400;
        call(&load, due_ms, 400, Failure);
    }
    call(&load, due_ms + 1_000, 1, Success);
    assert!(load.claim_idle(at(due_ms + 4_001)));
}

#[test]
fn time_that_goes_backwards_is_no_time() {
    let load = Load::new();
    call(&load, 1_000, 10, Success);
    load.sample(at(500), ms(5), Success);
    about(averages(&load).0, 10.0);
    assert_eq!(at(1).since(at(2)), Duration::ZERO);
    assert_eq!(Moment::from(Duration::MAX), Moment(u64::MAX));
}

#[test]
fn a_call_that_was_given_up_counts_as_latency_when_it_was_waited_for_longer() {
    let load = Load::new();
    call(&load, 1_000, 10, Success);
    call(&load, 1_001, 1, Unanswered);
    about(averages(&load).0, 10.0);
    call(&load, 1_002, 500, Unanswered);
    about(averages(&load).0, 500.0);
    about(averages(&load).1, 1.0);
}

#[test]
fn a_call_that_was_given_up_measures_an_address_of_which_nothing_is_known() {
    let load = Load::new();
    call(&load, 1_000, 500, Unanswered);
    about(averages(&load).0, 500.0);
}
