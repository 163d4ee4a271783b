//! Where the operating system has no such queue: it is always empty.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::QueuedError;

/// Nothing to switch on.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as on Linux, where it can fail"
)]
pub(in crate::node) fn enable(_socket: &socket2::Socket, _bind: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// None, always.
pub(in crate::node) fn take(_socket: &UdpSocket) -> Option<QueuedError> {
    None
}
