//! The one task that owns the engine and the socket.
//!
//! One turn of its loop: drain the socket, take commands, fire what is due, publish, send what comes
//! out, answer who asked; then sleep until the engine's next deadline, a datagram, a command, or an
//! address behind a seed's name.
//!
//! Invariants:
//! - no timer fires while the socket holds a datagram that came before it ([`RECEIVE_TURNS_MAX`] bounds
//!   how long a flood can hold the timers up): whoever was paused first hears what was said meanwhile;
//! - every turn is bounded, so that no input can starve the others;
//! - no answer of the operating system to a send or a receive ends the task;
//! - what the network says of a datagram that was sent reaches the engine at once, and costs no other datagram;
//! - a command is answered after its effect can be read in the table;
//! - however the task ends, be it with its runtime, the table is closed and no watcher waits for ever.

mod addresses;
mod joining;
mod keys;
mod obeying;
mod queued_errors;
mod seeding;
#[cfg(feature = "snapshot")]
mod snapshots;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::TARGET;
use super::advertise::follow::{Following, Found};
use super::clock::Clock;
use super::commands::{Command, Reply};
use super::isolation::Isolation;
use super::key_watch::KeyWatch;
use super::limiter::Limiter;
use super::report::Report;
use super::seeds::Resolver;
use super::socket::DATAGRAM_BYTES_MAX;
use super::stats::{NodeStats, Published, SocketStats};
use super::transport::Transport;
use crate::gossip::security::ClusterKey;
use crate::gossip::{Engine, Transmit};
use crate::registry::RegistrarError;
use crate::table::{Event, Told};

/// The most datagrams received in one turn, and the most sent.
const DATAGRAMS_PER_TURN: usize = 256;
/// The most commands taken in one turn.
const COMMANDS_PER_TURN: usize = 256;
/// After so many turns that did not empty the socket, what is due fires all the same: 4,096
/// datagrams, as many as a receive buffer of 4 MiB holds of 1,024 bytes each.
const RECEIVE_TURNS_MAX: usize = 16;
/// After so many errors in a row the socket is left alone for [`RECEIVE_PAUSE`], so that one that
/// only answers errors does not take a whole core.
const RECEIVE_ERRORS_MAX: usize = 16;
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);
/// The least time between two log lines about errors of the same kind.
const WARNING_GAP: Duration = Duration::from_secs(10);
/// How long a leave may take.
pub(super) const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// How a node's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// Left; the news is out.
    Left,
    /// Left, but the news could not be sent within [`LEAVE_LIMIT`].
    LeftUnheard,
    Aborted,
}

pub(super) struct Driver {
    /// Boxed: it is large, and a task's future is moved as a whole.
    engine: Box<Engine>,
    socket: Transport,
    clock: Clock,
    advertised: SocketAddr,
    resolver: Resolver,
    /// Behind the socket: whoever sees the channels close finds the port free.
    channels: Channels,
    buffer: Box<[u8]>,
    counters: SocketStats,
    /// Turns in a row that left datagrams in the socket.
    undrained_turns: usize,
    receive_paused_until: Option<Instant>,
    /// What the send buffer had no room for.
    unsent: Option<Transmit>,
    /// Answers that wait until their effect is published.
    replies: Vec<(Reply, Result<(), RegistrarError>)>,
    leave_by: Option<Instant>,
    /// In order: it has said so.
    has_ended: bool,
    receive_warnings: Limiter,
    send_warnings: Limiter,
    endpoint_warnings: Limiter,
    /// The watch over the host's addresses, if the advertised one is followed.
    following: Option<Following>,
    /// Members of an earlier run that are called when this host has an address.
    held_back: Vec<SocketAddr>,
    report: Report,
    keys: Option<KeyWatch>,
    isolation: Isolation,
    /// Addresses that the operating system did not send to last, and what it said.
    unsent_to: BTreeMap<SocketAddr, String>,
    #[cfg(feature = "snapshot")]
    snapshots: Option<super::snapshot::Keeper>,
}

/// The driver's ends of what connects it to its handles. None of them keeps a handle alive.
pub(super) struct Channels {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) abort: watch::Receiver<bool>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) published: Arc<Published>,
    pub(super) life: watch::Sender<Life>,
    pub(super) joined: watch::Sender<bool>,
}

/// Why the driver woke up, where that carries something.
enum Wake {
    Command(Option<Command>),
    Seeds(Vec<SocketAddr>),
    Address(Found),
    Keys(Option<Vec<ClusterKey>>),
    LookAround,
}

impl Driver {
    pub(super) fn new(
        engine: Engine,
        socket: Transport,
        clock: Clock,
        advertised: SocketAddr,
        resolver: Resolver,
        channels: Channels,
    ) -> Self {
        let granted = u64::try_from(socket.granted_bytes()).unwrap_or(u64::MAX);
        Self {
            engine: Box::new(engine),
            socket,
            clock,
            advertised,
            resolver,
            channels,
            buffer: vec![0; DATAGRAM_BYTES_MAX].into(),
            counters: SocketStats {
                receive_buffer_bytes: granted,
                ..SocketStats::default()
            },
            undrained_turns: 0,
            receive_paused_until: None,
            unsent: None,
            replies: Vec::new(),
            leave_by: None,
            has_ended: false,
            receive_warnings: Limiter::new(WARNING_GAP),
            send_warnings: Limiter::new(WARNING_GAP),
            endpoint_warnings: Limiter::new(WARNING_GAP),
            following: None,
            held_back: Vec::new(),
            report: Report::new(advertised),
            keys: None,
            isolation: Isolation::default(),
            unsent_to: BTreeMap::new(),
            #[cfg(feature = "snapshot")]
            snapshots: None,
        }
    }

    /// Runs the node until it has left or is aborted.
    pub(super) async fn run(mut self) {
        let life = loop {
            #[cfg(feature = "testing")]
            self.socket.resumed().await;
            if self.is_aborted() {
                break Life::Aborted;
            }
            let drained = self.receive();
            self.take_commands();
            if drained || self.undrained_turns >= RECEIVE_TURNS_MAX {
                self.undrained_turns = 0;
                self.fire_timers();
            }
            self.try_seeds();
            self.look_for_keys();
            #[cfg(feature = "snapshot")]
            self.keep_snapshot();
            // tokio rounds a deadline up to its next millisecond, be it past already.
            let idle = self.publish_and_send() && drained && !self.is_timer_due();
            if let Some(life) = self.end() {
                break life;
            }
            if idle {
                let wake = self.sleep().await;
                self.take(wake);
            } else {
                tokio::task::yield_now().await;
            }
        };
        #[cfg(feature = "snapshot")]
        self.finish_snapshots(life).await;
        info!(target: TARGET, event = "stopped", node = %self.advertised, ?life, "node stopped");
        self.channels.life.send_replace(life);
        self.has_ended = true;
    }

    /// Whether [`Node::abort`](super::Node::abort) was called: then nothing more is said.
    fn is_aborted(&self) -> bool {
        *self.channels.abort.borrow() || self.socket.is_crashed()
    }

    /// Takes in at most [`DATAGRAMS_PER_TURN`] datagrams; whether the socket is empty now.
    fn receive(&mut self) -> bool {
        if self
            .receive_paused_until
            .is_some_and(|until| Instant::now() < until)
        {
            return true;
        }
        self.receive_paused_until = None;
        self.take_errors();
        let mut errors = 0;
        // tokio's word that the socket is empty will do, unless a timer would fire on it.
        let mut unpolled = false;
        for _ in 0..DATAGRAMS_PER_TURN {
            let received = if unpolled {
                self.socket.receive_unpolled(&mut self.buffer)
            } else {
                self.socket.try_receive(&mut self.buffer)
            };
            match received {
                Ok((_, from)) if self.is_out_of_reach(from) => {}
                Ok((len, from)) => {
                    self.engine
                        .handle_datagram(self.clock.now(), from, &self.buffer[..len]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if unpolled || !self.is_timer_due() {
                        return true;
                    }
                    unpolled = true;
                }
                Err(error) if self.is_of_an_earlier_datagram(&error) => {}
                Err(error) => {
                    errors += 1;
                    self.receive_failed(&error);
                    if errors == RECEIVE_ERRORS_MAX {
                        self.receive_paused_until = Some(Instant::now() + RECEIVE_PAUSE);
                        return true;
                    }
                }
            }
        }
        self.undrained_turns += 1;
        false
    }

    fn receive_failed(&mut self, error: &io::Error) {
        self.counters.receive_errors += 1;
        if let Some(held_back) = self.receive_warnings.permit() {
            warn!(target: TARGET, node = %self.advertised, %error, held_back, "receive failed; going on");
        }
    }

    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_PER_TURN {
            match self.channels.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => return self.leave(),
            }
        }
    }

    /// Starts the leave, once. Commands that still wait are refused, as are later ones.
    fn leave(&mut self) {
        if self.leave_by.is_none() {
            self.leave_by = Some(Instant::now() + LEAVE_LIMIT);
            #[cfg(feature = "snapshot")]
            self.take_last_snapshot();
            self.channels.commands.close();
            self.engine.leave(self.clock.now());
        }
    }

    fn is_timer_due(&self) -> bool {
        self.engine
            .poll_timeout()
            .is_some_and(|at| at <= self.clock.now().instant)
    }

    fn fire_timers(&mut self) {
        if self.is_timer_due() {
            self.engine.handle_timeout(self.clock.now());
        }
    }

    /// Shows the turn's effects and sends what it brought forth; whether all of it has left.
    fn publish_and_send(&mut self) -> bool {
        let published = Arc::clone(&self.channels.published);
        let publishing = published.hold();
        self.engine.publish();
        while let Some((addr, member)) = self.engine.poll_member() {
            self.channels.published.set_member(addr, member);
        }
        while let Some(Told { event, before }) = self.engine.poll_told() {
            self.report.log(&event, before.as_deref());
            #[cfg(feature = "snapshot")]
            self.note_for_snapshot(&event);
            // No subscriber is no error.
            let _ = self.channels.events.send(event);
        }
        drop(publishing);
        self.watch_isolation();
        for (reply, result) in self.replies.drain(..) {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(result);
        }
        let all_sent = self.transmit();
        let stats = NodeStats {
            gossip: self.engine.stats(),
            socket: self.counters,
            #[cfg(feature = "snapshot")]
            snapshot: self.snapshot_stats(),
            joined: self.isolation.is_joined(),
        };
        self.channels.published.set_stats(&stats);
        all_sent
    }

    /// Sends at most [`DATAGRAMS_PER_TURN`] datagrams; false if there are more that could leave now.
    fn transmit(&mut self) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN {
            if self.is_aborted() {
                return true;
            }
            let Some(transmit) = self.unsent.take().or_else(|| self.engine.poll_transmit()) else {
                return true;
            };
            match self.send(&transmit) {
                Ok(_) => self.note_sent(transmit.to, Ok(())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.counters.send_blocked += 1;
                    self.unsent = Some(transmit);
                    return true;
                }
                Err(error) => self.send_failed(transmit.to, &error),
            }
        }
        false
    }

    fn send_failed(&mut self, to: SocketAddr, error: &io::Error) {
        self.counters.send_errors += 1;
        self.note_sent(to, Err(error));
        if let Some(held_back) = self.send_warnings.permit() {
            warn!(target: TARGET, node = %self.advertised, %to, %error, held_back, "send failed; going on");
        }
    }

    /// Whether the leave is over.
    fn end(&self) -> Option<Life> {
        let leave_by = self.leave_by?;
        if self.engine.has_left() && self.unsent.is_none() {
            return Some(Life::Left);
        }
        (Instant::now() >= leave_by).then_some(Life::LeftUnheard)
    }

    async fn sleep(&mut self) -> Wake {
        let engine = self.engine.poll_timeout().and_then(|at| self.clock.at(at));
        let paused = self.receive_paused_until;
        #[cfg(feature = "snapshot")]
        let snapshot = self.snapshot_deadline();
        #[cfg(not(feature = "snapshot"))]
        let snapshot = None;
        let keys = self.keys.as_ref().filter(|_| self.leave_by.is_none());
        let keys = keys.and_then(KeyWatch::deadline);
        let isolation = self
            .isolation
            .deadline()
            .filter(|_| self.leave_by.is_none());
        let isolation = isolation.and_then(|at| self.clock.at(at));
        let deadlines = [engine, paused, self.leave_by, snapshot, keys, isolation];
        let deadline = deadlines.into_iter().flatten().min();
        let sleep = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let node = self.advertised;
        let keys_read = async {
            match &mut self.keys {
                Some(keys) => keys.read(node).await,
                None => std::future::pending().await,
            }
        };
        let Channels {
            commands, abort, ..
        } = &mut self.channels;
        let following = &mut self.following;
        let address = async {
            match following {
                Some(following) => following.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.socket.readable(), if paused.is_none() => Wake::LookAround,
            command = commands.recv(), if self.leave_by.is_none() => Wake::Command(command),
            addresses = self.resolver.next(), if self.resolver.is_busy() => Wake::Seeds(addresses),
            keys = keys_read => Wake::Keys(keys),
            () = self.socket.writable(), if self.unsent.is_some() => Wake::LookAround,
            found = address, if self.leave_by.is_none() => Wake::Address(found),
            Ok(()) = abort.changed() => Wake::LookAround,
            () = sleep => Wake::LookAround,
        }
    }

    fn take(&mut self, wake: Wake) {
        match wake {
            Wake::Command(Some(command)) => self.obey(command),
            // The last handle is gone.
            Wake::Command(None) => self.leave(),
            Wake::Seeds(addresses) => self.hand_in(addresses),
            Wake::Address(found) => self.address_found(found),
            Wake::Keys(keys) => self.follow_keys(keys),
            Wake::LookAround => {}
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.has_ended {
            let reason = if std::thread::panicking() {
                "it panicked"
            } else {
                "its tokio runtime was shut down, or nobody waited for its start"
            };
            tracing::warn!(
                target: TARGET, event = "ended", node = %self.advertised, reason,
                "the node has ended without leaving: the others will find it failed"
            );
        }
        let _publishing = self.channels.published.hold();
        self.channels.published.clear_members();
        self.engine.directory().close();
    }
}
