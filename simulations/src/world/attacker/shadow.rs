//! A cluster of the attacker's own: sound engines with addresses of members, and the wrong key or none.
//!
//! They talk to each other alone, without delay. So whatever an engine says there is of it (hellos, welcomes, tables,
//! news, probes, deaths), well-formed and with nonces of the present, under the addresses of members and with higher boots.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use bytes::Bytes;
use rand::{RngExt, rngs::StdRng};
use tidings::{
    ServiceInstance,
    gossip::{Engine, Entropy, Now},
};

use super::Way;
use crate::{
    scenario::{Attacker, Role, Scenario, key},
    world::engine_config,
};

/// How many engines there are.
const ENGINES: usize = 3;
/// How many datagrams are kept of what they said.
const SAID_MAX: usize = 1_024;
/// How many datagrams they say to each other in one go, at most.
const TALK_MAX: usize = 4_096;
/// After so many ticks one of them crashes, and three others start.
const TICKS_OF_A_LIFE: u32 = 1_000;

pub(super) struct Shadow {
    scenario: Scenario,
    engines: BTreeMap<SocketAddr, Engine>,
    said: VecDeque<(SocketAddr, Bytes)>,
    ticks: u32,
}

impl Shadow {
    /// One without a key, one with a wrong key that has the right one's name, and one with an old key, if the
    /// attacker has one.
    pub(super) fn all(
        scenario: &Scenario,
        attacker: &Attacker,
        rng: &mut StdRng,
    ) -> Vec<(Way, Self)> {
        let with = |keys: Option<String>| {
            let mut scenario = scenario.clone();
            scenario.security = scenario.security.and_then(|security| {
                keys.map(|label| crate::scenario::Keys {
                    keys: vec![label],
                    rollout: crate::scenario::Step::Require,
                    ..security
                })
            });
            Self {
                scenario,
                engines: BTreeMap::new(),
                said: VecDeque::new(),
                ticks: 0,
            }
        };
        let Some(security) = &scenario.security else {
            return Vec::new(); // there is no key that it could lack
        };
        if attacker.role != Role::Outsider {
            return Vec::new();
        }
        let right = security.keys[0].as_str();
        let wrong = std::iter::repeat_with(|| format!("wrong-{}", rng.random::<u64>()))
            .find(|label| key(label).id() == key(right).id())
            .expect("one in 255 has the same name");
        let mut all = vec![
            (Way::WithoutKey, with(None)),
            (Way::WithWrongKey, with(Some(wrong))),
        ];
        if let Some(old) = &attacker.old_key {
            all.push((Way::WithOldKey, with(Some(old.clone()))));
        }
        all
    }

    /// One of the newest things that were said, and from which address.
    pub(super) fn said(&self, rng: &mut StdRng) -> Option<(SocketAddr, Bytes)> {
        let last = self.said.len().checked_sub(1)?;
        self.said.get(rng.random_range(0..=last)).cloned()
    }

    /// A tick later.
    pub(super) fn goes_on(&mut self, now: Now, members: &[(usize, SocketAddr)], rng: &mut StdRng) {
        self.ticks += 1;
        if self.engines.is_empty() || self.ticks.is_multiple_of(TICKS_OF_A_LIFE) {
            self.start(now, members, rng);
        }
        if self.ticks % TICKS_OF_A_LIFE == TICKS_OF_A_LIFE / 2 {
            self.engines.pop_first(); // the others notice, and say so
        }
        if self.ticks.is_multiple_of(50) {
            let service = format!("service-{}", rng.random_range(0..4));
            let builder = ServiceInstance::builder(service).id(self.ticks.to_string());
            let instance = builder.endpoint("http://10.66.66.66:6666").build();
            if let Some(engine) = self.engines.values_mut().next() {
                let _ = engine.register(now, instance.expect("a valid instance"));
            }
        }
        for engine in self.engines.values_mut() {
            if engine.poll_timeout().is_some_and(|at| at <= now.instant) {
                engine.handle_timeout(now);
            }
        }
        self.talk(now);
    }

    fn start(&mut self, now: Now, members: &[(usize, SocketAddr)], rng: &mut StdRng) {
        self.engines.clear();
        for _ in 0..ENGINES.min(members.len()) {
            let (_, addr) = members[rng.random_range(0..members.len())];
            let entropy = Entropy {
                session: rng.random(),
                seed: rng.random(),
            };
            let config = engine_config(&self.scenario, addr);
            let engine = Engine::new(config, entropy, now);
            self.engines
                .insert(addr, engine.expect("the scenario was validated"));
        }
    }

    fn talk(&mut self, now: Now) {
        let addrs: Vec<_> = self.engines.keys().copied().collect();
        let mut left = TALK_MAX;
        loop {
            let mut said = Vec::new();
            for (addr, engine) in &mut self.engines {
                if engine.wants_seeds() {
                    let others = addrs.iter().copied().filter(|other| other != addr);
                    engine.handle_seeds(now, others.collect::<Vec<_>>());
                    engine.handle_timeout(now);
                }
                engine.publish();
                while engine.poll_event().is_some() || engine.poll_member().is_some() {}
                while let Some(transmit) = engine.poll_transmit() {
                    said.push((*addr, transmit));
                }
            }
            if said.is_empty() || left == 0 {
                return;
            }
            left = left.saturating_sub(said.len());
            for (from, transmit) in said {
                if self.said.len() == SAID_MAX {
                    self.said.pop_front();
                }
                self.said.push_back((from, transmit.payload.clone()));
                if let Some(engine) = self.engines.get_mut(&transmit.to) {
                    engine.handle_datagram(now, from, &transmit.payload);
                }
            }
        }
    }
}
