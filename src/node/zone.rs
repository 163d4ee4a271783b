//! Zones: the `%eth0` in `[fe80::1%eth0]:7946`.
//!
//! A link-local IPv6 address means something on one link only, and a host has several. Its zone says
//! which: an interface, by name or by number. It means nothing to other hosts, so it is never part
//! of what is sent to them.
//!
//! | setting | a zone | link-local without one |
//! |---|---|---|
//! | `bind` | is kept: the socket speaks on that link | refused: the operating system would, too |
//! | `advertise` | refused | taken, with a warning unless `bind` has a zone |
//! | `seeds` | has to be that of `bind`, whose socket sends on that link | the same |

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::gossip::canonical;

/// An address as a user writes it, its zone included; otherwise canonical.
///
/// The outer result is `None` where this is no address at all.
pub(super) fn parse(text: &str) -> Option<Result<SocketAddr, &'static str>> {
    let Some((ip, zone, port)) = split(text) else {
        return text.parse().ok().map(|address| Ok(canonical(address)));
    };
    let (Ok(ip), Ok(port)) = (ip.parse::<Ipv6Addr>(), port.parse::<u16>()) else {
        return None;
    };
    if !ip.is_unicast_link_local() {
        return Some(Err("only a link-local address (fe80::/10) has a zone"));
    }
    let zoned = |index| SocketAddr::V6(SocketAddrV6::new(ip, port, 0, index));
    Some(index_of(zone).map(zoned))
}

/// `[ip%zone]:port`.
fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (host, port) = text.strip_prefix('[')?.split_once("]:")?;
    let (ip, zone) = host.split_once('%')?;
    Some((ip, zone, port))
}

fn index_of(zone: &str) -> Result<u32, &'static str> {
    if let Ok(index) = zone.parse() {
        return match index {
            0 => Err("zone 0 is no interface"),
            index => Ok(index),
        };
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let named = interfaces.iter().find(|interface| interface.name == zone);
    named
        .and_then(|interface| interface.index)
        .ok_or("its zone is neither the name of an interface of this host nor a number")
}

/// The number of an address's zone; 0 for none.
pub(super) const fn of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}

/// Whether only the link on which it is sent gives a destination a meaning.
pub(super) const fn is_needed_for(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The address to bind to.
pub(super) fn for_bind(address: SocketAddr) -> Result<SocketAddr, &'static str> {
    if is_needed_for(address.ip()) && of(address) == 0 {
        return Err("a link-local address wants its zone, as in \"[fe80::1%eth0]:7946\"");
    }
    Ok(address)
}

/// The address to advertise.
pub(super) fn for_advertise(address: SocketAddr) -> Result<SocketAddr, &'static str> {
    if of(address) != 0 {
        return Err("a zone means nothing to other hosts: leave it out");
    }
    Ok(address)
}

/// The address of a seed, for a socket that is bound to `bind`.
pub(super) fn for_seed(address: SocketAddr, bind: SocketAddr) -> Result<SocketAddr, &'static str> {
    if !is_needed_for(address.ip()) {
        return Ok(address);
    }
    match (of(address), of(bind)) {
        (_, 0) => Err(
            "a link-local seed is reached only from a socket that is bound to its link, as with \
             `.bind(\"[fe80::1%eth0]:7946\")`",
        ),
        (zone, bound) if zone != 0 && zone != bound => {
            Err("its zone is another one than that of `bind`, and the socket sends on that link")
        }
        _ => Ok(canonical(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        parse(text).expect("an address").expect("well-formed")
    }

    #[test]
    fn a_zone_is_kept_by_number_and_by_the_name_of_an_interface() {
        let by_number = address("[fe80::1%2]:7946");
        assert_eq!((of(by_number), by_number.port()), (2, 7946));
        assert_eq!(by_number.to_string(), "[fe80::1%2]:7946");
        let interfaces = if_addrs::get_if_addrs().expect("a list");
        let loopback = interfaces.iter().find(|one| one.is_loopback());
        let loopback = loopback.expect("every host has one");
        let by_name = address(&format!("[fe80::1%{}]:7946", loopback.name));
        assert_eq!(Some(of(by_name)), loopback.index);
    }

    #[test]
    fn what_has_no_zone_is_canonical() {
        assert_eq!(address("[::1]:1"), "[::1]:1".parse().unwrap());
        let mapped = address("[::ffff:10.0.0.9]:1");
        assert_eq!(mapped, "10.0.0.9:1".parse().unwrap());
        assert_eq!(of(address("[fe80::1]:1")), 0);
    }

    #[test]
    fn a_zone_that_means_nothing_is_refused_with_the_reason() {
        let refused = |text| parse(text).expect("an address").expect_err("refused");
        assert!(refused("[2001:db8::1%2]:1").contains("link-local"));
        assert!(refused("[::1%1]:1").contains("link-local"));
        assert!(refused("[fe80::1%0]:1").contains("zone 0"));
        assert!(refused("[fe80::1%]:1").contains("name of an interface"));
        assert!(refused("[fe80::1%no-such-interface]:1").contains("name of an interface"));
        for text in [
            "[fe80::1%2]:70000",
            "[fe80::1%2]",
            "fe80::1%2",
            "10.0.0.9%2:1",
        ] {
            assert!(parse(text).is_none(), "{text} is no address");
        }
    }

    #[test]
    fn each_setting_takes_the_zones_that_it_can_use() {
        let (zoned, other) = (address("[fe80::1%2]:1"), address("[fe80::9%3]:1"));
        let (bare, global) = (address("[fe80::9]:1"), address("[2001:db8::9]:1"));
        assert_eq!(for_bind(zoned), Ok(zoned));
        assert_eq!(for_bind(global), Ok(global));
        assert!(for_bind(bare).is_err());
        assert!(for_advertise(zoned).is_err());
        assert_eq!(for_advertise(bare), Ok(bare));
        assert_eq!(for_seed(bare, zoned), Ok(bare));
        let seed = address("[fe80::9%2]:1");
        assert_eq!(for_seed(seed, zoned), Ok(bare), "the socket has the zone");
        assert!(for_seed(other, zoned).is_err());
        for seed in [bare, zoned] {
            assert!(for_seed(seed, global).is_err(), "{seed}");
        }
        assert_eq!(for_seed(global, zoned), Ok(global));
    }
}
