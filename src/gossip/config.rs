use std::{net::SocketAddr, time::Duration};

use super::{Detection, Security};
use crate::table::Limits;

/// The least value of [`Config::max_datagram`], and its default: what every IPv6 path carries
/// (RFC 8200, section 5: 1,280 bytes) less 40 + 8 bytes of headers and 32 for a tunnel around it.
pub const MIN_DATAGRAM_BYTES: usize = 1_200;
/// The most: what a UDP datagram over IPv4 can hold.
pub const MAX_DATAGRAM_BYTES: usize = 65_507;
/// The least value of [`Security::clock_skew`]: what clocks that are set by NTP keep within easily.
const CLOCK_SKEW_MIN: Duration = Duration::from_secs(1);
/// The most: beyond it a capture of an hour could be said again to a node that has just started.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(3_600);

/// How an engine behaves. The fields' docs name the values of [`Config::lan`] as defaults;
/// [`Config::local`] and [`Config::wan`] say where they differ.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The cluster's name. A node of another cluster is not heard. Not a secret.
    pub cluster: String,
    /// The address at which peers reach this node.
    pub advertise: SocketAddr,
    /// The address that the driver's socket is bound to. Where it is not the advertised one, every
    /// packet of the membership says which one is.
    pub bind: SocketAddr,
    /// The largest datagram that is sent or accepted, in bytes; the same on every node. Default
    /// 1,200, because tunnels and overlays are common, and members that are visible with services
    /// that are not would be the worst of failures. Range 1,200 to 65,507.
    pub max_datagram: usize,
    /// How often one member is probed. Default 1 s, memberlist's LAN value (`ProbeInterval`). While this node is
    /// not well ([`Detection::local_health`]) it and the next two are up to nine times as long.
    pub probe_period: Duration,
    /// How long a probed member has to answer before others are asked to try. Half of it is the gap
    /// between two pings of one probe. Default 200 ms, where memberlist waits 500 ms for one ping: a LAN's round
    /// trip takes under 1 ms, and in this time two pings get their chance.
    pub probe_timeout: Duration,
    /// How long a probed member has to answer, to whomever, before it is suspected. Default 500 ms: five pings,
    /// which at a loss of 30 % all fail for one in 29 (0.51 to the power of 5), and the indirect ones.
    pub probe_deadline: Duration,
    /// How many others are asked. Default 3, as in memberlist and in SWIM (section 4.1, `k`).
    pub indirect_probes: u8,
    /// How many members get each push of news. Default 3.
    pub fanout: u8,
    /// What a suspected member has to refute at least, times `max(1, log10 N)`: as soon as three others have
    /// found it silent too. Default 600 ms; memberlist's LAN profile has 4 s, without asking anybody.
    pub suspicion_min: Duration,
    /// What it has at most, when nobody has: so many times the least. Default 6, memberlist's
    /// `SuspicionMaxTimeoutMult`.
    pub suspicion_max_multiplier: u8,
    /// What the failure detection does beyond SWIM.
    pub detection: Detection,
    /// Each piece of news is sent this times `ceil(log10(N + 1))` times by each node. Default 4,
    /// memberlist's LAN value.
    pub retransmit_multiplier: u8,
    /// The gaps before the pushes of a burst. Default 0, 2, 8 and 32 ms.
    pub burst_gaps: [Duration; 4],
    /// The gap between the rounds that follow a burst. Default 200 ms, memberlist's LAN value.
    pub gossip_interval: Duration,
    /// How many pushes of news, of `fanout` datagrams each, may leave in a second, on average. Default 200.
    pub news_rate: u32,
    /// How many may leave at once. Default 64.
    pub news_burst: u32,
    /// How many pages of the table may be sent to others in a second, on average. Default 4,000.
    pub page_rate: u32,
    /// How many pages may leave at once. Default 1,024.
    pub page_burst: u32,
    /// How long a difference to a peer may last before it is looked into: what is just spreading
    /// needs no repair. Default 20 ms and as much again in jitter: a burst has passed a LAN by then.
    pub sync_delay: Duration,
    /// The pause after a reconciliation of which something came, give or take a quarter. Default 40 ms:
    /// with 100 ms those whom gossip leaves out as 128 nodes start held everybody up by 70 ms (`peers`). There is
    /// at most one a second on average.
    pub sync_interval: Duration,
    /// The longest pause after reconciliations of which nothing came; it doubles from 200 ms.
    /// Default 10 s.
    pub sync_interval_max: Duration,
    /// When a request to a peer is repeated. Default 250 ms, above the round trip of most WANs.
    pub request_timeout: Duration,
    /// How long a member that is down is remembered, so that stale news of it stays stale. Default
    /// 10 minutes.
    pub remember_down: Duration,
    /// The first pause between two tries to reach a seed. Default 100 ms; doubles, with jitter, to
    /// [`seed_retry_max`](Self::seed_retry_max).
    pub seed_retry: Duration,
    /// The longest pause between two tries to reach a seed. Default 30 s.
    pub seed_retry_max: Duration,
    /// The pause between two calls to peers that were lost. Default 1 s.
    pub contact_interval: Duration,
    /// How long a lost peer is called at that pace; after that ever more slowly. Default 10 min.
    pub contact_eagerly_for: Duration,
    /// The pause between two trials whether datagrams of [`max_datagram`](Self::max_datagram) bytes arrive. Default 5 min,
    /// give or take a quarter. The first trial is due a twentieth of it after the node has joined; a trial that finds that
    /// they get lost is repeated after a fifth.
    pub path_interval: Duration,
    /// Members that are known at a time, dead ones included. Default 10,000. At the bound a
    /// stranger is not let in; nobody is put out for one.
    pub max_members: usize,
    /// New processes that are let in in a second, on average: strangers, and other processes on known addresses. Default 50.
    /// What a joiner takes over with its first table is not counted.
    pub boot_rate: u32,
    /// How many may be let in at once. Default 4,096: a cluster of a thousand starts, or is restarted, without being held up.
    pub boot_burst: u32,
    /// Seeds and lost peers that are called. Default 4,096. At the bound the peer that was lost first makes room, and
    /// where all are seeds, the seed that was found first.
    pub max_contacts: usize,
    /// The bounds of the table.
    pub table: Limits,
    /// The keys, and what is heard without one. Default: no key, everything in the clear.
    pub security: Security,
}

impl Config {
    /// How often each node sends a piece of news in a cluster of `n`: memberlist's
    /// `RetransmitLimit`. foca's own count stays low in small clusters (4 at N=10).
    pub fn copies(&self, n: usize) -> u8 {
        let digits = u8::try_from(ceil_log10(n + 1).max(1)).unwrap_or(u8::MAX);
        self.retransmit_multiplier.saturating_mul(digits).max(1)
    }

    /// How long a suspected member of a cluster of `n` has to refute at least: `suspicion_min`, scaled as
    /// memberlist's `SuspicionTimeout` is.
    pub fn suspicion_timeout(&self, n: usize) -> Duration {
        #[allow(clippy::cast_precision_loss)] // a cluster's size is far below 2^52
        let scale = (n.max(1) as f64).log10().max(1.0);
        self.suspicion_min.mul_f64(scale)
    }

    /// How long it has at most, as long as this node is well.
    pub fn suspicion_timeout_max(&self, n: usize) -> Duration {
        self.suspicion_timeout(n) * u32::from(self.suspicion_max_multiplier)
    }

    /// Finds the first field that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |field, value: String, mend| Err(ConfigError { field, value, mend });
        if self.cluster.is_empty() || self.cluster.len() > 255 {
            return refuse(
                "cluster",
                format!("{:?}", self.cluster),
                "a name of 1 to 255 bytes",
            );
        }
        let advertise = self.advertise;
        if advertise.port() == 0 || advertise.ip().is_unspecified() || advertise.ip().is_multicast()
        {
            let mend = "the address and port at which peers reach this node";
            return refuse("advertise", advertise.to_string(), mend);
        }
        if !(MIN_DATAGRAM_BYTES..=MAX_DATAGRAM_BYTES).contains(&self.max_datagram) {
            return refuse(
                "max_datagram",
                self.max_datagram.to_string(),
                "1200 to 65507 bytes",
            );
        }
        if self.probe_timeout.is_zero() || self.probe_timeout >= self.probe_period {
            let value = format!("{:?} of {:?}", self.probe_timeout, self.probe_period);
            return refuse(
                "probe_timeout",
                value,
                "more than zero and less than probe_period",
            );
        }
        if self.probe_deadline < self.probe_timeout || self.probe_deadline > self.probe_period {
            let value = format!("{:?}", self.probe_deadline);
            return refuse(
                "probe_deadline",
                value,
                "at least probe_timeout and at most probe_period",
            );
        }
        let clock_skew = self.security.clock_skew;
        if !(CLOCK_SKEW_MIN..=CLOCK_SKEW_MAX).contains(&clock_skew) {
            return refuse("clock_skew", format!("{clock_skew:?}"), "1 s to 1 h");
        }
        if self.path_interval < Duration::from_secs(1) {
            let value = format!("{:?}", self.path_interval);
            return refuse("path_interval", value, "at least 1 s");
        }
        if self.seed_retry_max < self.seed_retry {
            let value = format!("{:?}", self.seed_retry_max);
            return refuse("seed_retry_max", value, "at least seed_retry");
        }
        for (field, value) in [
            ("indirect_probes", self.indirect_probes.into()),
            ("fanout", self.fanout.into()),
            (
                "suspicion_max_multiplier",
                self.suspicion_max_multiplier.into(),
            ),
            ("retransmit_multiplier", self.retransmit_multiplier.into()),
            ("news_rate", self.news_rate),
            ("news_burst", self.news_burst),
            ("page_rate", self.page_rate),
            ("page_burst", self.page_burst),
            ("boot_rate", self.boot_rate),
            ("boot_burst", self.boot_burst),
        ] {
            if value == 0 {
                return refuse(field, "0".into(), "at least 1");
            }
        }
        for (field, value) in [
            ("probe_timeout", self.probe_timeout),
            ("suspicion_min", self.suspicion_min),
            ("gossip_interval", self.gossip_interval),
            ("sync_interval", self.sync_interval),
            ("request_timeout", self.request_timeout),
            ("seed_retry", self.seed_retry),
            ("contact_interval", self.contact_interval),
        ] {
            if value < Duration::from_millis(1) {
                return refuse(field, format!("{value:?}"), "at least 1 ms");
            }
        }
        Ok(())
    }
}

/// The least `k` with `10^k >= n`.
fn ceil_log10(n: usize) -> u32 {
    let mut power = 1_usize;
    let mut digits = 0;
    while power < n {
        power = power.saturating_mul(10);
        digits += 1;
    }
    digits
}

/// A field of the configuration is out of its range. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, and has to be {mend}")]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// What it was.
    pub value: String,
    /// What it may be.
    pub mend: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::lan("shop", "127.0.0.1:7946".parse().unwrap())
    }

    #[test]
    fn copies_follow_memberlists_formula() {
        let copies = |n| config().copies(n);
        assert_eq!([copies(1), copies(9), copies(10), copies(32)], [4, 4, 8, 8]);
        assert_eq!(
            [copies(99), copies(100), copies(999), copies(1_000)],
            [8, 12, 12, 16]
        );
    }

    #[test]
    fn suspicion_grows_with_the_logarithm_of_the_cluster() {
        let timeout = |n| config().suspicion_timeout(n);
        assert_eq!(timeout(1), Duration::from_millis(600));
        assert_eq!(timeout(10), Duration::from_millis(600));
        assert_eq!(timeout(100), Duration::from_millis(1_200));
        assert_eq!(
            config().suspicion_timeout_max(100),
            Duration::from_millis(7_200)
        );
    }

    #[test]
    fn a_field_out_of_range_is_named_with_value_and_mend() {
        assert_eq!(config().validate(), Ok(()));
        let error = Config {
            max_datagram: 100,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "max_datagram is 100, and has to be 1200 to 65507 bytes"
        );
        let error = Config {
            cluster: String::new(),
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(error.field, "cluster");
        let advertise = "0.0.0.0:7946".parse().unwrap();
        assert_eq!(
            Config {
                advertise,
                ..config()
            }
            .validate()
            .unwrap_err()
            .field,
            "advertise"
        );
        let probe_timeout = Duration::from_secs(1);
        let error = Config {
            probe_timeout,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(error.field, "probe_timeout");
        let seed_retry_max = Duration::from_millis(50);
        let error = Config {
            seed_retry_max,
            ..config()
        }
        .validate()
        .unwrap_err();
        assert_eq!(error.field, "seed_retry_max");
        assert_eq!(
            Config {
                fanout: 0,
                ..config()
            }
            .validate()
            .unwrap_err()
            .field,
            "fanout"
        );
    }
}
