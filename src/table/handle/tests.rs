use crate::registry::{Instances, ServiceInstance};
use crate::table::Directory;

fn list<const N: usize>(ids: [&str; N]) -> Instances {
    ids.into_iter()
        .map(|id| {
            ServiceInstance::builder("user-service")
                .id(id)
                .build()
                .unwrap()
        })
        .collect()
}

#[test]
fn a_handle_made_before_the_service_shows_it() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    assert_eq!(handle.name(), "user-service");
    assert!(handle.instances().is_empty());
    directory.publish("user-service", list(["a"]));
    assert_eq!(handle.instances()[0].id(), "a");
    assert_eq!(handle.snapshot(), list(["a"]));
}

#[test]
fn a_clone_is_the_same_handle() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    let clone = handle.clone();
    drop(handle);
    directory.publish("user-service", list(["a"]));
    assert_eq!((clone.version(), clone.snapshot()), (1, list(["a"])));
}

#[test]
fn a_list_that_is_held_does_not_change_and_tells_its_version() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    directory.publish("user-service", list(["a"]));
    let held = handle.instances();
    directory.publish("user-service", list(["b", "c"]));
    assert_eq!((held.len(), held.version()), (1, 1));
    assert_eq!(held.to_instances(), list(["a"]));
    assert_eq!((handle.instances().len(), handle.version()), (2, 2));
}

#[test]
fn many_lists_can_be_held_at_once() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    directory.publish("user-service", list(["a"]));
    let held: Vec<_> = (0..100).map(|_| handle.instances()).collect();
    directory.publish("user-service", list(["b"]));
    assert!(held.iter().all(|held| held[0].id() == "a"));
    assert_eq!(handle.instances()[0].id(), "b");
}

#[test]
fn reading_allocates_nothing() {
    let directory = Directory::new();
    let handle = directory.service("user-service");
    directory.publish("user-service", list(["a", "b"]));
    // The thread's bookkeeping.
    let _ = handle.instances().len();
    let used = allocation_counter::measure(|| {
        for _ in 0..100 {
            assert_eq!(handle.instances().len(), 2);
            assert_eq!(handle.snapshot().len(), 2);
            assert_eq!(directory.get("user-service").len(), 2);
            assert!(directory.get("order-service").is_empty());
        }
    });
    assert_eq!(used.count_total, 0, "{used:?}");
}

#[test]
fn handles_and_what_they_show_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<super::ServiceHandle>();
    crosses::<Directory>();
    crosses::<Instances>();
}
