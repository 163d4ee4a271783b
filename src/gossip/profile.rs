//! Profiles: a whole configuration by the kind of network, as memberlist has them.

use std::{net::SocketAddr, time::Duration};

use super::{Config, Detection, MIN_DATAGRAM_BYTES, Security};
use crate::table::Limits;

/// The kind of network between the nodes: a set of values for [`Config`]. All nodes of a cluster should have the
/// same one; nodes with different ones understand each other, and judge each other by different times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Processes on one machine: [`Config::local`].
    Local,
    /// One network or region, with round trips of some milliseconds: [`Config::lan`].
    #[default]
    Lan,
    /// Several regions, up to 300 ms of round trip apart: [`Config::wan`].
    Wan,
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Config {
    /// The values of a profile.
    pub fn of(profile: Profile, cluster: impl Into<String>, advertise: SocketAddr) -> Self {
        match profile {
            Profile::Local => Self::local(cluster, advertise),
            Profile::Lan => Self::lan(cluster, advertise),
            Profile::Wan => Self::wan(cluster, advertise),
        }
    }

    /// For hosts of one network or region, which reach each other within some milliseconds. The default.
    pub fn lan(cluster: impl Into<String>, advertise: SocketAddr) -> Self {
        Self {
            cluster: cluster.into(),
            advertise,
            bind: advertise,
            max_datagram: MIN_DATAGRAM_BYTES,
            probe_period: ms(1_000),
            probe_timeout: ms(200),
            probe_deadline: ms(500),
            indirect_probes: 3,
            fanout: 3,
            suspicion_min: ms(600),
            suspicion_max_multiplier: 6,
            detection: Detection::default(),
            retransmit_multiplier: 4,
            burst_gaps: [ms(0), ms(2), ms(8), ms(32)],
            gossip_interval: ms(200),
            news_rate: 200,
            news_burst: 64,
            page_rate: 4_000,
            page_burst: 1_024,
            sync_delay: ms(20),
            sync_interval: ms(40),
            sync_interval_max: ms(10_000),
            request_timeout: ms(250),
            remember_down: ms(600_000),
            seed_retry: ms(100),
            seed_retry_max: ms(30_000),
            contact_interval: ms(1_000),
            contact_eagerly_for: ms(600_000),
            path_interval: ms(300_000),
            max_members: 10_000,
            boot_rate: 50,
            boot_burst: 4_096,
            max_contacts: 4_096,
            table: Limits::default(),
            security: Security::default(),
        }
    }

    /// For processes on one machine: as [`lan`](Self::lan), with the times of the detection halved and less than that,
    /// because loopback answers in microseconds and loses nothing. What is slow there is a busy processor, so
    /// the suspicion time is that of `lan`.
    pub fn local(cluster: impl Into<String>, advertise: SocketAddr) -> Self {
        Self {
            probe_timeout: ms(100),
            probe_deadline: ms(300),
            gossip_interval: ms(100),
            ..Self::lan(cluster, advertise)
        }
    }

    /// For hosts of several regions, up to 300 ms of round trip apart: the times that are about one round trip
    /// are longer by what memberlist's WAN profile makes them longer (`ProbeTimeout` 6, `ProbeInterval` 5,
    /// `SuspicionMult` 1.5, `GossipInterval` 2.5 times those of its LAN profile), but for the timeout of a probe, which is
    /// five times as long, so that five pings still fit before the period ends.
    pub fn wan(cluster: impl Into<String>, advertise: SocketAddr) -> Self {
        Self {
            probe_period: ms(5_000),
            probe_timeout: ms(1_000),
            probe_deadline: ms(3_000),
            suspicion_min: ms(4_500),
            gossip_interval: ms(500),
            sync_delay: ms(500),
            sync_interval: ms(500),
            request_timeout: ms(1_000),
            seed_retry: ms(500),
            ..Self::lan(cluster, advertise)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_within_the_ranges() {
        let advertise = "127.0.0.1:7946".parse().unwrap();
        for profile in [Profile::Local, Profile::Lan, Profile::Wan] {
            assert_eq!(Config::of(profile, "shop", advertise).validate(), Ok(()));
        }
    }
}
