//! Nodes on real UDP, with each other.

#![cfg(feature = "node")]

mod node_support;

use node_support::{
    BOUND, builder, end_of, event, free_address, instance, join, offers, pair, sees, start, within,
};
use tidings::table::Event;

#[tokio::test]
async fn two_nodes_find_each_other_and_each_others_services() {
    let first = join([]).await;
    first
        .register(instance("users", "early"))
        .await
        .expect("registered");
    let second = join([&first]).await;
    sees(&first, &second).await;
    sees(&second, &first).await;
    second
        .register(instance("users", "late"))
        .await
        .expect("registered");
    for node in [&first, &second] {
        let users = within("both", node.wait_for("users", 2, BOUND))
            .await
            .expect("found");
        let ids: Vec<_> = users.iter().map(|instance| instance.id()).collect();
        assert_eq!(ids, ["early", "late"]);
    }
}

#[tokio::test]
async fn nodes_find_each_other_over_ipv6() {
    let first = start(builder(&[]).bind("[::1]:0")).await;
    first
        .register(instance("users", "a"))
        .await
        .expect("registered");
    let second = start(builder(&[first.advertised_addr()]).bind("[::1]:0")).await;
    within("the service", second.wait_for("users", 1, BOUND))
        .await
        .expect("found");
    sees(&first, &second).await;
    assert!(second.advertised_addr().is_ipv6());
}

#[tokio::test]
async fn a_dual_stack_node_and_an_ipv4_node_find_each_other() {
    let v4 = join([]).await;
    let dual = start(builder(&[v4.advertised_addr()]).bind("[::]:0").plaintext()).await;
    assert!(
        dual.advertised_addr().is_ipv4(),
        "the address towards its seed"
    );
    sees(&v4, &dual).await;
    sees(&dual, &v4).await;
    v4.register(instance("users", "a"))
        .await
        .expect("registered");
    within("the service", dual.wait_for("users", 1, BOUND))
        .await
        .expect("found");
}

#[tokio::test]
async fn nodes_of_two_clusters_do_not_hear_each_other() {
    let ours = join([]).await;
    let theirs = start(builder(&[ours.advertised_addr()]).cluster("other")).await;
    let dropped = || ours.stats().gossip.dropped.other_cluster >= 2;
    node_support::eventually("two tries", dropped).await;
    let seen = ours
        .members()
        .iter()
        .any(|member| member.addr == theirs.advertised_addr());
    assert!(!seen);
}

#[tokio::test]
async fn an_aborted_node_is_dropped_as_failed_with_what_it_had() {
    let [first, second] = pair().await;
    offers(&second, &first).await;
    let mut events = first.events();
    second.abort();
    match end_of(second.advertised_addr(), &mut events).await {
        Event::Failed { instances, .. } => assert_eq!(instances[0].id(), "a"),
        other => panic!("{other}"),
    }
    assert!(first.get_service("users").await.expect("open").is_empty());
}

#[tokio::test]
async fn a_node_that_shuts_down_is_seen_to_leave_and_not_to_fail() {
    let [first, second] = pair().await;
    offers(&second, &first).await;
    let mut events = first.events();
    within("shutdown", second.shutdown()).await.expect("left");
    let end = end_of(second.advertised_addr(), &mut events).await;
    assert!(matches!(end, Event::Left { .. }), "{end}");
    assert!(first.get_service("users").await.expect("open").is_empty());
}

#[tokio::test]
async fn dropping_the_last_clone_leaves() {
    let [first, second] = pair().await;
    let (addr, mut events) = (second.advertised_addr(), first.events());
    drop(second.clone());
    drop(second);
    let end = end_of(addr, &mut events).await;
    assert!(matches!(end, Event::Left { .. }), "{end}");
}

#[tokio::test]
async fn a_node_that_was_started_again_on_its_address_is_found_again() {
    let first = join([]).await;
    let address = free_address();
    let again = || builder(&[first.advertised_addr()]).bind(address);
    let second = start(again()).await;
    second
        .register(instance("users", "before"))
        .await
        .expect("registered");
    within("the service", first.wait_for("users", 1, BOUND))
        .await
        .expect("found");
    let mut events = first.events();
    second.abort();
    within("the end", second.stopped()).await;

    let second = start(again()).await;
    second
        .register(instance("users", "after"))
        .await
        .expect("registered");
    let after = |event: &Event| matches!(event, Event::Registered { instance, .. } if instance.id() == "after");
    event(&mut events, after).await;
    let users = first.get_service("users").await.expect("open");
    let ids: Vec<_> = users.iter().map(|instance| instance.id()).collect();
    assert_eq!(ids, ["after"], "what the old process had is gone");
}
