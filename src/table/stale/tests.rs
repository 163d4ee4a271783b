use super::*;
use crate::table::{Directory, Instant, Limits, Owner, Record, Replica};

fn owner(n: u8) -> Owner {
    Owner {
        addr: ([10, 0, 0, n], 7946).into(),
        boot: 1,
    }
}

fn at(s: u64) -> Instant {
    Instant::from_origin(std::time::Duration::from_secs(s))
}

fn instance(service: &str, id: &str, version: &str) -> Arc<ServiceInstance> {
    let builder = ServiceInstance::builder(service).id(id).version(version);
    builder.build().unwrap().into()
}

/// A live owner has `instances` of the service.
fn offer(replica: &mut Replica, seq: u64, instances: &[Arc<ServiceInstance>]) {
    let content = format!("{instances:?}");
    let record = Record::new(
        owner(1),
        "users".into(),
        seq,
        content.into(),
        instances.to_vec(),
    );
    replica.owner_up(owner(1));
    replica.apply(Instant::ZERO, record);
}

fn shown(directory: &Directory) -> (Vec<String>, bool) {
    let list = directory.get("users");
    let shown = list.iter().map(|i| format!("{}@{}", i.id(), i.version()));
    (shown.collect(), list.is_stale())
}

fn remembering(ids: &[&str]) -> (Replica, Directory) {
    let (mut replica, directory) = (Replica::new(Limits::default()), Directory::new());
    let instances = ids.iter().map(|id| instance("users", id, "old"));
    replica.show_stale(instances, at(100));
    replica.publish(&directory);
    (replica, directory)
}

#[test]
fn remembered_instances_are_shown_marked_and_without_an_event() {
    let (mut replica, directory) = remembering(&["a", "b"]);
    assert_eq!(
        shown(&directory),
        (vec!["a@old".into(), "b@old".into()], true)
    );
    assert_eq!(directory.services(), ["users"]);
    assert!(replica.take_events().is_empty());
    assert_eq!(replica.stale(), 2);
}

#[test]
fn they_are_in_no_record_and_no_fingerprint() {
    let (replica, _directory) = remembering(&["a"]);
    assert_eq!(replica.records().count(), 0);
    assert_eq!(replica.fingerprint().total(), 0);
}

#[test]
fn what_the_table_holds_puts_out_the_remembered_one_of_its_id_for_good() {
    let (mut replica, directory) = remembering(&["a", "b"]);
    offer(&mut replica, 1, &[instance("users", "a", "new")]);
    replica.publish(&directory);
    assert_eq!(
        shown(&directory),
        (vec!["a@new".into(), "b@old".into()], true)
    );
    offer(&mut replica, 2, &[]);
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["b@old".into()], true));
}

#[test]
fn a_list_of_which_nothing_is_remembered_any_more_is_not_stale() {
    let (mut replica, directory) = remembering(&["a"]);
    offer(&mut replica, 1, &[instance("users", "a", "new")]);
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["a@new".into()], false));
    assert_eq!(replica.stale(), 0);
}

#[test]
fn what_is_remembered_after_it_was_heard_of_is_not_shown() {
    let (mut replica, directory) = (Replica::new(Limits::default()), Directory::new());
    offer(&mut replica, 1, &[instance("users", "a", "new")]);
    replica.show_stale([instance("users", "a", "old")], at(100));
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["a@new".into()], false));
}

#[test]
fn once_dropped_only_what_the_table_holds_is_shown() {
    let (mut replica, directory) = remembering(&["a", "b"]);
    offer(&mut replica, 1, &[instance("users", "c", "new")]);
    replica.drop_stale();
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["c@new".into()], false));
}

#[test]
fn a_watcher_is_told_that_a_list_was_confirmed_though_the_instances_are_equal() {
    let (mut replica, directory) = remembering(&["a"]);
    let before = directory.service("users").version();
    offer(&mut replica, 1, &[instance("users", "a", "old")]);
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["a@old".into()], false));
    assert_eq!(directory.service("users").version(), before + 1);
}

#[test]
fn each_goes_when_it_is_too_old_itself() {
    let (mut replica, directory) = remembering(&["a"]);
    replica.show_stale([instance("users", "b", "older")], at(50));
    assert_eq!(replica.stale_until(), Some(at(50)));
    replica.expire_stale(at(50));
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec!["a@old".into()], true));
    assert_eq!(replica.stale_until(), Some(at(100)));
    replica.expire_stale(at(100));
    replica.publish(&directory);
    assert_eq!(shown(&directory), (vec![], false));
    assert_eq!((replica.stale_until(), replica.is_stale()), (None, false));
}
