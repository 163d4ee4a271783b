//! Whether the node has joined: what is known of its seeds, and what is said of it. See [`isolation`].
//!
//! [`isolation`]: crate::node::isolation

use std::io;
use std::net::SocketAddr;

use super::Driver;
use crate::gossip::SeedState;
use crate::node::isolation::{self, SeedStatus, Turn};
use crate::node::seeds::Lookup;
use crate::table::Event;

/// How many addresses are kept that the operating system does not send to.
const UNSENT_MAX: usize = 64;

impl Driver {
    /// Each address behind each seed, with what is known of it.
    pub(super) fn seed_statuses(&self) -> Vec<SeedStatus> {
        let mut statuses = Vec::new();
        for (seed, lookup) in self.resolver.lookups() {
            let seed = seed.to_string();
            let status = |addr, state| SeedStatus {
                seed: seed.clone(),
                addr,
                state,
            };
            match lookup {
                Lookup::UnderWay => statuses.push(status(None, SeedState::Unresolved)),
                Lookup::Failed(error) => {
                    let error = error.to_owned();
                    statuses.push(status(None, SeedState::DoesNotResolve { error }));
                }
                Lookup::Found(addrs) => {
                    statuses.extend(
                        addrs
                            .iter()
                            .map(|addr| status(Some(*addr), self.seed_state(*addr))),
                    );
                }
            }
        }
        statuses
    }

    fn seed_state(&self, addr: SocketAddr) -> SeedState {
        if self.is_self(addr) {
            return SeedState::Itself;
        }
        if !self.socket.reaches(addr) {
            return SeedState::OtherFamily;
        }
        match (self.engine.seed_state(addr), self.unsent_to.get(&addr)) {
            (SeedState::Silent { .. }, Some(error)) => SeedState::NotSent {
                error: error.clone(),
            },
            (state, _) => state,
        }
    }

    /// The operating system has sent to an address, or has not.
    pub(super) fn note_sent(&mut self, to: SocketAddr, result: Result<(), &io::Error>) {
        match result {
            Ok(()) if self.unsent_to.is_empty() => {}
            Ok(()) => {
                self.unsent_to.remove(&to);
            }
            Err(error) if self.unsent_to.len() < UNSENT_MAX => {
                self.unsent_to.insert(to, error.to_string());
            }
            Err(_) => {}
        }
    }

    /// The same, having looked: a node that has nobody to join has joined when it is handed out.
    pub(in crate::node) fn watching_isolation(mut self) -> Self {
        self.watch_isolation();
        self
    }

    /// Looks whether the node has a peer, and says so when that changes and while it has none.
    pub(super) fn watch_isolation(&mut self) {
        if self.leave_by.is_some() {
            return;
        }
        let now = self.clock.now().instant;
        let has_peer = self.engine.has_peer();
        let mut isolation = std::mem::take(&mut self.isolation);
        let has_others = || isolation::has_others(&self.seed_statuses());
        let turn = isolation.observe(now, has_peer, has_others);
        self.isolation = isolation;
        let member = self.engine.identity().owner();
        match turn {
            Some(Turn::Joined) => {
                self.unsent_to.clear();
                self.report.log_joined();
                // No subscriber is no error.
                let _ = self.channels.events.send(Event::Joined { member });
            }
            Some(Turn::Isolated {
                alone_for,
                is_first,
            }) => {
                self.report.log_isolated(alone_for, &self.seed_statuses());
                if is_first {
                    let _ = self.channels.events.send(Event::Isolated { member });
                }
            }
            None => {}
        }
        let is_joined = self.isolation.is_joined();
        self.channels
            .joined
            .send_if_modified(|joined| std::mem::replace(joined, is_joined) != is_joined);
    }
}
