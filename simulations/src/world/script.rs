//! What is done to the world: the scenario's faults and workload as steps in the queue.

use tidings::gossip::Instant;

use super::{Due, FaultId, LifeId, World, faults::Return, truth::End};
use crate::scenario::Span;

/// One thing that is done to the world.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A fault of the scenario begins.
    BeginFault(usize),
    /// A fault ends.
    EndFault(FaultId),
    /// The links of a flapping fault go down, or up.
    Flap { fault: FaultId, down: bool },
    /// The process on a host ends, and one comes back so much later, if it does.
    End {
        fault: FaultId,
        host: usize,
        how: End,
        back: Option<(Span, Return)>,
    },
    /// The process starts on a host that is due there by that fault, or by none.
    Start { host: usize, fault: Option<FaultId> },
    /// The process on a host changes its keys.
    ChangeKeys { fault: FaultId, host: usize },
    /// The attacker does what it does in a tick.
    Attack,
    /// A process is stopped.
    Stop { fault: FaultId, life: LifeId },
    /// It goes on.
    Go { fault: FaultId, life: LifeId },
    /// A part of the scenario's workload begins.
    BeginWork(usize),
    /// The node on a host does its share of that work.
    Work { work: usize, host: usize },
    /// Somebody does something of that work, until then.
    Tick { work: usize, until: Instant },
}

impl Step {
    /// The host that it is about, where that is certain beforehand.
    pub(super) const fn host(&self) -> Option<usize> {
        match self {
            Self::End { host, .. } | Self::Start { host, .. } | Self::Work { host, .. } => {
                Some(*host)
            }
            _ => None,
        }
    }
}

impl World {
    pub(super) fn schedule_script(&mut self) {
        for index in 0..self.scenario.fault.len() {
            let at = Self::instant(self.scenario.fault[index].at.duration());
            self.put_step(at, Step::BeginFault(index));
        }
        if let Some(attacker) = &self.scenario.attacker {
            self.put_step(Self::instant(attacker.at.duration()), Step::Attack);
        }
        for index in 0..self.scenario.work.len() {
            let at = Self::instant(self.scenario.work[index].at.duration());
            self.put_step(at, Step::BeginWork(index));
        }
    }

    pub(super) fn put_step(&mut self, at: Instant, step: Step) {
        self.queue.put(at, Due::Step(step));
    }

    pub(super) fn take_step(&mut self, step: Step) {
        match step {
            Step::Start { host, fault } => {
                let due = self.hosts[host].due_back;
                if due.is_some_and(|back| back.fault == fault) {
                    self.start_due(host);
                }
            }
            Step::Go { fault, life } => self.go(fault, life),
            Step::EndFault(fault) => self.end_fault(fault),
            // Nothing new begins when the duration is over.
            _ if self.is_over => {}
            Step::BeginFault(index) => {
                if let Some(every) = self.scenario.fault[index].every {
                    self.put_step(self.now + every.duration(), Step::BeginFault(index));
                }
                self.begin_fault(index);
            }
            Step::Flap { fault, down } => self.flap(fault, down),
            Step::End {
                fault,
                host,
                how,
                back,
            } => self.end_by_fault(fault, host, how, back),
            Step::ChangeKeys { fault, host } => self.change_keys(fault, host),
            Step::Attack => self.attack(),
            Step::Stop { fault, life } => self.stop(fault, life),
            Step::BeginWork(work) => self.counted(work, |world| world.begin_work(work)),
            Step::Work { work, host } => self.counted(work, |world| world.do_work(work, host)),
            Step::Tick { work, until } => self.counted(work, |world| world.tick(work, until)),
        }
    }

    /// Ends all that goes wrong: links are healed, stopped processes go on, those that are to come back come
    /// back, and nothing new begins.
    pub fn end_faults(&mut self) {
        self.is_over = true;
        for fault in 0..self.faults.len() {
            self.end_fault(fault);
        }
        for host in 0..self.hosts.len() {
            self.start_due(host);
        }
    }
}
