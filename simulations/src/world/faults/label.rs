//! Faults in a few words, for reports and messages.

use crate::scenario::{Address, Direction, FaultKind, KeyChange};

pub(super) fn label(kind: &FaultKind) -> String {
    match kind {
        FaultKind::Partition {
            between: [first, second],
            direction,
            ..
        } => format!("partition: {first} {} {second}", arrow(*direction)),
        FaultKind::Flap {
            between: [first, second],
            direction,
            down,
            up,
            ..
        } => format!(
            "flapping: {first} {} {second}, {down} down, {up} up",
            arrow(*direction)
        ),
        FaultKind::Degrade { .. } => degraded(kind),
        FaultKind::Crash {
            nodes,
            silent: false,
            ..
        } => format!("crash: {nodes}"),
        FaultKind::Crash { nodes, .. } => format!("host lost: {nodes}"),
        FaultKind::Leave { nodes, .. } => format!("leave: {nodes}"),
        FaultKind::Restart { nodes, address, .. } => match address {
            Address::Same => format!("restart: {nodes}"),
            Address::New => format!("restart on new addresses: {nodes}"),
        },
        FaultKind::Replace { nodes, .. } => format!("replaced: {nodes}"),
        FaultKind::Join { count, .. } => format!("join: {count}"),
        FaultKind::Pause {
            nodes,
            stop,
            run,
            only_messages,
            ..
        } => {
            let what = if *only_messages {
                "deaf and mute"
            } else {
                "stopped"
            };
            let often = if run.is_some() {
                " again and again"
            } else {
                ""
            };
            format!("{what}{often} for {stop}: {nodes}")
        }
        FaultKind::Slow {
            nodes,
            per_datagram,
            ..
        } => format!("{per_datagram} for each datagram: {nodes}"),
        FaultKind::Keys { nodes, change, .. } => {
            let what = match change {
                KeyChange::Add(label) => format!("key {label} added"),
                KeyChange::Promote(label) => format!("key {label} promoted"),
                KeyChange::Remove(label) => format!("key {label} removed"),
                KeyChange::Rollout(step) => format!("rollout {step:?}"),
            };
            format!("{what}: {nodes}")
        }
        FaultKind::Clock { nodes, by } => format!("clock set by {by}: {nodes}"),
    }
}

fn degraded(kind: &FaultKind) -> String {
    let FaultKind::Degrade {
        between: [first, second],
        direction,
        loss,
        burst_loss,
        delay,
        duplicate,
        reorder,
        ..
    } = kind
    else {
        unreachable!("the caller gives these");
    };
    let mut words = Vec::new();
    let mut share = |what: &str, share: f64| {
        if share > 0.0 {
            words.push(format!("{:.0} % {what}", share * 100.0));
        }
    };
    share("lost", *loss);
    share("twice", *duplicate);
    share("reordered", *reorder);
    words.extend(burst_loss.map(|bursts| format!("bursts of loss of {}", bursts.lasts)));
    words.extend(delay.map(|delay| format!("{delay} late")));
    format!(
        "{}: {first} {} {second}",
        words.join(", "),
        arrow(*direction)
    )
}

const fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::Both => "and",
        Direction::Forth => "to",
    }
}
