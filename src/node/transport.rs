//! What the driver sends and receives by: a UDP socket, or a test's network in memory.

use std::{io, net::SocketAddr};

use super::error_queue::QueuedError;
use super::socket::Socket;
#[cfg(feature = "testing")]
use super::testing::Port;

#[derive(Debug)]
pub(super) enum Transport {
    Udp(Socket),
    #[cfg(feature = "testing")]
    Memory(Port),
}

impl Transport {
    pub(super) fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.local_addr(),
        }
    }

    /// See [`Socket::granted_bytes`].
    pub(super) fn granted_bytes(&self) -> usize {
        match self {
            Self::Udp(socket) => socket.granted_bytes(),
            #[cfg(feature = "testing")]
            Self::Memory(_) => super::RECEIVE_BUFFER_BYTES,
        }
    }

    /// See [`Socket::reaches`].
    pub(super) fn reaches(&self, to: SocketAddr) -> bool {
        match self {
            Self::Udp(socket) => socket.reaches(to),
            #[cfg(feature = "testing")]
            Self::Memory(_) => true,
        }
    }

    /// See [`Socket::try_receive`].
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => socket.try_receive(buffer),
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.try_receive(buffer),
        }
    }

    /// See [`Socket::receive_unpolled`].
    pub(super) fn receive_unpolled(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Udp(socket) => socket.receive_unpolled(buffer),
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.try_receive(buffer),
        }
    }

    pub(super) fn try_send(&self, to: SocketAddr, payload: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.try_send(to, payload),
            #[cfg(feature = "testing")]
            Self::Memory(port) => Ok(port.send(to, payload)),
        }
    }

    /// See [`Socket::try_error`].
    pub(super) fn try_error(&self) -> Option<QueuedError> {
        match self {
            Self::Udp(socket) => socket.try_error(),
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.try_error(),
        }
    }

    /// See [`Socket::error_unpolled`].
    pub(super) fn error_unpolled(&self) -> Option<QueuedError> {
        match self {
            Self::Udp(socket) => socket.error_unpolled(),
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.try_error(),
        }
    }

    pub(super) async fn readable(&self) {
        match self {
            Self::Udp(socket) => socket.readable().await,
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.readable().await,
        }
    }

    pub(super) async fn writable(&self) {
        match self {
            Self::Udp(socket) => socket.writable().await,
            #[cfg(feature = "testing")]
            Self::Memory(_) => {}
        }
    }

    /// Waits while a test holds the node stopped.
    #[cfg(feature = "testing")]
    pub(super) async fn resumed(&self) {
        if let Self::Memory(port) = self {
            port.resumed().await;
        }
    }

    /// Whether a test has ended the node.
    pub(super) fn is_crashed(&self) -> bool {
        match self {
            Self::Udp(_) => false,
            #[cfg(feature = "testing")]
            Self::Memory(port) => port.is_crashed(),
        }
    }
}
