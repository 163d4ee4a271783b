//! Which address the others are told to send to, at the start and from then on.
//!
//! 1. The one that `advertise` names; its port 0 means the bound port.
//! 2. Bound to an address of this host: that one.
//! 3. Bound to an unspecified address: this host's only global-unicast address. (Private networks
//!    count: 10.0.0.9 is one. Loopback, link-local and multicast are not.)
//! 4. Several of these: the one from which this host reaches its first seed. A throwaway UDP socket
//!    is connected to the seed, which makes the kernel choose a source address; no packet is sent.
//!    A seed on this very host (Debian resolves a host's own name to 127.0.1.1) tells only the
//!    family; then the address of the default route is taken. So it is where no seed resolves: a name
//!    server that is down fails no start. That is a guess, and the first seed that resolves puts it
//!    right.
//! 5. Several and no seeds at all: the start is refused. A node that advertises the wrong address
//!    joins, is seen, and cannot be reached.
//! 6. None: the node starts alone, on a link-local IPv4 address or on loopback.
//!
//! Where 3 to 6 chose, [`follow`] watches the host's interfaces, and the node moves when its address
//! is gone, or when there is a first one.

pub(super) mod follow;
pub(super) mod host;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;

use self::host::{Address, Host, Reach};
use super::error::StartError;
use super::lookups::Lookups;
use super::seeds::Seed;
use super::zone;
use crate::gossip::canonical;

/// How long the search for a seed that resolves may hold up a start.
const SEARCH_LIMIT: Duration = Duration::from_secs(5);

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) address: SocketAddr,
    /// Whether it is one of this host's addresses that was chosen here, and is given up when it is
    /// gone.
    pub(super) follows: bool,
    /// Whether no seed could tell which address is the one.
    pub(super) is_guess: bool,
}

/// The address to advertise for a socket bound to `bound` (with its real port).
pub(super) async fn choose(
    bound: SocketAddr,
    advertise: Option<SocketAddr>,
    seeds: &[Seed],
    lookups: &Lookups,
    host: &dyn Host,
) -> Result<Advertised, StartError> {
    let fixed = |address| Advertised {
        address,
        follows: false,
        is_guess: false,
    };
    if let Some(address) = advertise {
        let port = if address.port() == 0 {
            bound.port()
        } else {
            address.port()
        };
        return Ok(fixed(SocketAddr::new(address.ip(), port)));
    }
    if !bound.ip().is_unspecified() {
        return Ok(fixed(canonical(bound)));
    }
    let (here, unlisted) = match host.addresses() {
        Ok(here) => (here, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let here = here.as_slice();
    let mut candidates = global(bound.ip(), here);
    if let [ip] = candidates.as_slice() {
        return Ok(chosen(*ip, bound, here));
    }
    let found = sources_towards(seeds, bound.ip(), lookups, host).await;
    let outside = found.iter().find(|ip| Reach::of(**ip) == Reach::Global);
    if let Some(ip) = outside {
        return Ok(chosen(*ip, bound, here));
    }
    if let Some(source) = unlisted {
        // A seed on this host is all there is to tell by.
        let ip = found.first().copied();
        return ip
            .map(|ip| chosen(ip, bound, here))
            .ok_or(StartError::Interfaces {
                bind: bound,
                source,
            });
    }
    if candidates.is_empty() {
        let ip = found.first().copied();
        let ip = ip.unwrap_or_else(|| provisional(bound.ip(), here));
        return Ok(chosen(ip, bound, here));
    }
    let ip = match found.first() {
        Some(local) => outgoing(&candidates, local.is_ipv4(), host),
        None if seeds.is_empty() => None,
        None => outgoing(&candidates, true, host).or_else(|| outgoing(&candidates, false, host)),
    };
    let Some(ip) = ip else {
        candidates.sort_unstable();
        return Err(StartError::AdvertiseAmbiguous {
            bind: bound,
            candidates,
        });
    };
    Ok(Advertised {
        is_guess: found.is_empty(),
        ..chosen(ip, bound, here)
    })
}

fn chosen(ip: IpAddr, bound: SocketAddr, here: &[Address]) -> Advertised {
    // All of 127.0.0.0/8 is loopback's, and one address of it is listed. Of what else is not listed
    // nobody can tell when it is gone.
    let is_listed = here.iter().any(|address| address.ip == ip);
    Advertised {
        address: SocketAddr::new(ip, bound.port()),
        follows: is_listed || ip.is_loopback(),
        is_guess: false,
    }
}

/// The addresses from which this host reaches its seeds, in their order, as far as they resolve and
/// have a route.
///
/// All are looked up at once, and the search ends with the first in their order that is reached
/// from a global-unicast address. A seed without an answer after [`SEARCH_LIMIT`] is passed over.
async fn sources_towards(
    seeds: &[Seed],
    bound: IpAddr,
    lookups: &Lookups,
    host: &dyn Host,
) -> Vec<IpAddr> {
    let mut searches = JoinSet::new();
    for (index, seed) in seeds.iter().cloned().enumerate() {
        let lookups = lookups.clone();
        searches.spawn(async move { (index, seed.resolve(&lookups).await.unwrap_or_default()) });
    }
    // For each seed whether it has been looked up, and what came of it.
    let mut sources: Vec<Option<Vec<IpAddr>>> = vec![None; seeds.len()];
    let is_global = |ip: &IpAddr| Reach::of(*ip) == Reach::Global;
    let search = async {
        while let Some(Ok((index, addresses))) = searches.join_next().await {
            let usable = addresses.into_iter().filter(|to| speaks(bound, to.ip()));
            let mut found: Vec<_> = usable.filter_map(|to| host.source_towards(to)).collect();
            found.retain(|ip| Reach::of(*ip) != Reach::None);
            sources[index] = Some(found);
            // The seeds before the first global source have been looked up, and have none.
            for source in &sources {
                match source {
                    Some(found) if found.iter().any(is_global) => return,
                    Some(_) => {}
                    None => break,
                }
            }
        }
    };
    let _ = tokio::time::timeout(SEARCH_LIMIT, search).await;
    sources.into_iter().flatten().flatten().collect()
}

/// This host's global-unicast addresses that a socket on `bound` speaks from, each once: those with a
/// link, or else all.
fn global(bound: IpAddr, here: &[Address]) -> Vec<IpAddr> {
    let candidates = |is_wanted: fn(&Address) -> bool| {
        let mut found: Vec<IpAddr> = Vec::new();
        for ip in here.iter().filter(|one| is_wanted(one)).map(|one| one.ip) {
            if speaks(bound, ip) && Reach::of(ip) == Reach::Global && !found.contains(&ip) {
                found.push(ip);
            }
        }
        found
    };
    let linked = candidates(|address| address.is_up);
    if linked.is_empty() {
        candidates(|_| true)
    } else {
        linked
    }
}

/// Of several addresses the one that stands out to the outside: the only one of a family, or that
/// of the default route.
fn outgoing(candidates: &[IpAddr], is_ipv4: bool, host: &dyn Host) -> Option<IpAddr> {
    let family = |ip: &&IpAddr| ip.is_ipv4() == is_ipv4;
    let mut of_family = candidates.iter().filter(family);
    match (of_family.next(), of_family.next()) {
        (None, _) => candidates
            .first()
            .copied()
            .filter(|_| candidates.len() == 1),
        (Some(only), None) => Some(*only),
        (Some(_), Some(_)) => host
            .source_towards(outside(is_ipv4))
            .filter(|ip| candidates.contains(ip)),
    }
}

/// An address that is nobody's (RFC 5737, RFC 3849): the route to it is the default route.
const fn outside(is_ipv4: bool) -> SocketAddr {
    let ip = if is_ipv4 {
        IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1))
    } else {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1))
    };
    SocketAddr::new(ip, 9)
}

/// Where a node waits for an address: its only link-local IPv4 address, or loopback. A link-local
/// IPv6 address needs a zone, which the socket does not have.
fn provisional(bound: IpAddr, here: &[Address]) -> IpAddr {
    let ips = || here.iter().map(|address| address.ip);
    let mut link_local = ips().filter(|ip| Reach::of(*ip) == Reach::Link);
    if let (Some(only), None) = (link_local.next(), link_local.next()) {
        return only;
    }
    let has_ipv4 = ips().any(|ip| ip.is_ipv4());
    if bound.is_ipv4() || has_ipv4 {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    }
}

/// Whether a socket on the unspecified address `bound` speaks `ip`'s family: `[::]` speaks both.
fn speaks(bound: IpAddr, ip: IpAddr) -> bool {
    bound.is_ipv6() || ip.is_ipv4()
}

/// Says at the start what will keep others from reaching this node, and how to fix it.
pub(super) fn warn_of(bound: SocketAddr, advertised: Advertised) {
    let node = advertised.address;
    let ip = node.ip();
    if advertised.is_guess {
        tracing::warn!(
            target: super::TARGET, event = "guessed_address", %node, %bound,
            "this host has several addresses and no seed resolves to tell which one peers reach: advertising that of the default route until one does; set it with .advertise(..)"
        );
    }
    if zone::is_needed_for(ip) {
        if zone::of(bound) == 0 {
            tracing::warn!(
                target: super::TARGET, event = "unreachable_address", %node, %bound,
                "the advertised address is link-local: only nodes that are bound to its link, as with .bind(\"[fe80::1%eth0]:7946\"), reach it; set another one with .advertise(..)"
            );
        }
    } else if ip.is_loopback() && !bound.ip().is_loopback() {
        tracing::warn!(
            target: super::TARGET, event = "unreachable_address", %node, %bound,
            "the advertised address is loopback: only processes of this host reach it; {}",
            if advertised.follows {
                "this host has no other address yet, and the node moves when there is one"
            } else {
                "set the one that peers reach with .advertise(..)"
            }
        );
    }
}
