use std::time::Duration;

use super::*;
use crate::gossip::wire::frame::{ClusterTag, Nonces, Preamble};

const UNIX_MS: u64 = 1_800_000_000_000;

fn at(ms: u64) -> Now {
    Now {
        instant: Instant::from_origin(Duration::from_millis(ms)),
        unix_ms: UNIX_MS + ms,
    }
}

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A sender and receiver.
struct Party {
    session: SessionId,
    nonces: Nonces,
    guard: Guard,
}

impl Party {
    fn new(session: u8, keys: &[u8], rollout: Rollout) -> Self {
        Self::bounded(session, keys, rollout, 100)
    }

    fn bounded(session: u8, keys: &[u8], rollout: Rollout, max_members: usize) -> Self {
        let security = Security {
            keyring: Keyring::of(keys.iter().map(|byte| key(*byte))).unwrap(),
            rollout,
            ..Security::default()
        };
        Self {
            session: [session; 16],
            nonces: Nonces::default(),
            guard: Guard::new(&security, "shop", max_members, at(0).instant),
        }
    }

    fn say(&mut self, now: Now, payload: &[u8]) -> Vec<u8> {
        let preamble = Preamble {
            session: self.session,
            nonce: self.nonces.next(now.unix_ms),
            boot: 1,
            fingerprint: 2,
            kind: 3,
        };
        let mut datagram = Vec::new();
        preamble.write(ClusterTag::of("shop"), &mut datagram);
        datagram.extend_from_slice(payload);
        self.guard.seal(self.session, preamble.nonce, &mut datagram);
        datagram
    }

    /// The payload of a datagram that may be used.
    fn hear(&mut self, now: Now, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        self.hear_from(now, 1, datagram)
    }

    fn hear_from(&mut self, now: Now, port: u16, datagram: &[u8]) -> Result<Vec<u8>, Refused> {
        let (header, body) = Header::read(datagram, ClusterTag::of("shop")).unwrap();
        let mut opened = Vec::new();
        let place = self
            .guard
            .open(now, addr(port), &header, datagram, &mut opened)?;
        let body = if place == Body::Opened { &opened } else { body };
        let (preamble, payload) = Preamble::of(&header, body).unwrap();
        assert_eq!((preamble.boot, preamble.kind), (1, 3));
        Ok(payload.to_vec())
    }
}

fn pair() -> (Party, Party) {
    let party = |session| Party::new(session, &[1], Rollout::Require);
    (party(1), party(2))
}

#[test]
fn what_is_sealed_is_opened_and_cannot_be_read_before() {
    let (mut sender, mut receiver) = pair();
    let secret = b"what nobody else may read";
    let datagram = sender.say(at(0), secret);
    let size = HEADER_BYTES + PREAMBLE_BYTES + secret.len() + SEAL_BYTES;
    assert_eq!(datagram.len(), size);
    assert!(!datagram.windows(4).any(|part| part == b"what"));
    assert_eq!(receiver.hear(at(0), &datagram), Ok(secret.to_vec()));
    let again = sender.say(at(0), secret);
    assert_ne!(again[HEADER_BYTES..], datagram[HEADER_BYTES..]);
}

#[test]
fn a_flipped_bit_anywhere_is_refused_and_changes_nothing() {
    for is_known in [false, true] {
        let (mut sender, mut receiver) = pair();
        if is_known {
            let first = sender.say(at(0), b"first");
            receiver.hear(at(0), &first).unwrap();
        }
        let datagram = sender.say(at(1), b"payload");
        let sessions = receiver.guard.sessions();
        for bit in 0..datagram.len() * 8 {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let heard = match Header::read(&flipped, ClusterTag::of("shop")) {
                Ok(_) => receiver.hear(at(1), &flipped).is_ok(),
                Err(_) => false,
            };
            assert!(!heard, "bit {bit}");
            assert_eq!(receiver.guard.sessions(), sessions, "bit {bit}");
        }
        assert!(receiver.hear(at(1), &datagram).is_ok(), "it is as it was");
    }
}

#[test]
fn a_truncated_datagram_is_refused_at_every_length() {
    let (mut sender, mut receiver) = pair();
    let datagram = sender.say(at(0), b"payload");
    for length in HEADER_BYTES..datagram.len() {
        let refused = receiver.hear(at(0), &datagram[..length]).unwrap_err();
        let least = HEADER_BYTES + PREAMBLE_BYTES + SEAL_BYTES;
        let cause = if length < least {
            Refused::Truncated
        } else {
            Refused::Forged
        };
        assert_eq!(refused, cause, "{length}");
    }
    let mut longer = datagram.clone();
    longer.push(0);
    assert_eq!(receiver.hear(at(0), &longer), Err(Refused::Forged));
}

#[test]
fn each_refusal_has_its_cause() {
    let (mut sender, mut receiver) = pair();
    let datagram = sender.say(at(0), b"x");
    let mut without = Party::new(3, &[], Rollout::Require);
    assert_eq!(without.hear(at(0), &datagram), Err(Refused::NoKey));
    let plain = without.say(at(0), b"x");
    assert_eq!(receiver.hear(at(0), &plain), Err(Refused::Plaintext));
    let mut other = Party::new(4, &[2], Rollout::Require);
    assert_eq!(other.hear(at(0), &datagram), Err(Refused::UnknownKey));
    assert_eq!(receiver.hear(at(0), &datagram), Ok(b"x".to_vec()));
    assert_eq!(receiver.hear(at(0), &datagram), Err(Refused::Replayed));
}

#[test]
fn another_clusters_name_under_the_same_key_opens_nothing() {
    let (mut sender, mut receiver) = pair();
    receiver.guard.cluster = "bank".to_owned();
    let datagram = sender.say(at(0), b"x");
    assert_eq!(receiver.hear(at(0), &datagram), Err(Refused::Forged));
}

#[test]
fn datagrams_that_overtake_each_other_all_count() {
    let (mut sender, mut receiver) = pair();
    let mut said: Vec<_> = (0..64).map(|n| sender.say(at(n), b"x")).collect();
    said.reverse();
    assert!(said.iter().all(|d| receiver.hear(at(70), d).is_ok()));
    let again = |d: &Vec<u8>| receiver.hear(at(71), d) == Err(Refused::Replayed);
    assert!(said.iter().all(again));
}

#[test]
fn a_forged_first_datagram_makes_no_window() {
    let (mut sender, mut receiver) = pair();
    let mut datagram = sender.say(at(0), b"x");
    *datagram.last_mut().unwrap() ^= 1;
    assert_eq!(receiver.hear(at(0), &datagram), Err(Refused::Forged));
    assert_eq!(receiver.guard.sessions(), 0);
}

#[test]
fn two_keys_of_one_id_are_told_apart() {
    assert_eq!(key(7).id(), key(15).id());
    let mut receiver = Party::new(9, &[7, 15], Rollout::Require);
    for (session, byte) in [(1, 7), (2, 15)] {
        let mut sender = Party::new(session, &[byte], Rollout::Require);
        for n in 0..3 {
            let datagram = sender.say(at(n), b"x");
            assert_eq!(receiver.hear(at(n), &datagram), Ok(b"x".to_vec()));
        }
    }
    let mut stranger = Party::new(3, &[7], Rollout::Require);
    let datagram = stranger.say(at(0), b"x");
    let mut holds_the_other = Party::new(8, &[15], Rollout::Require);
    let heard = holds_the_other.hear(at(0), &datagram);
    assert_eq!(heard, Err(Refused::Forged));
}

#[test]
fn a_change_of_the_key_costs_no_datagram_and_no_window() {
    let mut sender = Party::new(1, &[1], Rollout::Require);
    let mut receiver = Party::new(2, &[1], Rollout::Require);
    let under_the_old = [sender.say(at(0), b"x"), sender.say(at(1), b"x")];
    assert!(receiver.hear(at(1), &under_the_old[0]).is_ok());
    sender.guard.add_key(key(2)).unwrap();
    receiver.guard.add_key(key(2)).unwrap();
    sender.guard.promote_key(&key(2)).unwrap();
    let under_the_new = sender.say(at(2), b"x");
    assert_eq!(under_the_new[KEY_ID_AT], key(2).id().value());
    assert!(receiver.hear(at(2), &under_the_new).is_ok());
    assert!(receiver.hear(at(2), &under_the_old[1]).is_ok(), "overtaken");
    assert_eq!(receiver.guard.sessions(), 1, "it is the same session");
    receiver.guard.promote_key(&key(2)).unwrap();
    receiver.guard.remove_key(&key(1)).unwrap();
    for datagram in under_the_old {
        let refused = receiver.hear(at(3), &datagram);
        assert_eq!(refused, Err(Refused::UnknownKey));
    }
    let replayed = receiver.hear(at(3), &under_the_new);
    assert_eq!(replayed, Err(Refused::Replayed));
    assert!(receiver.hear(at(3), &sender.say(at(3), b"x")).is_ok());
}

#[test]
fn a_removed_key_takes_its_ciphers_with_it() {
    let mut sender = Party::new(1, &[1], Rollout::Require);
    let mut receiver = Party::new(2, &[2, 1], Rollout::Require);
    receiver.hear(at(0), &sender.say(at(0), b"x")).unwrap();
    receiver.guard.remove_key(&key(1)).unwrap();
    assert!(receiver.guard.sessions.cipher(&sender.session).is_none());
    receiver.guard.add_key(key(1)).unwrap();
    assert!(receiver.hear(at(1), &sender.say(at(1), b"x")).is_ok());
}

#[test]
fn each_step_of_a_rollout_understands_its_neighbours() {
    let party = |session, step: Option<Rollout>| match step {
        None => Party::new(session, &[], Rollout::Require),
        Some(rollout) => Party::new(session, &[1], rollout),
    };
    let steps = [
        None,
        Some(Rollout::AcceptBoth),
        Some(Rollout::Seal),
        Some(Rollout::Require),
    ];
    for (n, from) in (0_i8..).zip(steps) {
        for (m, to) in (0_i8..).zip(steps) {
            let (mut sender, mut receiver) = (party(1, from), party(2, to));
            let heard = receiver.hear(at(0), &sender.say(at(0), b"x"));
            let next = (n - m).abs() <= 1;
            // What is said in the clear is heard by all but the last step, what is sealed by all but the first.
            let expected = if n <= 1 { m <= 2 } else { m >= 1 };
            assert_eq!(heard.is_ok(), expected, "{from:?} to {to:?}: {heard:?}");
            assert!(heard.is_ok() || !next);
        }
    }
}

#[test]
fn a_session_that_is_not_known_is_heard_only_within_the_skew() {
    for (said, heard) in [(0, 30_000), (30_000, 0)] {
        let (mut sender, mut receiver) = pair();
        assert!(
            receiver
                .hear(at(heard), &sender.say(at(said), b"x"))
                .is_ok()
        );
    }
    for (said, heard) in [(0, 30_001), (30_001, 0)] {
        let (mut sender, mut receiver) = pair();
        let refused = receiver.hear(at(heard), &sender.say(at(said), b"x"));
        assert!(matches!(refused, Err(Refused::Skewed(Some(_)))));
        assert_eq!(receiver.guard.sessions(), 0);
    }
}

#[test]
fn a_session_that_is_known_goes_on_whatever_its_clock_says() {
    let (mut sender, mut receiver) = pair();
    receiver.hear(at(0), &sender.say(at(0), b"x")).unwrap();
    for ms in [3_600_000, 10, 7_200_000] {
        assert!(receiver.hear(at(20), &sender.say(at(ms), b"x")).is_ok());
    }
}

#[test]
fn what_was_said_before_the_session_was_first_heard_cannot_be_said_later() {
    let (mut sender, mut receiver) = pair();
    let captured = sender.say(at(0), b"x");
    receiver
        .hear(at(60_000), &sender.say(at(60_000), b"x"))
        .unwrap();
    let refused = receiver.hear(at(60_000), &captured);
    assert_eq!(refused, Err(Refused::Replayed));
}

#[test]
fn what_was_held_back_for_longer_than_the_skew_is_refused() {
    let (mut sender, mut receiver) = pair();
    receiver.hear(at(0), &sender.say(at(0), b"x")).unwrap();
    let held_back = sender.say(at(1_000), b"x");
    receiver
        .hear(at(90_000), &sender.say(at(90_000), b"x"))
        .unwrap();
    let refused = receiver.hear(at(90_000), &held_back);
    assert_eq!(refused, Err(Refused::Replayed));
}

#[test]
fn a_flood_of_valid_sessions_stays_within_the_bound() {
    let mut receiver = Party::bounded(0, &[1], Rollout::Require, 20);
    let mut flood = |now, sessions: std::ops::Range<u8>| {
        let mut full = 0;
        for session in sessions {
            let mut sender = Party::new(session, &[1], Rollout::Require);
            match receiver.hear(now, &sender.say(now, b"x")) {
                Ok(_) => {}
                Err(Refused::SessionsFull) => full += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        (full, receiver.guard.sessions())
    };
    assert_eq!(flood(at(0), 1..101), (60, 40));
    assert_eq!(flood(at(29_000), 101..111), (10, 40));
    let (full, sessions) = flood(at(31_000), 111..121);
    assert_eq!((full, sessions), (5, 40), "an eighth made room");
}

#[test]
fn a_flood_of_forged_datagrams_from_out_of_the_skew_costs_four_tags_a_second() {
    let (mut sender, mut receiver) = pair();
    let datagram = sender.say(at(100_000), b"x");
    let mut told = 0;
    for _ in 0..100 {
        match receiver.hear(at(0), &datagram) {
            Err(Refused::Skewed(odd)) => told += usize::from(odd.is_some()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 4);
}

#[test]
fn three_senders_with_another_time_make_this_host_the_odd_one_unless_one_agrees() {
    for somebody_agrees in [false, true] {
        let mut receiver = Party::new(9, &[1], Rollout::Require);
        if somebody_agrees {
            let mut sender = Party::new(8, &[1], Rollout::Require);
            receiver.hear(at(0), &sender.say(at(0), b"x")).unwrap();
        }
        let mut said = Vec::new();
        for session in 1..=3 {
            let mut sender = Party::new(session, &[1], Rollout::Require);
            let datagram = sender.say(at(3_600_000), b"x");
            said.push(receiver.hear_from(at(1), session.into(), &datagram));
        }
        let Err(Refused::Skewed(Some(odd))) = said[2] else {
            panic!("{said:?}");
        };
        match odd {
            Odd::Sender {
                ahead_ms: 3_599_999,
            } => assert!(somebody_agrees),
            Odd::ThisHost {
                ahead_ms: -3_599_999,
            } => assert!(!somebody_agrees),
            odd => panic!("{odd:?}"),
        }
        assert_eq!(receiver.guard.clocks_off(), 3);
    }
}

#[test]
fn the_same_keys_session_and_nonces_give_the_same_bytes() {
    let say = || pair().0.say(at(0), b"x");
    assert_eq!(say(), say());
}

#[test]
fn nothing_that_is_shown_has_a_key() {
    let mut sender = Party::new(1, &[0xAB], Rollout::Require);
    let mut receiver = Party::new(2, &[0xAB], Rollout::Require);
    receiver.hear(at(0), &sender.say(at(0), b"x")).unwrap();
    let security = Security {
        keyring: Keyring::of([key(0xAB)]).unwrap(),
        ..Security::default()
    };
    let shown = format!("{security:?} {:?} {:?}", sender.guard, receiver.guard);
    assert!(shown.contains(&format!("id {}", key(0xAB).id())));
    for hint in ["171, 171", "abab", "q6ur"] {
        assert!(!shown.to_lowercase().contains(hint), "{shown}");
    }
}
