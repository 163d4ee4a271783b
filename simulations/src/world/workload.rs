//! What services do: register, change and take back instances.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, seq::IndexedRandom};
use tidings::{ServiceInstance, gossip::Instant};

use super::{Guest, Happening, World, faults::LOOK_AGAIN, script::Step};
use crate::scenario::WorkKind;

/// The longest metadata value of the workload's instances.
const VALUE_BYTES: usize = 1_000;
/// Of the things that churn does, the share that is a registration; the rest is shared evenly by changes and
/// deregistrations.
const CHURN_REGISTERS: f64 = 0.4;

/// Of the instances that processes were refused when they started, so many are kept by name.
const REFUSALS_KEPT: usize = 8;

/// Instances that processes were to have from their start, and were refused.
#[derive(Debug, Default)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// The first few: the node, the service, and why.
    pub first: Vec<(usize, String, String)>,
}

impl World {
    /// What processes were refused when they started.
    pub const fn refused_at_start(&self) -> &Refusals {
        &self.refused_at_start
    }

    /// What each process registers when it starts.
    pub(super) fn register_at_start(&mut self, host: usize) {
        let services = self.scenario.services.clone();
        for index in 0..services.per_node {
            let name = (host + index) % services.names.max(1);
            let service = self.service_name(host, name);
            let Err(reason) = self.register_new(host, &service, None, services.bytes) else {
                continue;
            };
            let refusals = &mut self.refused_at_start;
            refusals.count += 1;
            if refusals.first.len() < REFUSALS_KEPT {
                refusals.first.push((host, service, reason));
            }
        }
    }

    fn service_name(&self, host: usize, number: usize) -> String {
        let guest = self.hosts[host].guest.as_ref();
        let is_replacement = guest.is_some_and(|guest| guest.is_replacement);
        let kind = if is_replacement { "other" } else { "service" };
        format!("{kind}-{number}")
    }

    pub(super) fn begin_work(&mut self, work: usize) {
        let kind = self.scenario.work[work].kind.clone();
        match kind {
            WorkKind::Register { nodes, each, .. } | WorkKind::Deregister { nodes, each } => {
                let nodes = self.select_running(&nodes);
                for (index, host) in nodes.into_iter().enumerate() {
                    let at = self.now + each.duration() * u32::try_from(index).expect("few nodes");
                    self.put_step(at, Step::Work { work, host });
                }
            }
            WorkKind::Update { lasts, .. } | WorkKind::Churn { lasts, .. } => {
                let end = Self::instant(self.scenario.duration.duration());
                let until = lasts.map_or(end, |lasts| (self.now + lasts.duration()).min(end));
                self.tick(work, until);
            }
        }
    }

    /// Does something of a part of the workload, and counts what it wrote.
    pub(super) fn counted(&mut self, work: usize, act: impl FnOnce(&mut Self)) {
        let before = self.writes;
        act(self);
        self.work_done[work] += self.writes - before;
    }

    pub(super) fn do_work(&mut self, work: usize, host: usize) {
        let guest = self.hosts[host].guest.as_ref();
        if guest.is_some_and(Guest::is_stopped) {
            return self.put_step(self.now + LOOK_AGAIN, Step::Work { work, host });
        }
        let WorkKind::Register {
            count,
            service,
            id,
            bytes,
            ..
        } = self.scenario.work[work].kind.clone()
        else {
            return self.take_back_everything(host);
        };
        let names = self.scenario.services.names.max(1);
        for index in 0..count {
            let own = self.service_name(host, (host + index) % names);
            let service = service.clone().unwrap_or(own);
            // A record that is full is a bound, and not a fault of the world.
            let _ = self.register_new(host, &service, id.clone(), bytes);
        }
    }

    fn take_back_everything(&mut self, host: usize) {
        let Some(guest) = &self.hosts[host].guest else {
            return;
        };
        let held: Vec<_> = self.truth.life(guest.life).holds.keys().cloned().collect();
        for (service, id) in held {
            self.take_back(host, service, id);
        }
    }

    /// Does one thing of a steady workload, and comes again.
    pub(super) fn tick(&mut self, work: usize, until: Instant) {
        if self.now > until {
            return;
        }
        let kind = self.scenario.work[work].kind.clone();
        let (WorkKind::Update {
            nodes, rate, bytes, ..
        }
        | WorkKind::Churn {
            nodes, rate, bytes, ..
        }) = &kind
        else {
            unreachable!("only these are steady");
        };
        let gap = Duration::from_secs_f64(1.0 / rate);
        self.put_step(self.now + gap, Step::Tick { work, until });
        let mut nodes = self.select_running(nodes);
        // A stopped process registers nothing.
        nodes.retain(|host| self.hosts[*host].running().is_some());
        let Some(&host) = nodes.choose(&mut self.work_rng) else {
            return;
        };
        match kind {
            WorkKind::Churn { hot, .. } => self.churn(host, hot, *bytes),
            _ => self.change_one(host, *bytes),
        }
    }

    fn churn(&mut self, host: usize, hot_share: f64, bytes: usize) {
        let bytes = self.work_rng.random_range(0..=bytes);
        let what: f64 = self.work_rng.random_range(0.0..1.0);
        if what < CHURN_REGISTERS {
            let names = self.scenario.services.names.max(1);
            let is_hot = self.work_rng.random_bool(hot_share.clamp(0.0, 1.0));
            let number = if is_hot {
                0
            } else {
                self.work_rng.random_range(0..names)
            };
            let service = self.service_name(host, number);
            let _ = self.register_new(host, &service, None, bytes);
        } else if what < CHURN_REGISTERS + (1.0 - CHURN_REGISTERS) / 2.0 {
            self.change_one(host, bytes);
        } else if let Some((service, id)) = self.choose_held(host) {
            self.take_back(host, service, id);
        }
    }

    fn change_one(&mut self, host: usize, bytes: usize) {
        if let Some((service, id)) = self.choose_held(host) {
            let _ = self.register(host, &service, &id, bytes);
        }
    }

    fn choose_held(&mut self, host: usize) -> Option<(String, String)> {
        let guest = self.hosts[host].guest.as_ref()?;
        let held: Vec<_> = self.truth.life(guest.life).holds.keys().collect();
        held.choose(&mut self.work_rng).map(|name| (*name).clone())
    }

    fn register_new(
        &mut self,
        host: usize,
        service: &str,
        id: Option<String>,
        bytes: usize,
    ) -> Result<(), String> {
        let Some(guest) = self.hosts[host].guest.as_mut() else {
            return Ok(());
        };
        guest.registered += 1;
        let id = id.unwrap_or_else(|| format!("{}-{}", guest.life, guest.registered));
        self.register(host, service, &id, bytes)
    }

    /// Registers an instance like no other before: a counter is its version. The reason, where it is refused.
    fn register(
        &mut self,
        host: usize,
        service: &str,
        id: &str,
        bytes: usize,
    ) -> Result<(), String> {
        let now = self.clock(host);
        let addr = self.hosts[host].addr.ip();
        let Some(guest) = self.hosts[host].guest.as_mut() else {
            return Ok(());
        };
        self.written += 1;
        let instance = instance(service, id, self.written, addr, bytes);
        let life = guest.life;
        if let Err(reason) = guest.process.register(now, instance.clone()) {
            let what = format!("is refused {service} {id}: {reason}");
            self.trace.done(self.now, host, what);
            return Err(reason);
        }
        self.trace
            .done(self.now, host, format!("registers {service} {id}"));
        let (service, id) = (service.to_owned(), id.to_owned());
        let content = Some(Arc::new(instance));
        let key = self.truth.write(self.now, life, service, id, content);
        self.wrote(host, key);
        Ok(())
    }

    fn take_back(&mut self, host: usize, service: String, id: String) {
        let now = self.clock(host);
        let Some(guest) = self.hosts[host].guest.as_mut() else {
            return;
        };
        let life = guest.life;
        if guest.process.deregister(now, &service, &id).is_ok() {
            self.trace
                .done(self.now, host, format!("takes back {service} {id}"));
            let key = self.truth.write(self.now, life, service, id, None);
            self.wrote(host, key);
        }
    }

    fn wrote(&mut self, host: usize, key: usize) {
        self.writes += 1;
        self.note(Happening::Written(key));
        if self.is_settled {
            self.expect_anew();
            self.drain(host);
        }
    }
}

fn instance(
    service: &str,
    id: &str,
    version: u64,
    addr: std::net::IpAddr,
    bytes: usize,
) -> ServiceInstance {
    let mut builder = ServiceInstance::builder(service)
        .id(id)
        .version(version.to_string())
        .endpoint(format!("http://{addr}:8000"));
    let mut left = bytes;
    for pair in 0.. {
        if left == 0 {
            break;
        }
        let length = left.min(VALUE_BYTES);
        builder = builder.metadata(format!("data-{pair}"), "x".repeat(length));
        left -= length;
    }
    builder
        .build()
        .expect("within the limits that the scenario was validated against")
}
