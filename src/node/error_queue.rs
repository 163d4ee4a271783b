//! What the network says of datagrams that the node has sent: the error queue of a Linux socket.
//!
//! With `IP_RECVERR` (RFC 1122, 4.1.3.3; `ip(7)`) the kernel keeps each ICMP error that answers one of the
//! socket's datagrams, with the address that the datagram was sent to. Elsewhere nothing is ever
//! reported: an unconnected UDP socket hears of no ICMP error there, and the node lives without.
//!
//! Only *port unreachable* (`ECONNREFUSED`) is [`Refused`](QueuedError::Refused): the peer's own host says that it is up and
//! that nobody listens. Host and network unreachable speak of the way there, which may be broken on
//! this side and then is so for everybody at once; RFC 1122, 3.2.2.1, calls them hints that may be
//! transient. A datagram too large says that the peer is there. Those are
//! [`Other`](QueuedError::Other), and whether such a peer lives is for probing to find out.
//!
//! An ICMP error proves nothing: whoever guesses the port can forge one (RFC 5927), and a firewall may answer
//! for a host. It is evidence.
//!
//! # What the kernel does, and what follows
//!
//! - An error that has come in is also the answer to the socket's next call, whichever that is and to
//!   whomever: a receive, or a send to a healthy peer, which then is not sent. Taking the errors
//!   out of the queue takes the answer back.
//! - The queue shares the receive buffer's bytes, which is its bound, and errors that find no room there are lost.
//! - `epoll` shows it as `EPOLLERR`, not as readable.
//!
//! One call takes one error, so that the caller sets the bound.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

use std::net::SocketAddr;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{enable, take};
#[cfg(target_os = "linux")]
pub(super) use linux::{enable, take};

/// What became of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is reported there")
)]
pub(super) enum QueuedError {
    /// Nothing listens at the address that it was sent to, which is canonical.
    Refused { to: SocketAddr },
    /// It did not arrive for another reason, or was too large.
    Other,
    /// It did not leave, as the call that was to send it has said itself.
    Told,
}
