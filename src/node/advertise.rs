//! Which address the others are told to send to.
//!
//! 1. What `advertise` says; its port 0 means the bound port.
//! 2. Bound to an address of this host: that one.
//! 3. Bound to an unspecified address: the address that this host uses to reach its first seed. A
//!    throwaway UDP socket is connected to the seed, which makes the kernel choose a source
//!    address; no packet is sent.
//! 4. No seed to tell by: the host's only global-unicast address. (Private networks count: 10.0.0.9
//!    is one. Loopback, link-local and multicast are not.) Several are never guessed between: a
//!    node that advertises the wrong one joins, is seen, and cannot be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::task::JoinSet;

use super::error::StartError;
use super::seeds::Seed;

/// How long the search for a seed that resolves may hold up a start.
const SEARCH_LIMIT: Duration = Duration::from_secs(5);

/// The address to advertise for a socket bound to `bound` (with its real port).
pub(super) async fn choose(
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
    seeds: &[Seed],
) -> Result<SocketAddr, StartError> {
    if let Some(address) = advertise {
        let port = if address.port() == 0 {
            bound.port()
        } else {
            address.port()
        };
        return Ok(SocketAddr::new(address.ip(), port));
    }
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    if let Some(ip) = source_towards(seeds, bound.ip()).await {
        return Ok(SocketAddr::new(ip, bound.port()));
    }
    let interfaces = if_addrs::get_if_addrs().map_err(|source| StartError::Interfaces {
        bind: bound,
        source,
    })?;
    only_global_unicast(bound, interfaces.iter().map(if_addrs::Interface::ip))
}

/// The address from which this host reaches the first seed that resolves and has a route.
///
/// All are looked up at once, and the first in their order counts. One that has no answer after
/// [`SEARCH_LIMIT`] is passed over.
async fn source_towards(seeds: &[Seed], bound: IpAddr) -> Option<IpAddr> {
    let mut lookups = JoinSet::new();
    for (index, seed) in seeds.iter().cloned().enumerate() {
        lookups.spawn(async move { (index, seed.resolve().await.unwrap_or_default()) });
    }
    // For each seed whether it has been looked up, and what came of it.
    let mut sources: Vec<Option<Option<IpAddr>>> = vec![None; seeds.len()];
    let search = async {
        while let Some(Ok((index, addresses))) = lookups.join_next().await {
            let mut usable = addresses.into_iter().filter(|to| speaks(bound, to.ip()));
            sources[index] = Some(usable.find_map(source_address));
            let first = sources.iter().find(|source| **source != Some(None));
            if matches!(first, Some(Some(_))) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(SEARCH_LIMIT, search).await;
    sources.into_iter().flatten().flatten().next()
}

fn source_address(to: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(to).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

fn only_global_unicast(
    bound: SocketAddr,
    addresses: impl Iterator<Item = IpAddr>,
) -> Result<SocketAddr, StartError> {
    let mut candidates: Vec<IpAddr> = addresses
        .filter(|&ip| speaks(bound.ip(), ip) && is_global_unicast(ip))
        .collect();
    candidates.sort_unstable();
    candidates.dedup();
    match candidates.as_slice() {
        [] => Err(StartError::AdvertiseUnknown { bind: bound }),
        [ip] => Ok(SocketAddr::new(*ip, bound.port())),
        _ => Err(StartError::AdvertiseAmbiguous {
            bind: bound,
            candidates,
        }),
    }
}

/// Whether a socket on the unspecified address `bound` speaks `ip`'s family: `[::]` speaks both.
fn speaks(bound: IpAddr, ip: IpAddr) -> bool {
    bound.is_ipv6() || ip.is_ipv4()
}

fn is_global_unicast(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(link_local || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::seeds::UNRESOLVABLE;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn among(bound: &str, host: &[&str]) -> Result<SocketAddr, StartError> {
        only_global_unicast(
            address(bound),
            host.iter().map(|ip| ip.parse().expect("an ip")),
        )
    }

    #[tokio::test]
    async fn what_the_user_says_is_advertised_and_its_port_zero_is_the_bound_one() {
        let bound = address("0.0.0.0:7946");
        let said = choose(bound, Some(address("192.0.2.9:80")), &[])
            .await
            .expect("chosen");
        assert_eq!(said, address("192.0.2.9:80"));
        let said = choose(bound, Some(address("192.0.2.9:0")), &[])
            .await
            .expect("chosen");
        assert_eq!(said, address("192.0.2.9:7946"));
    }

    #[tokio::test]
    async fn a_bound_address_is_advertised() {
        let bound = address("127.0.0.1:7946");
        assert_eq!(choose(bound, None, &[]).await.expect("chosen"), bound);
    }

    #[tokio::test]
    async fn bound_to_all_the_address_towards_the_first_usable_seed_is_advertised() {
        let seeds = [UNRESOLVABLE, "[::1]:7946", "127.0.0.1:7946"];
        let seeds = seeds.map(|seed| Seed::parse(seed).expect("well-formed"));
        let v4 = choose(address("0.0.0.0:5"), None, &seeds)
            .await
            .expect("chosen");
        assert_eq!(v4, address("127.0.0.1:5"));
        let dual = choose(address("[::]:5"), None, &seeds)
            .await
            .expect("chosen");
        assert_eq!(dual, address("[::1]:5"));
    }

    #[test]
    fn the_only_global_unicast_address_is_taken() {
        let host = [
            "127.0.0.1",
            "169.254.3.4",
            "10.0.0.9",
            "fe80::1",
            "::1",
            "2001:db8::9",
        ];
        assert_eq!(
            among("0.0.0.0:5", &host).expect("chosen"),
            address("10.0.0.9:5")
        );
        let v6 = ["::1", "fe80::1", "fd00::9"];
        assert_eq!(
            among("[::]:5", &v6).expect("chosen"),
            address("[fd00::9]:5")
        );
    }

    #[test]
    fn several_addresses_are_not_guessed_between_and_the_error_names_them() {
        let error =
            among("0.0.0.0:5", &["172.17.0.1", "10.0.0.9", "10.0.0.9"]).expect_err("refused");
        let text = error.to_string();
        assert!(text.contains("(10.0.0.9, 172.17.0.1)"), "{text}");
        assert!(text.contains(".advertise(\"10.0.0.9:5\")"), "{text}");
        let both = among("[::]:5", &["10.0.0.9", "2001:db8::9"]).expect_err("refused");
        assert!(matches!(both, StartError::AdvertiseAmbiguous { .. }));
    }

    #[test]
    fn a_host_without_an_address_says_so() {
        let error = among("0.0.0.0:5", &["127.0.0.1", "::1"]).expect_err("refused");
        assert!(matches!(error, StartError::AdvertiseUnknown { .. }));
        assert!(error.to_string().contains(".advertise("));
    }
}
