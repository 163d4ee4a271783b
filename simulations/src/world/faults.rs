//! Faults: what goes wrong, from its beginning to its end.

mod label;
mod selection;
mod stops;

use std::time::Duration;

use tidings::gossip::Instant;

use super::{
    Happening, LifeId, World,
    bits::Bits,
    network::{Sides, Trouble},
    script::Step,
    truth::End,
};
use crate::scenario::{Address, FaultKind, NodeSet, Span};

/// How often it is looked whether what has to come before has come: whether a predecessor that leaves has gone, or a
/// process that is stopped goes on.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A fault that began: its number in the order of beginnings.
pub type FaultId = usize;

/// A fault that began.
#[derive(Debug, Clone)]
pub struct FaultRun {
    /// Which of the scenario's faults it is.
    pub index: usize,
    /// What it is, in a few words.
    pub label: String,
    /// The nodes that it is about.
    pub nodes: Vec<usize>,
    /// When it began.
    pub began: Instant,
    /// When it ended.
    pub ended: Option<Instant>,
    /// What it hit: datagrams lost or held up, processes ended, stopped or set wrong.
    pub hits: u64,
    /// What it has still to do before it ends by itself; nothing for what lasts a stated time.
    open: Option<usize>,
    /// Processes that it holds stopped.
    stopped: Vec<LifeId>,
    /// Hosts whose processes it slows down.
    slowed: Bits,
}

/// How a process is to come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Return {
    pub(super) fault: Option<FaultId>,
    pub(super) address: Address,
    pub(super) clock_ms: i64,
    pub(super) is_replacement: bool,
}

impl World {
    pub(super) fn begin_fault(&mut self, index: usize) {
        let kind = self.scenario.fault[index].kind.clone();
        let fault = self.faults.len();
        self.faults.push(FaultRun {
            index,
            label: label::label(&kind),
            nodes: Vec::new(),
            began: self.now,
            ended: None,
            hits: 0,
            open: None,
            stopped: Vec::new(),
            slowed: Bits::default(),
        });
        self.note(Happening::FaultBegan(fault));
        if kind.is_of_links() {
            self.begin_link_fault(fault, kind);
        } else {
            self.begin_node_fault(fault, kind);
        }
        if self.faults[fault].open == Some(0) {
            self.end_fault(fault);
        }
    }

    fn begin_link_fault(&mut self, fault: FaultId, kind: FaultKind) {
        let (between, direction, lasts, trouble) = match kind {
            FaultKind::Partition {
                between,
                direction,
                lasts,
            } => (between, direction, lasts, Trouble::Cut { is_down: true }),
            FaultKind::Flap {
                between,
                direction,
                down,
                lasts,
                ..
            } => {
                let up_at = self.now + down.duration();
                self.put_step(up_at, Step::Flap { fault, down: false });
                (between, direction, lasts, Trouble::Cut { is_down: true })
            }
            FaultKind::Degrade {
                between,
                direction,
                loss,
                burst_loss,
                delay,
                duplicate,
                reorder,
                lasts,
            } => {
                let trouble = Trouble::Degraded {
                    loss,
                    burst_loss,
                    delay,
                    duplicate,
                    reorder,
                };
                (between, direction, lasts, trouble)
            }
            _ => unreachable!("the caller gives faults of links"),
        };
        let [first, second] = self.select_pair(&between);
        let nodes: Bits = first.iter().chain(second.iter()).collect();
        self.faults[fault].nodes = if nodes.len() == self.hosts.len() {
            // Both sides are everybody: the smaller one says which cut it is.
            let smaller = if first.len() <= second.len() {
                &first
            } else {
                &second
            };
            smaller.iter().collect()
        } else {
            nodes.iter().collect()
        };
        let sides = Sides {
            first,
            second,
            direction,
        };
        self.network.begin(fault, sides, trouble);
        self.end_after(fault, lasts);
    }

    fn begin_node_fault(&mut self, fault: FaultId, kind: FaultKind) {
        match kind {
            FaultKind::Crash {
                nodes,
                silent,
                each,
            } => {
                let how = if silent { End::Silent } else { End::Crashed };
                self.end_each(fault, &nodes, each, how, None);
            }
            FaultKind::Leave { nodes, each } => {
                self.end_each(fault, &nodes, each, End::Left, None);
            }
            FaultKind::Restart {
                nodes,
                graceful,
                after,
                address,
                clock,
                each,
            } => {
                let how = if graceful { End::Left } else { End::Crashed };
                let back = Return {
                    fault: Some(fault),
                    address,
                    clock_ms: clock.ms,
                    is_replacement: false,
                };
                self.end_each(fault, &nodes, each, how, Some((after, back)));
            }
            FaultKind::Replace { nodes, after } => {
                let back = Return {
                    fault: Some(fault),
                    address: Address::Same,
                    clock_ms: 0,
                    is_replacement: true,
                };
                self.end_each(fault, &nodes, Span::ZERO, End::Crashed, Some((after, back)));
            }
            FaultKind::Join { count, each } => self.join(fault, count, each),
            FaultKind::Pause {
                nodes, run, lasts, ..
            } => self.begin_pauses(fault, &nodes, run, lasts),
            FaultKind::Slow {
                nodes,
                per_datagram,
                lasts,
            } => self.begin_slow(fault, &nodes, per_datagram, lasts),
            FaultKind::Keys {
                nodes,
                change,
                each,
            } => {
                let nodes = self.select_running(&nodes);
                self.faults[fault].open = Some(nodes.len());
                for (index, host) in nodes.iter().copied().enumerate() {
                    let after = each.duration() * u32::try_from(index).expect("few nodes");
                    self.put_step(self.now + after, Step::ChangeKeys { fault, host });
                }
                self.faults[fault].nodes = nodes;
                // Who starts from now on starts with it.
                let security = self.scenario.security.as_mut();
                security.expect("validated").apply(&change);
            }
            FaultKind::Clock { nodes, by } => {
                let nodes = self.select(&nodes);
                for host in nodes.iter() {
                    self.hosts[host].clock_ms += by.ms;
                    self.trace
                        .done(self.now, host, format!("has its clock set by {by}"));
                }
                let has_process = |host: &usize| self.hosts[*host].guest.is_some();
                self.faults[fault].hits = nodes.iter().filter(has_process).count() as u64;
                self.faults[fault].nodes = nodes.iter().collect();
                self.faults[fault].open = Some(0);
            }
            _ => unreachable!("the caller gives faults of nodes"),
        }
    }

    /// The process on a host changes its keys; one that has started since has them as they are to be.
    pub(super) fn change_keys(&mut self, fault: FaultId, host: usize) {
        let index = self.faults[fault].index;
        if let FaultKind::Keys { change, .. } = &self.scenario.fault[index].kind
            && let Some(guest) = self.hosts[host].guest.as_mut()
            && guest.process.change_keys(change).is_ok()
        {
            self.faults[fault].hits += 1;
        }
        self.close(fault);
    }

    /// Ends the processes on `nodes`, one after the other, and lets others come in their place.
    fn end_each(
        &mut self,
        fault: FaultId,
        nodes: &NodeSet,
        each: Span,
        how: End,
        back: Option<(Span, Return)>,
    ) {
        let nodes: Vec<_> = self.select_running(nodes);
        let steps = if back.is_some() { 2 } else { 1 };
        self.faults[fault].open = Some(nodes.len() * steps);
        for (index, host) in nodes.iter().copied().enumerate() {
            let at = self.now + each.duration() * u32::try_from(index).expect("few nodes");
            let end = Step::End {
                fault,
                host,
                how,
                back,
            };
            self.put_step(at, end);
        }
        self.faults[fault].nodes = nodes;
    }

    fn join(&mut self, fault: FaultId, count: usize, each: Span) {
        self.faults[fault].open = Some(count);
        for index in 0..count {
            let host = self.add_host();
            self.hosts[host].due_back = Some(Return {
                fault: Some(fault),
                address: Address::Same,
                clock_ms: 0,
                is_replacement: false,
            });
            let at = self.now + each.duration() * u32::try_from(index).expect("few nodes");
            let start = Step::Start {
                host,
                fault: Some(fault),
            };
            self.put_step(at, start);
            self.faults[fault].nodes.push(host);
        }
    }

    /// Ends the process on a host, if there is one that does not leave already. Only then another one comes in its place:
    /// where another fault was first, what that one says is what comes.
    pub(super) fn end_by_fault(
        &mut self,
        fault: FaultId,
        host: usize,
        how: End,
        back: Option<(Span, Return)>,
    ) {
        let guest = self.hosts[host].guest.as_ref();
        let ends = guest.is_some_and(|guest| {
            let leaves = self.truth.life(guest.life).leaving.is_some();
            // One that is stopped can be killed before it has done as it was asked.
            !(leaves || guest.is_to_leave && how == End::Left)
        });
        if ends {
            self.faults[fault].hits += 1;
            if let Some((after, back)) = back {
                self.is_due_back(host, after, back);
            }
            match how {
                End::Left => self.ask_to_leave(host),
                _ => self.end_life(host, how),
            }
        } else if back.is_some() {
            self.close(fault);
        }
        self.close(fault);
    }

    /// A process is to start on a host, and none that an earlier fault has said.
    fn is_due_back(&mut self, host: usize, after: Span, back: Return) {
        let before = self.hosts[host].due_back.replace(back);
        let fault = back.fault;
        self.put_step(self.now + after.duration(), Step::Start { host, fault });
        if let Some(fault) = before.and_then(|before| before.fault) {
            self.close(fault);
        }
    }

    /// Starts the process that is to come (back) on a host, if its predecessor has gone.
    pub(super) fn start_due(&mut self, host: usize) {
        let Some(back) = self.hosts[host].due_back else {
            return;
        };
        if self.hosts[host].guest.is_some() {
            let fault = back.fault;
            return self.put_step(self.now + LOOK_AGAIN, Step::Start { host, fault });
        }
        self.hosts[host].due_back = None;
        if back.address == Address::New {
            let before = self.hosts[host].addr;
            self.by_addr.remove(&before);
            let addr = self.new_address();
            self.by_addr.insert(addr, host);
            self.hosts[host].addr = addr;
        }
        self.hosts[host].clock_ms += back.clock_ms;
        self.start_process(host, back.is_replacement);
        if let Some(fault) = back.fault {
            self.faults[fault].hits += 1;
            self.close(fault);
        }
    }

    /// One of the things that a fault had to do is done.
    fn close(&mut self, fault: FaultId) {
        if let Some(open) = &mut self.faults[fault].open {
            *open = open.saturating_sub(1);
            if *open == 0 {
                self.end_fault(fault);
            }
        }
    }

    fn end_after(&mut self, fault: FaultId, lasts: Option<Span>) {
        if let Some(lasts) = lasts {
            self.put_step(self.now + lasts.duration(), Step::EndFault(fault));
        }
    }

    pub(super) fn end_fault(&mut self, fault: FaultId) {
        if self.faults[fault].ended.is_some() {
            return;
        }
        self.faults[fault].ended = Some(self.now);
        self.network.end(self.now, fault);
        self.note(Happening::FaultEnded(fault));
        for life in std::mem::take(&mut self.faults[fault].stopped) {
            self.release(fault, life);
        }
        let slowed = std::mem::take(&mut self.faults[fault].slowed);
        for host in slowed.iter() {
            self.set_slow(host);
        }
    }

    pub(super) fn flap(&mut self, fault: FaultId, is_down: bool) {
        if self.faults[fault].ended.is_some() {
            return;
        }
        self.network.set_down(fault, is_down);
        let FaultKind::Flap { down, up, .. } = &self.scenario.fault[self.faults[fault].index].kind
        else {
            unreachable!("only these flap");
        };
        let lasts = if is_down { down } else { up };
        let next = Step::Flap {
            fault,
            down: !is_down,
        };
        self.put_step(self.now + lasts.duration(), next);
    }
}
