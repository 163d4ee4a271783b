//! The node's one UDP socket.
//!
//! Addresses are canonical on this side of it: an IPv4-mapped IPv6 address comes in as the IPv4
//! address that it is, and goes out mapped again where the socket is a dual-stack one. So a member
//! has one address, whichever way its packets took.
//!
//! A datagram is received into 64 KiB, more than UDP can carry: one that is larger than the cluster
//! allows is seen whole, so that the engine can count it as oversized, and is never cut into
//! something else.
//!
//! What the network says of datagrams that were sent is in the socket's [error queue](super::error_queue). It
//! wakes whoever waits for the socket to be [readable](Socket::readable).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::io::{Interest, Ready};

use super::error::StartError;
use super::error_queue::{self, QueuedError};
use super::zone;
use crate::gossip::canonical;

/// The receive buffer that is asked for, in bytes (4 MiB). The operating system may grant less
/// (Linux: `net.core.rmem_max`); what was granted is logged at start and stands in the stats. A
/// larger buffer is what lets a node that was paused find its peers' packets when it goes on.
pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// How long a full send buffer is left alone where tokio cannot tell when there is room again.
const SEND_PAUSE: Duration = Duration::from_millis(1);

/// More than a UDP datagram can hold.
pub(super) const DATAGRAM_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Socket {
    /// Sends, and tells when the socket is readable and writable.
    shared: tokio::net::UdpSocket,
    /// The same socket without tokio's memory of whether it is readable.
    direct: std::net::UdpSocket,
    local: SocketAddr,
    granted_bytes: usize,
}

impl Socket {
    /// Binds to `bind`; must be called inside a tokio runtime.
    ///
    /// `IPV6_V6ONLY` is off for `[::]`, which then hears IPv4 as well, and on for every other IPv6
    /// address, whatever the system's default is.
    pub(super) fn bind(bind: SocketAddr) -> Result<Self, StartError> {
        let failed = |step| move |source| StartError::Socket { bind, step, source };
        let domain = Domain::for_address(bind);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))
            .map_err(failed("create"))?;
        if bind.is_ipv6() {
            socket
                .set_only_v6(!bind.ip().is_unspecified())
                .map_err(failed("IPV6_V6ONLY"))?;
        }
        if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES) {
            tracing::warn!(target: super::TARGET, %error, "the system keeps its own receive buffer size");
        }
        if let Err(error) = error_queue::enable(&socket, bind) {
            tracing::warn!(target: super::TARGET, %error, "the system keeps no errors of datagrams that were sent");
        }
        let granted_bytes = socket.recv_buffer_size().map_err(failed("SO_RCVBUF"))?;
        socket
            .set_nonblocking(true)
            .map_err(failed("non-blocking"))?;
        socket
            .bind(&bind.into())
            .map_err(|source| StartError::Bind { bind, source })?;

        let direct = std::net::UdpSocket::from(socket);
        let local = direct.local_addr().map_err(failed("local address"))?;
        let shared = direct
            .try_clone()
            .and_then(tokio::net::UdpSocket::from_std)
            .map_err(failed("register with tokio"))?;
        Ok(Self {
            shared,
            direct,
            local,
            granted_bytes,
        })
    }

    /// The bound address, with the real port, and with its zone if it is a link-local one.
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The receive buffer that the operating system granted, in bytes (Linux counts double).
    pub(super) fn granted_bytes(&self) -> usize {
        self.granted_bytes
    }

    /// Whether a datagram to `to` can leave through this socket at all: not to another family, nor
    /// to a link-local address without being bound to a link.
    pub(super) fn reaches(&self, to: SocketAddr) -> bool {
        let is_on_link = !zone::is_needed_for(to.ip()) || zone::of(self.local) != 0;
        is_on_link && (to.is_ipv4() == self.local.is_ipv4() || self.is_dual_stack())
    }

    /// The next datagram, if tokio knows the socket to be readable.
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = || self.direct.recv_from(buffer);
        self.shared
            .try_io(Interest::READABLE, receive)
            .map(|(len, from)| (len, canonical(from)))
    }

    /// The next datagram, asked of the operating system itself. tokio learns what is readable only
    /// when it polls; after a pause this tells what has arrived in the meantime.
    pub(super) fn receive_unpolled(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.direct
            .recv_from(buffer)
            .map(|(len, from)| (len, canonical(from)))
    }

    pub(super) fn try_send(&self, to: SocketAddr, payload: &[u8]) -> io::Result<usize> {
        let to = match self.local {
            SocketAddr::V6(local) => on_link(mapped(to), local.scope_id()),
            SocketAddr::V4(_) => to,
        };
        self.shared.try_send_to(payload, to)
    }

    /// The next error of the error queue, if tokio knows that there is one: without, this asks the
    /// operating system for nothing.
    pub(super) fn try_error(&self) -> Option<QueuedError> {
        // `WouldBlock` for whatever is no error that was taken: or tokio would show it for ever.
        let take = || error_queue::take(&self.direct).ok_or(ErrorKind::WouldBlock.into());
        self.shared.try_io(Interest::ERROR, take).ok()
    }

    /// The next error of the error queue, asked of the operating system itself.
    pub(super) fn error_unpolled(&self) -> Option<QueuedError> {
        error_queue::take(&self.direct)
    }

    /// Waits until there is a datagram, or an error in the error queue.
    pub(super) async fn readable(&self) {
        // An error shows again, and is counted, at the read that follows.
        let _ = self
            .shared
            .ready(Interest::READABLE | Interest::ERROR)
            .await;
    }

    /// Waits until there may be room to send.
    ///
    /// Room for a datagram beside an error in the queue is to tokio what the closed end of a pipe is, a
    /// state that never ends: since the first such error it says "writable" at once, always. From then
    /// on the room is looked for every [`SEND_PAUSE`].
    pub(super) async fn writable(&self) {
        let ready = self.shared.ready(Interest::WRITABLE).await;
        if ready.is_ok_and(Ready::is_write_closed) {
            tokio::time::sleep(SEND_PAUSE).await;
        }
    }

    fn is_dual_stack(&self) -> bool {
        self.local.is_ipv6() && self.local.ip().is_unspecified()
    }
}

/// The form that an IPv6 socket takes: an IPv4 address is mapped.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

/// A link-local address on the link of the socket: members' addresses have no zone.
fn on_link(to: SocketAddr, scope_id: u32) -> SocketAddr {
    match to {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope_id).into()
        }
        _ => to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(address: &str) -> Socket {
        Socket::bind(address.parse().expect("an address")).expect("binds")
    }

    async fn receive(socket: &Socket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            socket.readable().await;
            match socket.try_receive(&mut buffer) {
                Ok((len, from)) => return (buffer[..len].to_vec(), from),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
    }

    async fn send(socket: &Socket, to: SocketAddr, payload: &[u8]) {
        socket.writable().await;
        assert_eq!(socket.try_send(to, payload).expect("sent"), payload.len());
    }

    #[tokio::test]
    async fn a_dual_stack_socket_speaks_ipv4_in_canonical_addresses() {
        let (dual, v4) = (bind("[::]:0"), bind("127.0.0.1:0"));
        let to_dual = SocketAddr::new(v4.local_addr().ip(), dual.local_addr().port());
        send(&v4, to_dual, b"there").await;
        let (payload, from) = receive(&dual).await;
        assert_eq!((payload.as_slice(), from), (&b"there"[..], v4.local_addr()));
        send(&dual, from, b"and back").await;
        assert_eq!(receive(&v4).await, (b"and back".to_vec(), to_dual));
    }

    #[tokio::test]
    async fn an_ipv6_address_of_its_own_is_ipv6_only() {
        let (v6, v4, dual) = (bind("[::1]:0"), bind("127.0.0.1:0"), bind("[::]:0"));
        assert!(!v6.reaches(v4.local_addr()) && !v4.reaches(v6.local_addr()));
        assert!(v6.reaches(v6.local_addr()) && v4.reaches(v4.local_addr()));
        assert!(dual.reaches(v6.local_addr()) && dual.reaches(v4.local_addr()));
        let only_v6 = socket2::SockRef::from(&v6.direct)
            .only_v6()
            .expect("readable");
        let both = socket2::SockRef::from(&dual.direct)
            .only_v6()
            .expect("readable");
        assert_eq!((only_v6, both), (true, false));
    }

    #[tokio::test]
    async fn the_largest_datagram_arrives_whole() {
        let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let payload = vec![7; 65_507];
        send(&from, to.local_addr(), &payload).await;
        assert_eq!(receive(&to).await.0, payload);
    }

    #[tokio::test]
    async fn what_tokio_has_not_polled_yet_can_be_received_all_the_same() {
        let (from, to) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
        let sent = from
            .direct
            .send_to(b"unpolled", to.local_addr())
            .expect("sent");
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        // No await since the socket was made: tokio cannot know.
        let blocked = to.try_receive(&mut buffer).expect_err("not polled");
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(to.receive_unpolled(&mut buffer).expect("received").0, sent);
    }

    #[tokio::test]
    async fn a_receive_buffer_is_asked_for_and_what_was_granted_is_known() {
        assert!(bind("127.0.0.1:0").granted_bytes() > 0);
    }
}
