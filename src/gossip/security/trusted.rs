//! Who may write what.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::signing::{PUBLIC_KEY_BYTES, PublicKey};
use crate::gossip::canonical;

/// Whose signatures a node demands: sets of public keys, by owner and by service.
///
/// An *owner* is a node, named by the address that it advertises. A record for which there is a rule of either sort has to be
/// signed by a key of that rule's set, and where both an owner's and a service's rule apply, by one that is in both.
/// What no rule names is taken as it comes ([`open`](Self::open), the default) or not at all ([`closed`](Self::closed)).
///
/// Keys are named beforehand and never pinned at first sight: whoever came with a higher boot would be the first again.
///
/// ```
/// use tidings::{SigningKey, Trusted};
///
/// let [one, other] = [1, 2].map(|byte| SigningKey::from_bytes([byte; 32]).public_key());
/// let trusted = Trusted::open()
///     .service("payments", [one, other])
///     .owner("10.0.0.9:7946".parse()?, [one]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Who may say goodbye
///
/// A node that leaves says so in a record that belongs to no service. It takes effect when the node is down: all of its records go at
/// once, and it is told as left, not failed. So it has to meet
/// every rule that one of them has to: the owner's, and that of each service of which a record of the owner is held.
/// Where there is none of these, it is taken or refused as what no rule names: in an open list only a rule for the owner guards
/// one of whom no record has come yet. Empty lists, by which instances
/// are deregistered, are records of their service as any other.
///
/// # Changing keys, and rules
///
/// A node gets another key in three rounds, each of which is over before the next begins: the new public key is added to the
/// lists of all nodes, the node is started again with the new key, the old one is taken out of the lists. Likewise rules
/// come last: first every node is given a key and signs, then the lists name them. Nodes whose lists differ hold
/// different tables; they find that out of each other again and again: once in
/// [`sync_interval_max`](crate::gossip::Config::sync_interval_max) while nothing else changes, about once a second while
/// something does, for a few datagrams and more of them the more is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    owners: BTreeMap<SocketAddr, Keys>,
    hosts: BTreeMap<IpAddr, Keys>,
    services: BTreeMap<String, Keys>,
    is_closed: bool,
}

type Keys = BTreeMap<[u8; PUBLIC_KEY_BYTES], PublicKey>;

/// A record is not signed by a key that may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Untrusted;

impl Trusted {
    /// What no rule names needs no signature. The default.
    pub fn open() -> Self {
        Self::default()
    }

    /// What no rule names is refused.
    pub fn closed() -> Self {
        Self {
            is_closed: true,
            ..Self::default()
        }
    }

    /// The node that advertises exactly this address signs with one of these keys. It goes before what is said of
    /// its [`host`](Self::host). This and the other two add to what was said of the same name before; without
    /// any key nobody may write in that name.
    #[must_use]
    pub fn owner(mut self, addr: SocketAddr, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        add(self.owners.entry(canonical(addr)).or_default(), keys);
        self
    }

    /// The nodes that advertise this address, on whatever port, sign with one of these keys.
    #[must_use]
    pub fn host(mut self, ip: IpAddr, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        add(self.hosts.entry(ip.to_canonical()).or_default(), keys);
        self
    }

    /// Whoever offers this service signs with one of these keys. Each of them may write for every owner that has no rule of its own:
    /// the holder of one can speak for the others, unless [`owner`](Self::owner) or [`host`](Self::host) tells them apart.
    #[must_use]
    pub fn service(
        mut self,
        name: impl Into<String>,
        keys: impl IntoIterator<Item = PublicKey>,
    ) -> Self {
        add(self.services.entry(name.into()).or_default(), keys);
        self
    }

    /// Whether `owner` may write for `services` with the key that is offered. If a signature is demanded, gives the key that
    /// has to have made it.
    pub(in crate::gossip) fn judge<'a>(
        &self,
        owner: SocketAddr,
        services: impl IntoIterator<Item = &'a str>,
        offered: Option<&[u8; PUBLIC_KEY_BYTES]>,
    ) -> Result<Option<PublicKey>, Untrusted> {
        let owner = canonical(owner);
        let of_owner = self.owners.get(&owner);
        let of_owner = of_owner.or_else(|| self.hosts.get(&owner.ip()));
        let of_services = services
            .into_iter()
            .filter_map(|name| self.services.get(name));
        let mut demanded = None;
        for keys in of_owner.into_iter().chain(of_services) {
            let key = offered.and_then(|offered| keys.get(offered));
            demanded = Some(*key.ok_or(Untrusted)?);
        }
        if demanded.is_none() && self.is_closed {
            return Err(Untrusted);
        }
        Ok(demanded)
    }
}

fn add(set: &mut Keys, keys: impl IntoIterator<Item = PublicKey>) {
    set.extend(keys.into_iter().map(|key| (key.to_bytes(), key)));
}

#[cfg(test)]
mod tests {
    use super::{super::SigningKey, *};

    fn key(byte: u8) -> PublicKey {
        SigningKey::from_bytes([byte; 32]).public_key()
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Which of the keys 1 to 3, or none (0), `owner` may write `services` with.
    fn may(trusted: &Trusted, owner: &str, services: &[&str]) -> Vec<u8> {
        let judged = |byte: &u8| {
            let offered = (*byte > 0).then(|| key(*byte).to_bytes());
            trusted.judge(addr(owner), services.iter().copied(), offered.as_ref())
        };
        (0..=3).filter(|byte| judged(byte).is_ok()).collect()
    }

    #[test]
    fn what_no_rule_names_is_open_or_closed() {
        let all = vec![0, 1, 2, 3];
        assert_eq!(may(&Trusted::open(), "10.0.0.1:1", &["a"]), all);
        assert!(may(&Trusted::closed(), "10.0.0.1:1", &["a"]).is_empty());
        let open = Trusted::default().judge(addr("10.0.0.1:1"), ["a"], Some(&key(1).to_bytes()));
        assert_eq!(open, Ok(None), "nothing to verify");
    }

    #[test]
    fn an_owners_rule_and_a_services_are_both_to_be_met() {
        for trusted in [Trusted::open(), Trusted::closed()] {
            let trusted = trusted
                .owner(addr("10.0.0.1:1"), [key(1), key(2)])
                .service("a", [key(2), key(3)]);
            assert_eq!(may(&trusted, "10.0.0.1:1", &["b"]), [1, 2]);
            assert_eq!(may(&trusted, "10.0.0.2:1", &["a"]), [2, 3]);
            assert_eq!(may(&trusted, "10.0.0.1:1", &["a"]), [2]);
            let demanded = trusted.judge(addr("10.0.0.1:1"), ["a"], Some(&key(2).to_bytes()));
            assert_eq!(demanded, Ok(Some(key(2))));
        }
    }

    #[test]
    fn an_exact_address_goes_before_its_host() {
        let trusted = Trusted::open()
            .owner(addr("10.0.0.1:1"), [key(1)])
            .host("10.0.0.1".parse().unwrap(), [key(2)]);
        assert_eq!(may(&trusted, "10.0.0.1:1", &["a"]), [1]);
        assert_eq!(may(&trusted, "10.0.0.1:2", &["a"]), [2]);
        assert_eq!(may(&trusted, "10.0.0.2:1", &["a"]), [0, 1, 2, 3]);
    }

    #[test]
    fn an_address_is_meant_however_it_is_written() {
        let trusted = Trusted::open()
            .owner(addr("[::ffff:10.0.0.1]:1"), [key(1)])
            .host("::ffff:10.0.0.2".parse().unwrap(), [key(2)]);
        assert_eq!(may(&trusted, "10.0.0.1:1", &["a"]), [1]);
        assert_eq!(may(&trusted, "10.0.0.2:9", &["a"]), [2]);
    }

    #[test]
    fn of_several_services_each_is_to_be_met() {
        let trusted = Trusted::open()
            .service("a", [key(1), key(2)])
            .service("b", [key(2), key(3)]);
        assert_eq!(may(&trusted, "10.0.0.1:1", &["a", "b", "c"]), [2]);
        assert_eq!(may(&trusted, "10.0.0.1:1", &[]), [0, 1, 2, 3]);
    }

    #[test]
    fn rules_of_one_name_add_up_and_one_without_a_key_admits_nobody() {
        let trusted = Trusted::open()
            .service("a", [key(1)])
            .service("a", [key(2)])
            .service("b", []);
        assert_eq!(may(&trusted, "10.0.0.1:1", &["a"]), [1, 2]);
        assert!(may(&trusted, "10.0.0.1:1", &["b"]).is_empty());
    }
}
