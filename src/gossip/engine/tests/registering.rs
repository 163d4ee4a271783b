use super::*;
use crate::{
    gossip::wire::{
        content,
        message::{Item, Message, News, RecordKey, kind},
    },
    registry::RegistrarError,
    table::Owner,
};

#[test]
fn a_lone_node_registers_and_finds_itself() {
    let mut world = World::new(1);
    world.start(1, &[]);
    world.register(1, "users", "a");
    assert_eq!(world.seen(1, "users"), ["a"]);
}

#[test]
fn a_change_reaches_everybody_in_milliseconds() {
    let mut world = World::cluster(2, 32);
    world.run(secs(5));
    world.register(7, "users", "a");
    let took = world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .expect("all see it");
    assert!(took < ms(15), "{took:?}");
}

#[test]
fn everybody_registering_at_once_reaches_everybody() {
    let mut world = World::cluster(3, 24);
    for port in 1..=24 {
        world.register(port, "users", &format!("{port:02}"));
    }
    let all = |world: &World| (1..=24).all(|port| world.seen(port, "users").len() == 24);
    let took = world.until(secs(5), all).expect("all see all");
    assert!(took < ms(500), "{took:?}");
}

#[test]
fn updates_and_deregistrations_reach_everybody_and_are_told_once() {
    let mut world = World::cluster(4, 6);
    world.register(2, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    let newer = instance("users", "a")
        .to_builder()
        .version("2")
        .build()
        .unwrap();
    world
        .with(2, |engine, now| engine.register(now, newer))
        .unwrap();
    let all_see_2 = |world: &World| {
        (1..=6).all(|port| world.engine(port).directory().get("users")[0].version() == "2")
    };
    world.until(secs(5), all_see_2).expect("updated everywhere");
    world
        .with(2, |engine, now| engine.deregister(now, "users", "a"))
        .unwrap();
    world
        .until(secs(10), |world| world.all_see("users", &[]))
        .expect("gone everywhere");
    for port in 1..=6 {
        let told: Vec<_> = world
            .events(port)
            .iter()
            .filter_map(|event| match event {
                Event::Registered { .. } => Some('r'),
                Event::Updated { instance, .. } if instance.version() == "2" => Some('u'),
                Event::Deregistered { .. } => Some('d'),
                _ => None,
            })
            .collect();
        assert_eq!(told, ['r', 'u', 'd'], "at {port}");
    }
}

#[test]
fn registering_the_same_again_says_nothing() {
    let mut world = World::cluster(5, 3);
    world.register(1, "users", "a");
    world.run(secs(2));
    let before = world.engine(1).own.last_seq;
    world.register(1, "users", "a");
    assert_eq!(world.engine(1).own.last_seq, before);
}

#[test]
fn two_owners_of_one_id_are_two_replicas_and_a_warning() {
    let mut world = World::cluster(6, 3);
    world.register(1, "users", "a");
    world.register(2, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a", "a"]))
        .expect("both are kept");
    for port in 1..=3 {
        let warned = |event: &Event| matches!(event, Event::DuplicateInstance { .. });
        assert_eq!(
            world
                .events(port)
                .iter()
                .filter(|event| warned(event))
                .count(),
            1
        );
    }
}

#[test]
fn an_owner_writes_above_a_record_that_it_did_not_write() {
    let mut world = World::cluster(7, 4);
    world.register(1, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    // As if the owner had been rolled back: others hold a newer record, and one that it lacks.
    let owner: Owner = world.engine(1).identity().owner();
    for (service, seq) in [("users", 50), ("ghosts", 9)] {
        let forged = std::sync::Arc::new(instance(service, "forged"));
        let content = crate::gossip::wire::content::write([forged].iter());
        let key = crate::gossip::wire::message::RecordKey::new(owner, service);
        world
            .with(3, |engine, now| {
                engine.record_received(now, addr(4), key, seq, &content)
            })
            .unwrap();
    }
    let repaired = |world: &World| world.all_see("users", &["a"]) && world.all_see("ghosts", &[]);
    assert!(world.until(secs(5), repaired).is_some());
    assert!(world.engine(1).own.last_seq > 50);
}

#[test]
fn an_owner_of_whom_the_highest_number_is_claimed_begins_again() {
    let mut world = World::cluster(11, 4);
    world.register(1, "users", "a");
    world
        .until(secs(1), |world| world.all_see("users", &["a"]))
        .unwrap();
    let owner = world.engine(1).identity().owner();
    let forged = std::sync::Arc::new(instance("users", "forged"));
    let content = crate::gossip::wire::content::write([forged].iter());
    let key = crate::gossip::wire::message::RecordKey::new(owner, "users");
    world
        .with(3, |engine, now| {
            engine.record_received(now, addr(4), key, 1 << 63, &content)
        })
        .unwrap();
    let repaired = |world: &World| world.all_see("users", &["a"]) && world.is_converged();
    assert!(world.until(secs(10), repaired).is_some());
    assert!(world.engine(1).identity().boot > owner.boot);
    world.register(1, "users", "b");
    assert!(
        world
            .until(secs(5), |world| world.all_see("users", &["a", "b"]))
            .is_some()
    );
}

#[test]
fn an_empty_list_is_forgotten_after_ten_minutes_and_stays_gone() {
    let mut world = World::cluster(8, 3);
    world.register(1, "users", "a");
    world.run(secs(1));
    world
        .with(1, |engine, now| engine.deregister(now, "users", "a"))
        .unwrap();
    world.run(secs(601));
    for port in 1..=3 {
        assert_eq!(world.engine(port).stats().records, 0);
    }
    assert!(world.is_converged());
    world.register(1, "users", "b");
    assert!(
        world
            .until(secs(1), |world| world.all_see("users", &["b"]))
            .is_some()
    );
}

#[test]
fn a_record_over_the_limit_is_refused_and_nothing_changes() {
    let mut world = World::new(9);
    world.start(1, &[]);
    let big = |id: usize| {
        let builder = ServiceInstance::builder("users").id(id.to_string());
        let builder = builder
            .endpoint("http://10.0.0.9:8000")
            .metadata("k", "v".repeat(1_000));
        builder.build().unwrap()
    };
    let refused = (0..100).find_map(|id| {
        world
            .with(1, |engine, now| engine.register(now, big(id)))
            .err()
            .map(|error| (id, error))
    });
    let (count, error) = refused.expect("100 instances of 1,000 bytes are too many");
    assert!((60..=64).contains(&count), "{count}");
    assert!(error.to_string().contains("users"), "{error}");
    assert_eq!(world.seen(1, "users").len(), count);
}

#[test]
fn a_table_without_room_refuses_and_nothing_changes() {
    let mut world = World::new(12);
    world.start_with(1, &[], 0, |config| config.table.table_bytes = 1_000);
    world.register(1, "users", "a");
    let register = |world: &mut World, id| {
        world.with(1, |engine, now| engine.register(now, instance("users", id)))
    };
    let refused = ["b", "c", "d", "e"].map(|id| register(&mut world, id).err());
    let error = refused
        .into_iter()
        .flatten()
        .next()
        .expect("there is no room for five");
    assert!(error.to_string().contains("1000"), "{error}");
    let held = world.seen(1, "users").len();
    assert!((1..5).contains(&held));
    world
        .with(1, |engine, now| engine.deregister(now, "users", "a"))
        .unwrap();
    assert_eq!(
        world.seen(1, "users").len(),
        held - 1,
        "less is always possible"
    );
}

#[test]
fn after_leaving_nothing_can_be_registered() {
    let mut world = World::new(10);
    world.start(1, &[]);
    world.with(1, Engine::leave);
    let refused = world.with(1, |engine, now| {
        engine.register(now, instance("users", "a"))
    });
    assert_eq!(refused, Err(RegistrarError::Closed));
}

/// A push tells three members of a change; where everything due fills several packets, more of them get one each.
#[test]
fn a_push_that_overflows_its_packets_goes_on_to_more_members() {
    let pushed = |changes: usize| {
        let mut world = World::cluster(41, 32);
        world.run(secs(10));
        let told = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let telling = told.clone();
        world.link = Box::new(move |from, to, datagram| {
            if from == addr(1) && kind_of(datagram) == kind::NEWS {
                telling.borrow_mut().push(to);
            }
            Fate::Deliver
        });
        world.with(1, |engine, now| {
            for change in 0..changes {
                let service = format!("service-{change}");
                engine.register(now, instance(&service, "a")).unwrap();
            }
        });
        let told = told.borrow();
        (
            told.len(),
            told.iter().collect::<std::collections::BTreeSet<_>>().len(),
        )
    };
    assert_eq!(pushed(1), (3, 3));
    assert_eq!(pushed(10), (3, 3), "they fit one packet");
    let (packets, members) = pushed(100);
    assert!((9..=12).contains(&packets), "{packets} packets");
    assert!(members > 6, "{members} members");
}

#[test]
fn a_record_whose_owner_is_no_member_is_told_when_it_is_one_and_not_before() {
    let mut world = World::cluster(31, 3);
    world.run(secs(5));
    let owner = PeerId::new(addr(9), world.time(0).unix_ms, 0);
    let instance = std::sync::Arc::new(instance("orders", "9"));
    let content = content::write([instance].iter());
    let said = world.with(2, |engine, now| {
        let key = RecordKey::new(owner.owner(), "orders");
        let content = &content;
        let items = vec![Item::Record {
            key,
            seq: 1,
            content,
        }];
        engine.send(now, addr(1), &Message::News(News { items }));
        engine.transmits.pop_back().unwrap()
    });
    world.with(1, |engine, now| {
        engine.handle_datagram(now, addr(2), &said.payload);
    });
    // Who starts in the place of another does not know who is gone, and would tell it on for ever.
    assert_eq!(world.engine(1).stats().sizes.waiting_owners, 1);
    assert_eq!(world.engine(1).stats().news_pending, 0);
    world.run(secs(5));
    assert_eq!(world.engine(3).stats().records, 0);

    for port in [3, 2, 1] {
        world.with(port, |engine, now| {
            engine.learn(now, owner, 0, Health::Alive, true);
        });
    }
    assert_eq!(world.seen(1, "orders"), ["9"]);
    assert_eq!(world.engine(1).stats().news_pending, 1);
    let reached = |world: &World| [2, 3].map(|port| world.seen(port, "orders")) == [["9"], ["9"]];
    world.until(ms(50), reached).expect("all are told");
}
