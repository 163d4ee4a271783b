//! foca's packets, timers and effects.
//!
//! The engine stands between foca and the wire on both sides. On the way in it takes out what foca
//! must not see (`admission`). Then it applies to [`Members`] what foca applied, and acts on each change.

use std::{net::SocketAddr, time::Duration};

use foca::{OwnedNotification, Timer};

use super::{Engine, TimerKey, outbox::Topic, proving::Trust, standing::Life};
use crate::gossip::{
    Instant, Now,
    foca_runtime::{Effect, SWIM_HEAD_MAX_BYTES, foca_config},
    identity::{PeerId, canonical},
    members::Change,
    stats::Cause,
    wire::{
        frame::Preamble,
        message::{Health, SwimHead, addressee},
        swim::{HEAD_BYTES, SwimPacket, health, written},
    },
};

/// Who sent a packet of foca's.
pub(super) fn sender(from: SocketAddr, preamble: &Preamble, head: &SwimHead) -> PeerId {
    PeerId {
        addr: head.advertised.map_or(from, canonical),
        boot: preamble.boot,
        renewal: head.renewal,
    }
}

impl Engine {
    pub(super) fn swim_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        preamble: &Preamble,
        trust: Trust,
        head: SwimHead,
        bytes: &[u8],
    ) -> Result<(), Cause> {
        let src = sender(from, preamble, &head);
        let (addr, size) = (src.addr, bytes.len());
        let read = SwimPacket::read_all(src, self.me, bytes);
        let (mut packet, words) = read.map_err(|_| Cause::Malformed)?;
        self.stats.unknown_extensions += packet.unknown_extensions;
        if !self.feeds_foca() {
            return Ok(());
        }
        if addr == self.me.addr {
            self.address_claimed(now, from, src);
            return Err(Cause::Misaddressed);
        }
        if !self.is_admissible(now, &src, 0) {
            return Err(Cause::NotAdmitted);
        }
        if head.to != addressee(&self.me) {
            self.correct_address(now, src);
            return Err(Cause::Misaddressed);
        }
        if self.is_too_large_for_foca(bytes.len(), &packet) {
            return Err(Cause::Malformed);
        }
        // Nobody of ours sends it, and its answer is a full packet (trap 8).
        let is_announce = packet.header.message == foca::Message::Announce;
        if is_announce && trust != Trust::Proven {
            return Err(Cause::Unproven);
        }
        self.let_sender_in(now, src)?;
        if !self.hears(&src) {
            if packet.header.message == foca::Message::TurnUndead {
                // Two that hold each other dead. foca answers with the same, and that without end. A call
                // tells both what the other holds, and both are reborn.
                if self.life == Life::Running && self.answer_budget.take(now.instant) {
                    self.say_hello(now, addr, 0);
                }
                return Ok(());
            }
            // Nor does foca, but it tells the sender that it is dead. What is said by the way is not looked at.
            packet.updates.clear();
        }
        self.hear_rivals(now, &mut packet);
        let teller = self.teller(addr, from, preamble);
        self.filter_updates(now, &teller, &mut packet, &words);
        self.check_target(&mut packet);
        let was_running = self.life == Life::Running;
        if self.answers_probe(&packet.header) {
            self.address_answered(now, &src, &preamble.session);
        }
        self.most_answer = (!trust.has_answered()).then_some(size);
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        match self.swim.handle_data(&bytes, &mut self.effects) {
            Err(foca::Error::DataTooBig) => {
                self.most_answer = None;
                return Err(Cause::Malformed);
            }
            Err(error) => {
                tracing::debug!(target: "tidings::gossip", %src, %error, "foca refused a packet");
            }
            Ok(()) => {}
        }
        self.follow_packet(now, &packet);
        self.run_effects(now);
        self.most_answer = None;
        if was_running && packet.header.message == foca::Message::TurnUndead {
            // It may be the only one that holds another identity on our address, and says which.
            self.say_hello(now, addr, 0);
        }
        self.probe_answered(now, &packet.header);
        Ok(())
    }

    /// Applies to our books what foca has just applied to its own, in the same order.
    fn follow_packet(&mut self, now: Now, packet: &SwimPacket) {
        let src = packet.header.src;
        if !self.follow(now, src, packet.header.src_incarnation, Health::Alive) {
            return; // foca takes nothing from a sender that it holds dead
        }
        for update in &packet.updates {
            if update.id() == &self.me {
                // Many pass the same one on; what was refuted before is no new one.
                let is_new = update.incarnation() >= self.incarnation;
                if update.state() == foca::State::Suspect && is_new {
                    self.stats.refutations += 1;
                    self.feel_worse();
                }
            } else {
                self.follow(
                    now,
                    *update.id(),
                    update.incarnation(),
                    health(update.state()),
                );
            }
        }
    }

    /// Whether foca is fed at all: not while we have stepped back, nor after leaving.
    pub(super) const fn feeds_foca(&self) -> bool {
        matches!(self.life, Life::Running | Life::Defunct)
    }

    /// A peer addressed an identity that we no longer bear: it missed our rebirth. Unless it learns
    /// of it, its probes fail and it would declare a healthy member down.
    pub(super) fn correct_address(&mut self, now: Now, peer: PeerId) {
        if self.life == Life::Running && self.answer_budget.take(now.instant) {
            self.send_swim_of_ours(now, peer, foca::Message::Gossip, Vec::new());
        }
    }

    /// Brings our books up to an update that foca has applied too. Says whether its subject is a
    /// member now.
    pub(super) fn follow(
        &mut self,
        now: Now,
        id: PeerId,
        incarnation: u16,
        health: Health,
    ) -> bool {
        let outcome = self.members.apply(id, incarnation, health);
        if let Some(change) = outcome.change {
            self.changed(now, change, incarnation);
        }
        outcome.is_active
    }

    /// Tells foca of a member, and our books with it. `spread` passes it on to others.
    pub(super) fn learn(
        &mut self,
        now: Now,
        id: PeerId,
        incarnation: u16,
        health: Health,
        spread: bool,
    ) {
        debug_assert_ne!(
            health,
            Health::Down,
            "trap 4: down is terminal and never imported"
        );
        if !self.feeds_foca() || id.addr == self.me.addr {
            return;
        }
        let state = crate::gossip::wire::swim::state(health);
        let update = foca::Member::new(id, incarnation, state);
        self.tell_foca([update], spread);
        self.follow(now, id, incarnation, health);
        self.run_effects(now);
    }

    /// Hands updates to foca as if they had come in a packet; none at all makes it look whether
    /// it is connected.
    pub(super) fn tell_foca(
        &mut self,
        updates: impl IntoIterator<Item = foca::Member<PeerId>>,
        spread: bool,
    ) {
        let applied = self
            .swim
            .apply_many(updates.into_iter(), spread, &mut self.effects);
        if let Err(error) = applied {
            self.foca_failed(self.last_input, &error);
        }
    }

    /// foca could not do what it should always be able to do.
    pub(super) fn foca_failed(&mut self, now: Instant, error: &foca::Error) {
        if let Some(held_back) = self.logs.pass(now, Topic::Foca) {
            tracing::error!(target: "tidings::gossip", %error, held_back, "foca failed");
        }
    }

    /// Acts on a change of what is believed of a member.
    fn changed(&mut self, now: Now, change: Change, incarnation: u16) {
        let (id, health) = change.after;
        if health == Health::Suspect {
            self.suspect(now, id, incarnation);
        } else {
            self.clear_suspicion(id.addr);
            self.close_case(id.addr);
        }
        let was_active = change
            .before
            .is_some_and(|(_, health)| health != Health::Down);
        // Whatever is news of a member that was dropped here alone comes from somebody who is heard.
        let was_dropped = self.local_verdicts.remove(id.addr);
        let is_active = health != Health::Down;
        if let Some((before, _)) = change.before
            && before.boot != id.boot
        {
            self.replica.owner_replaced(before.owner());
            self.proofs.forget(&before.owner());
        }
        if is_active {
            self.heard.add(id);
            if self.replica.owner_up(id.owner()) {
                self.spread_what_waited(now, id.owner());
            }
            let was_called = self.contacts.remove(id.addr);
            // A process that was started again says nothing of others; one that was held dead and lives does.
            let is_same = change
                .before
                .is_some_and(|(before, _)| before.boot == id.boot);
            if (!was_active || was_dropped) && was_called && is_same {
                self.found_again(now);
            }
        } else {
            self.heard.remove(id.addr);
            self.went_down(now, id);
        }
        if was_active != is_active {
            self.size_changed();
            if is_active && self.members.active_len() == 1 {
                self.joined(now, id);
            }
        }
        self.kindle_membership(now);
    }

    fn went_down(&mut self, now: Now, id: PeerId) {
        self.proofs.forget(&id.owner());
        let left = self.replica.has_said_goodbye(id.owner());
        self.replica.owner_down(now.instant, id.owner());
        if !left {
            self.hurry(now);
            self.contacts.add_lost(now.instant, id.addr);
            self.schedule_contact(now);
        }
    }

    /// The number of retransmissions follows the size of the cluster.
    fn size_changed(&mut self) {
        let n = self.members.active_len() + 1;
        let copies = self.config.copies(n);
        if copies != self.copies {
            self.copies = copies;
            let config = foca_config(&self.config, n);
            self.swim
                .set_config(config)
                .expect("neither probe period nor timeout has changed");
        }
    }

    pub(super) fn foca_timer_due(&mut self, now: Now, number: u64) {
        if let Some(timer) = self.foca_timers.remove(&number)
            && self.feeds_foca()
        {
            self.give_timer(now, timer);
        }
    }

    pub(super) fn remove_down_due(&mut self, now: Now, addr: SocketAddr) {
        if let Some(id) = self.remove_down.remove(&addr) {
            self.give_timer(now, Timer::RemoveDown(id));
            self.members.forget_down(&id);
            if self.members.get(addr).is_none() {
                self.verified.forget(addr);
            }
        }
    }

    pub(super) fn give_timer(&mut self, now: Now, timer: Timer<PeerId>) {
        if let Err(error) = self.swim.handle_timer(timer, &mut self.effects) {
            tracing::debug!(target: "tidings::gossip", %error, "foca refused a timer");
        }
        self.run_effects(now);
    }

    /// Does what foca asked for, in order.
    pub(super) fn run_effects(&mut self, now: Now) {
        for effect in std::mem::take(&mut self.effects.0) {
            match effect {
                Effect::Send(to, packet) => self.send_written(now, to, &packet),
                Effect::Schedule(timer, after) => self.schedule(now, timer, after),
                Effect::Notify(OwnedNotification::Active) => self.connected = true,
                Effect::Notify(OwnedNotification::Idle) => self.alone(now),
                Effect::Notify(OwnedNotification::Defunct) => self.declared_dead(now),
                // What members do is followed update by update.
                Effect::Notify(_) => {}
            }
        }
        if self.swim.updates_backlog() > 0
            && let Some(timer) = self.silent_gossip.take()
        {
            self.keep(timer, now.instant + self.config.gossip_interval);
        }
    }

    /// Sends what foca has written. foca does not say what its own incarnation is, nor whom it probes, but writes both
    /// into its packets.
    fn send_written(&mut self, now: Now, to: PeerId, packet: &[u8]) {
        let written = written(&packet[HEAD_BYTES..]);
        debug_assert!(written.is_ok(), "foca wrote what we cannot read");
        let Ok((incarnation, message, bare)) = written else {
            return;
        };
        self.incarnation = incarnation;
        if let foca::Message::Ping(number) = message {
            self.probe_begun(now, to, number);
        }
        let packets = self.add_words(bare, self.payload_budget() - SWIM_HEAD_MAX_BYTES);
        let bytes: usize = packets.iter().map(Vec::len).sum();
        if self.most_answer.is_some_and(|most| bytes > most) {
            // What is new of members is told to somebody who hears it.
            return self.send_swim_of_ours(now, to, message, Vec::new());
        }
        for packet in packets {
            self.send_swim(now, to, &packet);
        }
    }

    fn schedule(&mut self, now: Now, timer: Timer<PeerId>, after: Duration) {
        match timer {
            Timer::ChangeSuspectToDown {
                member_id,
                incarnation,
                token,
            } => {
                // A probe has failed. foca has marked the member before it asked for the timer.
                self.timer_token = token;
                self.follow(now, member_id, incarnation, Health::Suspect);
                self.probe_blamed(now, &member_id);
            }
            Timer::RemoveDown(id) => {
                self.remove_down.insert(id.addr, id);
                self.timers
                    .set(TimerKey::RemoveDown(id.addr), now.instant + after);
            }
            // foca would wake us five times a second to find that it has nothing to say.
            Timer::PeriodicGossip(_) if self.swim.updates_backlog() == 0 => {
                self.silent_gossip = Some(timer);
            }
            timer => {
                if let Timer::ProbeRandomMember(token) | Timer::SendIndirectProbe { token, .. } =
                    timer
                {
                    self.timer_token = token;
                }
                let after = self.first_phase(&timer, after);
                let at = now.instant + self.pace(&timer, after);
                self.keep(timer, at);
            }
        }
    }

    /// Keeps a timer of foca's until it is due.
    fn keep(&mut self, timer: Timer<PeerId>, at: Instant) {
        let number = self.next_foca_timer;
        self.next_foca_timer += 1;
        match timer {
            Timer::ProbeRandomMember(_) => self.next_probe = Some(number),
            Timer::SendIndirectProbe { .. } => self.indirect_probe = Some(number),
            _ => {}
        }
        self.foca_timers.insert(number, timer);
        self.timers.set(TimerKey::Foca(number), at);
    }

    /// Nobody is left. foca has stopped; calling others is up to us.
    fn alone(&mut self, now: Now) {
        self.connected = false;
        if let Some(held_back) = self.logs.pass(now.instant, Topic::Alone) {
            tracing::info!(target: "tidings::gossip", held_back, "no member is left; calling seeds and lost peers");
        }
        self.retry_seeds_soon(now);
    }
}
