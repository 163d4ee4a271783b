use super::*;

fn key(byte: u8) -> ClusterKey {
    ClusterKey::from_bytes([byte; 32])
}

fn keys<const N: usize>(bytes: [u8; N]) -> Vec<ClusterKey> {
    bytes.map(key).to_vec()
}

fn at(s: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(s))
}

fn member(port: u16) -> PeerId {
    PeerId::new(SocketAddr::from(([127, 0, 0, 1], port)), 1, 1)
}

/// A ring that follows a list, beside members 1 and 2.
struct Follower {
    ring: Keyring,
    rollover: Rollover,
    live: Vec<PeerId>,
}

impl Follower {
    fn of<const N: usize>(bytes: [u8; N]) -> Self {
        let mut ring = Keyring::of(keys(bytes)).unwrap();
        let mut rollover = Rollover::default();
        assert_eq!(rollover.follow(at(0), keys(bytes), &mut ring), Ok(true));
        Self {
            ring,
            rollover,
            live: vec![member(1), member(2)],
        }
    }

    fn follow<const N: usize>(&mut self, s: u64, bytes: [u8; N]) -> Result<bool, KeyringError> {
        self.rollover.follow(at(s), keys(bytes), &mut self.ring)
    }

    fn advance(&mut self, s: u64) -> Advanced {
        self.rollover
            .advance(at(s), self.live.iter(), &mut self.ring)
    }

    /// Which keys open at a time, the one that seals first.
    fn ring_at(&mut self, s: u64) -> Vec<KeyId> {
        self.advance(s);
        self.ring.ids()
    }

    fn show(&mut self, member: PeerId, byte: u8) {
        self.rollover.shown(&member, key(byte).hash().name());
    }
}

fn ids<const N: usize>(bytes: [u8; N]) -> Vec<KeyId> {
    bytes.map(|byte| key(byte).id()).to_vec()
}

#[test]
fn a_new_first_key_opens_at_once_and_seals_when_all_have_shown_it() {
    let mut follower = Follower::of([1]);
    assert_eq!(follower.follow(10, [2, 1]), Ok(true));
    assert_eq!(follower.ring_at(10), ids([1, 2]));
    follower.show(member(1), 2);
    assert_eq!(follower.ring_at(11), ids([1, 2]), "one of two");
    follower.show(member(2), 3);
    assert_eq!(follower.ring_at(12), ids([1, 2]), "another key");
    follower.show(member(2), 2);
    assert_eq!(follower.ring_at(13), ids([2, 1]));
    assert_eq!(follower.rollover.next_due(at(13)), None);
    assert_eq!(follower.rollover.remembered(), 0);
}

#[test]
fn a_key_that_somebody_does_not_show_seals_after_120_s() {
    let mut follower = Follower::of([1]);
    follower.follow(10, [2, 1]).unwrap();
    follower.show(member(1), 2);
    assert_eq!(follower.ring_at(129), ids([1, 2]));
    assert_eq!(follower.ring_at(130), ids([2, 1]));
}

#[test]
fn a_process_that_was_started_again_has_to_show_the_key_anew() {
    let mut follower = Follower::of([1]);
    follower.follow(10, [2, 1]).unwrap();
    follower.show(member(1), 2);
    follower.live[0] = PeerId::new(follower.live[0].addr, 2, 1);
    follower.show(member(2), 2);
    assert_eq!(follower.ring_at(11), ids([1, 2]));
    follower.show(follower.live[0], 2);
    assert_eq!(follower.ring_at(12), ids([2, 1]));
}

#[test]
fn a_node_that_is_alone_waits_for_somebody_or_120_s() {
    let mut follower = Follower::of([1]);
    follower.live.clear();
    follower.follow(10, [2, 1]).unwrap();
    assert_eq!(follower.ring_at(129), ids([1, 2]));
    assert_eq!(follower.ring_at(130), ids([2, 1]));
}

#[test]
fn a_key_that_is_gone_opens_for_120_s_and_comes_back_unharmed() {
    let mut follower = Follower::of([2, 1]);
    follower.follow(10, [2]).unwrap();
    assert_eq!(follower.ring_at(129), ids([2, 1]));
    follower.follow(129, [2, 1]).unwrap();
    assert_eq!(follower.ring_at(300), ids([2, 1]));
    follower.follow(300, [2]).unwrap();
    assert_eq!(follower.ring_at(419), ids([2, 1]));
    let gone = follower.advance(420);
    assert_eq!(gone.removed, ids([1]));
    assert_eq!(follower.ring.ids(), ids([2]));
    assert_eq!(follower.rollover.next_due(at(420)), None);
}

#[test]
fn a_key_that_seals_until_another_one_does_opens_for_120_s_after_that() {
    let mut follower = Follower::of([1]);
    follower.follow(10, [2]).unwrap();
    assert_eq!(follower.ring_at(130), ids([2, 1]), "nobody has shown it");
    assert_eq!(follower.ring_at(249), ids([2, 1]));
    assert_eq!(follower.ring_at(250), ids([2]));
}

#[test]
fn a_list_that_is_put_back_changes_nothing() {
    let mut follower = Follower::of([1]);
    follower.follow(10, [2, 1]).unwrap();
    follower.follow(20, [1]).unwrap();
    assert_eq!(follower.ring_at(139), ids([1, 2]));
    assert_eq!(follower.ring_at(140), ids([1]));
    assert_eq!(follower.follow(150, [1]), Ok(false), "the same as before");
}

#[test]
fn lists_that_do_not_fit_are_refused_until_there_is_room() {
    let mut follower = Follower::of([1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(follower.follow(1, []), Err(KeyringError::Empty));
    let nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    assert_eq!(follower.follow(1, nine), Err(KeyringError::Full));
    let others = [11, 12, 13, 14, 15, 16, 17, 18];
    assert_eq!(follower.follow(1, others), Ok(true), "eight and eight");
    assert_eq!(follower.follow(2, [21]), Err(KeyringError::Full));
    assert_eq!(follower.ring_at(120).len(), 16);
    assert_eq!(follower.ring_at(121).len(), 9, "one has sealed until now");
    assert_eq!(follower.follow(122, [11, 21]), Ok(true));
}

#[test]
fn what_a_user_does_to_the_ring_stays_until_the_list_changes() {
    let mut follower = Follower::of([1]);
    follower.follow(10, [2, 1]).unwrap();
    follower.ring.promote(&key(2)).unwrap();
    follower.rollover.cancel();
    follower.ring.promote(&key(1)).unwrap();
    assert_eq!(follower.ring_at(500), ids([1, 2]));
    follower.ring.remove(&key(2)).unwrap();
    follower.rollover.overruled(&follower.ring);
    assert_eq!(follower.follow(501, [2, 1]), Ok(false));
    assert_eq!(follower.ring_at(502), ids([1]));
}

#[test]
fn each_key_of_the_list_is_tried_while_nobody_answers() {
    let mut follower = Follower::of([3, 2, 1]);
    for sealing in [2, 1, 3, 2] {
        follower.rollover.try_next(&follower.ring);
        let found = follower.rollover.sealing(&follower.ring);
        assert_eq!(found, Some(&key(sealing)));
        assert_eq!(follower.ring.ids(), ids([3, 2, 1]));
    }
    let hash = key(1).hash();
    follower.rollover.adopt(at(2), hash, &mut follower.ring);
    follower.rollover.joined(at(2), &follower.ring);
    assert_eq!(follower.ring_at(2)[0], key(1).id());
    follower.show(member(1), 3);
    follower.show(member(2), 3);
    assert_eq!(follower.ring_at(3)[0], key(3).id());
}

#[test]
fn members_are_asked_100_times_a_second_and_each_ever_later() {
    let mut follower = Follower::of([1]);
    follower.live = (1..=50).map(member).collect();
    follower.follow(0, [2, 1]).unwrap();
    let mut asked = |ms: u64| {
        let now = Instant::from_origin(Duration::from_millis(ms));
        follower.rollover.ask(now, follower.live.iter()).len()
    };
    assert_eq!([0, 200, 400, 600].map(&mut asked), [20, 20, 10, 0]);
    assert_eq!([1_000, 1_200, 1_400].map(&mut asked), [20, 20, 10]);
    assert_eq!(
        [2_000, 3_000, 3_200, 3_400].map(&mut asked),
        [0, 20, 20, 10]
    );
}
