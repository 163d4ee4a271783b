use proptest::prelude::*;

use super::*;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn fails() -> Result<(), String> {
    Err("no".to_owned())
}

/// A state with one check that every result turns.
fn one_check(policy: Policy) -> (HealthState, CheckId) {
    let mut state = HealthState::new(policy, secs(0));
    let check = state.add_check("check", Thresholds::AT_ONCE, None, secs(0));
    (state, check)
}

/// The same, up since the origin.
fn one_that_is_up(policy: Policy) -> (HealthState, CheckId) {
    let (mut state, check) = one_check(policy);
    state.record(check, Ok(()), secs(0));
    assert_eq!(state.poll(secs(0)), Some(Standing::Up));
    (state, check)
}

fn deregistering(after: Duration) -> Policy {
    Policy {
        deregister_after: Some(after),
        ..Policy::default()
    }
}

#[test]
fn it_is_unhealthy_until_every_check_has_passed_once() {
    let mut state = HealthState::new(Policy::default(), secs(0));
    let checks = ["a", "b"].map(|name| state.add_check(name, Thresholds::default(), None, secs(0)));
    assert_eq!(state.standing(), Standing::Unhealthy);
    state.record(checks[0], Ok(()), ms(1));
    assert_eq!(state.poll(ms(1)), None);
    assert_eq!(state.reports()[1].reason.as_deref(), Some("no result yet"));
    state.record(checks[1], Ok(()), ms(2));
    assert_eq!(
        state.poll(ms(2)),
        Some(Standing::Up),
        "and waits for nothing"
    );
}

#[test]
fn one_without_checks_is_up() {
    let mut state = HealthState::new(Policy::default(), secs(0));
    assert_eq!(state.poll(secs(0)), Some(Standing::Up));
    assert_eq!(state.poll_timeout(), None);
}

#[test]
fn it_may_be_up_at_first() {
    let initially = Initially::Up;
    let policy = Policy {
        initially,
        ..Policy::default()
    };
    let (mut state, check) = one_check(policy);
    assert_eq!(
        (state.standing(), state.poll(secs(0))),
        (Standing::Up, None)
    );
    state.record(check, fails(), secs(1));
    assert_eq!(state.poll(secs(1)), Some(Standing::Unhealthy));
}

#[test]
fn one_failing_check_of_several_is_enough() {
    let (mut state, _) = one_that_is_up(Policy::default());
    let other = state.add_check("other", Thresholds::AT_ONCE, None, secs(1));
    state.record(other, Ok(()), secs(1));
    assert_eq!(state.poll(secs(1)), None);
    state.record(other, fails(), secs(2));
    assert_eq!(state.poll(secs(2)), Some(Standing::Unhealthy));
}

#[test]
fn silence_turns_it_at_the_deadline_that_it_asks_to_be_woken_at() {
    let mut state = HealthState::new(Policy::default(), secs(0));
    let check = state.add_check("ttl", Thresholds::AT_ONCE, Some(secs(20)), secs(0));
    state.record(check, Ok(()), secs(3));
    assert_eq!(state.poll(secs(3)), Some(Standing::Up));
    assert_eq!(state.poll_timeout(), Some(secs(23)));
    assert_eq!(state.poll(ms(22_999)), None);
    assert_eq!(state.poll(secs(23)), Some(Standing::Unhealthy));
    assert_eq!(state.poll_timeout(), None);
}

#[test]
fn a_result_that_comes_after_the_deadline_does_not_hide_it() {
    let mut state = HealthState::new(Policy::default(), secs(0));
    let check = state.add_check(
        "ttl",
        Thresholds { rise: 2, fall: 1 },
        Some(secs(20)),
        secs(0),
    );
    state.record(check, Ok(()), secs(0));
    assert_eq!(state.poll(secs(0)), Some(Standing::Up));
    // Nobody has polled between.
    state.record(check, Ok(()), secs(30));
    assert_eq!(state.poll(secs(30)), Some(Standing::Unhealthy));
}

#[test]
fn worse_is_told_at_once_and_better_after_the_hold() {
    let (mut state, check) = one_that_is_up(Policy::default());
    state.record(check, fails(), secs(100));
    assert_eq!(state.poll(secs(100)), Some(Standing::Unhealthy));
    state.record(check, Ok(()), ms(100_010));
    assert_eq!(state.poll(ms(100_010)), None);
    assert_eq!(state.poll_timeout(), Some(secs(101)));
    assert_eq!(state.poll(secs(101)), Some(Standing::Up));
}

#[test]
fn one_that_passes_and_fails_within_the_hold_is_not_told_of() {
    let (mut state, check) = one_that_is_up(Policy::default());
    for at in [secs(100), ms(100_200)] {
        state.record(check, fails(), at);
        state.poll(at);
        state.record(check, Ok(()), at + ms(100));
        assert_eq!(state.poll(at + ms(100)), None);
    }
    assert_eq!(state.poll(secs(101)), Some(Standing::Up));
}

#[test]
fn flapping_ten_times_a_second_for_an_hour_is_told_of_twice_a_minute() {
    let (mut state, check) = one_that_is_up(Policy::default());
    let mut told = 0;
    let mut last = Standing::Up;
    for step in 1..=36_000 {
        let now = ms(step * 100);
        let result = if step % 2 == 0 { Ok(()) } else { fails() };
        state.record(check, result, now);
        if let Some(standing) = state.poll(now) {
            assert_ne!(standing, last);
            (told, last) = (told + 1, standing);
        }
    }
    // 1 + 2 + … + 32 s, and then one hold of 60 s after the other; two changes for each.
    assert!((100..=136).contains(&told), "{told}");
}

#[test]
fn without_a_limit_it_stays_unhealthy_for_ever() {
    let (mut state, check) = one_that_is_up(Policy::default());
    state.record(check, fails(), secs(1));
    assert_eq!(state.poll(secs(1)), Some(Standing::Unhealthy));
    assert_eq!(state.poll_timeout(), None);
    assert_eq!(state.poll(secs(1_000_000)), None);
}

#[test]
fn after_its_limit_it_is_deregistered_and_comes_back_when_it_passes() {
    let (mut state, check) = one_that_is_up(deregistering(secs(60)));
    state.record(check, fails(), secs(10));
    assert_eq!(state.poll(secs(10)), Some(Standing::Unhealthy));
    state.record(check, fails(), secs(50));
    assert_eq!(state.poll_timeout(), Some(secs(70)));
    assert_eq!(state.poll(secs(70)), Some(Standing::Deregistered));
    assert_eq!(state.poll_timeout(), None);
    state.record(check, fails(), secs(80));
    assert_eq!(state.poll(secs(80)), None);
    state.record(check, Ok(()), secs(90));
    assert_eq!(state.poll(secs(90)), Some(Standing::Up));
}

#[test]
fn one_that_never_passes_is_deregistered_too() {
    let (mut state, _) = one_check(deregistering(secs(60)));
    assert_eq!(state.poll_timeout(), Some(secs(60)));
    assert_eq!(state.poll(secs(60)), Some(Standing::Deregistered));
}

#[test]
fn passing_in_between_begins_the_limit_anew() {
    let (mut state, check) = one_that_is_up(deregistering(secs(60)));
    for at in [0, 40, 80] {
        state.record(check, fails(), secs(at));
        state.poll(secs(at));
        state.record(check, Ok(()), secs(at + 39));
        assert_ne!(state.poll(secs(at + 39)), Some(Standing::Deregistered));
    }
}

#[test]
fn draining_wins_over_every_check_and_is_never_deregistered() {
    let (mut state, check) = one_that_is_up(deregistering(secs(60)));
    state.drain();
    assert_eq!(state.poll(secs(1)), Some(Standing::Draining));
    state.record(check, fails(), secs(2));
    assert_eq!(state.poll_timeout(), None);
    assert_eq!(state.poll(secs(1_000)), None);
    state.record(check, Ok(()), secs(1_001));
    assert_eq!(state.poll(secs(1_001)), None);
    state.resume();
    assert_eq!(state.poll(secs(1_002)), Some(Standing::Up));
}

#[test]
fn what_was_deregistered_does_not_come_back_to_drain() {
    let (mut state, _) = one_check(deregistering(secs(60)));
    assert_eq!(state.poll(secs(60)), Some(Standing::Deregistered));
    state.drain();
    assert_eq!(state.poll(secs(61)), None);
}

/// What happens to a state, after so many milliseconds.
#[derive(Clone, Debug)]
enum Happening {
    Result(usize, bool),
    Drain,
    Resume,
    Nothing,
}

fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let happening = prop_oneof![
        8 => (0..2_usize, any::<bool>()).prop_map(|(check, passes)| Happening::Result(check, passes)),
        1 => Just(Happening::Drain),
        1 => Just(Happening::Resume),
        3 => Just(Happening::Nothing),
    ];
    prop::collection::vec((0..5_000_u64, happening), 0..200)
}

proptest! {
    #[test]
    fn whatever_happens_none_is_up_that_fails_and_none_is_held_for_ever(happenings in happenings()) {
        let mut state = HealthState::new(deregistering(secs(7)), secs(0));
        let ttl = Some(secs(9));
        let checks = [
            state.add_check("two of three", Thresholds { rise: 2, fall: 3 }, None, secs(0)),
            state.add_check("ttl", Thresholds::AT_ONCE, ttl, secs(0)),
        ];
        let mut now = secs(0);
        for (after, happening) in happenings {
            now += ms(after);
            match happening {
                Happening::Result(check, true) => state.record(checks[check], Ok(()), now),
                Happening::Result(check, false) => state.record(checks[check], fails(), now),
                Happening::Drain => state.drain(),
                Happening::Resume => state.resume(),
                Happening::Nothing => {}
            }
            let before = state.standing();
            let news = state.poll(now);
            prop_assert_eq!(news.is_some(), state.standing() != before);
            let passes = state.reports().iter().all(|check| check.verdict == Verdict::Passing);
            prop_assert!(passes || state.standing() != Standing::Up);
            // Whoever waits for it does not spin.
            prop_assert!(state.poll_timeout().is_none_or(|at| at > now));
            prop_assert_eq!(state.poll(now), None);
        }
        state.resume();
        let bound = now + Policy::default().hold_max;
        while state.standing() != Standing::Up {
            prop_assert!(now <= bound, "it is held for too long");
            for check in [checks[0], checks[0], checks[1]] {
                state.record(check, Ok(()), now);
            }
            if state.poll(now).is_none() {
                now = state.poll_timeout().expect("it is held for a time");
            }
        }
    }
}
