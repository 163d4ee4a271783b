//! An attacker on the network: it sees every datagram, and sends what it likes, from whatever address.
//!
//! It does not hold the cluster's key. What it has: all that was ever sent (the newest [`CAPTURED_MAX`] datagrams), three
//! clusters of its own that bear the addresses of members ([`Shadow`]: without a key, with a wrong one of the same name,
//! with an old one), and chance. What it sends is handed to the processes past the network, so that nothing of it is lost
//! and each datagram is seen alone: before and after it a process must hold the same.
//!
//! What a member said is authentic until it has been heard once, wherever it comes from. So it is not judged like that where it is
//! said to a process that has not heard it: to another node ([`Way::SaidElsewhere`]; within the clocks' skew it may be
//! news there, as `gossip::security` says), or where the original was lost or is on its way. All other checkers judge what
//! becomes of it: it must be old hat, or true.
//!
//! An attacker in another [`Role`] is believed for a time. Nothing that it sends is judged by itself: what has to hold
//! is that all agree again soon after it stops. What strangers and insiders say is made by [`liar`].

mod liar;
mod shadow;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt, rngs::StdRng};
use tidings::gossip::Transmit;

use self::{liar::Liar, shadow::Shadow};
use super::{Happening, LifeId, World, script::Step};
use crate::{
    process::Gauges,
    scenario::{Role, Scenario},
};

/// How many datagrams are kept of those that were seen.
const CAPTURED_MAX: usize = 65_536;
/// What stands in the clear before every body.
const HEADER_BYTES: usize = 30;
/// The largest datagram that is made up.
const DATAGRAM_MAX: usize = 1_300;
/// How many datagrams are known to have been heard: all that are kept, by more than one process.
const HEARD_MAX: usize = 4 * CAPTURED_MAX;

/// What a hostile datagram is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// What was said is said again to the same node.
    SaidAgain,
    /// ... from another address.
    SaidFromElsewhere,
    /// ... to another node.
    SaidElsewhere,
    /// The start of what was said.
    Truncated,
    /// What was said, with one to eight bits of it flipped.
    Flipped,
    /// The header of one datagram and the body of another.
    Spliced,
    /// The header of what was said and noise behind it.
    Forged,
    /// Noise.
    Noise,
    /// What a sound engine says that has no key.
    WithoutKey,
    /// ... that has a wrong key of the same name.
    WithWrongKey,
    /// ... that has a key which was removed.
    WithOldKey,
    /// A well-formed message that says what is not so.
    Lie,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SaidAgain => "said again",
            Self::SaidFromElsewhere => "said from elsewhere",
            Self::SaidElsewhere => "said elsewhere",
            Self::Truncated => "truncated",
            Self::Flipped => "flipped",
            Self::Spliced => "spliced",
            Self::Forged => "forged",
            Self::Noise => "noise",
            Self::WithoutKey => "without a key",
            Self::WithWrongKey => "with a wrong key",
            Self::WithOldKey => "with an old key",
            Self::Lie => "a lie",
        })
    }
}

/// The ways of one who only sees what others say.
const WAYS: [Way; 11] = [
    Way::SaidAgain,
    Way::SaidFromElsewhere,
    Way::SaidElsewhere,
    Way::Truncated,
    Way::Flipped,
    Way::Spliced,
    Way::Forged,
    Way::Noise,
    Way::WithoutKey,
    Way::WithWrongKey,
    Way::WithOldKey,
];

/// What a hostile datagram did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    /// What it was.
    pub way: Way,
    /// What the process held before.
    pub before: Gauges,
    /// And after it.
    pub after: Gauges,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { way, before, after } = self;
        write!(f, "what was {way} changed {before:?} to {after:?}")
    }
}

#[derive(Debug, Clone)]
struct Captured {
    from: SocketAddr,
    to: SocketAddr,
    payload: Bytes,
}

/// A process, and a datagram by its key, session and nonce. A reject bears those of what it answers, without a key.
type Heard = (LifeId, [u8; 25]);

/// Who attacks.
pub(super) struct Attacker {
    rng: StdRng,
    role: Role,
    rate: u32,
    /// When it stops, in the world's time.
    until: Option<Duration>,
    liar: Liar,
    /// Thousandths of a datagram that the last ticks left over.
    owed: u64,
    captured: VecDeque<Captured>,
    /// Which datagrams which process has heard, and in which order.
    heard: (BTreeSet<Heard>, VecDeque<Heard>),
    shadows: Vec<(Way, Shadow)>,
    sent: BTreeMap<Way, u64>,
}

/// A hostile datagram on its way.
struct Hostile {
    way: Way,
    host: usize,
    from: SocketAddr,
    payload: Bytes,
}

impl Attacker {
    /// The scenario's, if it has one.
    pub(super) fn of(scenario: &Scenario, mut rng: StdRng) -> Option<Self> {
        let attacker = scenario.attacker.as_ref()?;
        let shadows = Shadow::all(scenario, attacker, &mut rng);
        Some(Self {
            rng,
            role: attacker.role,
            rate: attacker.rate,
            until: attacker
                .lasts
                .map(|lasts| attacker.at.duration() + lasts.duration()),
            liar: Liar::new(attacker),
            owed: 0,
            captured: VecDeque::new(),
            heard: Default::default(),
            shadows,
            sent: BTreeMap::new(),
        })
    }

    pub(super) const fn sent(&self) -> &BTreeMap<Way, u64> {
        &self.sent
    }

    /// A datagram is on the wire.
    pub(super) fn sees(&mut self, from: SocketAddr, transmit: &Transmit) {
        if self.captured.len() == CAPTURED_MAX {
            self.captured.pop_front();
        }
        self.captured.push_back(Captured {
            from,
            to: transmit.to,
            payload: transmit.payload.clone(),
        });
    }

    /// A process takes a datagram in. Says whether it had done so before.
    pub(super) fn hears(&mut self, life: LifeId, datagram: &[u8]) -> bool {
        let Some(id) = datagram.get(1..26).and_then(|id| id.try_into().ok()) else {
            return false;
        };
        let (known, order) = &mut self.heard;
        if !known.insert((life, id)) {
            return true;
        }
        order.push_back((life, id));
        if order.len() > HEARD_MAX {
            known.remove(&order.pop_front().expect("not empty"));
        }
        false
    }

    fn some_captured(&mut self) -> Option<Captured> {
        let last = self.captured.len().checked_sub(1)?;
        let index = self.rng.random_range(0..=last);
        self.captured.get(index).cloned()
    }

    fn noise(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.rng.random()).collect()
    }

    /// A datagram to one of `targets`, and where it says to come from.
    fn make(&mut self, targets: &[(usize, SocketAddr)]) -> Option<Hostile> {
        let way = WAYS[self.rng.random_range(0..WAYS.len())];
        let (host, _) = targets[self.rng.random_range(0..targets.len())];
        let (_, someone) = targets[self.rng.random_range(0..targets.len())];
        if let Some((_, shadow)) = self.shadows.iter().find(|(of, _)| *of == way) {
            let (from, payload) = shadow.said(&mut self.rng)?;
            return Some(Hostile {
                way,
                host,
                from,
                payload,
            });
        }
        let captured = self.some_captured()?;
        let Captured { from, payload, .. } = captured.clone();
        let mut hostile = Hostile {
            way,
            host,
            from,
            payload: Bytes::new(),
        };
        let head = payload.len().min(HEADER_BYTES);
        hostile.payload = match way {
            Way::SaidElsewhere => payload,
            Way::SaidAgain | Way::SaidFromElsewhere => {
                let receiver = targets.iter().find(|(_, addr)| *addr == captured.to)?;
                hostile.host = receiver.0;
                if way == Way::SaidFromElsewhere {
                    hostile.from = someone;
                }
                payload
            }
            Way::Truncated => payload.slice(..self.rng.random_range(0..payload.len())),
            Way::Flipped => {
                let mut bytes = payload.to_vec();
                let flipped: BTreeSet<_> = (0..self.rng.random_range(1..=8))
                    .map(|_| self.rng.random_range(0..bytes.len() * 8))
                    .collect();
                for bit in flipped {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                bytes.into()
            }
            Way::Spliced => {
                let other = self.some_captured()?.payload;
                let body = &other[other.len().min(HEADER_BYTES)..];
                if body == &payload[head..] {
                    return None;
                }
                [&payload[..head], body].concat().into()
            }
            Way::Forged => {
                let length = self.rng.random_range(0..DATAGRAM_MAX - HEADER_BYTES);
                let body = self.noise(length);
                [&payload[..head], &body].concat().into()
            }
            Way::Noise => {
                let length = self.rng.random_range(0..DATAGRAM_MAX);
                self.noise(length).into()
            }
            // There is no such key.
            Way::WithoutKey | Way::WithWrongKey | Way::WithOldKey | Way::Lie => return None,
        };
        Some(hostile)
    }
}

impl World {
    /// What the attacker does in a tick.
    pub(super) fn attack(&mut self) {
        let Some(mut attacker) = self.attacker.take() else {
            return;
        };
        let is_over = |until| self.now >= Self::instant(until);
        if attacker.until.is_some_and(is_over) {
            self.attacker = Some(attacker);
            return;
        }
        let now = self.clock(0);
        let running = self.hosts.iter().enumerate().filter(|(_, host)| {
            let guest = host.guest.as_ref();
            guest.is_some_and(|guest| !guest.is_stopped() && !guest.is_clogged())
        });
        let targets: Vec<_> = running.map(|(index, host)| (index, host.addr)).collect();
        for (_, shadow) in &mut attacker.shadows {
            shadow.goes_on(now, &targets, &mut attacker.rng);
        }
        let is_liar = matches!(attacker.role, Role::Stranger | Role::Insider);
        let tick = crate::scenario::Attacker::TICK;
        attacker.owed += u64::from(attacker.rate) * u64::try_from(tick.as_millis()).expect("few");
        let mut touched = BTreeSet::new();
        while attacker.owed >= 1_000 && !targets.is_empty() {
            attacker.owed -= 1_000;
            let hostile = if is_liar {
                self.lies(&mut attacker, &targets)
            } else {
                attacker.make(&targets).into_iter().collect()
            };
            for hostile in hostile {
                *attacker.sent.entry(hostile.way).or_default() += 1;
                touched.insert(hostile.host);
                self.suffer(&mut attacker, &hostile);
            }
        }
        self.attacker = Some(attacker);
        for host in touched {
            self.turn(host);
        }
        self.put_step(self.now + tick, Step::Attack);
    }

    fn suffer(&mut self, attacker: &mut Attacker, hostile: &Hostile) {
        let now = self.clock(hostile.host);
        let place = &mut self.hosts[hostile.host];
        let Some(guest) = place.guest.as_mut() else {
            return;
        };
        place.received += 1;
        let life = guest.life;
        let before = held(guest.process.gauges());
        let (from, payload) = (hostile.from, &hostile.payload);
        guest.process.handle_datagram(now, from, payload);
        let after = held(guest.process.gauges());
        let is_authentic = match hostile.way {
            Way::SaidElsewhere | Way::SaidAgain | Way::SaidFromElsewhere => {
                !attacker.hears(life, payload)
            }
            _ => false,
        };
        if before != after && !is_authentic && !attacker.role.is_believed() {
            let harm = Box::new(Harm {
                way: hostile.way,
                before,
                after,
            });
            self.note(Happening::Harmed { life, harm });
        }
    }
}

/// What a process holds, without what it counts, and without what it has to say: that a datagram was refused is logged.
/// Nor its earlier fingerprints: the oldest are forgotten when any datagram is looked at. Nor which datagrams it sent to
/// strangers lately, cookies among them.
const fn held(mut gauges: Gauges) -> Gauges {
    gauges.garbage = 0;
    gauges.syncs = 0;
    gauges.sizes.history = 0;
    gauges.sizes.log_topics = 0;
    gauges.sizes.sent = 0;
    gauges.sizes.transmits = 0;
    gauges
}
