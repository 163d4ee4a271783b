//! The error queue as Linux has it.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};

use super::QueuedError;
use crate::gossip::canonical;

/// Above the 64 that one control message takes: the error and the IPv6 address of whoever reports it.
const CONTROL_BYTES: usize = 128;

/// Aligned as control messages are, which bytes alone are not.
#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Has the kernel keep errors for `socket`, of each address family that it speaks.
pub(in crate::node) fn enable(socket: &socket2::Socket, bind: SocketAddr) -> io::Result<()> {
    if bind.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    }
    if bind.is_ipv4() || bind.ip().is_unspecified() {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    }
    Ok(())
}

/// Takes the oldest error out of the queue, if there is one.
pub(in crate::node) fn take(socket: &UdpSocket) -> Option<QueuedError> {
    let mut control = Control([0; CONTROL_BYTES]);
    // The datagram that failed would come with it: there is no room for it, and no need.
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut [],
        Some(&mut control.0),
        MsgFlags::MSG_ERRQUEUE,
    );
    let message = message.ok()?;
    let mut controls = message.cmsgs().ok().into_iter().flatten();
    let error = controls.find_map(extended_error);
    Some(match error.map(|error| Cause::of(&error)) {
        // Not looked at before: with an ICMP error the kernel gives the address, with others it may not.
        Some(Cause::Refused) => match message.address.as_ref().and_then(socket_addr) {
            Some(to) => QueuedError::Refused { to: canonical(to) },
            None => QueuedError::Other,
        },
        Some(Cause::Local) => QueuedError::Told,
        Some(Cause::Other) | None => QueuedError::Other,
    })
}

fn extended_error(control: ControlMessageOwned) -> Option<libc::sock_extended_err> {
    match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            Some(error)
        }
        _ => None,
    }
}

fn socket_addr(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from(*v4));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Refused,
    Local,
    Other,
}

impl Cause {
    fn of(error: &libc::sock_extended_err) -> Self {
        let is_refused = i32::try_from(error.ee_errno) == Ok(Errno::ECONNREFUSED as i32);
        match error.ee_origin {
            libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 if is_refused => Self::Refused,
            libc::SO_EE_ORIGIN_LOCAL => Self::Local,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// How long an answer may take: far above what it takes.
    const BOUND: Duration = Duration::from_secs(10);

    fn bind(address: &str) -> UdpSocket {
        let bind: SocketAddr = address.parse().expect("an address");
        let domain = socket2::Domain::for_address(bind);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None).expect("a socket");
        if bind.is_ipv6() {
            socket
                .set_only_v6(!bind.ip().is_unspecified())
                .expect("set");
        }
        enable(&socket, bind).expect("enabled");
        socket.bind(&bind.into()).expect("binds");
        socket.into()
    }

    /// An address of that host at which nobody listens.
    fn closed(host: &str) -> SocketAddr {
        let socket = UdpSocket::bind(host).expect("binds");
        socket.local_addr().expect("bound")
    }

    /// The next error, as soon as it is there.
    fn next(socket: &UdpSocket) -> QueuedError {
        let start = Instant::now();
        loop {
            if let Some(error) = take(socket) {
                return error;
            }
            assert!(start.elapsed() < BOUND, "no error");
            std::thread::yield_now();
        }
    }

    #[test]
    fn each_family_tells_to_which_address_a_refused_datagram_was_sent() {
        for (own, peer) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:0", "127.0.0.1:0"),
            ("[::1]:0", "[::1]:0"),
            ("[::]:0", "[::1]:0"),
        ] {
            let (socket, to) = (bind(own), closed(peer));
            socket.send_to(b"?", to).expect("sent");
            assert_eq!(next(&socket), QueuedError::Refused { to }, "from {own}");
            assert_eq!(take(&socket), None);
        }
    }

    #[test]
    fn a_dual_stack_socket_tells_an_ipv4_address_as_one() {
        let (socket, to) = (bind("[::]:0"), closed("127.0.0.1:0"));
        let mapped = format!("[::ffff:127.0.0.1]:{}", to.port());
        socket.send_to(b"?", mapped).expect("sent");
        assert_eq!(next(&socket), QueuedError::Refused { to });
    }

    #[test]
    fn an_error_is_the_answer_to_the_next_send_and_the_queue_has_all_in_order() {
        let socket = bind("127.0.0.1:0");
        let all = [closed("127.0.0.1:0"), closed("127.0.0.2:0")];
        for to in all {
            let send = || socket.send_to(b"?", to);
            send().or_else(|_| send()).expect("sent");
        }
        for to in all {
            assert_eq!(next(&socket), QueuedError::Refused { to });
        }
    }

    #[test]
    fn only_a_refusal_by_the_network_is_one() {
        for (errno, origin, cause) in [
            (Errno::ECONNREFUSED, libc::SO_EE_ORIGIN_ICMP, Cause::Refused),
            (
                Errno::ECONNREFUSED,
                libc::SO_EE_ORIGIN_ICMP6,
                Cause::Refused,
            ),
            (Errno::EHOSTUNREACH, libc::SO_EE_ORIGIN_ICMP, Cause::Other),
            (Errno::ENETUNREACH, libc::SO_EE_ORIGIN_ICMP, Cause::Other),
            (Errno::EACCES, libc::SO_EE_ORIGIN_ICMP6, Cause::Other),
            (Errno::EMSGSIZE, libc::SO_EE_ORIGIN_ICMP6, Cause::Other),
            (Errno::EMSGSIZE, libc::SO_EE_ORIGIN_LOCAL, Cause::Local),
        ] {
            let error = libc::sock_extended_err {
                ee_errno: u32::try_from(errno as i32).expect("positive"),
                ee_origin: origin,
                ee_type: 0,
                ee_code: 0,
                ee_pad: 0,
                ee_info: 0,
                ee_data: 0,
            };
            assert_eq!(Cause::of(&error), cause, "{errno} of {origin}");
        }
    }
}
