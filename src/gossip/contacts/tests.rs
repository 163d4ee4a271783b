use rand::{SeedableRng, rngs::StdRng};

use super::*;

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn at(s: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(s))
}

fn contacts() -> Contacts {
    Contacts::new(Duration::from_secs(1), Duration::from_secs(600), 4_096)
}

#[test]
fn three_of_the_lost_are_called_in_a_second_and_all_get_their_turn() {
    let mut contacts = contacts();
    for port in 1..=64 {
        contacts.add_lost(at(0), addr(port));
    }
    let (mut rng, mut called) = (rng(), std::collections::BTreeSet::new());
    assert!(contacts.due(at(0), &mut rng).is_empty());
    for second in 1..=300 {
        assert_eq!(contacts.next_due(), Some(at(second)));
        let due = contacts.due(at(second), &mut rng);
        assert_eq!(due.len(), 3);
        called.extend(due);
        assert!(contacts.due(at(second), &mut rng).is_empty());
    }
    assert_eq!(called.len(), 64);
}

#[test]
fn once_one_is_back_all_others_are_called_three_in_ten_milliseconds() {
    let mut contacts = contacts();
    for port in 1..=7 {
        contacts.add_lost(at(0), addr(port));
    }
    contacts.call_all_now(at(1));
    let (mut rng, mut called) = (rng(), Vec::new());
    for step in 0..3 {
        let now = at(1) + SWEEP_GAP * step;
        assert_eq!(contacts.next_due(), Some(now));
        called.extend(contacts.due(now, &mut rng));
        contacts.call_all_now(now);
        assert!(contacts.due(now, &mut rng).is_empty(), "paced");
    }
    called.sort_unstable();
    assert_eq!(called, (1..=7).map(addr).collect::<Vec<_>>());
    assert_eq!(contacts.next_due(), Some(at(2)));
}

#[test]
fn who_was_called_just_now_is_called_again_after_the_interval_and_without_waiting_for_a_turn() {
    let mut contacts = contacts();
    for port in 1..=9 {
        contacts.add_lost(at(0), addr(port));
    }
    let mut rng = rng();
    let before = contacts.due(at(1), &mut rng);
    contacts.call_all_now(at(1));
    let mut called = BTreeSet::new();
    for step in 1..=2 {
        called.extend(contacts.due(at(1) + SWEEP_GAP * step, &mut rng));
    }
    assert_eq!(called.len(), 6);
    assert!(before.iter().all(|addr| !called.contains(addr)));
    assert_eq!(contacts.next_due(), Some(at(2)));
    let mut again = contacts.due(at(2), &mut rng);
    again.sort_unstable();
    assert_eq!(
        again,
        before
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

/// Each that is found makes the others urgent. The dead among them must not take the turns of those who live.
#[test]
fn a_thousand_dead_hosts_on_low_addresses_do_not_keep_those_who_live_from_being_called() {
    let mut contacts = contacts();
    for port in 1..=1_064 {
        contacts.add_lost(at(0), addr(port));
    }
    let (mut rng, mut now, mut calls) = (rng(), at(10), 0);
    contacts.call_all_now(now);
    while (1_001..=1_064).any(|port| contacts.contains(addr(port))) {
        assert!(now < at(30), "some are never called");
        let due = contacts.due(now, &mut rng);
        calls += due.len();
        for found in due.iter().filter(|addr| addr.port() > 1_000) {
            contacts.remove(*found);
            contacts.call_all_now(now);
        }
        now = now + SWEEP_GAP;
    }
    assert!(calls <= 6_000, "{calls} calls");
}

#[test]
fn a_lost_member_is_called_for_ever_and_ever_more_slowly() {
    let mut contacts = contacts();
    contacts.add_lost(at(0), addr(1));
    let (mut rng, mut calls) = (rng(), Vec::new());
    for second in 0..7_200 {
        calls.extend(contacts.due(at(second), &mut rng).iter().map(|_| second));
    }
    assert_eq!(calls.iter().filter(|second| **second <= 600).count(), 600);
    let late: Vec<_> = calls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(late.last(), Some(&300));
}

#[test]
fn a_seed_is_never_put_out_for_a_lost_member() {
    let mut contacts = contacts();
    contacts.add_seed(at(0), addr(1));
    for port in 2..6_000 {
        contacts.add_lost(at(u64::from(port)), addr(port));
    }
    assert_eq!(contacts.by_addr.len(), 4_096);
    assert_eq!(contacts.displaced(), 5_999 - 4_096);
    assert!(contacts.contains(addr(1)) && contacts.contains(addr(5_999)));
    assert!(!contacts.contains(addr(2)));
}

#[test]
fn a_call_that_nobody_answers_is_forgotten_and_the_newest_is_never_given_up() {
    let mut contacts = contacts();
    for token in 0..100 {
        contacts.expect_answer(at(token), token, addr(1), false);
    }
    assert_eq!(contacts.size().1, 11, "those of the last ten seconds");
    assert_eq!(contacts.ends.len(), 11);
    for token in 100..5_000 {
        contacts.expect_answer(at(200), token, addr(1), false);
    }
    assert_eq!(contacts.size().1, MOST_TOKENS);
    assert!(contacts.answered(at(201), 4_999).is_some());
    assert_eq!(contacts.answered(at(201), 100), None);
    assert_eq!(contacts.tokens.len(), contacts.ends.len());
}

#[test]
fn ever_new_addresses_behind_a_name_do_not_pile_up() {
    let mut contacts = contacts();
    for number in 0..10_000_u16 {
        contacts.add_seed(at(u64::from(number)), addr(number + 1));
    }
    assert_eq!(contacts.by_addr.len(), 4_096);
    assert!(contacts.contains(addr(10_000)) && !contacts.contains(addr(1)));
}

#[test]
fn an_address_that_is_this_node_is_not_called_again_for_a_while() {
    let mut contacts = contacts();
    contacts.add_seed(at(0), addr(1));
    contacts.is_self(at(0), addr(1));
    contacts.add_seed(at(1), addr(1));
    assert!(contacts.due(at(2), &mut rng()).is_empty());
    contacts.add_seed(at(31), addr(1));
    assert_eq!(contacts.due(at(31), &mut rng()), [addr(1)]);
}

#[test]
fn a_call_that_comes_back_does_not_make_a_lost_member_forgotten() {
    let mut contacts = contacts();
    contacts.add_lost(at(0), addr(1));
    contacts.expect_answer(at(0), 5, addr(1), false);
    assert_eq!(contacts.called(at(1), 5), Some(addr(1)));
    contacts.is_self(at(1), addr(1));
    assert!(contacts.contains(addr(1)));
    assert!(
        contacts.answered(at(1), 5).is_some(),
        "the real answer still counts"
    );
}

#[test]
fn an_answer_is_known_by_its_token_once() {
    let mut contacts = contacts();
    contacts.expect_answer(at(0), 5, addr(1), true);
    let call = contacts.answered(at(1), 5).unwrap();
    assert_eq!((call.addr, call.with_cookie), (addr(1), true));
    assert_eq!(contacts.answered(at(1), 5), None);
    contacts.expect_answer(at(0), 6, addr(1), false);
    assert_eq!(contacts.answered(at(11), 6), None);
}

#[test]
fn what_is_remembered_gets_one_call_of_three_while_others_are_due() {
    let mut contacts = contacts();
    for port in 1..=4 {
        contacts.add_seed(at(0), addr(port));
    }
    for port in 11..=20 {
        contacts.add_remembered(at(0), addr(port));
    }
    let mut rng = rng();
    assert_eq!(contacts.due(at(0), &mut rng).len(), 3, "urgent seeds");
    let last = contacts.due(at(0) + SWEEP_GAP, &mut rng);
    assert_eq!(last.len(), 1, "the last of them");
    let mut called = std::collections::BTreeSet::new();
    for second in 2..=60 {
        let due = contacts.due(at(second), &mut rng);
        let remembered = due.iter().filter(|addr| addr.port() > 10);
        assert_eq!((due.len(), remembered.clone().count()), (3, 1));
        called.extend(remembered.copied());
    }
    assert_eq!(called.len(), 10, "all get their turn");
}

#[test]
fn what_is_remembered_gets_all_calls_when_there_is_nobody_else() {
    let mut contacts = contacts();
    for port in 1..=6 {
        contacts.add_remembered(at(0), addr(port));
    }
    let mut rng = rng();
    assert_eq!(contacts.due(at(0), &mut rng).len(), 3);
    assert!(contacts.due(at(0), &mut rng).is_empty(), "paced");
    assert_eq!(contacts.due(at(1), &mut rng).len(), 3);
}

#[test]
fn what_is_remembered_puts_nobody_out_and_is_put_out_first() {
    let mut contacts = contacts();
    contacts.add_remembered(at(9_000), addr(1));
    for port in 2..=4_096 {
        contacts.add_lost(at(u64::from(port)), addr(port));
    }
    contacts.add_remembered(at(9_000), addr(5_000));
    assert!(!contacts.contains(addr(5_000)), "no room");
    contacts.add_lost(at(9_001), addr(5_001));
    assert!(contacts.contains(addr(5_001)) && contacts.contains(addr(2)));
    assert!(!contacts.contains(addr(1)));
}

#[test]
fn what_is_remembered_is_forgotten_after_a_while_and_no_seed_and_no_lost_member_is() {
    let mut contacts = contacts();
    for port in 1..=3 {
        contacts.add_remembered(at(0), addr(port));
    }
    contacts.add_seed(at(0), addr(1));
    contacts.add_lost(at(0), addr(2));
    contacts.forget_remembered(at(600));
    assert!(contacts.contains(addr(3)));
    contacts.forget_remembered(at(601));
    let left = [1, 2, 3].map(|port| contacts.contains(addr(port)));
    assert_eq!(left, [true, true, false]);
}
