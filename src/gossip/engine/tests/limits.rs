//! At each limit: what is new is refused and counted, one line is logged, and every live member and all that it has
//! registered stays.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    gossip::{
        AtLimit,
        engine::inquiries::For,
        wire::message::{
            Ask, Item, MemberItem, Message, News, Part, Ping, Pull, RecordItem, RecordKey,
            addressee,
        },
    },
    table::{Owner, Record},
};

/// The node that is flooded, and a live member that does it: the worst that there can be.
struct Flood<'a> {
    victim: &'a mut Engine,
    peer: &'a mut Engine,
    now: Now,
}

impl Flood<'_> {
    fn say(&mut self, message: &Message<'_>) {
        self.peer.send(self.now, addr(1), message);
        self.pass_on();
    }

    fn pass_on(&mut self) {
        while let Some(sent) = self.peer.poll_transmit() {
            self.victim
                .handle_datagram(self.now, addr(2), &sent.payload);
        }
    }

    fn drain(&mut self) {
        while self.victim.poll_transmit().is_some() {}
    }

    fn gossip(&mut self, members: impl IntoIterator<Item = PeerId>) {
        let to = self.victim.identity();
        let members: Vec<_> = members.into_iter().map(foca::Member::alive).collect();
        for some in members.chunks(20) {
            let message = foca::Message::Gossip;
            self.peer
                .send_swim_of_ours(self.now, to, message, some.to_vec());
        }
        self.pass_on();
        self.drain();
    }

    /// Strangers answer, as processes that are there do.
    fn answer(&mut self, strangers: impl IntoIterator<Item = PeerId>) {
        for id in strangers {
            let (victim, now) = (&mut *self.victim, self.now);
            if victim.is_admissible(now, &id, 0) && victim.may_boot(now, &id) {
                victim.learn(now, id, 0, Health::Alive, true);
            }
        }
        self.drain();
    }

    fn stranger(&self, number: u16) -> PeerId {
        PeerId::new(addr(10_000 + number), self.now.unix_ms, 0)
    }

    /// A record of an owner, of so many bytes.
    fn record(&mut self, owner: Owner, service: &str, seq: u64, bytes: usize) {
        let instance = ServiceInstance::builder(service)
            .id("x")
            .metadata("k", "v".repeat(bytes))
            .endpoint("http://10.0.0.9:8000")
            .build()
            .unwrap();
        let content = crate::gossip::wire::content::write([Arc::new(instance)].iter());
        let key = RecordKey::new(owner, service);
        let content = &content;
        let items = vec![Item::Record { key, seq, content }];
        self.say(&Message::News(News { items }));
        self.drain();
    }

    /// What the peer says of a member when it is asked for all that it holds.
    fn listed(&mut self, id: PeerId, health: Health) {
        let item = MemberItem {
            id: id.into(),
            incarnation: 0,
            health,
        };
        let teller = verifying::Teller::unproven(addr(2));
        self.victim
            .member_listed(self.now, &teller, item, Word::default());
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<usize>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One call for each line.
        *self.0.lock().unwrap() += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Floods a node of a cluster of four, in which everybody has registered something, and looks what is left.
fn at_limit(
    tune: impl Fn(&mut Config),
    counter: impl Fn(&AtLimit) -> u64,
    flood: impl Fn(&mut Flood<'_>),
) {
    let mut world = World::cluster_with(1, 4, tune);
    for port in 1..=4 {
        world.register(port, "users", &format!("{port}"));
    }
    let all = ["1", "2", "3", "4"];
    world
        .until(secs(5), |world| world.all_see("users", &all))
        .unwrap();
    world.run(secs(5));
    assert_eq!(counter(&world.engine(1).stats().at_limit), 0);
    let now = world.time(0);
    let lines = Lines::default();
    let sink = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || sink.clone())
        .finish();
    let mut nodes = world.nodes.iter_mut();
    let (victim, peer) = (nodes.next().unwrap().1, nodes.next().unwrap().1);
    let mut flooded = Flood {
        victim: &mut victim.engine,
        peer: &mut peer.engine,
        now,
    };
    tracing::subscriber::with_default(subscriber, || flood(&mut flooded));
    flooded.drain();
    let refused = counter(&world.engine(1).stats().at_limit);
    assert!(refused > 0, "{:?}", world.engine(1).stats());
    let lines = *lines.0.lock().unwrap();
    assert!((1..=4).contains(&lines), "{lines} lines");
    let stays = |world: &World| {
        let engine = world.engine(1);
        (2..=4).all(|port| engine.members.is_active(addr(port)))
    };
    assert!(stays(&world));
    world.with(1, |_, _| {});
    assert_eq!(world.seen(1, "users"), all);
    world.run(secs(3));
    assert!(stays(&world));
    assert_eq!(world.seen(1, "users"), all);
}

#[test]
fn at_the_limit_of_members_strangers_stay_outside() {
    at_limit(
        |config| config.max_members = 20,
        |at| at.members,
        |flood| flood.answer((0..1_000).map(flood_id)),
    );
}

#[test]
fn what_is_known_by_word_of_mouth_alone_is_bounded_and_no_member() {
    at_limit(
        |_| {},
        |at| at.candidates,
        |flood| {
            flood.gossip((0..5_000).map(flood_id));
            assert_eq!(flood.victim.members.len(), 3);
            assert_eq!(flood.victim.stats().sizes.candidates, 1_024);
        },
    );
}

fn flood_id(number: u16) -> PeerId {
    PeerId::new(addr(10_000 + number), EPOCH_MS, 0)
}

#[test]
fn a_flood_of_new_processes_is_let_in_at_a_pace() {
    at_limit(
        |config| (config.boot_rate, config.boot_burst) = (1, 10),
        |at| at.boots,
        |flood| {
            let before = flood.victim.members.len();
            flood.answer((0..1_000).map(flood_id));
            assert!((1..=10).contains(&(flood.victim.members.len() - before)));
        },
    );
}

#[test]
fn ever_higher_boots_on_one_address_are_let_in_at_a_pace_and_keep_nobody_out() {
    at_limit(
        |config| config.boot_burst = 100,
        |at| at.boots,
        |flood| {
            let id = flood.stranger(0);
            let higher = |n| PeerId {
                boot: id.boot + n,
                ..id
            };
            for n in 0..1_000 {
                flood.answer([higher(n)]);
            }
            let known = flood.victim.members.get(id.addr).unwrap().id;
            assert_eq!(known, higher(8), "the first, and eight more");
            flood.answer((1..60).map(flood_id));
            assert!(flood.victim.members.is_active(addr(10_059)));
        },
    );
}

#[test]
fn at_the_limit_of_records_of_one_owner_its_others_stay() {
    at_limit(
        |config| config.table.records_per_owner = 4,
        |at| at.records_per_owner,
        |flood| {
            let owner = flood.peer.identity().owner();
            for n in 0..20 {
                flood.record(owner, &format!("more-{n}"), 100 + n, 10);
            }
            assert_eq!(flood.victim.replica.records_of(owner).count(), 4);
        },
    );
}

#[test]
fn at_the_limit_of_owners_that_are_no_members_their_records_are_refused() {
    at_limit(
        |config| config.table.absent_owners = 5,
        |at| at.absent_owners,
        |flood| {
            for n in 0..20 {
                flood.record(flood_id(n).owner(), "users", 1, 10);
            }
            assert_eq!(flood.victim.stats().sizes.waiting_owners, 5);
        },
    );
}

#[test]
fn at_the_limit_of_waiting_bytes_records_of_strangers_are_refused() {
    at_limit(
        |config| config.table.waiting_bytes = 8_000,
        |at| at.waiting_bytes,
        |flood| {
            for n in 0..100 {
                flood.record(flood_id(n).owner(), "users", 1, 500);
            }
            assert!(flood.victim.stats().waiting_bytes <= 8_000);
        },
    );
}

#[test]
fn at_the_limit_of_the_table_records_are_refused_and_no_other_ones_go() {
    at_limit(
        |config| config.table.table_bytes = 20_000,
        |at| at.table_bytes,
        |flood| {
            let owner = flood.stranger(0);
            flood.answer([owner]);
            for n in 0..100 {
                flood.record(owner.owner(), &format!("more-{n}"), 1, 500);
            }
            assert!(flood.victim.stats().record_bytes <= 20_000);
        },
    );
}

#[test]
fn notices_claim_no_more_than_64_records_of_64_kib() {
    at_limit(
        |_| {},
        |at| at.assemblies,
        |flood| {
            for n in 0..200 {
                let key = RecordKey::new(flood_id(n).owner(), "large");
                let (seq, length) = (1, 64 << 10);
                let items = vec![Item::Notice { key, seq, length }];
                flood.say(&Message::News(News { items }));
            }
            let key = RecordKey::new(flood_id(0).owner(), "larger");
            let (seq, length) = (1, (64 << 10) + 1);
            let items = vec![Item::Notice { key, seq, length }];
            flood.say(&Message::News(News { items }));
            assert_eq!(flood.victim.stats().records_malformed, 1);
            let sizes = flood.victim.stats().sizes;
            assert_eq!((sizes.assemblies, sizes.assembly_bytes), (64, 4 << 20));
        },
    );
}

#[test]
fn strangers_that_prove_nothing_leave_128_datagrams_for_a_second() {
    at_limit(
        |_| {},
        |at| at.parked,
        |flood| {
            let ping = Message::News(News { items: Vec::new() });
            for n in 0..1_000 {
                flood.peer.send(flood.now, addr(1), &ping);
                let sent = flood.peer.poll_transmit().unwrap();
                flood
                    .victim
                    .handle_datagram(flood.now, addr(20_000 + n), &sent.payload);
            }
            assert_eq!(flood.victim.stats().sizes.parked, 128);
        },
    );
}

#[test]
fn questions_about_members_are_looked_into_for_16_askers_and_256_members() {
    at_limit(
        |_| {},
        |at| at.inquiries,
        |flood| {
            let about = flood.victim.members.get(addr(3)).unwrap().id.into();
            for token in 0..100 {
                flood.say(&Message::Ask(Ask { token, about }));
            }
            assert_eq!(flood.victim.stats().at_limit.inquiries, 100 - 16);
            flood.answer((0..300).map(flood_id));
            for n in 0..300 {
                flood.victim.inquire(flood.now, flood_id(n), For::Us);
            }
            assert_eq!(flood.victim.stats().sizes.inquiries, 256);
            // The strangers are none, and end as such.
            flood.victim.inquiries.clear();
        },
    );
}

#[test]
fn about_256_suspects_others_are_asked() {
    at_limit(
        |_| {},
        |at| at.cases,
        |flood| {
            flood.answer((0..300).map(flood_id));
            for n in 0..300 {
                flood.victim.accuse(flood.now, flood_id(n));
            }
            flood.drain();
            let sizes = flood.victim.stats().sizes;
            assert_eq!((sizes.cases, sizes.suspicions), (256, 300));
        },
    );
}

#[test]
fn what_a_peer_says_of_members_makes_a_node_call_at_a_pace() {
    at_limit(
        |_| {},
        |at| at.hearsay,
        |flood| {
            let id = flood.stranger(0);
            flood.victim.learn(flood.now, id, 0, Health::Suspect, false);
            flood.victim.declare_down(flood.now, id, 0);
            flood.drain();
            let before = flood.victim.stats().datagrams_sent;
            for _ in 0..5_000 {
                flood.listed(id, Health::Alive);
            }
            assert_eq!(flood.victim.stats().datagrams_sent - before, 1_024);
            assert_eq!(flood.victim.stats().sizes.calls, 1_024);
        },
    );
}

#[test]
fn pages_leave_at_a_pace_whoever_asks() {
    at_limit(
        |config| (config.page_rate, config.page_burst) = (10, 20),
        |at| at.pages,
        |flood| {
            let before = flood.victim.stats().pages_sent;
            for session in 1..=1_000 {
                let pull = Pull::All {
                    session,
                    after: None,
                };
                flood.say(&Message::Pull(pull));
            }
            let pages = flood.victim.stats().pages_sent - before;
            assert!((1..=20).contains(&pages), "{pages}");
        },
    );
}

#[test]
fn what_the_driver_does_not_send_takes_16_mib_and_no_more() {
    at_limit(
        |_| {},
        |at| at.transmits,
        |flood| {
            let to = addressee(&flood.victim.identity());
            let sent_before = flood.victim.stats().datagrams_sent;
            let ping = Message::Ping(Ping { token: 1, to });
            for _ in 0..100_000 {
                flood.say(&ping);
            }
            let stats = flood.victim.stats();
            assert!(stats.sizes.transmits < 100_000);
            assert_eq!(
                stats.datagrams_sent - sent_before,
                stats.sizes.transmits as u64,
                "what is dropped is not counted as sent"
            );
            assert!(flood.victim.transmit_bytes <= 16 << 20);
            flood.drain();
            assert_eq!(flood.victim.transmit_bytes, 0);
        },
    );
}

#[test]
fn news_of_others_waits_32768_deep() {
    at_limit(
        // What is in no table goes only beyond twice as many.
        |config| config.max_members = 20_000,
        |at| at.news,
        |flood| {
            let owner = flood.peer.identity().owner();
            for n in 0..33_000 {
                let service = Arc::from(format!("s{n}"));
                let record = Record::new(owner, service, 1, Bytes::new(), Vec::new());
                flood.victim.spread(flood.now, &record, Some(addr(2)));
            }
            assert_eq!(flood.victim.stats().news_pending, 32_768);
            let own = instance("own", "1");
            flood.victim.register(flood.now, own).unwrap();
            assert_eq!(
                flood.victim.stats().news_pending,
                32_769,
                "ours is told all the same"
            );
            flood.victim.deregister(flood.now, "own", "1").unwrap();
            flood.victim.news.clear();
        },
    );
}

/// Lets the victim reconcile with the peer, which is silent.
fn reconcile(flood: &mut Flood<'_>) {
    let preamble = Preamble {
        session: [9; 16],
        nonce: 1,
        boot: flood.peer.identity().boot,
        fingerprint: 12_345,
        kind: crate::gossip::wire::message::kind::COOKIE,
    };
    let peer = flood.peer.identity();
    flood.victim.prove(flood.now, addr(2), &preamble, &peer);
    flood
        .victim
        .compare_fingerprint(flood.now, addr(2), &preamble);
    flood.now.instant = flood.now.instant + secs(1);
    flood.victim.sync_start_due(flood.now);
    assert_eq!(flood.victim.sync.peer(), Some(addr(2)));
    flood.drain();
}

#[test]
fn a_reconciliation_wants_100000_records() {
    at_limit(
        |_| {},
        |at| at.wanted,
        |flood| {
            reconcile(flood);
            let owner = flood.peer.identity().owner();
            for n in 0..100_010 {
                let item = RecordItem {
                    key: RecordKey::new(owner, &format!("s{n}")),
                    seq: 1,
                    hash: n,
                };
                flood.victim.record_listed(flood.now, item);
            }
            assert_eq!(flood.victim.stats().sizes.wanted, 100_000);
        },
    );
}

#[test]
fn a_peer_that_lists_for_ever_keeps_a_node_two_minutes() {
    at_limit(
        |_| {},
        |at| at.sync_time,
        |flood| {
            reconcile(flood);
            let began = flood.now.instant;
            for n in 0..1_200_u32 {
                let last = addr(1 + u16::try_from(n).unwrap());
                let next = Some(crate::gossip::wire::message::Cursor::Member(last));
                let session = flood.victim.sync.request().unwrap();
                let part = Part {
                    session,
                    index: 0,
                    count: 1,
                    next,
                };
                let inventory = crate::gossip::wire::message::Inventory {
                    part,
                    members: Vec::new(),
                    records: Vec::new(),
                };
                let received = flood.victim.inventory_received(
                    flood.now,
                    addr(2),
                    inventory,
                    (verifying::Teller::unproven(addr(2)), &[]),
                );
                flood.drain();
                if received.is_err() {
                    break;
                }
                flood.now.instant = flood.now.instant + ms(200);
            }
            let took = flood.now.instant - began;
            assert!(took > secs(119) && took < secs(122), "{took:?}");
            // The others have not been heard meanwhile, which is none of this test.
            flood.now.instant = began;
        },
    );
}

#[test]
fn who_takes_no_changes_of_members_does_not_make_them_pile_up() {
    let mut world = World::cluster_with(3, 2, |config| config.remember_down = secs(20));
    for port in 10..40 {
        world.start(port, &[1]);
        world.run(ms(300));
        world.crash(port);
        world.run(secs(3));
    }
    world.run(secs(60));
    let sizes = world.engine(1).stats().sizes;
    assert_eq!(sizes.changed_members, 2, "{sizes:?}");
    assert_eq!(sizes.remove_down, 0, "{sizes:?}");
}

#[test]
fn a_restart_calls_nobody_else_and_a_return_calls_all() {
    let mut world = World::cluster(4, 2);
    for port in 10..30 {
        world.start(port, &[1]);
    }
    world.until(secs(5), World::is_converged).unwrap();
    for port in 10..30 {
        world.crash(port);
    }
    let gone = |world: &World| world.engine(1).members().len() == 2;
    world.until(secs(180), gone).unwrap();
    let urgent = |world: &World| {
        let now = world.now;
        world.engine(1).contacts.urgent(now)
    };
    world.start(10, &[1]);
    world
        .until(secs(1), |world| world.engine(1).members().len() == 3)
        .unwrap();
    assert_eq!(
        urgent(&world),
        0,
        "one that was started again says nothing of the others"
    );
    // One that was held dead, and lives.
    let known = world.engine(1).members.get(addr(11)).unwrap().id.reborn();
    world.with(1, |engine, now| {
        engine.learn(now, known, 0, Health::Alive, false);
    });
    assert!(urgent(&world) > 10);
}

#[test]
fn who_is_not_let_in_at_once_is_let_in_later() {
    let mut world = World::new(5);
    for port in 1..=10 {
        world.start_with(port, &[1], 0, |config| {
            (config.boot_rate, config.boot_burst) = (1, 3);
        });
        world.register(port, "users", &format!("{port:02}"));
    }
    let took = world.until(secs(60), World::is_converged).unwrap();
    assert!(took > secs(3), "{took:?}");
    let refused = |port| world.engine(port).stats().at_limit.boots;
    assert!((1..=10).any(|port| refused(port) > 0));
}
