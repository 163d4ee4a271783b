use super::*;
use crate::table::Owner;

const NOW: u64 = 1_800_000_000_000;

fn instance(id: &str, port: u16) -> Arc<ServiceInstance> {
    let builder = ServiceInstance::builder("users").id(id);
    let builder = builder.endpoint(format!("http://10.0.0.9:{port}"));
    builder.build().expect("a valid instance").into()
}

fn earlier(ids: &[&str]) -> Earlier {
    Earlier::new((1..).zip(ids).map(|(port, id)| Unconfirmed {
        confirmed_at_unix_ms: NOW + u64::from(port),
        instance: instance(id, port),
    }))
}

fn kept(earlier: &Earlier) -> Vec<String> {
    let kept = earlier.kept();
    kept.iter()
        .map(|one| one.instance.id().to_owned())
        .collect()
}

fn owner() -> Owner {
    Owner {
        addr: ([10, 0, 0, 2], 7946).into(),
        boot: 1,
    }
}

#[test]
fn what_the_table_does_not_hold_is_kept_and_what_it_holds_is_confirmed() {
    let mut earlier = earlier(&["a", "b", "c"]);
    earlier.review(&[], 0);
    assert_eq!(kept(&earlier), ["c", "b", "a"], "known last first");
    earlier.review(&[instance("b", 100)], 0);
    assert_eq!(kept(&earlier), ["c", "a"]);
    earlier.review(&[], 0);
    assert_eq!(kept(&earlier), ["c", "a"], "it was confirmed");
}

#[test]
fn one_at_the_same_endpoint_supersedes() {
    let mut earlier = earlier(&["a", "b", "c"]);
    earlier.review(&[instance("new", 2)], 0);
    assert_eq!(kept(&earlier), ["c", "a"]);
}

#[test]
fn as_many_as_there_were_supersede_all_wherever_they_are() {
    let mut earlier = earlier(&["a", "b"]);
    earlier.review(&[instance("x", 100)], 0);
    assert_eq!(kept(&earlier), ["b", "a"]);
    earlier.review(&[instance("x", 100), instance("y", 101)], 0);
    assert!(kept(&earlier).is_empty());
}

#[test]
fn others_services_confirm_and_supersede_nothing() {
    let mut earlier = earlier(&["a"]);
    let other = ServiceInstance::builder("orders").id("a");
    let other = other.endpoint("http://10.0.0.9:1").build();
    earlier.review(&[other.expect("valid").into()], 0);
    assert_eq!(kept(&earlier), ["a"]);
}

#[test]
fn one_that_is_heard_to_be_gone_is_forgotten() {
    let instances = |id| vec![instance(id, 1)];
    let (owner, member) = (owner(), owner());
    for event in [
        Event::Deregistered {
            owner,
            instance: instance("b", 1),
        },
        Event::Left {
            member,
            instances: instances("b"),
        },
        Event::Failed {
            member,
            instances: instances("b"),
        },
    ] {
        let mut earlier = earlier(&["a", "b", "c"]);
        earlier.note(&event);
        assert_eq!(kept(&earlier), ["c", "a"], "{event}");
    }
}

#[test]
fn what_nobody_has_confirmed_for_too_long_is_forgotten() {
    let mut earlier = earlier(&["a", "b", "c"]);
    earlier.review(&[], NOW + 2);
    assert_eq!(kept(&earlier), ["c"]);
}

#[test]
fn no_more_are_kept_than_the_bound_and_the_last_known_are() {
    let one = |n: u64| Unconfirmed {
        confirmed_at_unix_ms: NOW + n,
        instance: instance(&n.to_string(), 1),
    };
    let most = u64::try_from(UNCONFIRMED_MAX).expect("a few thousand");
    let earlier = Earlier::new((0..most + 2).map(one));
    let kept = earlier.kept();
    assert_eq!(kept.len(), UNCONFIRMED_MAX);
    assert!(kept.iter().all(|one| one.confirmed_at_unix_ms >= NOW + 2));
}
