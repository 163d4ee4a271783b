use std::{net::SocketAddr, sync::Arc};

use tidings::{ServiceInstance, gossip::Instant};

use super::*;

fn owner(port: u16) -> Owner {
    let addr = SocketAddr::from(([10, 0, 0, 1], port));
    Owner { addr, boot: 7 }
}

fn instance(version: &str) -> Arc<ServiceInstance> {
    let built = ServiceInstance::builder("users")
        .id("a")
        .version(version)
        .build();
    Arc::new(built.unwrap())
}

/// Two processes; the second has registered one instance, and changed it once.
fn truth() -> Truth {
    let mut truth = Truth::default();
    for port in [1, 2] {
        truth.start(Instant::ZERO, usize::from(port - 1), owner(port));
    }
    for version in ["1", "2"] {
        let content = Some(instance(version));
        truth.write(
            Instant::ZERO,
            1,
            "users".to_owned(),
            "a".to_owned(),
            content,
        );
    }
    truth
}

fn replay(truth: &Truth, events: &[Event]) -> (Mirror, Vec<Result<(), Impossible>>) {
    let mut mirror = Mirror::default();
    let results = events
        .iter()
        .map(|event| mirror.apply(truth, event, &mut Vec::new()))
        .collect();
    (mirror, results)
}

fn joined() -> Event {
    Event::Joined { member: owner(2) }
}

fn registered(version: &str) -> Event {
    Event::Registered {
        owner: owner(2),
        instance: instance(version),
    }
}

fn updated(version: &str) -> Event {
    Event::Updated {
        owner: owner(2),
        instance: instance(version),
    }
}

#[test]
fn who_was_told_all_that_is_so_agrees_and_nobody_else() {
    let truth = truth();
    let expected = Expected::of(&truth).for_life(&truth, 0);
    let (behind, _) = replay(&truth, &[joined(), registered("1")]);
    assert_ne!(behind.sum(), expected);
    let (mirror, results) = replay(&truth, &[joined(), registered("1"), updated("2")]);
    assert_eq!(results, [Ok(()); 3]);
    assert_eq!(mirror.sum(), expected);
    assert_eq!(mirror.all_seen().collect::<Vec<_>>(), [(0, 2)]);
}

#[test]
fn a_failure_takes_out_the_member_and_its_instances_and_a_recovery_brings_them_back() {
    let truth = truth();
    let failed = Event::Failed {
        member: owner(2),
        instances: vec![instance("2")],
    };
    let recovered = Event::Recovered {
        member: owner(2),
        instances: vec![instance("2")],
    };
    let (gone, results) = replay(&truth, &[joined(), registered("2"), failed.clone()]);
    assert_eq!(results, [Ok(()); 3]);
    assert_eq!(
        (gone.sum(), gone.members().len()),
        (Mirror::default().sum(), 0)
    );
    let (back, results) = replay(&truth, &[joined(), registered("2"), failed, recovered]);
    assert_eq!(results, [Ok(()); 4]);
    assert_eq!(back.sum(), Expected::of(&truth).for_life(&truth, 0));
}

#[test]
fn what_nobody_said_and_what_cannot_follow_is_impossible() {
    let truth = truth();
    let stranger = Event::Joined { member: owner(9) };
    let other = ServiceInstance::builder("users").id("b").build().unwrap();
    let never_there = Event::Registered {
        owner: owner(2),
        instance: Arc::new(other),
    };
    let gone = Event::Deregistered {
        owner: owner(2),
        instance: instance("2"),
    };
    let events = [
        stranger,
        never_there,
        registered("9"),
        gone,
        joined(),
        joined(),
        updated("2"),
    ];
    let (_, results) = replay(&truth, &events);
    let impossible: Vec<_> = results.into_iter().map(Result::err).collect();
    assert_eq!(
        impossible,
        [
            Some(Impossible::Owner),
            Some(Impossible::Instance),
            Some(Impossible::Content),
            Some(Impossible::Order),
            None,
            Some(Impossible::Order),
            Some(Impossible::Order)
        ]
    );
}
