//! A node's end of the network: what a socket is to a driver.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

use super::Network;
use crate::node::{RECEIVE_BUFFER_BYTES, error_queue::QueuedError};

/// What the kernel charges for each datagram beside its bytes: Linux's `sk_buff` and its shared info, roughly.
const DATAGRAM_OVERHEAD_BYTES: usize = 576;

/// What waits at an address, and how its node stands.
#[derive(Debug, Default)]
pub(super) struct Place {
    state: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By arrival, then in the order of sending.
    datagrams: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    /// Where nobody listens, by when the sender hears of it.
    refused: BTreeMap<(Instant, u64), SocketAddr>,
    /// What both take of the receive buffer.
    bytes: usize,
    paused_until: Option<Instant>,
    is_crashed: bool,
}

impl Place {
    pub(super) fn pause(&self, until: Instant) {
        let mut waiting = self.lock();
        waiting.paused_until = waiting.paused_until.max(Some(until));
        drop(waiting);
        self.changed.notify_one();
    }

    pub(super) fn crash(&self) {
        self.lock().is_crashed = true;
        self.changed.notify_one();
    }

    /// Puts a datagram on its way; whether there is room for it.
    pub(super) fn put(&self, arrives: (Instant, u64), from: SocketAddr, payload: &[u8]) -> bool {
        let mut waiting = self.lock();
        let cost = payload.len() + DATAGRAM_OVERHEAD_BYTES;
        if waiting.bytes + cost > RECEIVE_BUFFER_BYTES {
            return false;
        }
        waiting.bytes += cost;
        waiting.datagrams.insert(arrives, (from, payload.to_vec()));
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// Puts on its way that a datagram was refused. Without room for it that is lost, as Linux loses it.
    pub(super) fn refuse(&self, arrives: (Instant, u64), to: SocketAddr) {
        let mut waiting = self.lock();
        if waiting.bytes + DATAGRAM_OVERHEAD_BYTES > RECEIVE_BUFFER_BYTES {
            return;
        }
        waiting.bytes += DATAGRAM_OVERHEAD_BYTES;
        waiting.refused.insert(arrives, to);
        drop(waiting);
        self.changed.notify_one();
    }

    /// Until when it is paused, if it is.
    fn paused_until(&self) -> Option<Instant> {
        let waiting = self.lock();
        let until = waiting.paused_until.filter(|until| *until > Instant::now());
        until.filter(|_| !waiting.is_crashed)
    }

    fn wants_a_look(&self) -> bool {
        let has_arrived = self.next_arrival().is_some_and(|at| at <= Instant::now());
        has_arrived || self.paused_until().is_some() || self.lock().is_crashed
    }

    fn next_arrival(&self) -> Option<Instant> {
        let waiting = self.lock();
        let datagram = waiting.datagrams.first_key_value().map(|(key, _)| key.0);
        let refusal = waiting.refused.first_key_value().map(|(key, _)| key.0);
        datagram.into_iter().chain(refusal).min()
    }

    /// Waits until something has changed, or until then.
    async fn changes_by(&self, at: Option<Instant>) {
        match at {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = self.changed.notified() => {}
            },
            None => self.changed.notified().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bound address.
#[derive(Debug)]
pub(in crate::node) struct Port {
    network: Network,
    local: SocketAddr,
    place: Arc<Place>,
}

impl Port {
    pub(super) const fn new(network: Network, local: SocketAddr, place: Arc<Place>) -> Self {
        Self {
            network,
            local,
            place,
        }
    }

    pub(in crate::node) const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next datagram that has arrived.
    pub(in crate::node) fn try_receive(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let mut waiting = self.place.lock();
        let first = waiting.datagrams.first_entry();
        let Some(first) = first.filter(|first| first.key().0 <= Instant::now()) else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let (from, payload) = first.remove();
        waiting.bytes -= payload.len() + DATAGRAM_OVERHEAD_BYTES;
        let length = payload.len().min(buffer.len());
        buffer[..length].copy_from_slice(&payload[..length]);
        Ok((length, from))
    }

    pub(in crate::node) fn send(&self, to: SocketAddr, payload: &[u8]) -> usize {
        self.network.send(self.local, to, payload);
        payload.len()
    }

    /// The next error that has arrived.
    pub(in crate::node) fn try_error(&self) -> Option<QueuedError> {
        let mut waiting = self.place.lock();
        let first = waiting.refused.first_entry();
        let to = first
            .filter(|first| first.key().0 <= Instant::now())?
            .remove();
        waiting.bytes -= DATAGRAM_OVERHEAD_BYTES;
        Some(QueuedError::Refused { to })
    }

    /// Waits until a datagram or an error has arrived, or the node is to look after itself.
    pub(in crate::node) async fn readable(&self) {
        while !self.place.wants_a_look() {
            self.place.changes_by(self.place.next_arrival()).await;
        }
    }

    /// Waits while the node is paused.
    pub(in crate::node) async fn resumed(&self) {
        while let Some(until) = self.place.paused_until() {
            self.place.changes_by(Some(until)).await;
        }
    }

    pub(in crate::node) fn is_crashed(&self) -> bool {
        self.place.lock().is_crashed
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.network.free(self.local, &self.place);
    }
}
