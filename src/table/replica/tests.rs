#![allow(clippy::unchecked_time_subtraction)] // of constants

mod model;

use super::*;
use crate::{
    registry::ServiceInstance,
    table::{LEAVING, ServiceHandle},
};
use std::time::Duration;

const USER: &str = "user-service";
const ORDER: &str = "order-service";
const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

fn owner(n: u8) -> Owner {
    Owner {
        addr: ([10, 0, 0, n], 7946).into(),
        boot: 1,
    }
}

/// An instance as `owner` writes it: which of two with one id it is shows in its metadata.
fn instance(owner: Owner, service: &str, id: &str, version: &str) -> Arc<ServiceInstance> {
    ServiceInstance::builder(service)
        .id(id)
        .version(version)
        .metadata("owner", owner.to_string())
        .build()
        .unwrap()
        .into()
}

/// `instances` are ids and versions.
fn record(owner: Owner, service: &str, seq: u64, instances: &[(&str, &str)]) -> Record {
    let content = format!("{instances:?}");
    let instances = instances
        .iter()
        .map(|(id, version)| instance(owner, service, id, version))
        .collect();
    Record::new(owner, service.into(), seq, content.into(), instances)
}

fn goodbye(owner: Owner, seq: u64) -> Record {
    record(owner, LEAVING, seq, &[])
}

/// A replica, the time, and what readers see of it.
struct World {
    replica: Replica,
    now: Instant,
    directory: Directory,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self {
            replica: Replica::new(limits),
            now: Instant::from_origin(Duration::from_secs(1_000)),
            directory: Directory::new(),
        }
    }

    /// With the first owner live, and nothing more to tell about it.
    fn with_a_member() -> Self {
        let mut world = Self::new();
        world.replica.owner_up(owner(1));
        world.events();
        world
    }

    fn apply(&mut self, record: Record) -> Applied {
        self.replica.apply(self.now, record)
    }

    fn down(&mut self, owner: Owner) {
        self.replica.owner_down(self.now, owner);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.replica.expire(self.now);
    }

    fn events(&mut self) -> Vec<String> {
        let events = self.replica.take_events();
        events.iter().map(ToString::to_string).collect()
    }

    /// What readers see of a service: ids and versions.
    fn seen(&mut self, service: &str) -> Vec<(String, String)> {
        self.replica.publish(&self.directory);
        let instances = self.directory.get(service);
        let pair = |i: &Arc<ServiceInstance>| (i.id().to_owned(), i.version().to_owned());
        instances.iter().map(pair).collect()
    }

    fn sees(&mut self, service: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, version)| ((*id).to_owned(), (*version).to_owned()))
            .collect();
        assert_eq!(self.seen(service), expected);
    }

    fn total(&self) -> u64 {
        self.replica.fingerprint().total()
    }
}

#[test]
fn what_a_live_owner_writes_is_seen_and_told() {
    let mut world = World::with_a_member();
    assert_eq!(
        world.apply(record(owner(1), USER, 1, &[("a", "1"), ("b", "1")])),
        Applied::New
    );
    world.sees(USER, &[("a", "1"), ("b", "1")]);
    assert_eq!(
        world.apply(record(owner(1), USER, 2, &[("b", "2"), ("c", "1")])),
        Applied::New
    );
    world.sees(USER, &[("b", "2"), ("c", "1")]);
    assert_eq!(
        world.events(),
        [
            "10.0.0.1:7946 registered user-service-a",
            "10.0.0.1:7946 registered user-service-b",
            "10.0.0.1:7946 deregistered user-service-a",
            "10.0.0.1:7946 updated user-service-b",
            "10.0.0.1:7946 registered user-service-c",
        ]
    );
}

#[test]
fn a_new_seq_with_the_same_instances_is_news_and_no_event() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    let before = world.total();
    world.events();
    assert_eq!(
        world.apply(record(owner(1), USER, 2, &[("a", "1")])),
        Applied::New
    );
    assert_eq!(world.events(), [""; 0]);
    assert_ne!(world.total(), before);
}

#[test]
fn what_a_stranger_writes_waits_out_of_sight() {
    let mut world = World::new();
    assert_eq!(
        world.apply(record(owner(1), USER, 1, &[("a", "1")])),
        Applied::Waiting
    );
    world.sees(USER, &[]);
    assert_eq!((world.total(), world.events().len()), (0, 0));
    world.replica.owner_up(owner(1));
    world.sees(USER, &[("a", "1")]);
    assert_ne!(world.total(), 0);
    assert_eq!(
        world.events(),
        [
            "10.0.0.1:7946 joined",
            "10.0.0.1:7946 registered user-service-a"
        ]
    );
}

#[test]
fn a_stranger_that_does_not_come_is_forgotten_after_a_minute() {
    let mut world = World::new();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.pass(MINUTE / 2);
    // More from it does not make it stay longer.
    world.apply(record(owner(1), ORDER, 2, &[("b", "1")]));
    world.pass(MINUTE / 2 - MS);
    assert_eq!(world.replica.size().0, 2);
    world.pass(MS);
    assert_eq!(world.replica.size(), (0, 0));
    assert_eq!(world.replica.next_deadline(), None);
    world.replica.owner_up(owner(1));
    world.sees(USER, &[]);
}

#[test]
fn the_failed_stay_in_sight_for_50_ms() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.events();
    world.down(owner(1));
    assert_eq!(
        world.total(),
        0,
        "the fingerprint is about live owners, from the first moment"
    );
    world.pass(49 * MS);
    world.sees(USER, &[("a", "1")]);
    assert_eq!(world.events(), [""; 0]);
    world.pass(MS);
    world.sees(USER, &[]);
    assert_eq!(world.events(), ["10.0.0.1:7946 failed, 1 instances gone"]);
}

#[test]
fn one_that_is_back_within_the_grace_was_never_gone() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    let before = world.total();
    world.events();
    world.down(owner(1));
    // What it writes meanwhile is seen at once.
    world.apply(record(owner(1), ORDER, 2, &[("b", "1")]));
    world.sees(ORDER, &[("b", "1")]);
    world.apply(record(owner(1), ORDER, 3, &[]));
    world.pass(49 * MS);
    world.replica.owner_up(owner(1));
    world.pass(MINUTE);
    world.sees(USER, &[("a", "1")]);
    assert_eq!(world.total(), before);
    assert_eq!(
        world.events(),
        [
            "10.0.0.1:7946 registered order-service-b",
            "10.0.0.1:7946 deregistered order-service-b",
        ]
    );
}

#[test]
fn one_that_returns_has_recovered_with_what_it_has_now() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1"), ("b", "1")]));
    let before = world.total();
    world.down(owner(1));
    world.pass(50 * MS);
    world.events();
    assert_eq!(
        world.apply(record(owner(1), USER, 2, &[("a", "2")])),
        Applied::Parked
    );
    world.sees(USER, &[]);
    world.pass(MINUTE - MS);
    world.replica.owner_up(owner(1));
    world.sees(USER, &[("a", "2")]);
    assert_ne!(world.total(), before);
    assert_eq!(
        world.events(),
        ["10.0.0.1:7946 recovered, 1 instances back"]
    );
}

#[test]
fn one_that_stays_away_is_forgotten_after_ten_minutes() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.down(owner(1));
    world.pass(50 * MS);
    world.pass(10 * MINUTE - MS);
    assert!(world.replica.record(owner(1), USER).is_some());
    world.pass(MS);
    assert!(world.replica.record(owner(1), USER).is_none());
    assert_eq!(world.replica.size(), (0, 0));
}

/// A driver that was paused has everything due at once.
#[test]
fn a_late_expire_does_all_that_is_due_in_order() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.events();
    world.down(owner(1));
    world.pass(11 * MINUTE);
    assert_eq!(world.events(), ["10.0.0.1:7946 failed, 1 instances gone"]);
    assert_eq!(world.replica.size(), (0, 0));
}

#[test]
fn one_that_said_goodbye_is_gone_at_once() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.apply(goodbye(owner(1), 2));
    world.sees(USER, &[("a", "1")]);
    assert!(world.replica.has_said_goodbye(owner(1)));
    world.events();
    world.down(owner(1));
    world.sees(USER, &[]);
    assert_eq!(world.events(), ["10.0.0.1:7946 left"]);
    assert_eq!(world.replica.size(), (0, 0));
    assert_eq!(world.total(), 0);
}

#[test]
fn a_goodbye_that_comes_after_the_down_is_a_leave_all_the_same() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.events();
    world.down(owner(1));
    assert_eq!(world.apply(goodbye(owner(1), 2)), Applied::New);
    world.sees(USER, &[]);
    assert_eq!(world.events(), ["10.0.0.1:7946 left"]);
    world.pass(MINUTE);
    assert_eq!(world.events(), [""; 0]);
}

#[test]
fn one_whose_address_was_taken_over_ends_at_once() {
    let later = Owner {
        boot: 2,
        ..owner(1)
    };
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 9, &[("a", "1")]));
    world.apply(record(later, USER, 1, &[("a", "2")]));
    world.events();
    world.replica.owner_replaced(owner(1));
    world.replica.owner_up(later);
    world.sees(USER, &[("a", "2")]);
    assert_eq!(
        world.events(),
        [
            "10.0.0.1:7946 failed, 1 instances gone",
            "10.0.0.1:7946 joined",
            "10.0.0.1:7946 registered user-service-a",
        ]
    );
    assert!(world.replica.record(owner(1), USER).is_none());
}

#[test]
fn one_that_is_replaced_out_of_sight_goes_without_a_word() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.apply(record(owner(2), USER, 1, &[("b", "1")]));
    world.down(owner(1));
    world.pass(50 * MS);
    world.events();
    world.replica.owner_replaced(owner(1));
    world.replica.owner_replaced(owner(2));
    assert_eq!(world.events(), [""; 0]);
    assert_eq!(world.replica.size(), (0, 0));
    assert_eq!(world.replica.next_deadline(), None);
}

#[test]
fn a_node_is_there_from_the_start_and_told_by_what_it_registers() {
    let mut world = World::new();
    world.replica.adopt(owner(1));
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.sees(USER, &[("a", "1")]);
    world.replica.retire(owner(1));
    world.sees(USER, &[]);
    assert_eq!((world.total(), world.replica.size()), (0, (0, 0)));
    assert_eq!(
        world.events(),
        [
            "10.0.0.1:7946 registered user-service-a",
            "10.0.0.1:7946 deregistered user-service-a",
        ]
    );
}

#[test]
fn what_others_said_of_a_node_before_it_was_there_does_not_count() {
    let mut world = World::new();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.replica.adopt(owner(1));
    assert_eq!(world.total(), 0);
    assert!(world.replica.record(owner(1), USER).is_none());
    assert_eq!(world.replica.next_deadline(), None);
}

#[test]
fn a_seq_never_goes_back() {
    let mut world = World::with_a_member();
    let newest = record(owner(1), USER, 5, &[("a", "5")]);
    world.apply(newest.clone());
    let total = world.total();
    assert_eq!(world.apply(newest), Applied::Same);
    assert_eq!(
        world.apply(record(owner(1), USER, 4, &[("a", "4")])),
        Applied::Stale
    );
    assert_eq!(world.apply(record(owner(1), USER, 4, &[])), Applied::Stale);
    world.sees(USER, &[("a", "5")]);
    assert_eq!(world.total(), total);
    // Out of sight neither.
    world.down(owner(1));
    world.pass(50 * MS);
    assert_eq!(
        world.apply(record(owner(1), USER, 4, &[("a", "4")])),
        Applied::Stale
    );
    world.replica.owner_up(owner(1));
    world.sees(USER, &[("a", "5")]);
}

#[test]
fn an_empty_list_is_remembered_for_ten_minutes() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    assert_eq!(world.apply(record(owner(1), USER, 2, &[])), Applied::New);
    assert_eq!(world.total(), 0, "an empty list does not count");
    world.pass(10 * MINUTE - MS);
    assert_eq!(
        world.apply(record(owner(1), USER, 1, &[("a", "1")])),
        Applied::Stale
    );
    world.pass(MS);
    assert_eq!(world.replica.size(), (0, 0));
    assert_eq!(
        world.apply(record(owner(1), USER, 1, &[("a", "1")])),
        Applied::New,
        "what is not remembered cannot be told from new"
    );
}

#[test]
fn what_is_registered_again_is_not_forgotten() {
    let mut world = World::with_a_member();
    world.apply(record(owner(1), USER, 1, &[]));
    world.pass(5 * MINUTE);
    world.apply(record(owner(1), USER, 2, &[("a", "1")]));
    assert_eq!(world.replica.next_deadline(), None);
    world.pass(10 * MINUTE);
    world.sees(USER, &[("a", "1")]);
    // And an empty list after that has its own ten minutes.
    world.apply(record(owner(1), USER, 3, &[]));
    world.pass(10 * MINUTE - MS);
    assert_eq!(world.replica.size().0, 1);
}

#[test]
fn a_goodbye_is_no_empty_list() {
    let mut world = World::with_a_member();
    world.apply(goodbye(owner(1), 1));
    assert_ne!(
        world.total(),
        0,
        "that somebody leaves is part of the table"
    );
    world.pass(20 * MINUTE);
    assert!(world.replica.has_said_goodbye(owner(1)));
}

#[test]
fn two_contents_under_one_seq_end_as_one_on_every_replica() {
    let one = record(owner(1), USER, 7, &[("a", "1")]);
    let other = record(owner(1), USER, 7, &[("a", "2")]);
    let after = |first: &Record, then: &Record| {
        let mut world = World::with_a_member();
        assert_eq!(world.apply(first.clone()), Applied::New);
        let second = world.apply(then.clone());
        (second, world.total(), world.seen(USER))
    };
    let (forth, total, seen) = after(&one, &other);
    let (back, other_total, other_seen) = after(&other, &one);
    assert_eq!((total, seen), (other_total, other_seen));
    let mut verdicts = [forth, back];
    verdicts.sort_by_key(|applied| *applied == Applied::Stale);
    assert_eq!(verdicts, [Applied::New, Applied::Stale]);
}

#[test]
fn two_owners_of_one_id_are_both_seen_and_told_of_once() {
    let mut world = World::with_a_member();
    world.replica.owner_up(owner(2));
    world.apply(record(owner(2), USER, 1, &[("a", "2")]));
    world.apply(record(owner(2), ORDER, 2, &[("a", "2")]));
    world.events();
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.apply(record(owner(1), USER, 2, &[("a", "1.1")]));
    world.sees(USER, &[("a", "1.1"), ("a", "2")]);
    let duplicates: Vec<_> = world
        .events()
        .into_iter()
        .filter(|event| event.contains("both"))
        .collect();
    assert_eq!(
        duplicates,
        ["10.0.0.1:7946 and 10.0.0.2:7946 both registered user-service-a"]
    );
    // One of them going takes nothing from the other.
    world.apply(record(owner(1), USER, 3, &[]));
    world.sees(USER, &[("a", "2")]);
}

#[test]
fn only_what_has_changed_is_published() {
    let mut world = World::with_a_member();
    let handles: [ServiceHandle; 2] = [USER, ORDER].map(|s| world.directory.service(s));
    let versions = || handles.each_ref().map(ServiceHandle::version);
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.apply(record(owner(1), USER, 2, &[("a", "2")]));
    assert_eq!(versions(), [0, 0], "nothing is seen before it is published");
    world.replica.publish(&world.directory);
    assert_eq!(versions(), [1, 0], "two changes, published as one");
    world.apply(record(owner(1), ORDER, 3, &[("b", "1")]));
    world.replica.publish(&world.directory);
    assert_eq!(versions(), [1, 1]);
    world.replica.publish(&world.directory);
    assert_eq!(versions(), [1, 1]);
}

#[test]
fn the_table_is_listed_from_any_point_on() {
    let mut world = World::with_a_member();
    world.replica.owner_up(owner(3));
    let keys = [(1, ORDER), (1, USER), (3, ORDER), (3, USER)];
    for (n, service) in keys {
        world.apply(record(owner(n), service, 1, &[]));
    }
    world.apply(record(owner(2), USER, 1, &[("a", "1")]));
    let after = |after: Option<(Owner, &str)>| -> Vec<_> {
        let key = |record: &Record| (record.owner(), record.service().to_string());
        world.replica.live_records_after(after).map(key).collect()
    };
    let all: Vec<_> = keys.map(|(n, s)| (owner(n), s.to_owned())).into();
    assert_eq!(after(None), all, "empty lists too, strangers not");
    for (i, (n, service)) in keys.into_iter().enumerate() {
        assert_eq!(after(Some((owner(n), service))), all[i + 1..]);
    }
    assert_eq!(
        after(Some((owner(2), USER))),
        all[2..],
        "a stranger's place"
    );
    assert_eq!(
        after(Some((owner(1), ""))),
        all,
        "a service that is not there"
    );
}

/// Offers what must be refused, and sees that nothing has changed by it.
fn refused(world: &mut World, record: Record, bound: Bound) {
    let before = format!("{:?}", world.replica);
    assert_eq!(world.apply(record), Applied::Refused(bound));
    assert_eq!(format!("{:?}", world.replica), before);
}

#[test]
fn an_owner_has_so_many_records_and_no_more() {
    let mut world = World::with(Limits {
        records_per_owner: 2,
        ..Limits::default()
    });
    world.replica.owner_up(owner(1));
    world.replica.owner_up(owner(2));
    world.apply(record(owner(1), "a", 1, &[("a", "1")]));
    world.apply(record(owner(1), "b", 2, &[("a", "1")]));
    refused(
        &mut world,
        record(owner(1), "c", 3, &[("a", "1")]),
        Bound::RecordsPerOwner,
    );
    let again = record(owner(1), "b", 4, &[("a", "2")]);
    assert_eq!(world.apply(again), Applied::New, "it has that one already");
    let other = record(owner(2), "c", 1, &[("a", "1")]);
    assert_eq!(world.apply(other), Applied::New);
}

#[test]
fn the_memory_of_old_names_stops_no_new_one() {
    let mut world = World::with(Limits {
        records_per_owner: 3,
        ..Limits::default()
    });
    world.replica.owner_up(owner(1));
    world.apply(record(owner(1), "kept", 1, &[("a", "1")]));
    for (seq, name) in (2..).zip(["b", "d", "c"]) {
        world.apply(record(owner(1), name, seq, &[]));
        world.pass(MS);
    }
    let held = |world: &World| {
        ["b", "c", "d", "kept"].map(|name| world.replica.record(owner(1), name).is_some())
    };
    assert_eq!(held(&world), [false, true, true, true]);
    world.apply(record(owner(1), "new", 5, &[("a", "1")]));
    assert_eq!(held(&world), [false, true, false, true]);
    world.apply(record(owner(1), "newer", 6, &[("a", "1")]));
    refused(
        &mut world,
        record(owner(1), "newest", 7, &[("a", "1")]),
        Bound::RecordsPerOwner,
    );
    assert_eq!(world.replica.next_deadline(), None);
}

#[test]
fn so_many_strangers_are_listened_to_and_no_more() {
    let mut world = World::with(Limits {
        absent_owners: 2,
        ..Limits::default()
    });
    world.replica.owner_up(owner(9));
    world.apply(record(owner(1), USER, 1, &[("a", "1")]));
    world.apply(record(owner(2), USER, 1, &[("b", "1")]));
    refused(
        &mut world,
        record(owner(3), USER, 1, &[("c", "1")]),
        Bound::AbsentOwners,
    );
    let more = record(owner(2), ORDER, 2, &[("b", "1")]);
    assert_eq!(
        world.apply(more),
        Applied::Waiting,
        "it is listened to already"
    );
    let member = record(owner(9), USER, 1, &[("d", "1")]);
    assert_eq!(world.apply(member), Applied::New);
    world.pass(MINUTE);
    assert_eq!(
        world.apply(record(owner(3), USER, 1, &[("c", "1")])),
        Applied::Waiting
    );
}

#[test]
fn strangers_take_so_many_bytes_and_no_more() {
    let one = record(owner(1), USER, 1, &[("a", "1")]);
    let mut world = World::with(Limits {
        waiting_bytes: 2 * one.cost_bytes(),
        ..Limits::default()
    });
    world.replica.owner_up(owner(9));
    world.apply(one);
    world.apply(record(owner(1), "user-servicf", 2, &[("a", "1")]));
    for n in [1, 2] {
        refused(
            &mut world,
            record(owner(n), "third", 3, &[("a", "1")]),
            Bound::WaitingBytes,
        );
    }
    let member = record(owner(9), USER, 1, &[("a", "1"), ("b", "1"), ("c", "1")]);
    assert_eq!(world.apply(member), Applied::New);
    let same_size = record(owner(1), USER, 4, &[("a", "2")]);
    assert_eq!(world.apply(same_size), Applied::Waiting);
    world.replica.owner_up(owner(1));
    assert_eq!(
        world.apply(record(owner(2), USER, 3, &[("a", "1")])),
        Applied::Waiting,
        "a member's bytes are no stranger's"
    );
}

#[test]
fn the_table_takes_so_many_bytes_and_no_more() {
    let one = record(owner(1), USER, 1, &[("a", "1")]);
    let mut world = World::with(Limits {
        table_bytes: 2 * one.cost_bytes(),
        ..Limits::default()
    });
    world.replica.owner_up(owner(1));
    world.replica.owner_up(owner(2));
    world.apply(one);
    world.apply(record(owner(2), USER, 1, &[("a", "1")]));
    refused(
        &mut world,
        record(owner(2), USER, 2, &[("a", "1"), ("b", "1")]),
        Bound::TableBytes,
    );
    refused(
        &mut world,
        record(owner(1), ORDER, 2, &[]),
        Bound::TableBytes,
    );
    let changed = record(owner(1), USER, 2, &[("a", "2")]);
    assert_eq!(world.apply(changed), Applied::New, "no larger than before");
    let gone = record(owner(1), USER, 3, &[]);
    assert_eq!(
        world.apply(gone),
        Applied::New,
        "a deregistration makes room"
    );
    world.sees(USER, &[("a", "1")]);
}
