use std::sync::Arc;

use super::{Directory, Ordering};
use crate::registry::{Instances, ServiceInstance, Status};

fn instance(id: &str) -> ServiceInstance {
    ServiceInstance::builder("user-service")
        .id(id)
        .build()
        .unwrap()
}

fn list<const N: usize>(ids: [&str; N]) -> Instances {
    ids.into_iter().map(instance).collect()
}

fn cells(directory: &Directory) -> usize {
    directory.0.cells.load().size()
}

#[test]
fn an_unknown_service_is_empty_and_stays_unknown() {
    let directory = Directory::new();
    assert!(directory.get("user-service").is_empty());
    assert!(directory.services().is_empty());
    assert_eq!(cells(&directory), 0);
}

#[test]
fn what_is_published_is_read() {
    let directory = Directory::new();
    directory.publish("user-service", list(["b", "a"]));
    assert_eq!(directory.get("user-service"), list(["a", "b"]));
    assert!(directory.get("order-service").is_empty());
}

#[test]
fn services_are_those_with_instances_sorted() {
    let directory = Directory::new();
    let _looked_at = directory.service("c");
    for service in ["d", "b", "a"] {
        directory.publish(service, list(["1"]));
    }
    directory.publish("b", Instances::new());
    assert_eq!(directory.services(), ["a", "d"]);
}

#[test]
fn a_list_that_is_equal_is_not_published_again() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    assert_eq!(handle.version(), 0);
    directory.publish("user-service", list(["a"]));
    let published = directory.get("user-service");
    directory.publish("user-service", list(["a"]));
    assert_eq!(handle.version(), 1);
    assert!(directory.get("user-service").ptr_eq(&published));
    directory.publish(
        "user-service",
        Instances::from_iter([instance("a").with_status(Status::Draining)]),
    );
    assert_eq!(handle.version(), 2);
    directory.publish("user-service", Instances::new());
    directory.publish("user-service", Instances::new());
    assert_eq!(handle.version(), 3);
}

#[test]
fn a_reader_keeps_the_list_that_it_has() {
    let directory = Directory::new();
    directory.publish("user-service", list(["a"]));
    let before = directory.get("user-service");
    directory.publish("user-service", list(["b"]));
    assert_eq!(before, list(["a"]));
}

#[test]
fn a_service_that_is_gone_leaves_nothing() {
    let directory = Directory::new();
    directory.publish("user-service", list(["a"]));
    assert_eq!(cells(&directory), 1);
    directory.publish("user-service", Instances::new());
    assert_eq!(cells(&directory), 0);
}

#[test]
fn a_name_that_was_looked_at_leaves_nothing() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    let clone = handle.clone();
    let watcher = directory.watch("user-service");
    assert_eq!(cells(&directory), 1);
    drop(handle);
    drop(watcher);
    assert_eq!(cells(&directory), 1, "a clone is left");
    drop(clone);
    assert_eq!(cells(&directory), 0);
}

#[test]
fn whoever_looks_keeps_the_place_of_a_service_that_is_gone() {
    let directory = Directory::new();
    directory.publish("user-service", list(["a"]));
    let handle = directory.service("user-service");
    directory.publish("user-service", Instances::new());
    assert!(handle.instances().is_empty());
    directory.publish("user-service", list(["b"]));
    assert_eq!(handle.snapshot(), list(["b"]));
    drop(handle);
    assert_eq!(
        directory.get("user-service"),
        list(["b"]),
        "instances keep it too"
    );
}

#[test]
fn a_late_end_of_a_lease_does_not_remove_a_newer_place() {
    let directory = Directory::new();
    let old = directory.lease("user-service");
    // The moment between a last lease's end and its lock: another thread removes the cell, a third
    // makes a new one.
    old.cell.leases.store(0, Ordering::SeqCst);
    let writer = directory.0.lock();
    directory.0.remove_if_idle(&writer, &old.cell);
    drop(writer);
    let handle = directory.service("user-service");
    old.cell.leases.store(1, Ordering::SeqCst);
    drop(old);
    directory.publish("user-service", list(["a"]));
    assert_eq!(handle.snapshot(), list(["a"]));
}

#[test]
fn a_closed_directory_keeps_its_lists_and_takes_no_more() {
    let directory = Directory::new();
    directory.publish("user-service", list(["a"]));
    assert!(!directory.is_closed());
    directory.close();
    directory.close();
    assert!(directory.is_closed() && directory.clone().is_closed());
    directory.publish("user-service", list(["b"]));
    directory.publish("order-service", list(["b"]));
    assert_eq!(directory.get("user-service"), list(["a"]));
    assert_eq!(directory.services(), ["user-service"]);
}

#[test]
fn readers_on_other_threads_see_whole_lists_in_order() {
    const CHANGES: usize = 1000;
    let directory = Directory::new();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let directory = directory.clone();
            std::thread::spawn(move || {
                // Made and dropped over and over, against the removal of empty services.
                let mut newest = 0;
                while newest < CHANGES {
                    let handle = directory.service("user-service");
                    let seen = handle.instances();
                    let versions: Vec<usize> = seen
                        .iter()
                        .map(|instance| instance.version().parse().unwrap())
                        .collect();
                    if let [first, rest @ ..] = &*versions {
                        assert!(
                            rest.iter().all(|version| version == first),
                            "torn: {versions:?}"
                        );
                        assert!(newest <= *first, "went back from {newest} to {first}");
                        newest = *first;
                    }
                }
            })
        })
        .collect();
    for change in 1..=CHANGES {
        let versioned = |id: &str| {
            instance(id)
                .to_builder()
                .version(change.to_string())
                .build()
        };
        let list = ["a", "b", "c"].map(|id| Arc::new(versioned(id).unwrap()));
        directory.publish("user-service", Instances::from_iter(list));
        if change % 10 == 0 && change < CHANGES {
            directory.publish("user-service", Instances::new());
        }
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(cells(&directory), 1);
}
