//! Who a node is, and which of two identities on one address is the newer.

use std::{fmt, net::SocketAddr};

use crate::table::Owner;

/// How many low bits of a boot do not come from the clock.
const BOOT_SHIFT: u32 = 20;
/// How many of them are random. The rest leaves room to count up, see [`PeerId::taking_over`].
const BOOT_RANDOM_BITS: u32 = 16;
/// A boot that lies further ahead of our clock than this is not believed. Ten years: generous to a
/// host whose clock is wrong, and yet nobody can claim the highest boot there is, above which the
/// rightful owner of the address could never come back.
const BOOT_MAX_AHEAD_MS: u64 = 10 * 366 * 24 * 3_600 * 1_000;
/// 2025-01-01. A clock that shows less has not been set; it is taken for this.
const CLOCK_FLOOR_MS: u64 = 1_735_689_600_000;

/// A node's identity: where it is reached, which process it is, and how often that process had to
/// be reborn after it was declared down by mistake.
///
/// Two identities on one address are ordered by `(boot, renewal)`, strictly and totally; the higher
/// one replaces the lower one wherever both are heard of. Small and `Copy`, because membership is
/// a list that is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    /// The canonical advertised address.
    pub addr: SocketAddr,
    /// Milliseconds since the Unix epoch when the process started, shifted left by 20 bits, and
    /// random low bits.
    pub boot: u64,
    /// Counts the rebirths of this process.
    pub renewal: u32,
}

impl PeerId {
    /// The identity of a process that starts now.
    pub fn new(addr: SocketAddr, unix_ms: u64, random: u64) -> Self {
        let random = random & ((1 << BOOT_RANDOM_BITS) - 1);
        Self {
            addr: canonical(addr),
            boot: unix_ms << BOOT_SHIFT | random,
            renewal: 0,
        }
    }

    /// The next identity of the same process.
    #[must_use]
    pub const fn reborn(self) -> Self {
        match self.renewal.checked_add(1) {
            Some(renewal) => Self { renewal, ..self },
            None => Self::taking_over(self),
        }
    }

    /// The least identity that replaces `known`, which is somebody else's, on the same address. It
    /// keeps the time of `known`, so that all who dispute an address can tell whose start began it.
    pub const fn taking_over(known: Self) -> Self {
        Self {
            boot: known.boot.saturating_add(1),
            renewal: 0,
            ..known
        }
    }

    /// Whether this identity replaces `other` on the same address.
    pub fn supersedes(&self, other: &Self) -> bool {
        (self.boot, self.renewal) > (other.boot, other.renewal)
    }

    /// When the process that began this line of boots started, in milliseconds since the epoch.
    pub const fn started_unix_ms(&self) -> u64 {
        self.boot >> BOOT_SHIFT
    }

    /// Whether the boot is so far in the future that it cannot be believed.
    pub fn is_from_the_future(&self, unix_ms: u64) -> bool {
        self.started_unix_ms() > unix_ms.max(CLOCK_FLOOR_MS) + BOOT_MAX_AHEAD_MS
    }

    /// Whether the address is one that datagrams can be sent to.
    pub fn is_reachable(&self) -> bool {
        self.addr.port() != 0
            && !self.addr.ip().is_unspecified()
            && !self.addr.ip().is_multicast()
            && self.addr == canonical(self.addr)
    }

    /// The name under which the process writes records; rebirths do not change it.
    pub const fn owner(&self) -> Owner {
        Owner {
            addr: self.addr,
            boot: self.boot,
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:x}.{}", self.addr, self.boot, self.renewal)
    }
}

impl foca::Identity for PeerId {
    type Addr = SocketAddr;

    /// Never in a reflex: the engine decides when a node is reborn. Two nodes on one address would
    /// otherwise renew at each other without end.
    fn renew(&self) -> Option<Self> {
        None
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.supersedes(adversary)
    }
}

/// An IPv4-mapped IPv6 address as the IPv4 address that it is; scope and flow are dropped.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn id(boot: u64, renewal: u32) -> PeerId {
        PeerId {
            addr: "127.0.0.1:7946".parse().unwrap(),
            boot,
            renewal,
        }
    }

    #[test]
    fn identities_on_one_address_are_ordered_strictly_and_totally() {
        let ordered = [id(1, 0), id(1, 1), id(1, 9), id(2, 0), id(3, 4)];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(a.supersedes(b), i > j, "{a} against {b}");
            }
        }
    }

    #[test]
    fn a_later_start_supersedes_whatever_the_random_bits_say() {
        let addr = "127.0.0.1:1".parse().unwrap();
        assert!(PeerId::new(addr, NOW + 1, 0).supersedes(&PeerId::new(addr, NOW, u64::MAX)));
    }

    #[test]
    fn taking_over_keeps_the_time_of_the_start_that_began_the_dispute() {
        let known = PeerId::new("127.0.0.1:1".parse().unwrap(), NOW, u64::MAX);
        let mut taken = known;
        for _ in 0..1_000 {
            let next = PeerId::taking_over(taken);
            assert!(next.supersedes(&taken));
            taken = next;
        }
        assert_eq!(taken.started_unix_ms(), NOW);
    }

    #[test]
    fn there_is_always_a_next_identity() {
        assert!(id(1, u32::MAX).reborn().supersedes(&id(1, u32::MAX)));
    }

    #[test]
    fn a_boot_too_far_in_the_future_is_not_believed() {
        let year_ms = 366 * 24 * 3_600 * 1_000;
        let addr = "127.0.0.1:1".parse().unwrap();
        assert!(!PeerId::new(addr, NOW + year_ms, 0).is_from_the_future(NOW));
        assert!(PeerId::new(addr, NOW + 11 * year_ms, 0).is_from_the_future(NOW));
        assert!(id(u64::MAX, 0).is_from_the_future(NOW));
        assert!(
            !PeerId::new(addr, NOW, 0).is_from_the_future(0),
            "a clock that was never set"
        );
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address_that_it_is() {
        let mapped = "[::ffff:192.0.2.1]:7946".parse().unwrap();
        assert_eq!(
            PeerId::new(mapped, NOW, 0).addr,
            "192.0.2.1:7946".parse().unwrap()
        );
    }
}
