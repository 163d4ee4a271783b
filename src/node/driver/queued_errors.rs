//! Errors that the network answered with, from the socket's [error queue](crate::node::error_queue): to the engine as evidence.
//!
//! The operating system also gives such an error as the answer to whatever the socket does next. So a receive
//! that fails with one has failed at nothing, and a send that fails with one is done again.
//!
//! Bounds: a call takes at most [`ERRORS_MAX`] errors out of the queue, and a turn makes at most one call, one for
//! each datagram that it may receive, and [`RESENDS_MAX`] for each that it may send. A queue with more
//! shows in the next call or wakes the next turn.

use std::io::{self, ErrorKind};

use super::Driver;
use crate::gossip::Transmit;
use crate::node::error_queue::QueuedError;

/// The most errors taken out of the queue at once.
pub(super) const ERRORS_MAX: usize = 64;
/// How often a datagram is sent again: each time because errors have come in since the last. After that it is
/// a send error like any other, so that a flood of errors holds up nobody.
const RESENDS_MAX: usize = 4;

impl Driver {
    /// Takes errors in, if tokio knows of any: else this asks the operating system for nothing.
    pub(super) fn take_errors(&mut self) {
        for _ in 0..ERRORS_MAX {
            let Some(error) = self.socket.try_error() else {
                return;
            };
            self.take_error(error);
        }
    }

    /// Sends, and again if what failed was not this datagram.
    pub(super) fn send(&mut self, transmit: &Transmit) -> io::Result<usize> {
        let mut result = self.socket.try_send(transmit.to, &transmit.payload);
        for _ in 0..RESENDS_MAX {
            match &result {
                Err(error) if self.is_of_an_earlier_datagram(error) => {
                    result = self.socket.try_send(transmit.to, &transmit.payload);
                }
                _ => break,
            }
        }
        result
    }

    /// Whether a call that failed has failed with an error from the queue. The queue is taken in, which ends that.
    pub(super) fn is_of_an_earlier_datagram(&mut self, error: &io::Error) -> bool {
        if error.kind() == ErrorKind::WouldBlock {
            return false;
        }
        // An unconnected socket is refused nothing itself. That also holds where the queue was taken in
        // just before the kernel made the same error the answer to the next call.
        let mut is_earlier = error.kind() == ErrorKind::ConnectionRefused;
        for _ in 0..ERRORS_MAX {
            let Some(error) = self.socket.error_unpolled() else {
                break;
            };
            is_earlier |= error != QueuedError::Told;
            self.take_error(error);
        }
        is_earlier
    }

    fn take_error(&mut self, error: QueuedError) {
        match error {
            QueuedError::Refused { to } => {
                self.counters.unreachable += 1;
                self.engine.handle_unreachable(self.clock.now(), to);
            }
            QueuedError::Other => self.counters.other_network_errors += 1,
            // Counted where it was told.
            QueuedError::Told => {}
        }
    }
}
