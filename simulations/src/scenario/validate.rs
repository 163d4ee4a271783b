//! What a scenario must be like beyond its form: ranges, and that what it names is there.

mod faults;
mod work;

use std::{fmt::Display, time::Duration};

use super::{
    BurstLoss, Conditions, Latency, Role, Scenario, ScenarioError, Services, Span, Start, Subject,
};
use crate::world::engine_config;

/// The most nodes of a world: as many as an engine knows by default.
const NODES_MAX: usize = 10_000;
/// The longest world, and the longest time of anything in it.
const DURATION_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The most metadata of one instance, in bytes: it fits a record of 64 KiB, with what stands around it.
const BYTES_MAX: usize = 63_000;

/// The field, what it is, and what it has to be.
type Check = Result<(), (String, String)>;

impl Scenario {
    /// The scenario itself, if it can be run: nothing in it makes a world panic.
    pub(crate) fn validated(self, origin: &str) -> Result<Self, ScenarioError> {
        match self.check() {
            Ok(()) => Ok(self),
            Err((field, problem)) => Err(ScenarioError {
                origin: origin.to_owned(),
                line: None,
                field,
                problem,
            }),
        }
    }

    fn check(&self) -> Check {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        require(
            !self.name.is_empty() && self.name.len() <= 64 && self.name.chars().all(is_plain),
            "name",
            format!("{:?}", self.name),
            "1 to 64 lower-case letters, digits and dashes",
        )?;
        in_range("nodes", self.nodes, 1, NODES_MAX)?;
        in_range("seeds", self.seeds, 0, self.nodes)?;
        let duration = self.duration.duration();
        require(
            !duration.is_zero() && duration <= DURATION_MAX,
            "duration",
            self.duration,
            "more than 0 s and at most 24 h",
        )?;
        self.check_start()?;
        self.check_engine()?;
        self.check_security()?;
        check_network(&self.network)?;
        check_services(&self.services)?;
        for (index, work) in self.work.iter().enumerate() {
            work::check(self, work)
                .map_err(|(field, problem)| (format!("work[{index}].{field}"), problem))?;
        }
        for (index, fault) in self.fault.iter().enumerate() {
            faults::check(self, fault)
                .map_err(|(field, problem)| (format!("fault[{index}].{field}"), problem))?;
        }
        self.check_expect()
    }

    fn check_start(&self) -> Check {
        let is_bootstrap = self.start == Start::Bootstrap;
        require(
            is_bootstrap || self.start_within == Span::ZERO,
            "start_within",
            self.start_within,
            "left out where start is not \"bootstrap\"",
        )?;
        require(
            !is_bootstrap || self.seeds > 0 || self.nodes == 1,
            "seeds",
            self.seeds,
            "at least 1 in a bootstrap: nobody would find anybody",
        )?;
        require(
            self.start_within <= self.duration,
            "start_within",
            self.start_within,
            "no longer than the duration",
        )
    }

    fn check_engine(&self) -> Check {
        if let Some(probe_period) = self.engine.probe_period {
            at_most_24_h("engine.probe_period", probe_period)?;
        }
        let is_settled = self.start == Start::Converged && self.subject == Subject::Tidings;
        let max_members = self.engine.max_members.unwrap_or(NODES_MAX);
        require(
            !is_settled || max_members >= self.nodes,
            "engine.max_members",
            max_members,
            "at least nodes where start is \"converged\": everybody knows everybody",
        )?;
        let addr = std::net::SocketAddr::from(([10, 0, 0, 1], 7_946));
        let checked = engine_config(self, addr).validate();
        checked.map_err(|error| {
            let problem = format!("{} has to be {}", error.value, error.mend);
            (format!("engine.{}", error.field), problem)
        })?;
        let max_datagram = self.engine.max_datagram.unwrap_or(1_200);
        require(
            max_datagram <= self.network.mtu,
            "network.mtu",
            self.network.mtu,
            "at least engine.max_datagram (1200 unless stated): full datagrams would never pass",
        )
    }

    fn check_security(&self) -> Check {
        let is_ours = self.subject == Subject::Tidings;
        let foca_has_none = "left out where subject is \"swim-baseline\": it has none";
        if let Some(security) = &self.security {
            require(is_ours, "security", "there", foca_has_none)?;
            let keys = &security.keys;
            let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
            require(
                (1..=4).contains(&keys.len())
                    && distinct.len() == keys.len()
                    && !keys.contains(&String::new()),
                "security.keys",
                format!("{keys:?}"),
                "1 to 4 different labels",
            )?;
        }
        if let Some(attacker) = &self.attacker {
            require(
                self.security.is_some() || attacker.role != Role::Outsider,
                "attacker",
                "there",
                "left out where there is no [security]: without a key everybody is a member",
            )?;
            require(
                self.security.is_none()
                    || !matches!(attacker.role, Role::Corrupter | Role::Stranger),
                "attacker.role",
                "one for a cluster in the clear",
                "\"outsider\" or \"insider\" where there is [security]",
            )?;
            require(
                (1..=1_000_000).contains(&attacker.rate),
                "attacker.rate",
                attacker.rate,
                "1 to 1000000 in a second",
            )?;
            require(
                attacker.at <= self.duration,
                "attacker.at",
                attacker.at,
                "no later than the duration",
            )?;
        }
        Ok(())
    }

    fn check_expect(&self) -> Check {
        let expect = &self.expect;
        require(
            expect.converge_within > Span::ZERO,
            "expect.converge_within",
            expect.converge_within,
            "more than 0 s",
        )?;
        at_most_24_h("expect.converge_within", expect.converge_within)?;
        at_most_24_h("expect.hold", expect.hold)?;
        let addr = std::net::SocketAddr::from(([10, 0, 0, 1], 7_946));
        let remember = engine_config(self, addr).remember_down;
        require(
            !expect.bounded_growth || self.duration.duration() >= remember * 2,
            "expect.bounded_growth",
            expect.bounded_growth,
            "left out where the duration is less than twice engine.remember_down (10 min unless stated)",
        )?;
        require(
            expect.false_positives >= -1,
            "expect.false_positives",
            expect.false_positives,
            "a number from 0, or -1 for any",
        )?;
        for (field, value) in [
            ("expect.packets_per_node_s", expect.packets_per_node_s),
            ("expect.bytes_per_node_s", expect.bytes_per_node_s),
        ] {
            let value = value.unwrap_or(0.0);
            require(
                value.is_finite() && value >= 0.0,
                field,
                value,
                "a number from 0",
            )?;
        }
        Ok(())
    }
}

fn check_network(network: &Conditions) -> Check {
    for (field, value) in [
        ("network.loss", network.loss),
        ("network.duplicate", network.duplicate),
        ("network.reorder", network.reorder),
    ] {
        share(field, value)?;
    }
    if let Some(bursts) = network.burst_loss {
        burst_loss("network.burst_loss", bursts)?;
    }
    if let Some(bandwidth) = network.bandwidth {
        require(
            bandwidth >= 1_000,
            "network.bandwidth",
            bandwidth,
            "at least 1000 bytes per second",
        )?;
    }
    let longest = match network.latency {
        Latency::Lan => Span::ZERO,
        Latency::Uniform(range) => range.to,
        Latency::HeavyTail(median) => median,
    };
    let limit = Span::from_secs(10);
    require(longest <= limit, "network.latency", longest, "at most 10 s")?;
    for (index, region) in network.regions.iter().enumerate() {
        let field = format!("network.regions[{index}].distance");
        require(
            region.distance <= limit,
            &field,
            region.distance,
            "at most 10 s",
        )?;
    }
    Ok(())
}

fn check_services(services: &Services) -> Check {
    in_range("services.per_node", services.per_node, 0, 1_000)?;
    in_range("services.names", services.names, 1, 1_000)?;
    in_range("services.bytes", services.bytes, 0, BYTES_MAX)
}

fn require(holds: bool, field: &str, value: impl Display, mend: &str) -> Check {
    if holds {
        return Ok(());
    }
    Err((
        field.to_owned(),
        format!("is {value}, and has to be {mend}"),
    ))
}

fn in_range(field: &str, value: usize, least: usize, most: usize) -> Check {
    let mend = format!("{least} to {most}");
    require((least..=most).contains(&value), field, value, &mend)
}

/// Longer than a world is: it would be the same as for ever, and a time that cannot be added to another one panics.
fn at_most_24_h(field: &str, span: Span) -> Check {
    let holds = span.duration() <= DURATION_MAX;
    require(holds, field, span, "at most 24 h")
}

fn share(field: &str, value: f64) -> Check {
    require(
        (0.0..=1.0).contains(&value),
        field,
        value,
        "a share from 0 to 1",
    )
}

fn burst_loss(field: &str, bursts: BurstLoss) -> Check {
    for (part, span) in [("every", bursts.every), ("lasts", bursts.lasts)] {
        let field = format!("{field}.{part}");
        require(span >= Span::from_millis(1), &field, span, "at least 1 ms")?;
        at_most_24_h(&field, span)?;
    }
    Ok(())
}
