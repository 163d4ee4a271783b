use super::super::tests::{FakeHost, ip, listed};
use super::*;

const LOOPBACK: (&str, &str) = ("lo", "127.0.0.1");

/// Looks at one list after the other, and says what the last look found.
fn looks(
    follower: &mut Follower,
    lists: &[&[(&str, &str)]],
    routes: &[(&'static str, &'static str)],
) -> Option<Found> {
    let host = FakeHost {
        addresses: Vec::new(),
        routes: routes.to_vec(),
    };
    let mut found = None;
    for list in lists {
        found = follower.look(
            &listed(list),
            &[SocketAddr::from(([10, 9, 0, 7], 1))],
            &host,
        );
    }
    found
}

fn moved_to(found: Option<Found>) -> Option<String> {
    match found {
        Some(Found::Move { to, .. }) => Some(to.to_string()),
        _ => None,
    }
}

fn follower(bound: &str, current: &str) -> Follower {
    Follower::new(ip(bound), ip(current))
}

#[test]
fn an_address_that_is_still_there_is_kept_whatever_comes_beside_it() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let list = &[LOOPBACK, ("eth0", "10.0.0.9"), ("eth0", "10.0.0.10")][..];
    assert_eq!(
        looks(&mut follower, &[list, list, list], &[("", "10.0.0.10")]),
        None
    );
}

#[test]
fn an_address_that_changed_is_followed_at_the_second_look() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let before = &[LOOPBACK, ("eth0", "10.0.0.9")][..];
    let after = &[LOOPBACK, ("eth0", "10.0.0.10")][..];
    assert_eq!(looks(&mut follower, &[before, after], &[]), None);
    let found = looks(&mut follower, &[after], &[]).expect("it moves");
    let Found::Move { to, interface, .. } = found else {
        panic!("{found:?}");
    };
    assert_eq!((to, interface.as_str()), (ip("10.0.0.10"), "eth0"));
    follower.moved(to);
    assert_eq!(looks(&mut follower, &[after, after, after], &[]), None);
}

#[test]
fn an_address_that_is_given_again_within_a_second_changes_nothing() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let before = &[LOOPBACK, ("eth0", "10.0.0.9"), ("eth1", "10.1.0.9")][..];
    let gone = &[LOOPBACK, ("eth1", "10.1.0.9")][..];
    let found = looks(&mut follower, &[before, gone, before, gone, before], &[]);
    assert_eq!(found, None);
}

#[test]
fn of_several_addresses_the_one_of_the_same_interface_and_family_is_taken() {
    let mut follower = follower("::", "10.0.0.9");
    let before = &[LOOPBACK, ("eth0", "10.0.0.9"), ("eth1", "10.1.0.9")][..];
    let after = &[
        LOOPBACK,
        ("eth1", "10.1.0.9"),
        ("eth0", "fd00::9"),
        ("eth0", "10.0.0.10"),
    ][..];
    let found = looks(&mut follower, &[before, after, after], &[("", "10.1.0.9")]);
    assert_eq!(moved_to(found).as_deref(), Some("10.0.0.10"));
}

#[test]
fn where_the_interface_is_gone_the_address_towards_the_seeds_is_taken() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let before = &[LOOPBACK, ("eth0", "10.0.0.9")][..];
    let after = &[LOOPBACK, ("eth1", "10.1.0.9"), ("eth2", "10.9.0.2")][..];
    let routes = &[("10.9.", "10.9.0.2"), ("", "10.1.0.9")][..];
    let found = looks(&mut follower, &[before, after, after], routes);
    assert_eq!(moved_to(found).as_deref(), Some("10.9.0.2"));
}

#[test]
fn the_first_address_of_a_host_is_taken_from_loopback_and_from_link_local() {
    for current in ["127.0.0.1", "169.254.3.4"] {
        let mut follower = follower("0.0.0.0", current);
        let before = &[LOOPBACK, ("eth0", "169.254.3.4")][..];
        assert_eq!(moved_to(looks(&mut follower, &[before, before], &[])), None);
        let after = &[LOOPBACK, ("eth0", "169.254.3.4"), ("eth0", "10.0.0.9")][..];
        let found = looks(&mut follower, &[after, after], &[]);
        assert_eq!(moved_to(found).as_deref(), Some("10.0.0.9"), "{current}");
    }
}

#[test]
fn an_address_that_never_had_a_link_is_left_and_one_that_lost_it_is_kept() {
    let bridge = &[LOOPBACK, ("docker0!", "172.17.0.1")][..];
    let both = &[LOOPBACK, ("docker0!", "172.17.0.1"), ("eth0", "10.0.0.9")][..];
    let mut early = follower("0.0.0.0", "172.17.0.1");
    let found = looks(&mut early, &[bridge, bridge, both, both], &[]);
    assert_eq!(moved_to(found).as_deref(), Some("10.0.0.9"));

    let up = &[LOOPBACK, ("eth0", "10.0.0.9"), ("docker0", "172.17.0.1")][..];
    let unplugged = &[LOOPBACK, ("eth0!", "10.0.0.9"), ("docker0", "172.17.0.1")][..];
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let found = looks(&mut follower, &[up, unplugged, unplugged, unplugged], &[]);
    assert_eq!(found, None);
}

#[test]
fn a_guess_is_put_right_by_the_first_seed_that_resolves() {
    let list = &[LOOPBACK, ("eth0", "10.0.0.9"), ("eth1", "10.9.0.2")][..];
    let mut wrong = follower("0.0.0.0", "10.0.0.9");
    wrong.is_guess = true;
    assert_eq!(looks(&mut wrong, &[list, list], &[]), None, "none has");
    let found = looks(&mut wrong, &[list, list], &[("10.9.", "10.9.0.2")]);
    assert_eq!(moved_to(found).as_deref(), Some("10.9.0.2"));

    let mut right = follower("0.0.0.0", "10.0.0.9");
    right.is_guess = true;
    assert_eq!(
        looks(&mut right, &[list, list], &[("10.9.", "10.0.0.9")]),
        None
    );
    assert_eq!(
        looks(&mut right, &[list, list], &[("10.9.", "10.9.0.2")]),
        None
    );
}

#[test]
fn where_nothing_stands_out_the_node_stays_and_says_between_what() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let after = &[LOOPBACK, ("eth1", "10.1.0.9"), ("eth2", "10.2.0.9")][..];
    let candidates = vec![ip("10.1.0.9"), ip("10.2.0.9")];
    let found = looks(&mut follower, &[after, after], &[]);
    assert_eq!(found, Some(Found::Waiting { candidates }));
}

#[test]
fn that_a_node_waits_is_told_ever_more_rarely() {
    let mut follower = follower("0.0.0.0", "127.0.0.1");
    let list = &[LOOPBACK][..];
    let mut told = Vec::new();
    for look in 0..400 {
        if looks(&mut follower, &[list], &[]).is_some() {
            told.push(look);
        }
    }
    assert_eq!(told, [1, 32, 93, 214]);
}

#[test]
fn ipv6_is_not_followed_on_a_socket_that_does_not_speak_it() {
    let mut follower = follower("0.0.0.0", "10.0.0.9");
    let after = &[LOOPBACK, ("eth0", "fd00::9")][..];
    let found = looks(&mut follower, &[after, after], &[]);
    assert_eq!(
        found,
        Some(Found::Waiting {
            candidates: Vec::new()
        })
    );
}

#[tokio::test]
async fn the_watch_ends_with_its_node_and_finds_nothing_on_a_host_that_stays_as_it_is() {
    let host = Arc::new(FakeHost {
        addresses: vec![LOOPBACK, ("eth0", "10.0.0.9")],
        routes: Vec::new(),
    });
    let bound = SocketAddr::from(([0, 0, 0, 0], 5));
    let advertised = Advertised {
        address: SocketAddr::from(([10, 0, 0, 9], 5)),
        follows: true,
        is_guess: false,
    };
    let held: Arc<dyn Host> = Arc::clone(&host) as _;
    let mut following = Following::start(bound, advertised, held).expect("a thread");
    let found = tokio::time::timeout(Duration::from_millis(20), following.next()).await;
    assert!(found.is_err());
    drop(following);
    while Arc::strong_count(&host) > 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
