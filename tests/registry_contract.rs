//! The registry contract (`tests/contract`), run through three implementations: a node, a
//! list that is set anew with each change, and a registry of a few lines in this process's memory.
//! That all pass shows that the suite asks for nothing but the contract.
//!
//! Below it, the one line that takes two processes' worth of nodes: an instance's identity has its
//! owner in it.

#[macro_use]
mod contract;
mod fixtures;

registry_contract!(in_memory, crate::fixtures::memory::InMemory);

#[cfg(feature = "fixed")]
registry_contract!(static_list, crate::fixtures::fixed::FromAList);

#[cfg(feature = "node")]
registry_contract!(lone_node, crate::fixtures::node::LoneNode);

#[cfg(feature = "node")]
mod two_nodes {
    use tidings::Node;
    use tidings::node::Events;
    use tidings::table::Event;

    use crate::contract::{
        BOUND, USERS, deregister, get, ids, next, register, users, watch, within,
    };
    use crate::fixtures::node::start;

    async fn duplicate_of(events: &mut Events) -> (String, String) {
        loop {
            if let Event::DuplicateInstance { service, id, .. } = events.next().await.unwrap() {
                return (service.to_string(), id.to_string());
            }
        }
    }

    /// Both nodes with an instance of the same id, told apart by their versions, as both see them.
    async fn with_one_id_each() -> [Node; 2] {
        let first = start([]).await;
        let second = start([&first]).await;
        register(&first, users("same").version("1")).await;
        register(&second, users("same").version("2")).await;
        for node in [&first, &second] {
            let found = node.wait_for(USERS, 2, BOUND).await.unwrap();
            assert_eq!(ids(&found), ["same", "same"]);
            let mut versions: Vec<_> = found.iter().map(|instance| instance.version()).collect();
            versions.sort_unstable();
            assert_eq!(versions, ["1", "2"]);
        }
        [first, second]
    }

    #[tokio::test]
    async fn two_processes_with_one_id_are_two_replicas_and_each_takes_back_its_own() {
        let [first, second] = with_one_id_each().await;
        let mut watcher = watch(&second, USERS).await;
        assert_eq!(next(&mut *watcher).await.len(), 2);
        deregister(&first, users("same")).await;
        assert_eq!(get(&first, USERS).await[0].version(), "2");
        let left = next(&mut *watcher).await;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].version(), "2", "the other's stays");
    }

    #[tokio::test]
    async fn both_nodes_see_them_in_the_same_order() {
        let [first, second] = with_one_id_each().await;
        assert_eq!(get(&first, USERS).await, get(&second, USERS).await);
    }

    #[tokio::test]
    async fn two_processes_with_one_id_are_a_warning() {
        let first = start([]).await;
        let second = start([&first]).await;
        let mut events = [first.events(), second.events()];
        register(&first, users("same")).await;
        register(&second, users("same")).await;
        for events in &mut events {
            let duplicate = within("the warning", duplicate_of(events)).await;
            assert_eq!(duplicate, (USERS.to_owned(), "same".to_owned()));
        }
    }
}
