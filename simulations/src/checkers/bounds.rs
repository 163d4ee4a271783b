//! Bounds: timers, queues, parked records, memory, packets and datagrams never go over what is stated for them.
//!
//! | what | bound | from |
//! |---|---|---|
//! | datagram | `max_datagram` | the configuration |
//! | timers | 48, and 3 for each known member | `gossip/timers.rs`: a key has one deadline; a few keys, foca's own, a suspicion and a memory of the dead for each member |
//! | known members | `max_members` | the configuration |
//! | record bytes, waiting bytes | `table_bytes`, `waiting_bytes` | the table's limits |
//! | absent owners | `absent_owners`, and the known members | the table's limits: a member that fails is kept all the same |
//! | news | 2 for each record that is held, and 64 | a piece of news is a record or its notice |
//! | packets of one node in a second | see [`packets_max`] | the engine's budgets |

use tidings::gossip::Config;

use super::{Checker, Findings};
use crate::{
    process::Gauges,
    scenario::Scenario,
    world::{Happening, LifeId, World, engine_config},
};

/// What else a node may send in a second: answers to cookies and old identities (200, and 256 at once), and probes,
/// acks, requests and calls to the lost, of which each is paced by a timer or answers a datagram.
const OTHER_PACKETS: u64 = 1_024;

#[derive(Debug)]
pub(super) struct Bounds {
    config: Config,
    /// What each host had sent and received a second ago, in datagrams.
    before: Vec<(u64, u64)>,
    looks: usize,
    datagrams: usize,
}

impl Bounds {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let addr = std::net::SocketAddr::from(([10, 0, 0, 1], 7_946));
        Self {
            config: engine_config(scenario, addr),
            before: Vec::new(),
            looks: 0,
            datagrams: 0,
        }
    }
}

impl Checker for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn demands(&self) -> &'static str {
        "Datagrams, timers, queues, tables and packets per second never go over their stated limits, and the traffic not over what the scenario states."
    }

    fn happened(&mut self, world: &World, happening: &Happening, findings: &mut Findings) {
        match happening {
            Happening::Sent { host, bytes, .. } => {
                self.datagrams += 1;
                if *bytes > self.config.max_datagram {
                    let what = format!("node {host} sent a datagram of {bytes} bytes");
                    findings.add(world, self.name(), vec![*host], what);
                }
            }
            Happening::Turned(life) => {
                self.looks += 1;
                self.look(world, *life, findings);
            }
            _ => {}
        }
    }

    fn second_passed(&mut self, world: &World, findings: &mut Findings) {
        let hosts = world.hosts();
        self.before.resize(hosts.len(), (0, 0));
        for (node, host) in hosts.iter().enumerate() {
            let (sent, received) = self.before[node];
            let (sent, received) = (host.packets - sent, host.received - received);
            let most = packets_max(&self.config, received);
            if sent > most {
                let what = format!(
                    "node {node} sent {sent} datagrams in a second, where {most} are the most"
                );
                findings.add(world, self.name(), vec![node], what);
            }
            self.before[node] = (host.packets, host.received);
        }
    }

    fn at_rest(&mut self, world: &World, findings: &mut Findings) {
        let expect = &world.scenario().expect;
        let seconds = world.seconds_alive();
        let mean = |what: fn(&crate::world::Host) -> u64| {
            let total: u64 = world.hosts().iter().map(what).sum();
            #[allow(clippy::cast_precision_loss)] // far below 2^52
            let total = total as f64;
            total / seconds.iter().sum::<f64>().max(f64::MIN_POSITIVE)
        };
        for (what, most, is) in [
            (
                "datagrams",
                expect.packets_per_node_s,
                mean(|host| host.packets),
            ),
            ("bytes", expect.bytes_per_node_s, mean(|host| host.bytes)),
        ] {
            if let Some(most) = most
                && is > most
            {
                let what = format!("{is:.1} {what} per node and second, where {most} are stated");
                findings.add(world, self.name(), Vec::new(), what);
            }
        }
    }

    fn looked_at(&self) -> String {
        format!("{} datagrams, {} turns", self.datagrams, self.looks)
    }
}

impl Bounds {
    fn look(&self, world: &World, life: LifeId, findings: &mut Findings) {
        let Some(guest) = world.guest(life) else {
            return;
        };
        let Gauges {
            timers,
            news,
            records,
            record_bytes,
            waiting_bytes,
            absent_owners,
            known_members,
            ..
        } = guest.process.gauges();
        let limits = &self.config.table;
        for (what, is, most) in [
            ("timers", timers, 48 + 3 * known_members),
            ("known members", known_members, self.config.max_members),
            ("pieces of news", news, 2 * records + 64),
            ("bytes of records", record_bytes, limits.table_bytes),
            (
                "bytes of waiting records",
                waiting_bytes,
                limits.waiting_bytes,
            ),
            (
                "absent owners",
                absent_owners,
                limits.absent_owners + known_members,
            ),
        ] {
            if is > most {
                let host = world.truth().life(life).host;
                let what = format!("node {host} has {is} {what}, where {most} are the most");
                findings.add(world, self.name(), vec![host], what);
            }
        }
    }
}

/// The most datagrams that a node sends in a second in which it has received so many: its budgets for news and for
/// pages, what they let out at once included, an answer to each datagram (a request is answered by pages, from the
/// budget, or by one datagram), and what is paced by timers.
fn packets_max(config: &Config, received: u64) -> u64 {
    let budgets = [
        config.news_rate,
        config.news_burst,
        config.page_rate,
        config.page_burst,
    ];
    let budgets: u64 = budgets.into_iter().map(u64::from).sum();
    budgets + 4 * received + OTHER_PACKETS
}
