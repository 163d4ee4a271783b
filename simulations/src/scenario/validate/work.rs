//! The workload.

use tidings::registry::{MAX_ID_BYTES, MAX_NAME_BYTES};

use super::{BYTES_MAX, Check, faults, in_range, require, share};
use crate::scenario::{Scenario, Span, Work, WorkKind};

/// The most changes in a second.
const RATE_MAX: f64 = 10_000.0;
/// More than that many: eight in the longest world.
const RATE_MIN: f64 = 0.000_1;

pub(super) fn check(scenario: &Scenario, work: &Work) -> Check {
    faults::check_at(scenario, work.at)?;
    let (WorkKind::Register { nodes, .. }
    | WorkKind::Deregister { nodes, .. }
    | WorkKind::Update { nodes, .. }
    | WorkKind::Churn { nodes, .. }) = &work.kind;
    faults::check_set(scenario, "nodes", nodes)?;
    match &work.kind {
        WorkKind::Register {
            count,
            service,
            id,
            bytes,
            each,
            ..
        } => {
            in_range("count", *count, 1, 1_000)?;
            in_range("bytes", *bytes, 0, BYTES_MAX)?;
            check_name("service", service.as_deref(), MAX_NAME_BYTES)?;
            check_name("id", id.as_deref(), MAX_ID_BYTES)?;
            require(
                id.is_none() || *count == 1,
                "count",
                count,
                "1 where an id is stated: the later would replace the earlier",
            )?;
            check_each(scenario, work.at, *each)
        }
        WorkKind::Deregister { each, .. } => check_each(scenario, work.at, *each),
        WorkKind::Update {
            rate, bytes, lasts, ..
        } => check_steady(scenario, work.at, *rate, *bytes, *lasts),
        WorkKind::Churn {
            rate,
            hot,
            bytes,
            lasts,
            ..
        } => {
            share("hot", *hot)?;
            check_steady(scenario, work.at, *rate, *bytes, *lasts)
        }
    }
}

fn check_name(field: &str, name: Option<&str>, most: usize) -> Check {
    let fits = name.is_none_or(|name| (1..=most).contains(&name.len()));
    let value = format!("{:?}", name.unwrap_or_default());
    require(fits, field, value, &format!("1 to {most} bytes"))
}

fn check_each(scenario: &Scenario, at: Span, each: Span) -> Check {
    faults::check_fits(scenario, "each", at, each, scenario.nodes, Span::ZERO)
}

fn check_steady(
    scenario: &Scenario,
    at: Span,
    rate: f64,
    bytes: usize,
    lasts: Option<Span>,
) -> Check {
    let mend = "more than 0.0001 and at most 10000 a second";
    require(rate > RATE_MIN && rate <= RATE_MAX, "rate", rate, mend)?;
    in_range("bytes", bytes, 0, BYTES_MAX)?;
    faults::check_lasts(scenario, at, lasts)
}
