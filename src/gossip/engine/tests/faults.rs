//! Processes that are stopped, and hosts that say that nobody listens.

use super::*;
use crate::gossip::wire::message::Message;

impl World {
    /// Stops a process, as SIGSTOP does. What is sent to it waits in its socket.
    pub(super) fn stop(&mut self, port: u16) {
        self.stopped.insert(addr(port), Vec::new());
    }

    /// Lets it go on. It takes in what has come, and then looks at its timers.
    pub(super) fn resume(&mut self, port: u16) {
        let socket = self.stopped.remove(&addr(port)).expect("it was stopped");
        self.with(port, |engine, now| {
            for (from, payload) in socket {
                engine.handle_datagram(now, from, &payload);
            }
        });
    }

    /// The host of `to` tells the sender that nobody listens there.
    pub(super) fn refuse(&mut self, sender: SocketAddr, to: SocketAddr) {
        let jitter = Duration::from_micros(self.rng.random_range(200..800));
        let latency = self.latency + jitter;
        self.sent += 1;
        self.refusals
            .insert((self.now + latency, self.sent), (sender, to));
    }

    pub(super) fn deliver_refusal(&mut self) {
        let (_, (sender, to)) = self.refusals.pop_first().expect("just seen");
        if self.nodes.contains_key(&sender) && !self.stopped.contains_key(&sender) {
            self.with(sender.port(), |engine, now| {
                engine.handle_unreachable(now, to);
            });
        }
    }

    /// What node `port` believes of the one on `other`, if that is a live member for it.
    pub(super) fn health(&self, port: u16, other: u16) -> Option<Health> {
        let engine = self.engine(port);
        let peer = engine.members.get(addr(other))?;
        engine.is_visible(addr(other)).then_some(peer.health)
    }

    pub(super) fn knows(&self, port: u16, other: u16) -> bool {
        self.health(port, other).is_some()
    }

    /// How often anybody told of a failure.
    pub(super) fn all_failures(&self) -> usize {
        let ports = self.nodes.keys().map(SocketAddr::port);
        ports.map(|port| self.failures(port)).sum()
    }

    /// Hands node `to` a message in the name of the node on `from`.
    pub(super) fn say(&mut self, from: u16, to: u16, message: &Message<'_>) {
        let datagram = self.with(from, |engine, now| {
            engine.send(now, addr(to), message);
            engine.transmits.pop_back().unwrap().payload
        });
        self.with(to, |engine, now| {
            engine.handle_datagram(now, addr(from), &datagram);
        });
    }
}

/// What was sent while a test looked on.
#[derive(Default, Clone)]
pub(super) struct Tap(std::rc::Rc<std::cell::RefCell<Vec<(SocketAddr, SocketAddr, u8)>>>);

impl Tap {
    /// Looks on, over a network in which `fate` decides.
    pub(super) fn on(
        world: &mut World,
        mut fate: impl FnMut(SocketAddr, SocketAddr, u8) -> Fate + 'static,
    ) -> Self {
        let tap = Self::default();
        let sink = tap.clone();
        world.link = Box::new(move |from, to, datagram| {
            let kind = kind_of(datagram);
            sink.0.borrow_mut().push((from, to, kind));
            fate(from, to, kind)
        });
        tap
    }

    /// How many datagrams of a kind went from the one to the other; zero stands for anybody.
    pub(super) fn count(&self, from: u16, to: u16, kind: u8) -> usize {
        let is = |port: u16, at: SocketAddr| port == 0 || at == addr(port);
        let seen = self.0.borrow();
        let seen = seen.iter();
        seen.filter(|(a, b, k)| is(from, *a) && is(to, *b) && *k == kind)
            .count()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(SocketAddr, SocketAddr, u8)> {
        self.0.borrow().clone()
    }
}

/// A network that loses nothing.
pub(super) fn sound(_: SocketAddr, _: SocketAddr, _: u8) -> Fate {
    Fate::Deliver
}

/// Nothing happens of itself for a long time: what a test sees is what it has begun.
pub(super) fn quiet(config: &mut Config) {
    config.probe_period = secs(1_000);
    config.path_interval = secs(100_000);
}
