//! Events as log lines: one for each membership or service change.
//!
//! The fields are stable: `event` (a word), `node` (this node's advertised address), `member` (whose
//! doing it was), and where they apply `service`, `id`, `version`, `status` (`up`, `unhealthy`, `draining`), `endpoints`,
//! `changed` (of what was updated) and `instances` (a number). What is empty is left out.
//!
//! Bounds: [`LINES_MAX`] lines in [`WINDOW`], because it is others who make them; then one that says how many were held back.
//! Warnings of one sort come once in [`WINDOW`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::isolation::{self, SeedStatus};
use super::limiter::Limiter;
use super::{TARGET, changes};
use crate::registry::ServiceInstance;
use crate::table::Event;

/// What a start of a thousand nodes makes, and some.
const LINES_MAX: u32 = 5_000;
const WINDOW: Duration = Duration::from_secs(10);

/// Writes the log of one node.
#[derive(Debug)]
pub(super) struct Report {
    node: SocketAddr,
    since: Instant,
    lines: u32,
    held_back: u64,
    conflicts: Limiter,
    duplicates: Limiter,
}

impl Report {
    /// Of the node that advertises `node`.
    pub(super) fn new(node: SocketAddr) -> Self {
        Self {
            node,
            since: Instant::now(),
            lines: 0,
            held_back: 0,
            conflicts: Limiter::new(WINDOW),
            duplicates: Limiter::new(WINDOW),
        }
    }

    /// The node advertises another address from now on.
    pub(super) fn moved(&mut self, node: SocketAddr) {
        self.node = node;
    }

    /// Logs one event, if that is not one line too many. `before` is what an updated instance was.
    pub(super) fn log(&mut self, event: &Event, before: Option<&ServiceInstance>) {
        let node = self.node;
        match event {
            Event::Joined { member } => self.member_changed("joined", member.addr, None),
            Event::Left { member, instances } => {
                self.member_changed("left", member.addr, Some(instances.len()));
            }
            Event::Failed { member, instances } => {
                self.member_changed("failed", member.addr, Some(instances.len()));
            }
            Event::Recovered { member, instances } => {
                self.member_changed("recovered", member.addr, Some(instances.len()));
            }
            Event::Registered { owner, instance } => {
                self.service_changed("registered", owner.addr, instance, None);
            }
            Event::Updated { owner, instance } => {
                self.service_changed("updated", owner.addr, instance, before);
            }
            Event::Deregistered { owner, instance } => {
                self.service_changed("deregistered", owner.addr, instance, None);
            }
            // The driver makes it, and says more: see `log_isolated`.
            Event::Isolated { .. } => {}
            Event::AddressConflict { addr, stepped_back } => {
                if let Some(held_back) = self.conflicts.permit() {
                    warn!(
                        target: TARGET, event = "address_conflict", %node, member = %addr, stepped_back, held_back, "{event}"
                    );
                }
            }
            Event::DuplicateInstance {
                service,
                id,
                owner,
                other,
            } => {
                if let Some(held_back) = self.duplicates.permit() {
                    warn!(
                        target: TARGET, event = "duplicate_instance", %node, member = %owner.addr,
                        other = %other.addr, %service, %id, held_back, "{event}"
                    );
                }
            }
        }
    }

    /// This node has its first peer, or one again after it was isolated.
    pub(super) fn log_joined(&self) {
        let node = self.node;
        info!(target: TARGET, event = "joined_cluster", %node, "this node has joined its cluster");
    }

    /// This node has seeds, and had no peer for so long.
    pub(super) fn log_isolated(&self, alone_for: Duration, seeds: &[SeedStatus]) {
        let (node, alone_for_s) = (self.node, alone_for.as_secs());
        let (check, seeds) = (isolation::advice(seeds), isolation::list(seeds));
        warn!(
            target: TARGET, event = "isolated", %node, alone_for_s, seeds, check,
            "this node is alone: no seed has let it in, and nobody finds what it registers"
        );
    }

    /// Whether there may be another line.
    fn permits(&mut self) -> bool {
        let now = Instant::now();
        if now - self.since >= WINDOW {
            if self.held_back > 0 {
                let (node, held_back) = (self.node, self.held_back);
                warn!(target: TARGET, event = "held_back", %node, held_back, "more changes than are logged");
            }
            (self.since, self.lines, self.held_back) = (now, 0, 0);
        }
        self.lines = self.lines.saturating_add(1);
        let permits = self.lines <= LINES_MAX;
        self.held_back += u64::from(!permits);
        permits
    }

    fn member_changed(
        &mut self,
        event: &'static str,
        member: SocketAddr,
        instances: Option<usize>,
    ) {
        if self.permits() {
            let node = self.node;
            info!(target: TARGET, event, %node, %member, instances, "member {event}");
        }
    }

    fn service_changed(
        &mut self,
        event: &'static str,
        member: SocketAddr,
        instance: &ServiceInstance,
        before: Option<&ServiceInstance>,
    ) {
        if self.permits() {
            let node = self.node;
            let endpoints = changes::listed(instance.endpoints().iter());
            let changed = before.map(|before| changes::between(before, instance));
            info!(
                target: TARGET, event, %node, %member, service = instance.name(), id = instance.id(),
                version = unless_empty(instance.version()), status = instance.status().as_str(),
                endpoints = unless_empty(&endpoints), changed = changed.as_deref().and_then(unless_empty),
                "service {event}"
            );
        }
    }
}

/// A field that is left out where it says nothing.
fn unless_empty(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Owner;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_changes_is_5000_lines_in_ten_seconds() {
        let node = SocketAddr::from(([127, 0, 0, 1], 7946));
        let mut report = Report::new(node);
        let member = Owner {
            addr: node,
            boot: 1,
        };
        for _ in 0..6_000 {
            report.log(&Event::Joined { member }, None);
        }
        assert_eq!(report.held_back, 1_000);
        tokio::time::advance(WINDOW).await;
        report.log(&Event::Joined { member }, None);
        assert_eq!((report.lines, report.held_back), (1, 0));
    }
}
