//! A stranger or an insider that tells lies.
//!
//! The insider is the process on the last host: it does all that a sound member does, and its lies bear its session, its
//! seal and its address. The stranger is an engine that nobody has let in: it knows who the members are, and each of its
//! lies bears another session and comes from an address of its choice. One lie in [`TO_ALL`] is told to every node in the
//! same moment.

use std::net::SocketAddr;

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tidings::gossip::{Engine, Entropy, Lie, PeerId};

use super::{Attacker, Hostile, Way};
use crate::{
    scenario::{self, Role},
    world::{World, engine_config},
};

/// One lie in so many is told to all.
const TO_ALL: u32 = 8;
/// After so many lies the stranger takes another name.
const LIES_OF_A_NAME: u32 = 200;
/// A stranger's own host; nobody lives there.
const STRANGER: ([u8; 4], u16) = ([172, 30, 0, 1], 7_946);

pub(super) struct Liar {
    role: Role,
    lie: Lie,
    stranger: Option<Engine>,
    told: u32,
}

impl Liar {
    pub(super) fn new(attacker: &scenario::Attacker) -> Self {
        Self {
            role: attacker.role,
            lie: attacker.lies.into(),
            stranger: None,
            told: 0,
        }
    }
}

impl World {
    /// The next lie: to one node, or to all.
    pub(super) fn lies(
        &mut self,
        attacker: &mut Attacker,
        targets: &[(usize, SocketAddr)],
    ) -> Vec<Hostile> {
        let Attacker { liar, rng, .. } = attacker;
        let is_for_all = rng.random_ratio(1, TO_ALL);
        let first = rng.random_range(0..targets.len());
        let count = if is_for_all { targets.len() } else { 1 };
        let told = targets.iter().cycle().skip(first).take(count);
        // All are told the same, as far as it is not about themselves.
        let same = rng.random();
        let mut hostile = Vec::new();
        for (host, to) in told {
            let mut rng = StdRng::from_seed(same);
            if let Some((from, payload)) = self.lie(liar, *to, targets, &mut rng) {
                hostile.push(Hostile {
                    way: Way::Lie,
                    host: *host,
                    from,
                    payload,
                });
            }
        }
        hostile
    }

    fn lie(
        &mut self,
        liar: &mut Liar,
        to: SocketAddr,
        targets: &[(usize, SocketAddr)],
        rng: &mut StdRng,
    ) -> Option<(SocketAddr, bytes::Bytes)> {
        let last = self.hosts.len().checked_sub(1)?;
        if liar.role == Role::Insider {
            let now = self.clock(last);
            let host = &mut self.hosts[last];
            let insider = host.guest.as_mut().filter(|_| host.addr != to)?;
            let lie = insider.process.lie(now, to, liar.lie, rng)?;
            return Some((host.addr, lie.payload));
        }
        let now = self.clock(0);
        if liar.told.is_multiple_of(LIES_OF_A_NAME) {
            liar.stranger = Some(self.stranger(targets, rng));
        }
        liar.told += 1;
        let lie = liar
            .stranger
            .as_mut()?
            .lie_of_a_stranger(now, to, liar.lie, rng);
        let from = match rng.random_range(0..4) {
            0 => SocketAddr::from(STRANGER),
            _ => targets[rng.random_range(0..targets.len())].1,
        };
        Some((from, lie.payload))
    }

    /// An engine that knows who the members are, on an address of theirs or of its own.
    fn stranger(&self, targets: &[(usize, SocketAddr)], rng: &mut StdRng) -> Engine {
        let own = if rng.random() {
            SocketAddr::from(STRANGER)
        } else {
            targets[rng.random_range(0..targets.len())].1
        };
        let entropy = Entropy {
            session: rng.random(),
            seed: rng.random(),
        };
        let config = engine_config(&self.scenario, own);
        let engine = Engine::new(config, entropy, self.clock(0));
        let mut engine = engine.expect("the scenario was validated");
        let members: Vec<PeerId> = targets
            .iter()
            .filter_map(|(host, _)| self.hosts[*host].guest.as_ref())
            .map(|guest| guest.process.identity())
            .collect();
        engine.assume(self.clock(0), &members, &[]);
        engine
    }
}
