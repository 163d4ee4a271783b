//! This host's addresses, and who can reach them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address of one of this host's interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::node) struct Address {
    pub(in crate::node) interface: String,
    pub(in crate::node) ip: IpAddr,
    /// Whether the interface has a link: a bridge without anything on it has none, nor has a card
    /// without a cable.
    pub(in crate::node) is_up: bool,
}

/// What is asked of the operating system. Neither question sends a packet.
pub(in crate::node) trait Host: Send + Sync + 'static {
    /// The addresses of all interfaces.
    fn addresses(&self) -> io::Result<Vec<Address>>;

    /// The address from which this host would send to `to`; `None` without a route.
    fn source_towards(&self, to: SocketAddr) -> Option<IpAddr>;
}

/// The host that this process runs on.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct ThisHost;

impl Host for ThisHost {
    fn addresses(&self) -> io::Result<Vec<Address>> {
        let interfaces = if_addrs::get_if_addrs()?.into_iter();
        let addresses = interfaces.map(|interface| Address {
            ip: interface.ip(),
            is_up: interface.is_oper_up(),
            interface: interface.name,
        });
        Ok(addresses.collect())
    }

    fn source_towards(&self, to: SocketAddr) -> Option<IpAddr> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
    }
}

/// From how far an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Reach {
    /// From other networks, private ones included.
    Global,
    /// From its link: an IPv4 address that a host gave itself (169.254.0.0/16).
    Link,
    /// From this host.
    Host,
    /// From nowhere without a zone, or it is no address of a host at all.
    None,
}

impl Reach {
    pub(in crate::node) fn of(ip: IpAddr) -> Self {
        let is_nobodys = ip.is_multicast()
            || ip.is_unspecified()
            || matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        match ip {
            _ if is_nobodys => Self::None,
            _ if ip.is_loopback() => Self::Host,
            IpAddr::V4(v4) if v4.is_link_local() => Self::Link,
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Self::None,
            _ => Self::Global,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reached_from_as_far_as_its_range_says() {
        for (ip, reach) in [
            ("10.0.0.9", Reach::Global),
            ("100.64.0.1", Reach::Global),
            ("fd00::9", Reach::Global),
            ("2001:db8::9", Reach::Global),
            ("169.254.3.4", Reach::Link),
            ("127.0.0.1", Reach::Host),
            ("127.0.1.1", Reach::Host),
            ("::1", Reach::Host),
            ("fe80::1", Reach::None),
            ("224.0.0.1", Reach::None),
            ("0.0.0.0", Reach::None),
            ("255.255.255.255", Reach::None),
        ] {
            assert_eq!(Reach::of(ip.parse().expect("an ip")), reach, "{ip}");
        }
    }

    #[test]
    fn this_host_lists_its_loopback_and_reaches_it_from_there() {
        let addresses = ThisHost.addresses().expect("a list");
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert!(addresses.iter().any(|address| address.ip == loopback));
        let to = SocketAddr::new(loopback, 9);
        assert_eq!(ThisHost.source_towards(to), Some(loopback));
    }
}
