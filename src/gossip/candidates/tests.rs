use super::*;

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn id(port: u16) -> PeerId {
    PeerId {
        addr: addr(port),
        boot: 1,
        renewal: 0,
    }
}

fn at(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn said(port: u16, teller: u16) -> Said {
    Said {
        id: id(port),
        incarnation: 0,
        health: Health::Alive,
        teller: addr(teller),
        vouch: None,
        suffices: false,
        capabilities: Capabilities::default(),
    }
}

fn vouched(port: u16, teller: u16) -> Said {
    let vouch = Vouch {
        by: addr(teller),
        session: SessionTag::of(&[7; 16]),
    };
    Said {
        vouch: Some(vouch),
        ..said(port, teller)
    }
}

/// Takes in words, each with its port for the token.
fn hear(candidates: &mut Candidates, ms: u64, said: Said) -> Heard {
    let token = said.id.addr.port().into();
    candidates.heard(at(ms), &said, token)
}

/// Lets time pass, a hundredth of a second at a time, and gives whom it pinged.
fn run(candidates: &mut Candidates, from_ms: u64, to_ms: u64) -> Vec<u16> {
    let mut pinged = Vec::new();
    for ms in (from_ms..to_ms).step_by(10) {
        while let Some((id, _)) = candidates.next_ping(at(ms)) {
            pinged.push(id.addr.port());
        }
    }
    pinged
}

#[test]
fn a_candidate_without_an_answer_to_three_pings_is_remembered_for_ten_minutes() {
    let mut candidates = Candidates::new(at(0));
    assert_eq!(hear(&mut candidates, 0, said(1, 9)), Heard::Kept);
    assert_eq!(run(&mut candidates, 0, 5_000), [1, 1, 1]);
    assert_eq!(candidates.size(), (0, 1));
    assert_eq!(hear(&mut candidates, 600_000, said(1, 8)), Heard::Nothing);
    assert!(run(&mut candidates, 600_000, 601_000).is_empty());
    assert_eq!(hear(&mut candidates, 604_000, said(1, 9)), Heard::Kept);
    assert_eq!(candidates.size(), (1, 0));
}

#[test]
fn one_that_answers_is_handed_over_and_pinged_no_more() {
    let mut candidates = Candidates::new(at(0));
    hear(&mut candidates, 0, said(1, 9));
    assert!(candidates.answered(1, 1).is_none(), "nothing was asked");
    assert_eq!(run(&mut candidates, 0, 100), [1]);
    assert!(candidates.answered(1, 2).is_none(), "another process");
    let answered = candidates.answered(1, 1).expect("it was asked");
    assert_eq!(candidates.take(answered).map(|c| c.id), Some(id(1)));
    assert_eq!(
        candidates.answered(1, 1),
        Some(answered),
        "it may answer late"
    );
    assert!(run(&mut candidates, 100, 9_000).is_empty());
    assert_eq!(candidates.size(), (0, 0));
    assert_eq!(candidates.next_due(at(9_000)), None);
    assert_eq!(candidates.answered(1, 1), None);
}

#[test]
fn two_members_that_vouch_confirm_and_one_that_says_it_twice_does_not() {
    let mut candidates = Candidates::new(at(0));
    assert_eq!(hear(&mut candidates, 0, vouched(1, 9)), Heard::Kept);
    assert_eq!(hear(&mut candidates, 0, vouched(1, 9)), Heard::Nothing);
    assert_eq!(hear(&mut candidates, 0, said(1, 8)), Heard::Nothing);
    let confirmed = Heard::Confirmed(SessionTag::of(&[7; 16]));
    assert_eq!(hear(&mut candidates, 0, vouched(1, 7)), confirmed);
    assert_eq!(candidates.size(), (0, 0));
    let sole = Said {
        suffices: true,
        ..vouched(2, 9)
    };
    assert_eq!(hear(&mut candidates, 0, sole), confirmed);
}

#[test]
fn what_vouches_for_one_that_does_not_answer_here_still_counts() {
    let mut candidates = Candidates::new(at(0));
    hear(&mut candidates, 0, vouched(1, 9));
    run(&mut candidates, 0, 5_000);
    assert_eq!(candidates.size(), (0, 1));
    assert_eq!(hear(&mut candidates, 6_000, vouched(1, 9)), Heard::Nothing);
    let heard = hear(&mut candidates, 6_000, vouched(1, 8));
    assert!(matches!(heard, Heard::Confirmed(_)));
    assert_eq!(candidates.size(), (0, 0));
}

#[test]
fn five_thousand_names_of_one_teller_keep_no_other_tellers_waiting() {
    let mut candidates = Candidates::new(at(0));
    for port in 10_000..15_000 {
        hear(&mut candidates, 0, said(port, 9));
    }
    assert_eq!(candidates.size().0, MOST_PER_TELLER);
    run(&mut candidates, 0, 1_000);
    hear(&mut candidates, 1_000, said(1, 8));
    // It is named by the first teller, too, and gets its turn all the same.
    hear(&mut candidates, 1_000, said(10_900, 7));
    let pinged = run(&mut candidates, 1_000, 1_300);
    assert!(
        pinged.contains(&1) && pinged.contains(&10_900),
        "{pinged:?}"
    );
}

#[test]
fn pings_leave_at_a_pace_and_what_nobody_names_any_more_is_forgotten() {
    let mut candidates = Candidates::new(at(0));
    for port in 10_000..15_000 {
        hear(&mut candidates, 0, said(port, 9));
    }
    let pinged = run(&mut candidates, 0, 10_000).len();
    assert!((286..=290).contains(&pinged), "{pinged}");
    run(&mut candidates, 10_000, 30_000);
    assert_eq!(candidates.size().0, 0);
    assert_eq!(candidates.next_due(at(30_000)), None);
    assert!(candidates.turns.is_empty() && candidates.tokens.is_empty());
    assert!(candidates.waiting.is_empty());
}

#[test]
fn every_list_is_bounded_and_the_teller_that_names_most_makes_room() {
    let mut candidates = Candidates::new(at(0));
    for teller in 1..=5 {
        for n in 0..2_000_u16 {
            hear(&mut candidates, 0, said(teller * 2_000 + n, teller));
        }
    }
    assert_eq!(candidates.size().0, MOST);
    assert_eq!(hear(&mut candidates, 0, said(1, 6)), Heard::Kept);
    assert_eq!(candidates.size().0, MOST);
    let held: usize = candidates.turns.values().map(|turn| turn.held).sum();
    assert_eq!(held, MOST);
    let longest = candidates.turns.values().map(|turn| turn.queue.len()).max();
    assert!(longest.is_some_and(|longest| longest <= 2 * MOST_PER_TELLER + 1));
    let mut remembering = Candidates::new(at(0));
    for n in 0..MOST_REMEMBERED as u64 + 100 {
        let (id, now) = (id(1), at(n));
        let id = PeerId { boot: n, ..id };
        let said = Said { id, ..said(1, 9) };
        remembering.heard(now, &said, 1);
        let candidate = remembering.take(id.owner()).unwrap();
        remembering.remember(now, &candidate);
    }
    assert_eq!(remembering.size(), (0, MOST_REMEMBERED));
    assert_eq!(remembering.ends.len(), MOST_REMEMBERED);
}
