//! The settings, parsed: what a user wrote becomes what a node starts with, or the error that names
//! the setting that is wrong.
//!
//! What comes out has a cluster, addresses and seeds that are well-formed, and the keys themselves
//! where files were given. A node that others than this host's processes reach requires a key,
//! unless the user has accepted the clear. Of the world only the files of keys are looked at: no
//! name is resolved, no socket opened. Ranges are checked by the engine, which sets them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::NodeBuilder;
use crate::gossip::security::{ClusterKey, KeyError, Keyring, Rollout, SigningKey};
use crate::gossip::{Detection, Profile, Security};
use crate::node::error::StartError;
use crate::node::key_file::{self, KeyFileError, Rules};
use crate::node::key_watch::KeySources;
use crate::node::lookups::Lookups;
use crate::node::seeds::Seed;
use crate::node::zone;

/// The settings, parsed.
#[derive(Debug)]
pub(in crate::node) struct Settings {
    pub(in crate::node) cluster: String,
    pub(in crate::node) bind: SocketAddr,
    pub(in crate::node) advertise: Option<SocketAddr>,
    pub(in crate::node) seeds: Vec<Seed>,
    pub(in crate::node) lookups: Lookups,
    pub(in crate::node) event_capacity: usize,
    pub(in crate::node) profile: Profile,
    pub(in crate::node) detection: Detection,
    pub(in crate::node) security: Security,
    /// Where the keys in it came from.
    pub(in crate::node) keys: KeySources,
    #[cfg(feature = "snapshot")]
    pub(in crate::node) snapshot: Option<crate::node::snapshot::SnapshotSettings>,
    #[cfg(feature = "testing")]
    pub(in crate::node) network: Option<crate::node::testing::Network>,
}

impl NodeBuilder {
    pub(in crate::node) fn parse(self) -> Result<Settings, StartError> {
        if self.cluster.is_empty() {
            return Err(StartError::ClusterMissing);
        }
        let is_in_memory = self.is_in_memory;
        let bind = address("bind", self.bind)?;
        let bind = if is_in_memory { bind } else { bound(bind)? };
        let rules = self.key_files;
        let sign_with = self
            .sign_with
            .map(|key| key.read(&rules, SigningKey::from_base64));
        let keys = KeySources {
            sources: self.keys,
            rules,
        };
        let mut security = security(&keys, self.rollout, self.clock_skew)?;
        security.sign_with = sign_with.transpose()?;
        security.trusted = self.trusted;
        if !bind.ip().is_loopback() && !self.plaintext && !is_in_memory {
            let rollout = security.rollout;
            if security.keyring.is_empty() {
                return Err(StartError::NotLoopback { bind });
            }
            if rollout.hears_the_clear() {
                return Err(StartError::HearsPlaintext { bind, rollout });
            }
        }
        let advertise = self.advertise.map(advertised).transpose()?;
        let seed = |value: String| match Seed::parse(&value) {
            Ok(Seed::Name { .. }) if is_in_memory => Err(StartError::Seed {
                value,
                reason: "a network in memory resolves no names; write an address",
            }),
            Ok(Seed::Address(seed)) if !is_in_memory => zone::for_seed(seed, bind)
                .map(Seed::Address)
                .map_err(|reason| StartError::Seed { value, reason }),
            Ok(seed) => Ok(seed),
            Err(reason) => Err(StartError::Seed { value, reason }),
        };
        let seeds = self.seeds.into_iter().map(seed).collect::<Result<_, _>>()?;
        let event_capacity = self.event_capacity;
        Ok(Settings {
            cluster: self.cluster,
            bind,
            advertise,
            seeds,
            lookups: Lookups::of_system(),
            event_capacity,
            profile: self.profile,
            detection: self.detection,
            security,
            keys,
            #[cfg(feature = "snapshot")]
            snapshot: self
                .snapshot_file
                .map(|path| crate::node::snapshot::SnapshotSettings {
                    path,
                    max_age: self.snapshot_max_age,
                }),
            #[cfg(feature = "testing")]
            network: self.network,
        })
    }
}

/// Where a key comes from.
#[derive(Clone, Debug)]
pub(in crate::node) enum KeySource<K> {
    Given(K),
    File(PathBuf),
}

impl<K> KeySource<K> {
    fn read(
        self,
        rules: &Rules,
        parse: fn(&str) -> Result<K, KeyError>,
    ) -> Result<K, KeyFileError> {
        match self {
            Self::Given(key) => Ok(key),
            Self::File(path) => key_file::read(&path, rules, parse),
        }
    }
}

impl KeySource<ClusterKey> {
    /// All keys that come from it.
    pub(in crate::node) fn read_all(&self, rules: &Rules) -> Result<Vec<ClusterKey>, KeyFileError> {
        match self {
            Self::Given(key) => Ok(vec![key.clone()]),
            Self::File(path) => key_file::read_all(path, rules),
        }
    }
}

fn security(
    keys: &KeySources,
    rollout: Option<Rollout>,
    clock_skew: Option<Duration>,
) -> Result<Security, StartError> {
    let mut security = Security {
        keyring: Keyring::of(keys.read()?)?,
        ..Security::default()
    };
    if let Some(rollout) = rollout {
        if security.keyring.is_empty() {
            return Err(StartError::KeyMissing { rollout });
        }
        security.rollout = rollout;
    }
    security.clock_skew = clock_skew.unwrap_or(security.clock_skew);
    Ok(security)
}

fn address(field: &'static str, value: String) -> Result<SocketAddr, StartError> {
    match zone::parse(&value) {
        Some(Ok(address)) => Ok(address),
        Some(Err(reason)) => Err(StartError::Address {
            field,
            value,
            reason,
        }),
        None if value.parse::<std::net::IpAddr>().is_ok() => Err(StartError::Address {
            field,
            value,
            reason: "the port is missing",
        }),
        None => Err(StartError::Address {
            field,
            value,
            reason: "that is no IP address and port",
        }),
    }
}

fn bound(address: SocketAddr) -> Result<SocketAddr, StartError> {
    zone::for_bind(address).map_err(|reason| StartError::Address {
        field: "bind",
        value: address.to_string(),
        reason,
    })
}

fn advertised(value: String) -> Result<SocketAddr, StartError> {
    let address = address("advertise", value)?;
    if address.ip().is_unspecified() {
        let reason = "nobody can send to an unspecified address";
        return Err(StartError::Address {
            field: "advertise",
            value: address.to_string(),
            reason,
        });
    }
    zone::for_advertise(address).map_err(|reason| StartError::Address {
        field: "advertise",
        value: address.to_string(),
        reason,
    })
}
