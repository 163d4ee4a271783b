//! Processes that are stopped, whose datagrams are held up, and that are slow.

use std::time::Duration;

use super::{FaultId, LifeId, Step, World};
use crate::scenario::{FaultKind, NodeSet, Span, SpanRange};

impl World {
    pub(super) fn begin_slow(
        &mut self,
        fault: FaultId,
        nodes: &NodeSet,
        per_datagram: Span,
        lasts: Option<Span>,
    ) {
        let nodes = self.select(nodes);
        self.faults[fault].nodes = nodes.iter().collect();
        self.faults[fault].slowed = nodes.clone();
        for host in nodes.iter() {
            self.set_slow(host);
            self.trace.done(
                self.now,
                host,
                format!("takes {per_datagram} for each datagram"),
            );
        }
        self.end_after(fault, lasts);
    }

    /// Makes the process on a host as slow as the worst of the faults that slow its host down.
    pub(in crate::world) fn set_slow(&mut self, host: usize) {
        let slowing = self
            .faults
            .iter()
            .filter(|fault| fault.slowed.contains(host));
        let times = slowing.map(|fault| match &self.scenario.fault[fault.index].kind {
            FaultKind::Slow { per_datagram, .. } => per_datagram.duration(),
            _ => unreachable!("only these slow processes down"),
        });
        let slowest = times.max().unwrap_or_default();
        let now = self.now;
        let Some(guest) = self.hosts[host].guest.as_mut() else {
            return;
        };
        if slowest < guest.per_datagram {
            // The processor is faster again, and what it was at is done.
            guest.busy_until = guest.busy_until.min(now + slowest);
        }
        let was_slow = guest.is_slow();
        guest.per_datagram = slowest;
        if !was_slow && !guest.is_slow() {
            return;
        }
        self.impair(host);
        self.wake_at(host, now);
    }

    /// A slow process has had a turn.
    pub(in crate::world) fn hit_slow(&mut self, host: usize) {
        let slowing = self
            .faults
            .iter_mut()
            .filter(|fault| fault.slowed.contains(host));
        slowing.for_each(|fault| fault.hits += 1);
    }

    pub(super) fn begin_pauses(
        &mut self,
        fault: FaultId,
        nodes: &NodeSet,
        run: Option<SpanRange>,
        lasts: Option<Span>,
    ) {
        let nodes = self.select_running(nodes);
        self.faults[fault].open = run.is_none().then_some(nodes.len());
        for host in &nodes {
            let guest = self.hosts[*host]
                .guest
                .as_ref()
                .expect("selected because it runs");
            let life = guest.life;
            // Who stops again and again does not do so in step with others.
            let first = run.map_or(Duration::ZERO, |run| self.draw(run));
            self.put_step(self.now + first, Step::Stop { fault, life });
        }
        self.faults[fault].nodes = nodes;
        if run.is_some() {
            self.end_after(fault, lasts);
        }
    }

    pub(in crate::world) fn stop(&mut self, fault: FaultId, life: LifeId) {
        let host = self.truth.life(life).host;
        let FaultKind::Pause {
            stop,
            only_messages,
            ..
        } = self.scenario.fault[self.faults[fault].index].kind
        else {
            unreachable!("only these stop processes");
        };
        let lasts = self.draw(stop);
        let guest = self.hosts[host].guest.as_mut();
        let guest = guest.filter(|guest| guest.life == life);
        let Some(guest) = guest.filter(|_| self.faults[fault].ended.is_none()) else {
            return self.close(fault);
        };
        let what = if only_messages {
            guest.clogs += 1;
            "is deaf and mute"
        } else {
            guest.stops += 1;
            "is stopped"
        };
        self.faults[fault].stopped.push(life);
        self.impair(host);
        self.trace.done(self.now, host, what.to_owned());
        self.put_step(self.now + lasts, Step::Go { fault, life });
    }

    pub(in crate::world) fn go(&mut self, fault: FaultId, life: LifeId) {
        let stopped = &mut self.faults[fault].stopped;
        let Some(index) = stopped.iter().position(|stopped| *stopped == life) else {
            return; // the fault has ended
        };
        stopped.swap_remove(index);
        let now = self.now;
        if let Some(guest) = self.guest(life)
            && guest.process.poll_timeout().is_some_and(|at| at < now)
        {
            self.faults[fault].hits += 1;
        }
        let FaultKind::Pause { run, .. } = self.scenario.fault[self.faults[fault].index].kind
        else {
            unreachable!("only these stop processes");
        };
        match run {
            Some(run) => {
                let runs = self.draw(run);
                self.put_step(self.now + runs, Step::Stop { fault, life });
            }
            None => self.close(fault),
        }
        self.release(fault, life);
    }

    pub(super) fn release(&mut self, fault: FaultId, life: LifeId) {
        let kind = &self.scenario.fault[self.faults[fault].index].kind;
        let only_messages = matches!(
            kind,
            FaultKind::Pause {
                only_messages: true,
                ..
            }
        );
        let host = self.truth.life(life).host;
        let guest = self.hosts[host].guest.as_mut();
        let Some(guest) = guest.filter(|guest| guest.life == life) else {
            return;
        };
        if only_messages {
            guest.clogs -= 1;
        } else {
            guest.stops -= 1;
        }
        let runs = guest.stops == 0;
        let leaves = runs && std::mem::take(&mut guest.is_to_leave);
        self.impair(host);
        self.trace.done(self.now, host, "goes on".to_owned());
        if runs {
            self.turn(host);
        }
        if leaves {
            self.begin_leave(host);
        }
    }

    /// A datagram has come to a stopped process.
    pub(in crate::world) fn hit_stops(&mut self, host: usize) {
        let life = self.hosts[host].guest.as_ref().map(|guest| guest.life);
        for fault in &mut self.faults {
            if life.is_some_and(|life| fault.stopped.contains(&life)) {
                fault.hits += 1;
            }
        }
    }

    pub(super) fn impair(&mut self, host: usize) {
        if let Some(guest) = &self.hosts[host].guest {
            self.truth.impair(self.now, guest.life);
        }
    }
}
