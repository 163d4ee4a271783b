//! Members, services and events tell the same story.

#![cfg(feature = "node")]

mod node_support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use node_support::{builder, instance, join, start, within};
use tidings::node::{Events, EventsError, Snapshot};
use tidings::table::Event;

/// What there is, by a snapshot and the events after it. Panics where an event does not fit what is there.
#[derive(Debug, PartialEq)]
struct Told {
    /// The node that tells; it is in its own list from the start.
    own: Option<SocketAddr>,
    members: BTreeSet<SocketAddr>,
    instances: BTreeMap<(String, String), String>,
}

impl Told {
    fn of(snapshot: &Snapshot) -> Self {
        let services = snapshot.services.iter();
        let instances = services.flat_map(|(name, instances)| {
            let key = |id: &str| (name.clone(), id.to_owned());
            let version =
                |i: &tidings::registry::ServiceInstance| (key(i.id()), i.version().to_owned());
            instances
                .iter()
                .map(move |i| version(i))
                .collect::<Vec<_>>()
        });
        let own = snapshot.members.iter().find(|member| member.is_self);
        Self {
            own: own.map(|member| member.addr),
            members: snapshot.members.iter().map(|member| member.addr).collect(),
            instances: instances.collect(),
        }
    }

    fn apply(&mut self, event: Event) {
        let key = |i: &tidings::registry::ServiceInstance| (i.name().to_owned(), i.id().to_owned());
        match event {
            // The node has joined its cluster.
            Event::Joined { member } if Some(member.addr) == self.own => {}
            Event::Joined { member } => assert!(self.members.insert(member.addr)),
            Event::Left { member, instances } | Event::Failed { member, instances } => {
                assert!(self.members.remove(&member.addr));
                for instance in instances {
                    assert!(self.instances.remove(&key(&instance)).is_some());
                }
            }
            Event::Registered { instance, .. } => {
                let version = instance.version().to_owned();
                let before = self.instances.insert(key(&instance), version);
                assert_eq!(before, None, "{instance} was there already");
            }
            Event::Updated { instance, .. } => {
                let version = instance.version().to_owned();
                let before = self.instances.insert(key(&instance), version);
                assert!(before.is_some(), "{instance} was not there");
            }
            Event::Deregistered { instance, .. } => {
                assert!(
                    self.instances.remove(&key(&instance)).is_some(),
                    "{instance}"
                );
            }
            other => panic!("{other}"),
        }
    }

    async fn follow(&mut self, events: &mut Events, last: &str) {
        loop {
            let event = within("an event", events.next()).await.expect("no gap");
            let is_last =
                matches!(&event, Event::Registered { instance, .. } if instance.name() == last);
            self.apply(event);
            if is_last {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subscription_reads_and_what_it_is_told_leave_no_gap() {
    let node = start(builder(&[]).event_capacity(100_000)).await;
    let writer = node.clone();
    let writing = tokio::spawn(async move {
        for round in 0..400_u32 {
            let id = format!("{}", round % 7);
            let changed = instance("users", &id)
                .to_builder()
                .version(format!("{round}"))
                .build()
                .expect("valid");
            writer.register(changed).await.expect("registered");
            if round % 3 == 0 {
                let gone = instance("users", &format!("{}", round % 5));
                writer.deregister(&gone).await.expect("deregistered");
            }
        }
    });
    let mut subscriptions = Vec::new();
    while !writing.is_finished() {
        subscriptions.push(node.subscribe());
        tokio::task::yield_now().await;
    }
    writing.await.expect("written");
    node.register(instance("last", "a"))
        .await
        .expect("registered");
    let end = Told::of(&node.subscribe().0);
    assert!(subscriptions.len() > 20, "{}", subscriptions.len());
    // Of many, some hundred will do.
    let stride = subscriptions.len().div_ceil(300);
    for (snapshot, mut events) in subscriptions.into_iter().step_by(stride) {
        let mut told = Told::of(&snapshot);
        told.follow(&mut events, "last").await;
        assert_eq!(told, end);
    }
}

#[tokio::test]
async fn a_member_is_in_the_snapshot_or_told_of_and_never_both() {
    let node = join([]).await;
    let (snapshot, mut events) = node.subscribe();
    let mut told = Told::of(&snapshot);
    assert_eq!(told.members, BTreeSet::from([node.advertised_addr()]));
    let other = join([&node]).await;
    other
        .register(instance("first", "a"))
        .await
        .expect("registered");
    told.follow(&mut events, "first").await;
    let (snapshot, mut later) = node.subscribe();
    assert_eq!(Told::of(&snapshot), told);
    assert_eq!(snapshot.members.len(), 2);
    within("shutdown", other.shutdown()).await.expect("left");
    let event = within("an event", later.next()).await.expect("it runs");
    assert!(
        matches!(event, Event::Deregistered { .. } | Event::Left { .. }),
        "{event}"
    );
}

#[tokio::test]
async fn a_subscription_to_a_node_that_has_stopped_ends_at_once() {
    let node = join([]).await;
    within("shutdown", node.shutdown()).await.expect("left");
    let (snapshot, mut events) = node.subscribe();
    assert!(snapshot.members.is_empty());
    assert_eq!(events.next().await, Err(EventsError::Closed));
}
