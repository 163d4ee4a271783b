//! Nodes that sign their records, and nodes that demand it.

use std::sync::Arc;

use super::*;
use crate::{
    gossip::{
        security::{PublicKey, SigningKey, Statement, Trusted},
        wire::{
            content::{read, write, write_signed},
            message::{Item, Message, News, RecordKey, kind},
        },
    },
    registry::{MAX_RECORD_BYTES, RegistrarError},
    table::{LEAVING, Owner},
};

const STRICT: u16 = 3;

fn signing_key(byte: u8) -> SigningKey {
    SigningKey::from_bytes([byte; 32])
}

fn public(byte: u8) -> PublicKey {
    signing_key(byte).public_key()
}

fn signs(byte: u8) -> impl Fn(&mut Config) {
    move |config| config.security.sign_with = Some(signing_key(byte))
}

/// Demands one of these keys for the service `payments`.
fn demands(bytes: &'static [u8]) -> impl Fn(&mut Config) {
    move |config| {
        let keys = bytes.iter().map(|byte| public(*byte));
        config.security.trusted = Trusted::open().service("payments", keys);
    }
}

/// Nodes 1 to 4. The first signs, if it has a key, the third demands key 1 (or 2), the others do neither.
fn cluster(seed: u64, key: Option<u8>) -> World {
    let mut world = World::cluster_with(seed, 4, |config| match config.advertise.port() {
        1 => config.security.sign_with = key.map(signing_key),
        STRICT => demands(&[1, 2])(config),
        _ => {}
    });
    world.run(secs(2));
    world
}

fn sees(world: &World, port: u16, ids: &[&str]) -> bool {
    world.seen(port, "payments") == ids
}

fn expect(world: &mut World, port: u16, ids: &[&str]) {
    let seen = world.until(secs(20), |world| sees(world, port, ids));
    seen.unwrap_or_else(|| panic!("{:?} at {port}", world.seen(port, "payments")));
}

fn untrusted(world: &World, port: u16) -> u64 {
    world.engine(port).stats().records_untrusted
}

fn owner(world: &World, port: u16) -> Owner {
    world.engine(port).identity().owner()
}

/// What the node on `port` has written last for a service.
fn written(world: &World, port: u16, service: &str) -> (RecordKey, u64, Vec<u8>) {
    let owner = owner(world, port);
    let record = world.engine(port).replica.record(owner, service).unwrap();
    let key = RecordKey::new(owner, service);
    (key, record.seq(), record.content().to_vec())
}

/// Offers a record to a node, as if node 2 had sent it.
fn offer(world: &mut World, to: u16, key: RecordKey, seq: u64, content: &[u8]) {
    let offered = world.with(to, |engine, now| {
        engine.record_received(now, addr(2), key, seq, content)
    });
    offered.unwrap();
}

/// One instance, signed by `byte` for what the statement says.
fn forged(byte: u8, id: &str, statement: Statement<'_>) -> Vec<u8> {
    let instances = [Arc::new(instance("payments", id))];
    let sign = |content: &[u8]| {
        signing_key(byte).sign(&Statement {
            content,
            ..statement
        })
    };
    write_signed(instances.iter(), &public(byte).to_bytes(), sign)
}

/// The same with the public key of 1, which did not sign it.
fn in_the_name_of_1(id: &str) -> Vec<u8> {
    let instances = [Arc::new(instance("payments", id))];
    write_signed(instances.iter(), &public(1).to_bytes(), |_| [7; 64])
}

fn register_large(world: &mut World, port: u16) {
    for id in 0..4 {
        let builder = ServiceInstance::builder("payments").id(format!("{id}"));
        let instance = builder.metadata("k", "v".repeat(1_000)).build().unwrap();
        world
            .with(port, |engine, now| engine.register(now, instance))
            .unwrap();
    }
}

fn lose(world: &mut World, from: u16, to: u16, kinds: &'static [u8]) {
    world.link = Box::new(move |sender, receiver, datagram| {
        let lost = sender == addr(from) && receiver == addr(to);
        if lost && kinds.contains(&kind_of(datagram)) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
}

#[test]
fn what_is_signed_as_demanded_is_taken_from_who_passes_it_on_and_demands_nothing() {
    let mut world = cluster(1, Some(1));
    lose(&mut world, 1, STRICT, &[kind::NEWS, kind::PAGE]);
    world.register(1, "payments", "a");
    let took = world.until(secs(1), |world| world.all_see("payments", &["a"]));
    assert!(took.is_some_and(|took| took < ms(50)), "{took:?}");
    assert!(world.lost > 0);
    world.heal();
    world.run(secs(20));
    assert!(world.is_converged());
    let stats = world.engine(STRICT).stats();
    assert_eq!((stats.signatures_verified, stats.records_untrusted), (1, 0));
    assert_eq!(world.engine(2).stats().signatures_verified, 0);
}

#[test]
fn news_that_is_not_signed_as_demanded_is_refused_and_not_passed_on() {
    for key in [None, Some(9)] {
        let mut world = cluster(2, key);
        let told = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = told.clone();
        world.link = Box::new(move |from, _, datagram| {
            if from == addr(STRICT) && datagram.windows(8).any(|part| part == b"payments") {
                count.set(count.get() + 1);
            }
            Fate::Deliver
        });
        world.register(1, "payments", "a");
        world.register(1, "users", "a");
        world.run(secs(20));
        assert!(untrusted(&world, STRICT) > 0, "it came, as news");
        assert!(sees(&world, STRICT, &[]) && sees(&world, 2, &["a"]));
        assert!(world.all_see("users", &["a"]), "no rule names it");
        assert_eq!(told.get(), 0);
    }
}

#[test]
fn a_page_and_chunks_are_refused_as_news_is() {
    let mut world = cluster(3, None);
    world.register(1, "payments", "a");
    world.run(secs(10));
    world.start_with(7, &[2], 0, demands(&[1]));
    world.run(secs(5));
    assert!(untrusted(&world, 7) > 0, "in a page of the table");
    let before = untrusted(&world, STRICT);
    let chunks = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = chunks.clone();
    world.link = Box::new(move |_, to, datagram| {
        let is_chunk = to == addr(STRICT) && kind_of(datagram) == kind::CHUNK;
        count.set(count.get() + u32::from(is_chunk));
        Fate::Deliver
    });
    register_large(&mut world, 1);
    world.run(secs(5));
    assert!(chunks.get() > 4 && untrusted(&world, STRICT) > before);
    for (port, seen) in [(2, 5), (STRICT, 0), (7, 0)] {
        assert_eq!(world.seen(port, "payments").len(), seen, "at {port}");
    }
}

#[test]
fn a_large_record_that_is_signed_is_put_together_and_taken() {
    let mut world = cluster(4, Some(2));
    register_large(&mut world, 1);
    expect(&mut world, STRICT, &["0", "1", "2", "3"]);
}

#[test]
fn a_signature_is_good_for_nothing_but_its_record() {
    let mut world = cluster(5, Some(1));
    world.register(1, "payments", "a");
    expect(&mut world, STRICT, &["a"]);
    let (key, seq, content) = written(&world, 1, "payments");
    let me = owner(&world, 1);
    let another = owner(&world, 2);
    let boot = me.boot + 1;
    let record = |owner, service| RecordKey::new(owner, service);
    let mut changed = content.clone();
    let at = changed.windows(4).position(|part| part == b"8000").unwrap();
    changed[at] = b'9';
    let without = write([Arc::new(instance("payments", "a"))].iter());
    for (key, seq, content) in [
        (record(another, "payments"), seq, &content),
        (record(Owner { boot, ..me }, "payments"), seq, &content),
        (key.clone(), seq + 1, &content),
        (key.clone(), seq + 1, &changed),
        (key, seq + 1, &without),
    ] {
        let before = untrusted(&world, STRICT);
        offer(&mut world, STRICT, key, seq, content);
        assert_eq!(untrusted(&world, STRICT), before + 1);
    }
    assert!(sees(&world, STRICT, &["a"]));
    // Of a rule for each of two services with the same key.
    world.start_with(8, &[1], 0, |config| {
        let rules = Trusted::open().service("payments", [public(1)]);
        config.security.trusted = rules.service("orders", [public(1)]);
    });
    expect(&mut world, 8, &["a"]);
    offer(&mut world, 8, record(me, "orders"), seq + 1, &content);
    assert_eq!(untrusted(&world, 8), 1);
}

#[test]
fn a_signature_of_another_cluster_is_refused() {
    let mut world = cluster(6, Some(1));
    let owner = owner(&world, 1);
    let statement = |cluster| Statement {
        cluster,
        owner,
        service: "payments",
        seq: 5,
        content: &[],
    };
    let key = RecordKey::new(owner, "payments");
    let other = forged(1, "a", statement("other"));
    offer(&mut world, STRICT, key.clone(), 5, &other);
    assert_eq!(untrusted(&world, STRICT), 1);
    let ours = forged(1, "a", statement("test"));
    offer(&mut world, STRICT, key, 5, &ours);
    assert!(sees(&world, STRICT, &["a"]));
}

#[test]
fn nobody_else_deregisters_what_is_signed() {
    let mut world = cluster(7, Some(1));
    world.register(1, "payments", "a");
    expect(&mut world, STRICT, &["a"]);
    let (key, seq, _) = written(&world, 1, "payments");
    let empty = write([].iter());
    offer(&mut world, STRICT, key.clone(), seq + 1, &empty);
    assert!(sees(&world, STRICT, &["a"]));
    offer(&mut world, 4, key, seq + 1, &empty);
    assert!(sees(&world, 4, &[]));
    world.run(secs(20));
    assert!(world.all_see("payments", &["a"]) && world.is_converged());
    world
        .with(1, |engine, now| engine.deregister(now, "payments", "a"))
        .unwrap();
    expect(&mut world, STRICT, &[]);
}

#[test]
fn a_goodbye_has_to_meet_what_is_demanded_of_the_records_that_it_takes_away() {
    let mut world = cluster(8, Some(1));
    world.register(1, "payments", "a");
    world.register(2, "users", "b");
    expect(&mut world, STRICT, &["a"]);
    let goodbye = write([].iter());
    for (port, taken) in [(1, false), (2, true)] {
        let owner = owner(&world, port);
        let key = RecordKey::new(owner, LEAVING);
        let datagram = world.with(4, |engine, now| {
            let items = vec![Item::Record {
                key,
                seq: 99,
                content: &goodbye,
            }];
            engine.send(now, addr(STRICT), &Message::News(News { items }));
            engine.transmits.pop_back().unwrap()
        });
        world.with(STRICT, |engine, now| {
            engine.handle_datagram(now, addr(4), &datagram.payload);
        });
        let said = world.engine(STRICT).replica.has_said_goodbye(owner);
        assert_eq!(said, taken, "of {port}");
    }
}

#[test]
fn one_that_signs_and_leaves_has_left_for_who_demands_it() {
    for rules in [
        Trusted::open().service("payments", [public(1)]),
        Trusted::open().owner(addr(1), [public(1)]),
        Trusted::closed().host(addr(1).ip(), [public(1)]),
    ] {
        let mut world = World::cluster_with(9, 3, |config| match config.advertise.port() {
            1 => config.security.sign_with = Some(signing_key(1)),
            2 => config.security.trusted = rules.clone(),
            _ => {}
        });
        world.register(1, "payments", "a");
        expect(&mut world, 2, &["a"]);
        world.with(1, Engine::leave);
        world.run(secs(5));
        let left = |event: &&Event| matches!(event, Event::Left { .. });
        assert_eq!(world.events(2).iter().filter(left).count(), 1);
        assert_eq!(world.failures(2), 0);
        assert!(sees(&world, 2, &[]));
    }
}

#[test]
fn a_later_process_with_another_key_is_not_let_in_and_one_of_two_listed_keys_is() {
    let mut world = cluster(10, Some(1));
    world.register(1, "payments", "a");
    expect(&mut world, STRICT, &["a"]);
    for (key, taken) in [(9, false), (2, true)] {
        world.crash(1);
        world.start_with(1, &[2], 0, signs(key));
        world.register(1, "payments", "b");
        expect(&mut world, 2, &["b"]);
        world.run(secs(10));
        assert_eq!(sees(&world, STRICT, &["b"]), taken, "key {key}");
    }
}

#[test]
fn what_a_node_refuses_of_others_it_does_not_offer() {
    let mut world = World::new(11);
    for (port, key) in [(1, None), (2, Some(9)), (3, Some(1))] {
        world.start_with(port, &[], 0, |config| {
            demands(&[1])(config);
            config.security.sign_with = key.map(signing_key);
        });
        let registered = world.with(port, |engine, now| {
            engine.register(now, instance("users", "a")).unwrap();
            engine.register(now, instance("payments", "a"))
        });
        let refused = RegistrarError::Untrusted {
            service: "payments".to_owned(),
            owner: addr(port),
            public_key: key.map(|key| public(key).to_string()),
        };
        let expected = if key == Some(1) { Ok(()) } else { Err(refused) };
        assert_eq!(registered, expected);
        assert_eq!(world.seen(port, "payments").len(), usize::from(port == 3));
    }
}

#[test]
fn what_an_owner_writes_again_is_signed_again() {
    let mut world = cluster(12, Some(1));
    world.register(1, "payments", "a");
    expect(&mut world, STRICT, &["a"]);
    let (key, seq, _) = written(&world, 1, "payments");
    let statement = Statement {
        cluster: "test",
        owner: key.owner(),
        service: "payments",
        seq: seq + 50,
        content: &[],
    };
    let stolen = forged(9, "forged", statement);
    offer(&mut world, 4, key, seq + 50, &stolen);
    assert!(sees(&world, 4, &["forged"]));
    let repaired = |world: &World| world.all_see("payments", &["a"]) && world.is_converged();
    world.until(secs(10), repaired).expect("repaired");
    assert!(world.engine(1).own.last_seq > seq + 50);
    let boot = owner(&world, 1).boot;
    world.with(1, Engine::start_over);
    world.until(secs(10), repaired).expect("under another boot");
    assert!(owner(&world, 1).boot > boot);
}

#[test]
fn a_signature_counts_against_the_limit_of_a_record() {
    let instances = |last: usize| {
        let with = |id: usize, bytes| {
            let builder = ServiceInstance::builder("payments").id(format!("{id:02}"));
            builder.metadata("k", "v".repeat(bytes)).build().unwrap()
        };
        let all = (0..64).map(|id| with(id, 1_000));
        all.chain([with(64, last)]).collect::<Vec<_>>()
    };
    let length = |last| {
        let instances: Vec<_> = instances(last).into_iter().map(Arc::new).collect();
        write(instances.iter()).len()
    };
    let last = MAX_RECORD_BYTES - 97 - length(300) + 300;
    assert_eq!(
        length(last),
        MAX_RECORD_BYTES - 97,
        "one byte too few for a signature"
    );
    for key in [None, Some(1)] {
        let mut world = World::new(13);
        world.start_with(1, &[], 0, |config| {
            config.security.sign_with = key.map(signing_key);
        });
        let registered: Result<Vec<()>, _> = instances(last)
            .into_iter()
            .map(|instance| world.with(1, |engine, now| engine.register(now, instance)))
            .collect();
        let refused = matches!(registered, Err(RegistrarError::Limit { .. }));
        assert_eq!(refused, key.is_some());
    }
}

/// How many datagrams of a kind a node sends within a time.
fn sent(world: &mut World, from: u16, kinds: &'static [u8], time: Duration) -> u64 {
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let counter = count.clone();
    world.link = Box::new(move |sender, _, datagram| {
        let is_one = sender == addr(from) && kinds.contains(&kind_of(datagram));
        counter.set(counter.get() + u64::from(is_one));
        Fate::Deliver
    });
    world.run(time);
    world.heal();
    count.get()
}

#[test]
fn what_was_refused_is_neither_pulled_nor_verified_again() {
    let mut world = cluster(14, None);
    for id in 0..30 {
        world.register(1, "payments", &format!("{id}"));
    }
    register_large(&mut world, 2);
    // One that claims to be of key 1.
    let owner = owner(&world, 4);
    let key = RecordKey::new(owner, "payments");
    for port in [1, 2, STRICT] {
        offer(&mut world, port, key.clone(), 1, &in_the_name_of_1("x"));
    }
    world.losing(1, 0);
    // Node 4 says that it has none, and 1 and 2 do not hear it.
    world.link = Box::new(|from, to, datagram| {
        let of_4 = from == addr(4) || to == addr(4);
        if of_4
            && matches!(
                kind_of(datagram),
                kind::NEWS | kind::PULL | kind::DIGEST | kind::PAGE | kind::INVENTORY
            )
        {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.run(secs(60));
    assert!(!world.is_converged());
    let before = world.engine(STRICT).stats();
    assert!(before.records_untrusted > 3);
    assert_eq!(before.signatures_verified, 1);
    world.heal();
    let pulls = sent(&mut world, STRICT, &[kind::PULL], secs(60));
    let after = world.engine(STRICT).stats();
    assert_eq!(pulls, 0);
    assert_eq!(after.signatures_verified, 1);
    let syncs = after.syncs - before.syncs;
    assert!((3..=10).contains(&syncs), "{syncs}: once in ten seconds");
    let asked = sent(&mut world, 2, &[kind::DIGEST, kind::PULL], secs(60));
    assert!(asked <= 10, "{asked}");
    assert!(sees(&world, STRICT, &[]));
}

#[test]
fn a_bad_record_does_not_keep_a_good_one_of_the_same_number_and_length_out() {
    let mut world = cluster(15, Some(1));
    register_large(&mut world, 1);
    expect(&mut world, STRICT, &["0", "1", "2", "3"]);
    world.run(secs(10));
    // What comes next is known to whoever forges it, but for the signature.
    let (key, seq, content) = written(&world, 1, "payments");
    let mut next = read("payments", &content).unwrap().instances;
    next[0] = Arc::new(next[0].to_builder().version("2").build().unwrap());
    let bad = write_signed(next.iter(), &public(1).to_bytes(), |_| [7; 64]);
    offer(&mut world, STRICT, key, seq + 1, &bad);
    assert_eq!(untrusted(&world, STRICT), 1);
    let instance = ServiceInstance::clone(&next[0]);
    world
        .with(1, |engine, now| engine.register(now, instance))
        .unwrap();
    let (_, good_seq, good) = written(&world, 1, "payments");
    assert_eq!((good_seq, good.len()), (seq + 1, bad.len()));
    let updated =
        |world: &World| world.engine(STRICT).directory().get("payments")[0].version() == "2";
    let took = world.until(secs(5), updated);
    assert!(took.is_some(), "the reconciliation knows it by its hash");
}

#[test]
fn a_flood_of_signatures_is_verified_no_faster_than_the_budget() {
    let mut world = cluster(16, Some(1));
    world.with(STRICT, |engine, now| {
        engine.verification.budget = Budget::new(20, 40, now.instant);
    });
    let owner = owner(&world, 1);
    for seq in 0..500 {
        let key = RecordKey::new(owner, "payments");
        offer(&mut world, STRICT, key, 100 + seq, &in_the_name_of_1("x"));
    }
    let stats = world.engine(STRICT).stats();
    assert_eq!(stats.signatures_verified, 40);
    assert_eq!(
        (stats.records_untrusted, stats.records_unverified),
        (40, 460)
    );
    world.register(1, "payments", "a");
    world.run(ms(1));
    expect(&mut world, STRICT, &["a"]);
    world.run(secs(5));
    let stats = world.engine(STRICT).stats();
    assert_eq!(stats.signatures_verified, 41);
}

#[test]
fn a_table_that_takes_longer_to_verify_is_complete_in_the_end() {
    let mut world = World::new(17);
    world.start_with(1, &[], 0, signs(1));
    for n in 0..300 {
        world.register(1, &format!("service-{n}"), "a");
    }
    world.start_with(2, &[1], 0, |config| {
        config.security.trusted = Trusted::closed().owner(addr(1), [public(1)]);
    });
    world.with(2, |engine, now| {
        engine.verification.budget = Budget::new(100, 50, now.instant);
    });
    let took = world
        .until(secs(20), World::is_converged)
        .expect("all of it");
    assert!(took > ms(2_400), "{took:?}");
    let stats = world.engine(2).stats();
    assert!(stats.records_unverified > 0);
    assert_eq!(stats.signatures_verified, 300);
}

#[test]
fn what_could_not_be_verified_is_asked_for_again_soon() {
    let mut world = cluster(18, Some(1));
    world.run(secs(15));
    world.with(STRICT, |engine, now| {
        engine.verification.budget = Budget::new(0, 1, now.instant);
        engine.verification.budget.take(now.instant);
    });
    world.link = Box::new(|_, to, datagram| {
        if to == addr(STRICT) && kind_of(datagram) == kind::NEWS {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    world.register(1, "payments", "a");
    let is_dropped = |world: &World| world.engine(STRICT).stats().records_unverified > 0;
    world.until(secs(3), is_dropped).expect("pulled, in vain");
    world.with(STRICT, |engine, now| {
        engine.verification = Verification::new(now.instant);
    });
    let took = world.until(secs(20), |world| sees(world, STRICT, &["a"]));
    assert!(took.is_some_and(|took| took < secs(2)), "{took:?}");
    assert!(world.lost > 0);
}

#[test]
fn a_goodbye_that_overtook_the_records_is_taken_when_they_have_come() {
    let mut world = World::cluster_with(19, 2, |config| match config.advertise.port() {
        1 => config.security.sign_with = Some(signing_key(1)),
        _ => {
            config.security.trusted = Trusted::closed().service("payments", [public(1)]);
        }
    });
    lose(&mut world, 1, 2, &[kind::NEWS, kind::INVENTORY, kind::PAGE]);
    world.register(1, "payments", "a");
    let owner = owner(&world, 1);
    let sign = |content: &[u8]| {
        signing_key(1).sign(&Statement {
            cluster: "test",
            owner,
            service: LEAVING,
            seq: 99,
            content,
        })
    };
    let goodbye = write_signed([].iter(), &public(1).to_bytes(), sign);
    let says_goodbye = |world: &mut World| {
        offer(world, 2, RecordKey::new(owner, LEAVING), 99, &goodbye);
        world.engine(2).replica.has_said_goodbye(owner)
    };
    assert!(
        !says_goodbye(&mut world),
        "nothing is held that names a key"
    );
    let (key, seq, content) = written(&world, 1, "payments");
    offer(&mut world, 2, key, seq, &content);
    assert!(sees(&world, 2, &["a"]));
    assert!(says_goodbye(&mut world));
}
