//! A member that lies, for tests: datagrams of every kind, well-formed, that say what is not so.
//!
//! They are framed and sealed as what this node really says is, so they pass for an insider's. A
//! stranger's bear a session of their own, and are sent from whatever address they claim.
//!
//! Each lie is about this node's own knowledge: the members that it holds, and addresses where
//! nobody is. Which lie is told, and each of its fields, is drawn.

use std::net::SocketAddr;

use rand::{Rng, RngExt};

use super::{Engine, Transmit};
use crate::{
    gossip::{
        Now,
        identity::PeerId,
        wire::{
            content,
            message::{
                Ask, Chunk, Cookie, Digest, Finding, Health, Hello, Inventory, Item, MemberItem,
                Message, News, Outcome, Page, Part, Ping, Pong, Pull, RecordItem, RecordKey,
                Standing, SwimHead, Welcome, addressee,
            },
            swim::{HEAD_BYTES, SwimPacket, state},
        },
    },
    registry::ServiceInstance,
    table::BUCKETS,
};

/// How many members one lie is about at most.
const SUBJECTS_MAX: usize = 24;
/// How many kinds of lies there are.
const KINDS: u8 = 13;
/// Fakes live in this network; a test's real members do not.
const FAKE_NETWORK: [u8; 2] = [172, 31];

/// What a liar may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lie {
    /// Anything of the protocol, drawn.
    Any,
    /// Members that are none, in gossip.
    FakeMembers,
    /// In gossip: real members are down.
    Deaths,
}

impl Engine {
    /// Makes a datagram to `to` that says what is not so. Nothing changes here.
    pub fn lie(&mut self, now: Now, to: SocketAddr, lie: Lie, rng: &mut impl Rng) -> Transmit {
        let mut liar = Liar {
            engine: self,
            now,
            to,
            rng,
        };
        match lie {
            Lie::Any => liar.any(),
            Lie::FakeMembers => {
                let fakes = (0..SUBJECTS_MAX).map(|_| liar.fake()).collect();
                liar.gossip(fakes, &[Health::Alive]);
            }
            Lie::Deaths => {
                let subjects = liar.subjects();
                liar.gossip(subjects, &[Health::Down]);
            }
        }
        let payload = self.transmits.pop_back().expect("the lie was framed");
        self.transmit_bytes -= super::outbox::cost(&payload);
        Transmit { to, ..payload }
    }

    /// The same as a stranger says it, who knows no session of a member.
    pub fn lie_of_a_stranger(
        &mut self,
        now: Now,
        to: SocketAddr,
        lie: Lie,
        rng: &mut impl Rng,
    ) -> Transmit {
        let session = std::mem::replace(&mut self.session, rng.random());
        let lie = self.lie(now, to, lie, rng);
        self.session = session;
        lie
    }
}

struct Liar<'a, R> {
    engine: &'a mut Engine,
    now: Now,
    to: SocketAddr,
    rng: &'a mut R,
}

impl<R: Rng> Liar<'_, R> {
    fn any(&mut self) {
        match self.rng.random_range(0..KINDS) {
            0..=2 => {
                let subjects = self.subjects();
                self.gossip(subjects, &[Health::Alive, Health::Suspect, Health::Down]);
            }
            3 => self.hello(),
            4 => self.welcome(),
            5 => {
                let cookie = Cookie::new(self.rng.random());
                self.say(&Message::Cookie(cookie));
            }
            6 => self.news(),
            7 => self.pull(),
            8 => self.listing(),
            9 => self.chunk(),
            10 => {
                let about = self.subject().into();
                let token = self.rng.random();
                self.say(&Message::Ask(Ask { token, about }));
            }
            11 => {
                let token = self.rng.random();
                let to = addressee(&self.subject());
                self.say(&Message::Ping(Ping { token, to }));
                if self.rng.random() {
                    self.engine.transmits.pop_back();
                    self.say(&Message::Pong(Pong { token }));
                }
            }
            _ => {
                let outcomes = [Outcome::Answers, Outcome::Silent, Outcome::Refused];
                let outcome = outcomes[self.rng.random_range(0..outcomes.len())];
                let token = self.rng.random();
                self.say(&Message::Finding(Finding { token, outcome }));
            }
        }
    }

    fn say(&mut self, message: &Message<'_>) {
        let datagram = self.engine.frame(self.now, message);
        self.engine.transmit(self.to, datagram);
    }

    /// A member that is none.
    fn fake(&mut self) -> PeerId {
        let [a, b] = FAKE_NETWORK;
        let addr = SocketAddr::from(([a, b, self.rng.random(), self.rng.random()], 7_946));
        PeerId::new(addr, self.now.unix_ms, self.rng.random())
    }

    /// An identity to lie about: a real one, one that might follow it on its address, or a fake.
    fn subject(&mut self) -> PeerId {
        let known: Vec<_> = self.engine.members.iter().map(|peer| peer.id).collect();
        if known.is_empty() || self.rng.random_ratio(1, 4) {
            return self.fake();
        }
        let mut id = known[self.rng.random_range(0..known.len())];
        match self.rng.random_range(0..6) {
            0 => id.boot += 1,
            1 => id.boot += self.rng.random_range(0..1 << 30),
            2 => id.renewal += self.rng.random_range(1..1_000),
            3 => id = PeerId::new(id.addr, self.now.unix_ms + 60_000, self.rng.random()),
            _ => {}
        }
        id
    }

    fn subjects(&mut self) -> Vec<PeerId> {
        let count = self.rng.random_range(1..=SUBJECTS_MAX);
        (0..count).map(|_| self.subject()).collect()
    }

    fn health(&mut self, of: &[Health]) -> Health {
        of[self.rng.random_range(0..of.len())]
    }

    fn gossip(&mut self, subjects: Vec<PeerId>, healths: &[Health]) {
        let known = self.engine.members.get(self.to).map(|peer| peer.id);
        let dst = known.unwrap_or_else(|| self.subject());
        let updates = subjects.into_iter().map(|id| {
            let incarnation = self.rng.random_range(0..3);
            foca::Member::new(id, incarnation, state(self.health(healths)))
        });
        let updates = updates.collect();
        let src = self.engine.me;
        let header = foca::Header {
            src,
            src_incarnation: self.engine.incarnation,
            dst,
            message: foca::Message::Gossip,
        };
        let packet = SwimPacket {
            header,
            updates,
            unknown_extensions: 0,
        };
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        let head = SwimHead {
            renewal: src.renewal,
            advertised: Some(src.addr),
            to: addressee(&dst),
        };
        self.say(&Message::Swim(head, &bytes[HEAD_BYTES..]));
    }

    fn standing(&mut self) -> Option<Standing> {
        let id = self.subject();
        let health = self.health(&[Health::Alive, Health::Suspect, Health::Down]);
        self.rng.random_ratio(3, 4).then_some(Standing {
            boot: id.boot,
            renewal: id.renewal,
            health,
        })
    }

    fn hello(&mut self) {
        let hello = Hello {
            token: self.rng.random(),
            cookie: self.rng.random(),
            me: self.subject().into(),
            to: self.to,
            known: self.standing(),
            joining: self.rng.random(),
            padding: vec![0; 32],
        };
        self.say(&Message::Hello(hello));
    }

    fn welcome(&mut self) {
        let welcome = Welcome {
            token: self.rng.random(),
            cookie: self.rng.random(),
            me: self.subject().into(),
            observed: self.fake().addr,
            known: self.standing(),
            accepted: self.rng.random(),
        };
        self.say(&Message::Welcome(welcome));
    }

    fn key(&mut self) -> RecordKey {
        let service = format!("service-{}", self.rng.random_range(0..6));
        RecordKey::new(self.subject().owner(), &service)
    }

    fn content(&mut self) -> Vec<u8> {
        let builder = ServiceInstance::builder("lies").id(self.rng.random::<u64>().to_string());
        let instance = builder.endpoint("http://172.31.0.1:6666").build();
        content::write([std::sync::Arc::new(instance.expect("it is valid"))].iter())
    }

    fn news(&mut self) {
        let content = self.content();
        let (key, notice) = (self.key(), self.key());
        let seq = self.rng.random_range(0..1 << 40);
        let length = self.rng.random_range(1..64 << 10);
        let items = vec![
            Item::Record {
                key,
                seq,
                content: &content,
            },
            Item::Notice {
                key: notice,
                seq,
                length,
            },
        ];
        self.say(&Message::News(News { items }));
    }

    fn pull(&mut self) {
        let session = self.rng.random();
        match self.rng.random_range(0..4) {
            0 => {
                let buckets = [0; BUCKETS].map(|_| self.rng.random::<u64>().into());
                self.say(&Message::Digest(Box::new(Digest {
                    session,
                    buckets,
                    after: None,
                })));
            }
            1 => self.say(&Message::Pull(Pull::All {
                session,
                after: None,
            })),
            2 => {
                let keys = (0..8).map(|_| self.key()).collect();
                self.say(&Message::Pull(Pull::Records { session, keys }));
            }
            _ => {
                let key = self.key();
                let (seq, chunks) = (self.rng.random(), (0..32).collect());
                self.say(&Message::Pull(Pull::Chunks { key, seq, chunks }));
            }
        }
    }

    /// A page or an inventory, of an answer that nobody asked for unless the token is guessed.
    fn listing(&mut self) {
        let part = Part {
            session: self.rng.random(),
            index: 0,
            count: 1,
            next: None,
        };
        let members = self.subjects().into_iter().map(|id| MemberItem {
            id: id.into(),
            incarnation: self.rng.random_range(0..3),
            health: Health::Alive,
        });
        let members = members.collect();
        let (key, seq) = (self.key(), self.rng.random());
        if self.rng.random() {
            let hash = self.rng.random();
            let records = vec![RecordItem { key, seq, hash }];
            return self.say(&Message::Inventory(Inventory {
                part,
                members,
                records,
            }));
        }
        let content = self.content();
        let items = vec![Item::Record {
            key,
            seq,
            content: &content,
        }];
        self.say(&Message::Page(Page {
            part,
            members,
            items,
        }));
    }

    fn chunk(&mut self) {
        let chunk = Chunk {
            key: self.key(),
            seq: self.rng.random(),
            length: self.rng.random_range(1..64 << 10),
            number: self.rng.random_range(0..64),
            bytes: vec![0; 900],
        };
        self.say(&Message::Chunk(chunk));
    }
}
