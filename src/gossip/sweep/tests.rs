use super::*;

const TIMEOUT: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_secs(2);

fn at(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn id(port: u16) -> PeerId {
    PeerId {
        addr: SocketAddr::from(([127, 0, 0, 1], port)),
        boot: port.into(),
        renewal: 0,
    }
}

fn members(n: u16) -> Vec<(PeerId, u32)> {
    (1..=n).map(|port| (id(port), u32::from(port))).collect()
}

/// Runs a sweep over `n` members of which those up to `alive` answer at once. Says when each ping
/// left, what was found, and when it was over.
fn swept(n: u16, alive: u16) -> (Vec<Instant>, Vec<Outcome>, Instant) {
    let mut sweep = Sweep::default();
    // Those that live are spread over all.
    let is_alive = |port: u16| u32::from(port) * u32::from(alive) % u32::from(n) < u32::from(alive);
    sweep.begin(at(0), members(n));
    let (mut pings, mut found, mut now) = (Vec::new(), Vec::new(), at(0));
    loop {
        match sweep.step(now, TIMEOUT) {
            Step::Ping(id, token) => {
                pings.push(now);
                if is_alive(id.addr.port()) {
                    assert_eq!(sweep.answered(token, id.boot), Some(id));
                }
            }
            Step::Found(_, outcome) => found.push(outcome),
            Step::Wait(until) => now = until,
            Step::Over => return (pings, found, now),
        }
    }
}

#[test]
fn two_members_that_fail_within_the_window_begin_a_sweep_and_one_does_not() {
    let mut sweep = Sweep::default();
    let mut fails = |ms, port| sweep.failed(at(ms), id(port).addr, WINDOW);
    assert!(!fails(0, 1) && !fails(500, 1), "the same one");
    assert!(!fails(2_600, 2), "too late");
    assert!(fails(3_000, 3));
}

#[test]
fn one_that_was_heard_since_has_not_failed() {
    let mut sweep = Sweep::default();
    sweep.failed(at(0), id(1).addr, WINDOW);
    assert!(sweep.has_failed(id(1).addr));
    sweep.heard(id(1).addr);
    assert!(!sweep.has_failed(id(1).addr));
    assert!(!sweep.failed(at(10), id(2).addr, WINDOW));
}

#[test]
fn no_sweep_begins_while_one_runs_or_just_after_it() {
    let mut sweep = Sweep::default();
    sweep.begin(at(0), members(2));
    assert!(!sweep.may_begin(at(1)));
    while sweep.step(at(10_000), TIMEOUT) != Step::Over {
        sweep.next_ping = at(0);
        sweep.due = sweep.due.iter().map(|(_, addr)| (at(0), *addr)).collect();
        for target in sweep.targets.values_mut() {
            target.due = at(0);
        }
    }
    sweep.ended(at(10_000), WINDOW);
    assert!(!sweep.may_begin(at(11_999)));
    assert!(sweep.may_begin(at(12_000)));
}

#[test]
fn silent_members_are_found_after_four_pings_and_200_leave_in_a_second() {
    for n in [1, 5, 100] {
        let (pings, found, over) = swept(n, 0);
        assert_eq!(pings.len(), 4 * usize::from(n));
        assert_eq!(found, vec![Outcome::Silent; n.into()]);
        assert!(pings.windows(2).all(|two| two[1] - two[0] >= PING_GAP));
        let least = Duration::from_millis(350).max(PING_GAP * 4 * u32::from(n));
        assert!(
            over - at(0) <= least + Duration::from_millis(150),
            "{n}: {over:?}"
        );
    }
}

#[test]
fn those_that_live_are_pinged_once_and_all_have_their_turn_before_anybody_is_pinged_again() {
    let (pings, found, _) = swept(100, 10);
    assert_eq!((pings.len(), found.len()), (10 + 4 * 90, 90));
    let mut sweep = Sweep::default();
    sweep.begin(at(0), members(100));
    let mut first = Vec::new();
    let mut now = at(0);
    while sweep.has_asked_all_since().is_none() {
        match sweep.step(now, TIMEOUT) {
            Step::Ping(id, _) => first.push(id.addr.port()),
            Step::Wait(until) => now = until,
            _ => {}
        }
    }
    assert_eq!(first, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_sweep_that_finds_most_members_well_ends_early() {
    let (pings, found, _) = swept(1_000, 950);
    assert!(pings.len() < 60 && found.len() < 5, "{} pings", pings.len());
    let (pings, found, _) = swept(1_000, 500);
    assert_eq!((pings.len(), found.len()), (500 + 4 * 500, 500));
}

#[test]
fn a_refused_member_is_found_after_the_second_refusal() {
    let mut sweep = Sweep::default();
    sweep.begin(at(0), members(1));
    assert!(matches!(sweep.step(at(0), TIMEOUT), Step::Ping(..)));
    assert!(sweep.refused(id(1).addr, TIMEOUT));
    assert_eq!(sweep.step(at(1), TIMEOUT), Step::Wait(at(40)));
    assert!(matches!(sweep.step(at(40), TIMEOUT), Step::Ping(..)));
    assert!(sweep.refused(id(1).addr, TIMEOUT));
    assert_eq!(sweep.step(at(41), TIMEOUT), Step::Wait(at(76)));
    let found = Step::Found(id(1), Outcome::Refused);
    assert_eq!(sweep.step(at(76), TIMEOUT), found);
    assert_eq!(sweep.step(at(76), TIMEOUT), Step::Over);
    assert!(!sweep.refused(id(1).addr, TIMEOUT));
}

#[test]
fn an_answer_counts_with_the_token_and_the_boot_that_it_was_sent_for() {
    let mut sweep = Sweep::default();
    sweep.begin(at(0), members(2));
    sweep.step(at(0), TIMEOUT);
    assert_eq!(sweep.answered(1, 2), None);
    assert_eq!(sweep.answered(2, 2), None, "not pinged yet");
    assert_eq!(sweep.answered(1, 1), Some(id(1)));
    assert_eq!(sweep.answered(1, 1), None, "once");
}
