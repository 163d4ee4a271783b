use super::*;

const NOW: Duration = Duration::ZERO;

fn tally(verdict: Verdict, rise: u32, fall: u32) -> Tally {
    Tally::new(verdict, Thresholds { rise, fall }, None, NOW)
}

/// The verdict after each result: `+` is a success, `-` a failure.
fn verdicts(mut tally: Tally, results: &str) -> String {
    let verdict_after = |result| {
        let result = if result == '+' {
            Ok(())
        } else {
            Err("no".to_owned())
        };
        tally.record(result, NOW);
        match tally.verdict() {
            Verdict::Passing => 'P',
            Verdict::Failing => 'F',
        }
    };
    results.chars().map(verdict_after).collect()
}

#[test]
fn the_first_success_of_all_turns_a_check_alone() {
    assert_eq!(verdicts(tally(Verdict::Failing, 3, 3), "+"), "P");
}

#[test]
fn after_a_first_failure_it_takes_rise_successes() {
    assert_eq!(verdicts(tally(Verdict::Failing, 2, 3), "-++"), "FFP");
}

#[test]
fn a_passing_check_falls_with_the_third_failure_in_a_row() {
    let results = "+--+---";
    assert_eq!(verdicts(tally(Verdict::Failing, 2, 3), results), "PPPPPPF");
}

#[test]
fn a_failing_check_rises_with_the_second_success_in_a_row() {
    let results = "+---+-++";
    assert_eq!(verdicts(tally(Verdict::Failing, 2, 3), results), "PPPFFFFP");
}

#[test]
fn one_that_passes_at_first_takes_fall_failures() {
    assert_eq!(verdicts(tally(Verdict::Passing, 2, 3), "---"), "PPF");
}

#[test]
fn a_threshold_of_none_is_one() {
    assert_eq!(verdicts(tally(Verdict::Passing, 0, 0), "-+"), "FP");
}

#[test]
fn silence_fails_a_check_at_its_deadline_and_not_before() {
    let ttl = Duration::from_secs(20);
    let mut tally = Tally::new(Verdict::Failing, Thresholds::default(), Some(ttl), NOW);
    assert_eq!(tally.deadline(), None, "it fails already");
    tally.record(Ok(()), Duration::from_secs(5));
    assert_eq!(tally.deadline(), Some(Duration::from_secs(25)));
    tally.expire(Duration::from_millis(24_999));
    assert_eq!(tally.verdict(), Verdict::Passing);
    tally.expire(Duration::from_secs(25));
    assert_eq!(tally.verdict(), Verdict::Failing);
    assert_eq!(tally.reason(), Some("not heard of for 20s"));
}

#[test]
fn a_failure_that_does_not_turn_it_is_a_sign_of_life() {
    let ttl = Duration::from_secs(20);
    let mut tally = Tally::new(Verdict::Passing, Thresholds::default(), Some(ttl), NOW);
    tally.record(Err("once".to_owned()), Duration::from_secs(10));
    assert_eq!(tally.deadline(), Some(Duration::from_secs(30)));
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut tally = tally(Verdict::Passing, 1, 1);
    tally.record(Err("ä".repeat(1_000) + "x"), NOW);
    assert_eq!(tally.reason().map(str::len), Some(MAX_REASON_BYTES));
    tally.record(Err("x".to_owned() + &"ä".repeat(1_000)), NOW);
    assert_eq!(tally.reason().map(str::len), Some(MAX_REASON_BYTES - 1));
}
