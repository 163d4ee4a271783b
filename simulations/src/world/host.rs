//! A host, and the process on it: a driver's loop in virtual time.
//!
//! It does what the tokio driver does, in the same order: take in all datagrams that have come, then what is
//! due, then publish, then hand out events and datagrams. A stopped process does nothing of it; its datagrams
//! wait in a receive buffer of bounded size. A slow one is busy for a while after each datagram.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;
use tidings::gossip::{Instant, Transmit};

use super::{faults::Return, truth::LifeId};
use crate::process::Process;

/// What waits for a process at most, in bytes: the receive buffer that the crate's driver asks for.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// What the kernel charges for each datagram beside its bytes: Linux's `sk_buff` and its shared info, roughly.
const DATAGRAM_OVERHEAD_BYTES: usize = 576;
/// After so many datagrams in a row what is due is done all the same, as in the crate's driver.
const DATAGRAMS_BEFORE_TIMERS: usize = 4_096;

/// A host: an address, a clock, and at most one process.
pub struct Host {
    /// Where its process is reached.
    pub addr: SocketAddr,
    /// How far its wall clock is ahead of the world's, in milliseconds.
    pub clock_ms: i64,
    /// Its process.
    pub guest: Option<Guest>,
    /// Datagrams that its processes have sent.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams that reached a process on it.
    pub received: u64,
    /// How often a process started on it.
    pub starts: u64,
    /// Since when nothing at all answers there: its last process ended with the host.
    pub is_silent: bool,
    /// The process that is to start on it.
    pub(super) due_back: Option<Return>,
}

/// A process on a host.
pub struct Guest {
    /// Its number in the world's truth.
    pub life: LifeId,
    /// What runs.
    pub process: Box<dyn Process>,
    pub(super) inbox: VecDeque<(SocketAddr, Bytes)>,
    inbox_bytes: usize,
    /// How many faults hold it stopped.
    pub(super) stops: usize,
    /// How many faults hold its datagrams up.
    pub(super) clogs: usize,
    /// What it has sent meanwhile.
    pub(super) held: VecDeque<Transmit>,
    /// Whether it was asked to leave while it was stopped: it does when it goes on.
    pub(super) is_to_leave: bool,
    /// How long each datagram keeps it busy.
    pub(super) per_datagram: Duration,
    pub(super) busy_until: Instant,
    datagrams_since_timers: usize,
    /// When it wakes next, as the queue has it.
    pub(super) wakes: Option<Instant>,
    /// Whether it offers other services than its predecessor on this host.
    pub(super) is_replacement: bool,
    /// How many instances it has registered, ever.
    pub(super) registered: usize,
}

impl Host {
    pub(super) const fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            clock_ms: 0,
            guest: None,
            packets: 0,
            bytes: 0,
            received: 0,
            starts: 0,
            is_silent: false,
            due_back: None,
        }
    }

    /// The process on it, unless it is stopped.
    pub fn running(&self) -> Option<&Guest> {
        self.guest.as_ref().filter(|guest| guest.stops == 0)
    }
}

impl Guest {
    pub(super) fn new(life: LifeId, process: Box<dyn Process>, is_replacement: bool) -> Self {
        Self {
            life,
            process,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            stops: 0,
            clogs: 0,
            held: VecDeque::new(),
            is_to_leave: false,
            per_datagram: Duration::ZERO,
            busy_until: Instant::ZERO,
            datagrams_since_timers: 0,
            wakes: None,
            is_replacement,
            registered: 0,
        }
    }

    /// Whether a fault holds it stopped.
    pub const fn is_stopped(&self) -> bool {
        self.stops > 0
    }

    /// Whether a fault holds its datagrams up, coming and going.
    pub const fn is_clogged(&self) -> bool {
        self.clogs > 0
    }

    /// Whether it may be slow to answer, or not answer at all.
    pub const fn is_impaired(&self) -> bool {
        self.is_stopped() || self.is_clogged() || self.is_slow()
    }

    /// Whether it has datagrams to take in, and may.
    pub(super) fn has_mail(&self) -> bool {
        !self.inbox.is_empty() && !self.is_clogged()
    }

    /// Whether a fault makes it slow.
    pub const fn is_slow(&self) -> bool {
        !self.per_datagram.is_zero()
    }

    /// How many bytes wait for it.
    pub const fn waiting_bytes(&self) -> usize {
        self.inbox_bytes
    }

    /// A datagram has arrived; whether there was room for it.
    pub(super) fn take_in(&mut self, from: SocketAddr, payload: Bytes) -> bool {
        let cost = payload.len() + DATAGRAM_OVERHEAD_BYTES;
        if self.inbox_bytes + cost > RECEIVE_BUFFER_BYTES {
            return false;
        }
        self.inbox_bytes += cost;
        self.inbox.push_back((from, payload));
        true
    }

    pub(super) fn next_datagram(&mut self) -> Option<(SocketAddr, Bytes)> {
        let (from, payload) = self.inbox.pop_front()?;
        self.inbox_bytes -= payload.len() + DATAGRAM_OVERHEAD_BYTES;
        self.datagrams_since_timers += 1;
        Some((from, payload))
    }

    /// Whether it may look at what is due.
    pub(super) fn may_fire(&mut self) -> bool {
        let may = !self.has_mail() || self.datagrams_since_timers >= DATAGRAMS_BEFORE_TIMERS;
        if may {
            self.datagrams_since_timers = 0;
        }
        may
    }
}
