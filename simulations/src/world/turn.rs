//! A process' turn: datagrams, timers, and what comes of them.

use std::net::SocketAddr;

use bytes::Bytes;
use rand::RngExt;

use super::{Due, Fate, Happening, LifeId, Told, World, trace::Mark, truth::End};

impl World {
    pub(super) fn arrive(&mut self, host: usize, at: SocketAddr, from: SocketAddr, payload: Bytes) {
        let place = &mut self.hosts[host];
        if place.addr != at {
            return; // it was sent to where nobody lives any more
        }
        if place.guest.is_none() {
            return self.refuse(host, from);
        }
        let guest = place.guest.as_mut().expect("just seen");
        place.received += 1;
        self.trace.mark(self.now, Mark::Arrives, host, &payload);
        if !guest.take_in(from, payload) {
            self.receive_overflows += 1;
            return;
        }
        if guest.is_stopped() || guest.is_clogged() {
            self.hit_stops(host);
        } else {
            self.turn(host);
        }
    }

    /// A host on which nothing listens says so to whoever has sent to it, unless the host is gone too.
    fn refuse(&mut self, host: usize, sender: SocketAddr) {
        /// IP and ICMP headers, and as much of the datagram as Linux sends back of a small one.
        const ICMP_BYTES: usize = 100;
        let to = self.hosts[host].addr;
        let Some(&sender) = self
            .by_addr
            .get(&sender)
            .filter(|_| !self.hosts[host].is_silent)
        else {
            return;
        };
        let Some(life) = self.hosts[sender].guest.as_ref().map(|guest| guest.life) else {
            return;
        };
        let faults = &mut self.faults;
        let hit = |fault: usize| faults[fault].hits += 1;
        let fate = self.network.send(self.now, host, sender, ICMP_BYTES, hit);
        if let Fate::Arrives(at) | Fate::Twice(at, _) = fate {
            let due = Due::Refused {
                host: sender,
                life,
                to,
            };
            self.queue.put(at, due);
        }
    }

    /// A process hears that nothing listens where it has sent to.
    pub(super) fn refused(&mut self, host: usize, life: LifeId, to: SocketAddr) {
        let now = self.clock(host);
        let guest = self.hosts[host].guest.as_mut();
        let Some(guest) =
            guest.filter(|guest| guest.life == life && !guest.is_stopped() && !guest.is_clogged())
        else {
            return;
        };
        guest.process.handle_unreachable(now, to);
        self.turn(host);
    }

    pub(super) fn wake(&mut self, host: usize, life: LifeId) {
        let now = self.now;
        let guest = self.hosts[host].guest.as_mut();
        let Some(guest) = guest.filter(|guest| guest.life == life && guest.wakes == Some(now))
        else {
            return; // another time was set, or it is gone
        };
        guest.wakes = None;
        if !guest.is_stopped() {
            self.turn(host);
        }
    }

    /// Lets the process on `host` do all that it can do now.
    pub(super) fn turn(&mut self, host: usize) {
        let now = self.clock(host);
        let guest = self.hosts[host]
            .guest
            .as_mut()
            .expect("the caller has looked");
        if guest.busy_until > now.instant {
            let until = guest.busy_until;
            return self.wake_at(host, until);
        }
        let is_slow = guest.is_slow();
        while guest.has_mail() {
            let is_due = |at| at <= now.instant;
            if !guest.process.drains_first()
                && guest.process.poll_timeout().is_some_and(is_due)
                && self.turn_rng.random_bool(0.5)
            {
                guest.process.handle_timeout(now);
                continue;
            }
            let (from, payload) = guest.next_datagram().expect("just seen");
            if let Some(attacker) = &mut self.attacker {
                attacker.hears(guest.life, &payload);
            }
            guest.process.handle_datagram(now, from, &payload);
            if is_slow {
                guest.busy_until = now.instant + guest.per_datagram;
                break;
            }
        }
        let is_due = guest
            .process
            .poll_timeout()
            .is_some_and(|at| at <= now.instant);
        if is_due && guest.may_fire() {
            guest.process.handle_timeout(now);
        }
        self.drain(host);
        if is_slow {
            self.hit_slow(host);
        }
    }

    /// Hands out what the process on `host` brought forth.
    pub(super) fn drain(&mut self, host: usize) {
        let now = self.clock(host);
        let own = self.hosts[host].addr;
        let seeds = self.scenario.seeds.min(self.hosts.len());
        let guest = self.hosts[host]
            .guest
            .as_mut()
            .expect("the caller has looked");
        let life = guest.life;
        if guest.process.wants_seeds() {
            let seeds = self.hosts[..seeds].iter().map(|seed| seed.addr);
            let seeds = seeds.filter(|seed| *seed != own).collect();
            let guest = self.hosts[host].guest.as_mut().expect("just seen");
            guest.process.handle_seeds(now, seeds);
        }
        let guest = self.hosts[host].guest.as_mut().expect("just seen");
        guest.process.publish();
        let owner = guest.process.identity().owner();
        if self.truth.life(life).owner != owner {
            self.truth.rename(now.instant, life, owner);
            self.note(Happening::Renamed(life));
            self.expect_anew();
        }
        self.hand_out_events(host, life);
        self.send_all(host);
        self.note(Happening::Turned(life));
        let guest = self.hosts[host].guest.as_ref().expect("just seen");
        if self.truth.life(life).leaving.is_some() && guest.process.has_left() {
            return self.end_life(host, End::Left);
        }
        let timeout = guest.process.poll_timeout();
        let next = if guest.has_mail() {
            Some(guest.busy_until)
        } else {
            timeout.map(|at| at.max(guest.busy_until))
        };
        if let Some(next) = next {
            self.wake_at(host, next);
        }
    }

    /// Wakes the process then, unless it wakes before.
    pub(super) fn wake_at(&mut self, host: usize, at: tidings::gossip::Instant) {
        let at = at.max(self.now);
        let guest = self.hosts[host]
            .guest
            .as_mut()
            .expect("the caller has looked");
        if guest.wakes.is_none_or(|wakes| at < wakes) {
            guest.wakes = Some(at);
            let life = guest.life;
            self.queue.put(at, Due::Wakes { host, life });
        }
    }

    fn hand_out_events(&mut self, host: usize, life: LifeId) {
        let mut is_changed = false;
        loop {
            let guest = self.hosts[host]
                .guest
                .as_mut()
                .expect("the caller has looked");
            let Some(event) = guest.process.poll_event() else {
                break;
            };
            let mut told: Vec<Told> = Vec::new();
            let impossible = self.mirrors[life]
                .apply(&self.truth, &event, &mut told)
                .err();
            is_changed = true;
            self.trace.event(self.now, host, &event);
            self.note(Happening::Event {
                life,
                event,
                told,
                impossible,
            });
        }
        if is_changed {
            if self.agrees(life) {
                self.agreeing.insert(life);
            } else {
                self.agreeing.remove(life);
            }
        }
    }

    fn send_all(&mut self, host: usize) {
        /// What waits to be sent at most, while datagrams are held up.
        const HELD_MAX: usize = 10_000;
        let from = self.hosts[host].addr;
        loop {
            let guest = self.hosts[host]
                .guest
                .as_mut()
                .expect("the caller has looked");
            if guest.is_clogged() {
                while let Some(transmit) = guest.process.poll_transmit() {
                    if guest.held.len() < HELD_MAX {
                        guest.held.push_back(transmit);
                    }
                }
                return;
            }
            let held = guest.held.pop_front();
            let Some(transmit) = held.or_else(|| guest.process.poll_transmit()) else {
                return;
            };
            let bytes = transmit.payload.len();
            self.hosts[host].packets += 1;
            self.hosts[host].bytes += bytes as u64;
            self.trace
                .mark(self.now, Mark::Sent, host, &transmit.payload);
            if let Some(attacker) = &mut self.attacker {
                attacker.sees(from, &transmit);
            }
            let Some(&to) = self.by_addr.get(&transmit.to) else {
                self.note(Happening::Sent {
                    host,
                    bytes,
                    fate: Fate::Lost,
                });
                continue;
            };
            let faults = &mut self.faults;
            let hit = |fault: usize| faults[fault].hits += 1;
            let fate = self.network.send(self.now, host, to, bytes, hit);
            self.note(Happening::Sent { host, bytes, fate });
            let mut arrive = |at| {
                let payload = transmit.payload.clone();
                let due = Due::Arrives {
                    host: to,
                    at: transmit.to,
                    from,
                    payload,
                };
                self.queue.put(at, due);
            };
            match fate {
                Fate::Arrives(at) => arrive(at),
                Fate::Twice(at, again) => {
                    arrive(at);
                    arrive(again);
                }
                Fate::Cut | Fate::Lost | Fate::TooLarge | Fate::Overflow => {}
            }
        }
    }
}
