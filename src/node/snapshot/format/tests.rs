use proptest::prelude::*;

use super::*;

const CLUSTER: &str = "shop";

fn instance(service: &str, id: &str) -> Arc<ServiceInstance> {
    ServiceInstance::builder(service)
        .id(id)
        .version("1.4.2")
        .endpoint("http://10.0.0.9:8000")
        .metadata("zone", "eu-1")
        .build()
        .expect("a valid instance")
        .into()
}

fn snapshot() -> Snapshot {
    Snapshot {
        written_at_unix_ms: 1_800_000_000_000,
        members: vec![
            ([10, 0, 0, 7], 7946).into(),
            "[2001:db8::7]:7946".parse().expect("an address"),
        ],
        instances: vec![
            instance("orders", "a"),
            instance("orders", "b"),
            instance("users", "a"),
        ],
        unconfirmed: [(9, "c"), (9, "d"), (3, "e")]
            .map(|(confirmed_at_unix_ms, id)| Unconfirmed {
                confirmed_at_unix_ms,
                instance: instance("orders", id),
            })
            .into(),
    }
}

fn json() -> Vec<u8> {
    snapshot().to_json(CLUSTER).expect("small enough")
}

fn with(field: &str, value: serde_json::Value) -> Vec<u8> {
    let mut whole: serde_json::Value = serde_json::from_slice(&json()).expect("JSON");
    whole[field] = value;
    serde_json::to_vec(&whole).expect("JSON")
}

#[test]
fn what_was_written_is_read() {
    assert_eq!(
        Snapshot::from_json(&json(), CLUSTER).expect("read"),
        snapshot()
    );
}

#[test]
fn the_form_is_the_one_that_is_documented() {
    let mut snapshot = snapshot();
    snapshot.instances.truncate(1);
    snapshot.members.truncate(1);
    snapshot.unconfirmed.clear();
    let json = snapshot.to_json(CLUSTER).expect("small enough");
    assert_eq!(
        String::from_utf8(json).expect("UTF-8"),
        r#"{"format":1,"cluster":"shop","written_at_unix_ms":1800000000000,"members":["10.0.0.7:7946"],"services":{"orders":[{"id":"a","name":"orders","version":"1.4.2","metadata":{"zone":"eu-1"},"endpoints":["http://10.0.0.9:8000"]}]}}"#
    );
}

#[test]
fn what_is_unconfirmed_stands_behind_by_the_time_at_which_it_was_confirmed() {
    let mut snapshot = snapshot();
    (snapshot.instances, snapshot.members) = (Vec::new(), Vec::new());
    let json = snapshot.to_json(CLUSTER).expect("small enough");
    let whole: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let groups = whole["unconfirmed"].as_array().expect("a list").iter();
    let groups: Vec<_> = groups
        .map(|group| (&group["confirmed_at_unix_ms"], &group["services"]["orders"]))
        .map(|(at, orders)| (at.as_u64(), orders.as_array().map(Vec::len)))
        .collect();
    assert_eq!(groups, [(Some(9), Some(2)), (Some(3), Some(1))]);
}

#[test]
fn where_there_is_no_room_for_what_is_unconfirmed_the_table_is_written_alone() {
    let mut snapshot = snapshot();
    let large = ServiceInstance::builder("orders");
    let large = (0..64).fold(large, |large, n| {
        large.metadata(n.to_string(), "x".repeat(1_000))
    });
    let large = Arc::new(large.build().expect("within its limits"));
    snapshot.unconfirmed = vec![
        Unconfirmed {
            confirmed_at_unix_ms: 9,
            instance: large,
        };
        SNAPSHOT_BYTES_MAX / 64_000 + 1
    ];
    let json = snapshot.to_json(CLUSTER).expect("the table is small");
    let read = Snapshot::from_json(&json, CLUSTER).expect("read");
    assert_eq!(
        (read.instances, read.unconfirmed),
        (snapshot.instances, vec![])
    );
}

#[test]
fn one_of_another_cluster_is_refused() {
    let error = Snapshot::from_json(&json(), "bank").expect_err("another");
    assert!(matches!(error, SnapshotError::OtherCluster { found } if found == CLUSTER));
}

#[test]
fn one_of_a_later_format_is_refused_whatever_else_is_in_it() {
    let later = with("format", 2.into());
    let error = Snapshot::from_json(&later, CLUSTER).expect_err("later");
    assert!(matches!(error, SnapshotError::Format { found: 2 }));
    let error = Snapshot::from_json(br#"{"format":9,"cluster":""}"#, CLUSTER).expect_err("later");
    assert!(matches!(error, SnapshotError::Format { found: 9 }));
}

#[test]
fn one_that_is_cut_short_anywhere_is_refused() {
    let json = json();
    for length in 0..json.len() {
        let read = Snapshot::from_json(&json[..length], CLUSTER);
        assert!(matches!(read, Err(SnapshotError::Corrupt(_))), "{length}");
    }
}

#[test]
fn an_instance_that_the_builder_refuses_makes_the_whole_corrupt() {
    let services =
        serde_json::json!({"orders": [{"id": "a", "name": "orders", "endpoints": ["nowhere"]}]});
    let read = Snapshot::from_json(&with("services", services), CLUSTER);
    assert!(matches!(read, Err(SnapshotError::Corrupt(_))));
}

#[test]
fn an_instance_under_another_name_is_refused() {
    let services = serde_json::json!({"orders": [{"id": "a", "name": "users"}]});
    let read = Snapshot::from_json(&with("services", services), CLUSTER);
    assert!(matches!(read, Err(SnapshotError::Misplaced { service }) if service == "orders"));
}

#[test]
fn of_the_members_only_so_many_are_read_and_none_that_cannot_be_called() {
    let mut members = vec!["0.0.0.0:7946".to_owned(), "10.0.0.1:0".to_owned()];
    members.extend((1..=100).map(|n| format!("[::ffff:10.0.0.{n}]:7946")));
    let read = Snapshot::from_json(&with("members", members.into()), CLUSTER).expect("read");
    assert_eq!(read.members.len(), MEMBERS_MAX);
    assert_eq!(read.members[0], ([10, 0, 0, 1], 7946).into());
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = [
        br#"{"format":1,"cluster":"shop","members":"#,
        &vec![b'['; 100_000][..],
    ]
    .concat();
    let read = Snapshot::from_json(&deep, CLUSTER);
    assert!(matches!(read, Err(SnapshotError::Corrupt(_))));
}

proptest! {
    #[test]
    fn bytes_of_whatever_kind_make_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Snapshot::from_json(&bytes, CLUSTER);
    }

    #[test]
    fn a_damaged_one_makes_no_panic(damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut json = json();
        for (at, byte) in damage {
            let at = at % json.len();
            json[at] = byte;
        }
        let _ = Snapshot::from_json(&json, CLUSTER);
    }
}
