//! Events as log lines: one for each membership or service change.
//!
//! The fields are stable: `event` (a word), `node` (this node's advertised address), `member` (whose
//! doing it was), and where they apply `service`, `id`, `version`, `status`, `instances` (a count).

use std::net::SocketAddr;

use tracing::{info, warn};

use super::TARGET;
use crate::registry::ServiceInstance;
use crate::table::Event;

/// Logs one event of the node that advertises `node`.
pub(super) fn log(node: SocketAddr, event: &Event) {
    match event {
        Event::Joined { member } => member_changed(node, "joined", member.addr, 0),
        Event::Left { member, instances } => {
            member_changed(node, "left", member.addr, instances.len());
        }
        Event::Failed { member, instances } => {
            member_changed(node, "failed", member.addr, instances.len());
        }
        Event::Recovered { member, instances } => {
            member_changed(node, "recovered", member.addr, instances.len());
        }
        Event::Registered { owner, instance } => {
            service_changed(node, "registered", owner.addr, instance);
        }
        Event::Updated { owner, instance } => {
            service_changed(node, "updated", owner.addr, instance);
        }
        Event::Deregistered { owner, instance } => {
            service_changed(node, "deregistered", owner.addr, instance);
        }
        Event::AddressConflict { addr, stepped_back } => {
            warn!(target: TARGET, event = "address_conflict", %node, member = %addr, stepped_back, "{event}");
        }
        Event::DuplicateInstance {
            service,
            id,
            owner,
            other,
        } => {
            warn!(
                target: TARGET, event = "duplicate_instance", %node, member = %owner.addr,
                other = %other.addr, %service, %id, "{event}"
            );
        }
    }
}

fn member_changed(node: SocketAddr, event: &'static str, member: SocketAddr, instances: usize) {
    info!(target: TARGET, event, %node, %member, instances, "member {event}");
}

fn service_changed(
    node: SocketAddr,
    event: &'static str,
    member: SocketAddr,
    instance: &ServiceInstance,
) {
    info!(
        target: TARGET, event, %node, %member, service = instance.name(), id = instance.id(),
        version = instance.version(), status = ?instance.status(), "service {event}"
    );
}
