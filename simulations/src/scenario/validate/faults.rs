//! The faults.

use super::{Check, NODES_MAX, at_most_24_h, burst_loss, in_range, require, share};
use crate::scenario::{
    Fault, FaultKind, KeyChange, NodeSet, Offset, Scenario, Share, Span, SpanRange,
};

pub(super) fn check(scenario: &Scenario, fault: &Fault) -> Check {
    let at = fault.at;
    check_at(scenario, at)?;
    if let Some(every) = fault.every {
        at_least_1_ms("every", every)?;
        at_most_24_h("every", every)?;
    }
    match &fault.kind {
        FaultKind::Partition { between, lasts, .. } => {
            check_pair(scenario, between)?;
            check_lasts(scenario, at, *lasts)
        }
        FaultKind::Flap {
            between,
            down,
            up,
            lasts,
            ..
        } => {
            check_pair(scenario, between)?;
            for (field, span) in [("down", *down), ("up", *up)] {
                at_least_1_ms(field, span)?;
                at_most_24_h(field, span)?;
            }
            check_lasts(scenario, at, *lasts)
        }
        FaultKind::Degrade { .. } => check_degrade(scenario, at, &fault.kind),
        FaultKind::Crash { nodes, each, .. } | FaultKind::Leave { nodes, each } => {
            check_set(scenario, "nodes", nodes)?;
            let count = size(scenario, nodes);
            check_fits(scenario, "each", at, *each, count, Span::ZERO)
        }
        FaultKind::Restart {
            nodes,
            after,
            each,
            clock,
            ..
        } => {
            check_set(scenario, "nodes", nodes)?;
            check_clock("clock", *clock)?;
            let count = size(scenario, nodes);
            check_fits(scenario, "after", at, *each, count, *after)
        }
        FaultKind::Keys {
            nodes,
            change,
            each,
        } => {
            check_set(scenario, "nodes", nodes)?;
            check_change(scenario, fault, change)?;
            let count = size(scenario, nodes);
            check_fits(scenario, "each", at, *each, count, Span::ZERO)
        }
        FaultKind::Replace { nodes, after } => {
            check_set(scenario, "nodes", nodes)?;
            check_fits(scenario, "after", at, Span::ZERO, 1, *after)
        }
        FaultKind::Join { count, each } => {
            let most = (NODES_MAX - scenario.nodes) / times(scenario, fault);
            in_range("count", *count, 1, most)?;
            check_fits(scenario, "each", at, *each, *count, Span::ZERO)
        }
        FaultKind::Pause {
            nodes,
            stop,
            run,
            lasts,
            ..
        } => check_pause(scenario, at, nodes, *stop, *run, *lasts),
        FaultKind::Slow {
            nodes,
            per_datagram,
            lasts,
        } => {
            check_set(scenario, "nodes", nodes)?;
            let is_some = *per_datagram > Span::ZERO;
            require(is_some, "per_datagram", per_datagram, "more than 0 s")?;
            at_most_24_h("per_datagram", *per_datagram)?;
            check_lasts(scenario, at, *lasts)
        }
        FaultKind::Clock { nodes, by } => {
            check_set(scenario, "nodes", nodes)?;
            require(by.ms != 0, "by", by, "a length of time that is not 0")?;
            check_clock("by", *by)
        }
    }
}

/// The change is possible at the time: it is played through with those before it.
fn check_change(scenario: &Scenario, fault: &Fault, change: &KeyChange) -> Check {
    let Some(mut keys) = scenario.security.clone() else {
        return require(
            false,
            "change",
            "there",
            "left out where there is no [security]",
        );
    };
    let mut earlier: Vec<_> = scenario
        .fault
        .iter()
        .filter(|other| other.at < fault.at)
        .collect();
    earlier.sort_by_key(|other| other.at);
    for other in earlier {
        if let FaultKind::Keys { change, .. } = &other.kind {
            keys.apply(change);
        }
    }
    let holds = match change {
        KeyChange::Add(label) => !label.is_empty() && !keys.keys.contains(label),
        KeyChange::Promote(label) => keys.keys.contains(label),
        KeyChange::Remove(label) => keys.keys.iter().skip(1).any(|key| key == label),
        KeyChange::Rollout(_) => true,
    };
    let mend = "a key that the processes do not hold to add, one that they do to promote, and one that does not seal to remove";
    require(holds, "change", format!("{change:?}"), mend)
}

fn check_degrade(scenario: &Scenario, at: Span, kind: &FaultKind) -> Check {
    let FaultKind::Degrade {
        between,
        loss,
        burst_loss: bursts,
        delay,
        duplicate,
        reorder,
        lasts,
        ..
    } = kind
    else {
        unreachable!("the caller gives these");
    };
    check_pair(scenario, between)?;
    for (field, value) in [
        ("loss", loss),
        ("duplicate", duplicate),
        ("reorder", reorder),
    ] {
        share(field, *value)?;
    }
    if let Some(bursts) = bursts {
        burst_loss("burst_loss", *bursts)?;
    }
    if let Some(delay) = delay {
        at_most_24_h("delay", delay.to)?;
    }
    let does_something = loss + duplicate + reorder > 0.0 || bursts.is_some() || delay.is_some();
    require(
        does_something,
        "loss",
        loss,
        "more than 0 where burst_loss, delay, duplicate and reorder are left out too",
    )?;
    check_lasts(scenario, at, *lasts)
}

fn check_pause(
    scenario: &Scenario,
    at: Span,
    nodes: &NodeSet,
    stop: SpanRange,
    run: Option<SpanRange>,
    lasts: Option<Span>,
) -> Check {
    check_set(scenario, "nodes", nodes)?;
    at_least_1_ms("stop", stop.from)?;
    at_most_24_h("stop", stop.to)?;
    if let Some(run) = run {
        at_least_1_ms("run", run.from)?;
        at_most_24_h("run", run.to)?;
        return check_lasts(scenario, at, lasts);
    }
    if let Some(lasts) = lasts {
        let mend = "left out where run is: they stop once, for as long as stop says";
        return require(false, "for", lasts, mend);
    }
    check_fits(scenario, "stop", at, Span::ZERO, 1, stop.to)
}

pub(super) fn check_at(scenario: &Scenario, at: Span) -> Check {
    let mend = format!("less than the duration, {}", scenario.duration);
    require(at < scenario.duration, "at", at, &mend)
}

pub(super) fn check_lasts(scenario: &Scenario, at: Span, lasts: Option<Span>) -> Check {
    let Some(lasts) = lasts else {
        return Ok(());
    };
    let left = Span::from(scenario.duration.duration().saturating_sub(at.duration()));
    let mend = format!("more than 0 s and at most {left}, what is left of the duration");
    require(lasts > Span::ZERO && lasts <= left, "for", lasts, &mend)
}

/// Whether `count` things, `each` after the other, and what comes `after` each fit into the duration.
pub(super) fn check_fits(
    scenario: &Scenario,
    field: &str,
    at: Span,
    each: Span,
    count: usize,
    after: Span,
) -> Check {
    let gaps = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
    let rows = each.duration().checked_mul(gaps);
    let end = rows.and_then(|rows| rows.checked_add(after.duration()));
    let end = end.and_then(|end| end.checked_add(at.duration()));
    let fits = end.is_some_and(|end| end <= scenario.duration.duration());
    let value = if after == Span::ZERO { each } else { after };
    let mend = format!(
        "shorter: the last of {count} would come after the end of the duration, {}",
        scenario.duration
    );
    require(fits, field, value, &mend)
}

fn check_pair(scenario: &Scenario, [first, second]: &[NodeSet; 2]) -> Check {
    let both = *first == NodeSet::Others && *second == NodeSet::Others;
    require(
        !both,
        "between",
        "\"others\" twice",
        "\"others\" on one side at most",
    )?;
    check_set(scenario, "between", first)?;
    check_set(scenario, "between", second)
}

/// Whether a set names somebody, and nobody who is not there.
pub(super) fn check_set(scenario: &Scenario, field: &str, set: &NodeSet) -> Check {
    let value = format!("\"{set}\"");
    match set {
        NodeSet::Seeds => require(
            scenario.seeds > 0,
            field,
            value,
            "another set: there are no seeds",
        ),
        NodeSet::First(Share::Count(count))
        | NodeSet::Last(Share::Count(count))
        | NodeSet::Random(Share::Count(count)) => {
            let mend = format!("1 to {} nodes", scenario.nodes);
            require((1..=scenario.nodes).contains(count), field, value, &mend)
        }
        NodeSet::Listed(ranges) => {
            let mut joined = scenario.fault.iter().map(|fault| match fault.kind {
                FaultKind::Join { count, .. } => count.saturating_mul(times(scenario, fault)),
                _ => 0,
            });
            let most = scenario.nodes + joined.try_fold(0_usize, usize::checked_add).unwrap_or(0);
            let sound =
                |range: &std::ops::Range<usize>| range.start < range.end && range.end <= most;
            let mend = format!(
                "numbers from 0 to {}, ranges with their end above their start",
                most - 1
            );
            require(
                !ranges.is_empty() && ranges.iter().all(sound),
                field,
                value,
                &mend,
            )
        }
        // All, others, and a part of them: that is always somebody.
        _ => Ok(()),
    }
}

/// How often a fault begins.
fn times(scenario: &Scenario, fault: &Fault) -> usize {
    let left = scenario
        .duration
        .duration()
        .saturating_sub(fault.at.duration());
    let every = fault.every.map_or(left, Span::duration);
    let again = left.as_millis().saturating_sub(1) / every.as_millis().max(1);
    usize::try_from(again)
        .unwrap_or(usize::MAX)
        .saturating_add(1)
}

/// How many nodes a set names at most.
fn size(scenario: &Scenario, set: &NodeSet) -> usize {
    match set {
        NodeSet::All | NodeSet::Others => scenario.nodes,
        NodeSet::Seeds => scenario.seeds,
        NodeSet::First(share) | NodeSet::Last(share) | NodeSet::Random(share) => {
            share.of(scenario.nodes)
        }
        NodeSet::Listed(ranges) => ranges.iter().map(ExactSizeIterator::len).sum(),
    }
}

/// Far beyond what a clock shows that is merely wrong; many of them still add up.
fn check_clock(field: &str, by: Offset) -> Check {
    const YEARS: u64 = 1_000;
    let most = YEARS * 366 * 24 * 3_600 * 1_000;
    let mend = "at most 1000 years, forth or back";
    require(by.ms.unsigned_abs() <= most, field, by, mend)
}

fn at_least_1_ms(field: &str, span: Span) -> Check {
    require(span >= Span::from_millis(1), field, span, "at least 1 ms")
}
