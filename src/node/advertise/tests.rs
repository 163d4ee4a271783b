use std::io;

use super::*;
use crate::node::seeds::UNRESOLVABLE;

/// A host with these addresses, and these sources for destinations that begin so.
pub(super) struct FakeHost {
    pub(super) addresses: Vec<(&'static str, &'static str)>,
    pub(super) routes: Vec<(&'static str, &'static str)>,
}

impl Host for FakeHost {
    fn addresses(&self) -> io::Result<Vec<Address>> {
        Ok(listed(&self.addresses))
    }

    fn source_towards(&self, to: SocketAddr) -> Option<IpAddr> {
        let to = to.ip().to_string();
        let mut routes = self.routes.iter();
        let (_, source) = routes.find(|(prefix, _)| to.starts_with(prefix))?;
        Some(ip(source))
    }
}

/// At the end of an interface's name: it has no link.
const NO_LINK: char = '!';

pub(super) fn listed(addresses: &[(&str, &str)]) -> Vec<Address> {
    let address = |(interface, text): &(&str, &str)| Address {
        interface: (*interface).trim_end_matches(NO_LINK).to_owned(),
        ip: ip(text),
        is_up: !interface.ends_with(NO_LINK),
    };
    addresses.iter().map(address).collect()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an ip")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Debian: the host's own name resolves to 127.0.1.1.
fn lookups() -> Lookups {
    Lookups::by(|host, port| match host {
        "own-name" => Ok(vec![SocketAddr::from(([127, 0, 1, 1], port))]),
        "seed.internal" => Ok(vec![SocketAddr::from(([10, 0, 0, 7], port))]),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
}

async fn on(host: &FakeHost, bound: &str, seeds: &[&str]) -> Result<(String, bool), StartError> {
    let seeds: Vec<_> = seeds
        .iter()
        .map(|seed| Seed::parse(seed).expect("well-formed"))
        .collect();
    let chosen = choose(address(bound), None, &seeds, &lookups(), host).await?;
    Ok((chosen.address.to_string(), chosen.follows))
}

const LOOPBACK: (&str, &str) = ("lo", "127.0.0.1");

fn one_address() -> FakeHost {
    FakeHost {
        addresses: vec![LOOPBACK, ("eth0", "10.0.0.9"), ("eth0", "169.254.3.4")],
        routes: vec![("127.", "127.0.0.1"), ("", "10.0.0.9")],
    }
}

fn several_addresses() -> FakeHost {
    FakeHost {
        addresses: vec![LOOPBACK, ("docker0", "172.17.0.1"), ("eth0", "10.0.0.9")],
        routes: vec![
            ("127.", "127.0.0.1"),
            ("172.17.", "172.17.0.1"),
            ("", "10.0.0.9"),
        ],
    }
}

fn no_address() -> FakeHost {
    FakeHost {
        addresses: vec![LOOPBACK, ("lo", "::1"), ("eth0", "fe80::1")],
        routes: vec![("127.", "127.0.0.1"), ("::1", "::1")],
    }
}

#[tokio::test]
async fn the_users_address_is_advertised_and_its_port_zero_is_the_bound_one() {
    let bound = address("0.0.0.0:7946");
    for (said, expected) in [
        ("192.0.2.9:80", "192.0.2.9:80"),
        ("192.0.2.9:0", "192.0.2.9:7946"),
    ] {
        let host = one_address();
        let chosen = choose(bound, Some(address(said)), &[], &lookups(), &host).await;
        let chosen = chosen.expect("chosen");
        assert_eq!(chosen.address, address(expected));
        assert!(!chosen.follows, "the user has said it");
    }
}

#[tokio::test]
async fn a_bound_address_is_advertised_and_kept() {
    let chosen = on(&one_address(), "127.0.0.1:7946", &["own-name:1"]).await;
    assert_eq!(chosen.expect("chosen"), ("127.0.0.1:7946".into(), false));
}

#[tokio::test]
async fn a_seed_on_this_host_never_makes_it_advertise_loopback() {
    for seeds in [
        &["own-name:7946"][..],
        &["127.0.0.1:7946"],
        &["127.0.1.1:7946", "[::1]:7946"],
        &["own-name:7946", "seed.internal:7946"],
        &[UNRESOLVABLE, "own-name:7946"],
        &[],
    ] {
        let chosen = on(&one_address(), "0.0.0.0:5", seeds).await;
        assert_eq!(chosen.expect("chosen").0, "10.0.0.9:5", "{seeds:?}");
    }
}

#[tokio::test]
async fn an_interface_without_a_link_is_passed_over_while_there_is_another() {
    let bridge = ("docker0!", "172.17.0.1");
    let mut host = FakeHost {
        addresses: vec![LOOPBACK, bridge, ("eth0", "10.0.0.9")],
        routes: Vec::new(),
    };
    let chosen = on(&host, "0.0.0.0:5", &[]).await;
    assert_eq!(chosen.expect("chosen").0, "10.0.0.9:5");
    host.addresses.pop();
    let chosen = on(&host, "0.0.0.0:5", &[]).await;
    assert_eq!(chosen.expect("chosen"), ("172.17.0.1:5".into(), true));
}

#[tokio::test]
async fn with_several_addresses_the_one_towards_the_first_seed_elsewhere_is_advertised() {
    for (seeds, expected) in [
        (&["172.17.0.3:1"][..], "172.17.0.1:5"),
        (&["own-name:1", "172.17.0.3:1"], "172.17.0.1:5"),
        (
            &[UNRESOLVABLE, "seed.internal:1", "172.17.0.3:1"],
            "10.0.0.9:5",
        ),
    ] {
        let chosen = on(&several_addresses(), "0.0.0.0:5", seeds).await;
        assert_eq!(
            chosen.expect("chosen"),
            (expected.into(), true),
            "{seeds:?}"
        );
    }
}

#[tokio::test]
async fn with_several_addresses_and_seeds_on_this_host_the_default_route_decides() {
    let host = several_addresses();
    let chosen = on(&host, "0.0.0.0:5", &["own-name:1"]).await;
    assert_eq!(chosen.expect("chosen").0, "10.0.0.9:5");
    let no_route = FakeHost {
        routes: vec![("127.", "127.0.0.1")],
        ..several_addresses()
    };
    let refused = on(&no_route, "0.0.0.0:5", &["own-name:1"]).await;
    let error = refused.expect_err("nothing to tell by");
    assert!(matches!(error, StartError::AdvertiseAmbiguous { .. }));
}

#[tokio::test]
async fn a_name_server_that_is_down_fails_no_start_of_a_host_with_several_addresses() {
    let host = several_addresses();
    let seeds = [Seed::parse(UNRESOLVABLE).expect("well-formed")];
    let bound = address("0.0.0.0:5");
    let chosen = choose(bound, None, &seeds, &lookups(), &host).await;
    let chosen = chosen.expect("the address of the default route");
    assert_eq!(chosen.address, address("10.0.0.9:5"));
    assert!(chosen.follows && chosen.is_guess);
}

#[tokio::test]
async fn a_seed_on_this_host_tells_which_family_a_dual_stack_node_advertises() {
    let host = FakeHost {
        addresses: vec![LOOPBACK, ("eth0", "10.0.0.9"), ("eth0", "fd00::9")],
        routes: vec![("127.", "127.0.0.1"), ("::1", "::1")],
    };
    let v4 = on(&host, "[::]:5", &["127.0.0.1:1"]).await;
    assert_eq!(v4.expect("chosen").0, "10.0.0.9:5");
    let v6 = on(&host, "[::]:5", &["[::1]:1"]).await;
    assert_eq!(v6.expect("chosen").0, "[fd00::9]:5");
}

#[tokio::test]
async fn several_addresses_are_not_guessed_between_and_the_error_names_them() {
    let refused = on(&several_addresses(), "0.0.0.0:5", &[]).await;
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains("(10.0.0.9, 172.17.0.1)"), "{text}");
    assert!(text.contains(".advertise(\"10.0.0.9:5\")"), "{text}");
}

#[tokio::test]
async fn a_host_without_an_address_starts_on_loopback_and_follows() {
    for (bound, seeds, expected) in [
        ("0.0.0.0:5", &[][..], "127.0.0.1:5"),
        ("0.0.0.0:5", &["10.0.0.7:7946"], "127.0.0.1:5"),
        ("0.0.0.0:5", &["own-name:7946"], "127.0.0.1:5"),
        ("[::]:5", &["[::1]:7946"], "[::1]:5"),
    ] {
        let chosen = on(&no_address(), bound, seeds).await;
        assert_eq!(
            chosen.expect("chosen"),
            (expected.into(), true),
            "{seeds:?}"
        );
    }
}

#[tokio::test]
async fn link_local_is_advertised_where_there_is_nothing_better() {
    let host = FakeHost {
        addresses: vec![LOOPBACK, ("eth0", "169.254.3.4")],
        routes: vec![("127.", "127.0.0.1"), ("169.254.", "169.254.3.4")],
    };
    let seeds = &["169.254.3.9:7946"][..];
    for seeds in [&[][..], seeds] {
        let chosen = on(&host, "0.0.0.0:5", seeds).await;
        assert_eq!(chosen.expect("chosen"), ("169.254.3.4:5".into(), true));
    }
}

#[tokio::test]
async fn an_address_that_no_interface_lists_is_kept() {
    let host = FakeHost {
        addresses: several_addresses().addresses,
        routes: vec![("10.1.", "10.1.0.9")],
    };
    let chosen = on(&host, "0.0.0.0:5", &["10.1.0.7:7946"]).await;
    assert_eq!(chosen.expect("chosen"), ("10.1.0.9:5".into(), false));
}
