//! Processes start and end.

use std::{net::SocketAddr, time::Duration};

use rand::RngExt;
use tidings::{
    gossip::{Config, Engine, Entropy, Now, PeerId},
    table::Record,
};

use super::{End, Guest, Happening, LifeId, Mirror, World, faults::Return, script::Step};
use crate::{
    baseline::Baseline,
    process::Process,
    scenario::{Address, Scenario, Subject, Tuning},
};

impl World {
    /// All start at once, and know each other and everything.
    pub(super) fn start_settled(&mut self) {
        for host in 0..self.hosts.len() {
            self.put_process(host, false);
        }
        let guests = || self.hosts.iter().filter_map(|host| host.guest.as_ref());
        let members: Vec<PeerId> = guests().map(|guest| guest.process.identity()).collect();
        let records: Vec<Record> = guests().flat_map(|guest| guest.process.records()).collect();
        for host in 0..self.hosts.len() {
            let now = self.clock(host);
            let guest = self.hosts[host].guest.as_mut().expect("just put");
            guest.process.assume(now, &members, &records);
            self.drain(host);
            // A million events of a start that nobody watches: the mirrors have them.
            self.happened.clear();
        }
    }

    /// Each starts at a random time within the scenario's `start_within`.
    pub(super) fn start_apart(&mut self) {
        let within = self.scenario.start_within.duration();
        for host in 0..self.hosts.len() {
            let share = self.fault_rng.random_range(0.0..=1.0);
            let at = self.now + within.mul_f64(share);
            self.hosts[host].due_back = Some(Return {
                fault: None,
                address: Address::Same,
                clock_ms: 0,
                is_replacement: false,
            });
            self.put_step(at, Step::Start { host, fault: None });
        }
    }

    /// Starts a process on a host that has none.
    pub(super) fn start_process(&mut self, host: usize, is_replacement: bool) {
        self.put_process(host, is_replacement);
        self.drain(host);
    }

    fn put_process(&mut self, host: usize, is_replacement: bool) {
        let life = self.truth.lives().len();
        let addr = self.hosts[host].addr;
        let now = self.clock(host);
        let process = (self.spawn)(&self.scenario, addr, self.entropy(life), now);
        let owner = process.identity().owner();
        let started = self.truth.start(now.instant, host, owner);
        assert_eq!(started, life, "lives are numbered in their order");
        self.mirrors.push(Mirror::default());
        self.hosts[host].starts += 1;
        self.hosts[host].is_silent = false;
        self.hosts[host].guest = Some(Guest::new(life, process, is_replacement));
        self.trace.done(self.now, host, format!("starts at {addr}"));
        self.note(Happening::Started(life));
        self.set_slow(host);
        self.register_at_start(host);
        if self.is_settled {
            self.expect_anew();
        }
    }

    /// Ends the process on a host, however it does.
    pub(super) fn end_life(&mut self, host: usize, how: End) {
        let Some(guest) = self.hosts[host].guest.take() else {
            return;
        };
        self.truth.end(self.now, guest.life, how);
        self.hosts[host].is_silent = how == End::Silent;
        let what = match how {
            End::Crashed => "crashes",
            End::Silent => "goes silent",
            End::Left => "has left",
        };
        self.trace.done(self.now, host, what.to_owned());
        self.note(Happening::Ended(guest.life));
        // Nobody asks a dead process what it was told, and there may be many of them.
        self.mirrors[guest.life] = Mirror::default();
        self.expect_anew();
    }

    /// Has the process on a host say goodbye: now, or when it goes on, as a stopped process gets its signals.
    pub(super) fn ask_to_leave(&mut self, host: usize) {
        match self.hosts[host].guest.as_mut() {
            Some(guest) if guest.is_stopped() => guest.is_to_leave = true,
            _ => self.begin_leave(host),
        }
    }

    /// Lets the process on a host say goodbye.
    pub(super) fn begin_leave(&mut self, host: usize) {
        let now = self.clock(host);
        let Some(guest) = self.hosts[host].guest.as_mut() else {
            return;
        };
        let life = guest.life;
        guest.process.leave(now);
        self.truth.begin_leave(now.instant, life);
        self.trace
            .done(self.now, host, "begins to leave".to_owned());
        self.note(Happening::Leaving(life));
        self.take_back_all(life);
        self.drain(host);
    }

    /// What a process that leaves had registered is taken back.
    fn take_back_all(&mut self, life: LifeId) {
        let held: Vec<_> = self.truth.life(life).holds.keys().cloned().collect();
        for (service, id) in held {
            let key = self.truth.write(self.now, life, service, id, None);
            self.note(Happening::Written(key));
        }
        self.expect_anew();
    }
}

/// Makes a process of the scenario's subject, on an address, with its randomness.
pub type Spawn = fn(&Scenario, SocketAddr, Entropy, Now) -> Box<dyn Process>;

pub(super) fn spawn(
    scenario: &Scenario,
    addr: SocketAddr,
    entropy: Entropy,
    now: Now,
) -> Box<dyn Process> {
    match scenario.subject {
        Subject::Tidings => {
            let config = engine_config(scenario, addr);
            let engine = Engine::new(config, entropy, now);
            Box::new(engine.expect("the scenario was validated"))
        }
        Subject::SwimBaseline => Box::new(Baseline::new(addr, scenario.nodes, entropy.seed, now)),
    }
}

/// The engine's configuration in a scenario.
pub(crate) fn engine_config(scenario: &Scenario, addr: SocketAddr) -> Config {
    let Tuning {
        probe_period,
        probe_timeout,
        indirect_probes,
        fanout,
        probe_deadline,
        suspicion_min,
        suspicion_max_multiplier,
        without,
        retransmit_multiplier,
        max_datagram,
        max_members,
        max_contacts,
        remember_down,
    } = scenario.engine.clone();
    let span = |span: Option<crate::scenario::Span>, field: &mut Duration| {
        if let Some(span) = span {
            *field = span.duration();
        }
    };
    let mut config = Config::lan("simulation", addr);
    if let Some(security) = &scenario.security {
        config.security = security.security();
    }
    span(probe_period, &mut config.probe_period);
    span(probe_timeout, &mut config.probe_timeout);
    config.indirect_probes = indirect_probes.unwrap_or(config.indirect_probes);
    config.fanout = fanout.unwrap_or(config.fanout);
    span(probe_deadline, &mut config.probe_deadline);
    span(suspicion_min, &mut config.suspicion_min);
    config.suspicion_max_multiplier =
        suspicion_max_multiplier.unwrap_or(config.suspicion_max_multiplier);
    for part in without {
        part.switch_off(&mut config.detection);
    }
    config.retransmit_multiplier = retransmit_multiplier.unwrap_or(config.retransmit_multiplier);
    config.max_datagram = max_datagram.unwrap_or(config.max_datagram);
    config.max_members = max_members.unwrap_or(config.max_members);
    config.max_contacts = max_contacts.unwrap_or(config.max_contacts);
    span(remember_down, &mut config.remember_down);
    span(remember_down, &mut config.table.park_for);
    span(remember_down, &mut config.table.forget_empty_after);
    config
}
