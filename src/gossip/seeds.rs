//! What is known of the addresses of seeds: for a node that has no peer, and has to say why.
//!
//! Every call counts until it is answered. What came instead of an answer is kept beside the count: the network says that the
//! port is closed, the seed rejects the hello, or the seed sends what this node cannot open. Nothing of that is
//! authenticated. It is a hint for the log, decides nothing, and counts only for an address that was called and has not
//! answered. A hint that [`HINT_CALLS`] further calls have not repeated is forgotten.
//!
//! Bounds: [`MOST`] addresses. The address that was resolved longest ago makes room.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use super::{Instant, stats::Cause, wire::reject::Reason};

/// How many addresses are kept.
const MOST: usize = 1_024;
/// How many unanswered calls outdate a hint.
const HINT_CALLS: u32 = 4;
/// How many of the last calls to an address may be rejected.
const NONCES: usize = 2;

/// What is known of a seed, or of one of the addresses behind its name.
///
/// Hints of the network and of strangers are in it, which nothing authenticates: it is for people who look for a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeedState {
    /// The name has not been resolved yet: no name server has answered.
    Unresolved,
    /// The name does not resolve.
    DoesNotResolve {
        /// What the resolver says.
        error: String,
    },
    /// The address was not called yet.
    NotCalled,
    /// The address is one of this node's own.
    Itself,
    /// This node's socket cannot reach addresses of this family.
    OtherFamily,
    /// The operating system does not send to this address.
    NotSent {
        /// What the operating system says.
        error: String,
    },
    /// Nobody answers.
    Silent {
        /// How many calls went out since the last answer.
        calls: u32,
    },
    /// The seed's host says that nothing listens on the port (ICMP, on Linux only).
    PortClosed,
    /// The seed and this node seal under different keys.
    OtherKey,
    /// The seed hears only what is sealed, and this node does not seal.
    KeyMissing,
    /// The seed does not hear what is sealed, or speaks in the clear, and this node has a key.
    KeyUnexpected,
    /// The seed belongs to a cluster of another name.
    OtherCluster,
    /// The clocks of the seed and of this host differ by more than `clock_skew`.
    ClockDiffers {
        /// How many milliseconds the seed's clock is ahead of this host's; negative if it is behind.
        ahead_ms: i64,
    },
    /// The seed rejects this node for a reason that this build does not know.
    Rejected,
    /// The seed answers, and does not let this node in: a limit, or an identity that it does not believe.
    NotAdmitted,
    /// The seed answers.
    Answers,
}

impl SeedState {
    /// Which hint it is that a datagram from a seed had to be dropped.
    const fn of_dropped(cause: Cause) -> Option<Self> {
        match cause {
            Cause::UnknownKey | Cause::Forged => Some(Self::OtherKey),
            Cause::Sealed => Some(Self::KeyMissing),
            Cause::Plaintext => Some(Self::KeyUnexpected),
            Cause::OtherCluster => Some(Self::OtherCluster),
            _ => None,
        }
    }

    const fn of_reject(reason: Reason) -> Self {
        match reason {
            Reason::OtherKey => Self::OtherKey,
            Reason::NoKey => Self::KeyUnexpected,
            Reason::Unsealed => Self::KeyMissing,
            Reason::OtherCluster => Self::OtherCluster,
            Reason::Unknown => Self::Rejected,
        }
    }

    /// What to check, if this is why a node has no peer.
    pub const fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unresolved => "whether a name server answers on this host",
            Self::DoesNotResolve { .. } => "the seed's name, and that it resolves on this host",
            Self::OtherFamily => "`bind` and the seed: both IPv4, or both IPv6",
            Self::NotSent { .. } => "this host's routes and outgoing firewall rules",
            Self::Silent { .. } => {
                "the seed's address, that it runs, and that firewalls let UDP through in both \
                 directions; a seed of an older version says nothing to a node with another key or \
                 cluster name"
            }
            Self::PortClosed => "that the seed's process runs, and the port of its `bind`",
            Self::OtherKey => "that the seed and this node have the same key",
            Self::KeyMissing => {
                "that this node has the cluster's key (`.key_file(..)`), and seals with it"
            }
            Self::KeyUnexpected => "that the seed has the cluster's key, and seals with it",
            Self::OtherCluster => "that the seed and this node name the same `.cluster(..)`",
            Self::ClockDiffers { .. } => "that NTP runs on both hosts",
            Self::Rejected => "that the seed and this node run the same version",
            Self::NotAdmitted => {
                "the seed's log for a limit, and the address that this node advertises"
            }
            Self::Answers => "this node's log for an address conflict",
            Self::NotCalled | Self::Itself => return None,
        })
    }
}

/// What is known, in words that follow the seed's name and a colon.
impl fmt::Display for SeedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unresolved => "name not resolved yet",
            Self::DoesNotResolve { error } => return write!(f, "name does not resolve: {error}"),
            Self::NotCalled => "not called yet",
            Self::Itself => "this node itself",
            Self::OtherFamily => "of another address family than this node's socket",
            Self::NotSent { error } => return write!(f, "cannot be sent to: {error}"),
            Self::Silent { calls: 1 } => "silent, no answer to 1 call",
            Self::Silent { calls } => return write!(f, "silent, no answer to {calls} calls"),
            Self::PortClosed => "port closed, nothing listens there",
            Self::OtherKey => "answers under another key",
            Self::KeyMissing => "hears only what is sealed, and this node does not seal",
            Self::KeyUnexpected => "speaks in the clear, and this node seals",
            Self::OtherCluster => "answers for another cluster",
            Self::ClockDiffers { ahead_ms } => {
                let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
                let (secs, ms) = (
                    ahead_ms.unsigned_abs() / 1_000,
                    ahead_ms.unsigned_abs() % 1_000,
                );
                return write!(f, "clock differs by {secs}.{ms:03} s, {side} this host's");
            }
            Self::Rejected => "rejects this node, for a reason that this version does not know",
            Self::NotAdmitted => "answers, and does not let this node in",
            Self::Answers => "answers",
        })
    }
}

#[derive(Debug)]
struct Seed {
    resolved: Instant,
    /// Calls since the last answer.
    calls: u32,
    /// The nonces of the last calls.
    nonces: [Option<u64>; NONCES],
    has_answered: bool,
    hint: Option<Hint>,
}

#[derive(Debug)]
struct Hint {
    state: SeedState,
    /// How many calls there were when it came.
    calls: u32,
}

/// The seeds' addresses.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    by_addr: BTreeMap<SocketAddr, Seed>,
}

impl Seeds {
    /// A seed has this address.
    pub(super) fn resolved(&mut self, now: Instant, addr: SocketAddr) {
        if let Some(seed) = self.by_addr.get_mut(&addr) {
            seed.resolved = now;
            return;
        }
        if self.by_addr.len() >= MOST {
            let oldest = self.by_addr.iter().min_by_key(|(_, seed)| seed.resolved);
            if let Some(oldest) = oldest.map(|(addr, _)| *addr) {
                self.by_addr.remove(&oldest);
            }
        }
        let seed = Seed {
            resolved: now,
            calls: 0,
            nonces: [None; NONCES],
            has_answered: false,
            hint: None,
        };
        self.by_addr.insert(addr, seed);
    }

    /// A hello with this nonce went out.
    pub(super) fn called(&mut self, addr: SocketAddr, nonce: u64) {
        if let Some(seed) = self.by_addr.get_mut(&addr) {
            seed.calls = seed.calls.saturating_add(1);
            seed.nonces.rotate_right(1);
            seed.nonces[0] = Some(nonce);
        }
    }

    /// It was answered.
    pub(super) fn answered(&mut self, addr: SocketAddr) {
        if let Some(seed) = self.by_addr.get_mut(&addr) {
            seed.calls = 0;
            seed.nonces = [None; NONCES];
            seed.has_answered = true;
            seed.hint = None;
        }
    }

    /// The seed has answered, and has not let this node in.
    pub(super) fn not_admitted(&mut self, addr: SocketAddr) {
        if let Some(seed) = self.by_addr.get_mut(&addr) {
            seed.note(SeedState::NotAdmitted);
        }
    }

    /// A call came back to this node.
    pub(super) fn is_self(&mut self, addr: SocketAddr) {
        self.hint(addr, SeedState::Itself);
    }

    /// The network says that nothing listens there.
    pub(super) fn port_closed(&mut self, addr: SocketAddr) {
        self.hint(addr, SeedState::PortClosed);
    }

    /// An authentic datagram says that the seed's clock is ahead of ours by so much.
    pub(super) fn clock_differs(&mut self, addr: SocketAddr, ahead_ms: i64) {
        self.hint(addr, SeedState::ClockDiffers { ahead_ms });
    }

    /// A datagram from there had to be dropped.
    pub(super) fn dropped(&mut self, addr: SocketAddr, cause: Cause) {
        if let Some(state) = SeedState::of_dropped(cause) {
            self.hint(addr, state);
        }
    }

    /// The hello with this nonce was rejected. Says whether there was one, not answered yet.
    pub(super) fn rejected(&mut self, addr: SocketAddr, nonce: u64, reason: Reason) -> bool {
        let Some(seed) = self.by_addr.get_mut(&addr) else {
            return false;
        };
        let is_ours = seed.nonces.contains(&Some(nonce));
        if is_ours {
            seed.note(SeedState::of_reject(reason));
        }
        is_ours
    }

    fn hint(&mut self, addr: SocketAddr, state: SeedState) {
        if let Some(seed) = self.by_addr.get_mut(&addr)
            && seed.calls > 0
        {
            seed.note(state);
        }
    }

    /// What is known of an address that is no member's.
    pub(super) fn state(&self, addr: SocketAddr) -> SeedState {
        let Some(seed) = self.by_addr.get(&addr) else {
            return SeedState::NotCalled;
        };
        match &seed.hint {
            Some(hint) if seed.calls.saturating_sub(hint.calls) < HINT_CALLS => hint.state.clone(),
            _ if seed.calls > 0 => SeedState::Silent { calls: seed.calls },
            _ if seed.has_answered => SeedState::Answers,
            _ => SeedState::NotCalled,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_addr.len()
    }
}

impl Seed {
    fn note(&mut self, state: SeedState) {
        let calls = self.calls;
        self.hint = Some(Hint { state, calls });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    fn called(calls: u64) -> Seeds {
        let mut seeds = Seeds::default();
        seeds.resolved(at(0), addr(1));
        for nonce in 1..=calls {
            seeds.called(addr(1), nonce);
        }
        seeds
    }

    #[test]
    fn calls_count_until_one_is_answered() {
        assert_eq!(called(0).state(addr(1)), SeedState::NotCalled);
        let mut seeds = called(3);
        assert_eq!(seeds.state(addr(1)), SeedState::Silent { calls: 3 });
        seeds.answered(addr(1));
        assert_eq!(seeds.state(addr(1)), SeedState::Answers);
        seeds.not_admitted(addr(1));
        assert_eq!(seeds.state(addr(1)), SeedState::NotAdmitted);
        assert_eq!(seeds.state(addr(2)), SeedState::NotCalled);
    }

    #[test]
    fn a_reject_counts_for_the_last_two_calls_until_one_is_answered() {
        let mut seeds = called(3);
        assert!(!seeds.rejected(addr(1), 1, Reason::NoKey), "too old");
        assert!(!seeds.rejected(addr(1), 4, Reason::NoKey), "never sent");
        assert!(!seeds.rejected(addr(2), 3, Reason::NoKey), "not a seed");
        assert_eq!(seeds.state(addr(1)), SeedState::Silent { calls: 3 });
        assert!(seeds.rejected(addr(1), 2, Reason::OtherCluster));
        assert_eq!(seeds.state(addr(1)), SeedState::OtherCluster);
        seeds.answered(addr(1));
        assert!(!seeds.rejected(addr(1), 3, Reason::NoKey));
        assert_eq!(seeds.state(addr(1)), SeedState::Answers);
    }

    #[test]
    fn a_hint_ends_when_four_further_calls_do_not_repeat_it() {
        let mut seeds = called(1);
        seeds.port_closed(addr(1));
        for nonce in 2..=4 {
            seeds.called(addr(1), nonce);
            assert_eq!(seeds.state(addr(1)), SeedState::PortClosed);
        }
        seeds.called(addr(1), 5);
        assert_eq!(seeds.state(addr(1)), SeedState::Silent { calls: 5 });
    }

    #[test]
    fn nothing_counts_as_a_hint_before_a_call() {
        let mut seeds = called(0);
        seeds.port_closed(addr(1));
        seeds.dropped(addr(1), Cause::UnknownKey);
        seeds.clock_differs(addr(1), 1);
        assert_eq!(seeds.state(addr(1)), SeedState::NotCalled);
    }

    #[test]
    fn the_seed_resolved_longest_ago_makes_room() {
        let mut seeds = Seeds::default();
        for port in 1..=2_000 {
            seeds.resolved(at(port.into()), addr(port));
            seeds.called(addr(port), port.into());
        }
        assert_eq!(seeds.len(), MOST);
        assert_eq!(seeds.state(addr(1)), SeedState::NotCalled);
        assert_eq!(seeds.state(addr(2_000)), SeedState::Silent { calls: 1 });
    }

    #[test]
    fn each_state_says_in_words_what_is_known() {
        let ahead_ms = -3_600_250;
        let text = SeedState::ClockDiffers { ahead_ms }.to_string();
        assert_eq!(text, "clock differs by 3600.250 s, behind this host's");
        let text = SeedState::Silent { calls: 1 }.to_string();
        assert_eq!(text, "silent, no answer to 1 call");
    }
}
