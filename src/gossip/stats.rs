use super::{
    at_limit::AtLimit, path_size::LargeDatagrams, security::Refused, sizes::Sizes,
    wire::frame::Refusal,
};

/// What a node has counted since it started, and how much it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed to the engine, whatever became of them.
    pub datagrams_received: u64,
    /// Their payloads' bytes, without UDP and IP headers.
    pub bytes_received: u64,
    /// Datagrams that the engine asked to send.
    pub datagrams_sent: u64,
    /// Their payloads' bytes, without UDP and IP headers.
    pub bytes_sent: u64,
    /// Datagrams that were dropped, by cause.
    pub dropped: Dropped,
    /// Payloads of a kind that this build does not know; skipped.
    pub unknown_kinds: u64,
    /// Extensions that this build does not know; skipped, and passed on with the record they are in.
    pub unknown_extensions: u64,
    /// Records that were refused at a bound of the table.
    pub records_refused: u64,
    /// Records that do not follow the schema, or say what cannot be. Only they are left out of what came in one datagram.
    pub records_malformed: u64,
    /// Records that were refused because they are not signed as [`Security::trusted`](super::Security::trusted) demands,
    /// each time that one came.
    pub records_untrusted: u64,
    /// Records that were dropped because more signatures came in than are verified in a second. They come again.
    pub records_unverified: u64,
    /// Signatures that were verified, good or not.
    pub signatures_verified: u64,
    /// Membership updates that were not believed: a boot in the far future, an impossible address,
    /// or one member too many. And requests to ping, for somebody else, what is no member.
    pub updates_refused: u64,
    /// Processes that others named and that became members because they answered a ping.
    pub members_validated: u64,
    /// Processes that became members because members vouch for them.
    pub members_vouched: u64,
    /// Processes that others named and that did not become members: they did not answer, or nobody named them any more.
    pub candidates_dropped: u64,
    /// What was refused at a limit, by limit.
    pub at_limit: AtLimit,
    /// Lost peers and seeds that are not called any more because there was no room for one more.
    pub contacts_displaced: u64,
    /// Reconciliations begun.
    pub syncs: u64,
    /// Pages of the table sent to others.
    pub pages_sent: u64,
    /// Times that this node was declared down by mistake and came back under a new identity.
    pub rebirths: u64,
    /// Times that somebody claimed that another process has this node's address. A claim by itself changes nothing.
    pub address_claims: u64,
    /// Times that this node looked into such claims, by asking others.
    pub address_checks: u64,
    /// Suspicions of this node that it refuted.
    pub refutations: u64,
    /// Probes that nobody answered in time.
    pub probes_failed: u64,
    /// Times that the operating system said that nothing listens at a member's address.
    pub evidence: u64,
    /// How often several members failed at once, and this node looked at all of them.
    pub sweeps: u64,
    /// Members that this node has dropped for itself alone, because it heard nobody.
    pub local_verdicts: u64,
    /// Members declared down because their hosts said so, to this node and to others.
    pub refused: u64,
    /// Pauses of this process that were noticed.
    pub pauses: u64,
    /// Whether this node has reason to doubt itself: 0 (none) to 8. It waits by so many times longer before it
    /// blames others.
    pub local_health: u8,
    /// The address under which peers see this node, while they do not let it in because they do not
    /// reach it at the one that it advertises. None when they do, or nobody was asked yet.
    pub unreachable_as: Option<std::net::SocketAddr>,
    /// Members that are live or suspected, this node included.
    pub members: usize,
    /// Those of them that are suspected.
    pub suspects: usize,
    /// Records held, visible or not.
    pub records: usize,
    /// What they cost in memory, roughly, in bytes.
    pub record_bytes: usize,
    /// Of these, what belongs to owners that are not members (yet).
    pub waiting_bytes: usize,
    /// Owners that are not live members and of whom something is held.
    pub absent_owners: usize,
    /// Instances that readers see from an earlier run, and that nobody has confirmed yet.
    pub stale_instances: usize,
    /// Members that are known, the dead ones included, this node not.
    pub known_members: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Records that are still being pushed to others: at most twice the members and the records that there may be.
    pub news_pending: usize,
    /// Sessions of senders of which sealed datagrams were opened, and that are remembered.
    pub sessions: usize,
    /// Addresses of authentic senders whose clock was beyond `clock_skew` from this node's when they were seen last;
    /// at most 16.
    pub clocks_off: usize,
    /// Hellos that this node could not use, and answered with a reject.
    pub rejects_sent: u64,
    /// Rejects of hellos of this node: see [`Engine::seed_state`](super::Engine::seed_state).
    pub rejects_heard: u64,
    /// Whether datagrams of the largest size arrive.
    pub large_datagrams: LargeDatagrams,
    /// How much there is of everything else that others can make grow.
    pub sizes: Sizes,
}

/// Dropped datagrams by cause. The node's state is unchanged by any of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// No byte at all.
    pub empty: u64,
    /// Shorter than the header says, or than any header.
    pub truncated: u64,
    /// A format version that this build does not speak.
    pub version: u64,
    /// Sealed, while this node has no key.
    pub sealed: u64,
    /// From another cluster.
    pub other_cluster: u64,
    /// Larger than `max_datagram`.
    pub oversized: u64,
    /// From a process that is not let in: there is one member too many, or new processes come too fast, or it cannot be
    /// what it says.
    pub not_admitted: u64,
    /// The payload does not follow the schema, or says what cannot be.
    pub malformed: u64,
    /// From this node itself.
    pub own: u64,
    /// From an address that is not proven; it got a cookie, where that is no larger.
    pub unproven: u64,
    /// For another identity than this node's present one.
    pub misaddressed: u64,
    /// An answer that nobody waits for.
    pub unexpected: u64,
    /// In the clear, while this node hears nothing that is ([`Rollout::Require`](super::security::Rollout)).
    pub plaintext: u64,
    /// Sealed under a key that this node does not have.
    pub unknown_key: u64,
    /// Sealed, and the tag is wrong: forged, or changed on the way.
    pub forged: u64,
    /// Sealed, and received already, or too old to tell. Networks do that too, now and then.
    pub replayed: u64,
    /// Sealed, by a sender not heard before whose clock is beyond `clock_skew` from this node's; or said again.
    pub clock_skew: u64,
    /// Authentic, by a sender not heard before, with no room for another one.
    pub sessions_full: u64,
}

impl Dropped {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.empty
            + self.truncated
            + self.version
            + self.sealed
            + self.other_cluster
            + self.oversized
            + self.not_admitted
            + self.malformed
            + self.own
            + self.unproven
            + self.misaddressed
            + self.unexpected
            + self.plaintext
            + self.unknown_key
            + self.forged
            + self.replayed
            + self.clock_skew
            + self.sessions_full
    }
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    Empty,
    Truncated,
    Version,
    Sealed,
    OtherCluster,
    Oversized,
    NotAdmitted,
    Malformed,
    Own,
    Unproven,
    Misaddressed,
    Unexpected,
    Plaintext,
    UnknownKey,
    Forged,
    Replayed,
    ClockSkew,
    SessionsFull,
}

impl Cause {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Version => "of another format version",
            Self::Sealed => "sealed, and there is no key",
            Self::OtherCluster => "of another cluster",
            Self::Oversized => "oversized",
            Self::NotAdmitted => "from a process that is not let in",
            Self::Malformed => "malformed",
            Self::Own => "from this node itself",
            Self::Unproven => "from an address that is not proven",
            Self::Misaddressed => "for another identity",
            Self::Unexpected => "an answer that nobody waits for",
            Self::Plaintext => "in the clear, and only what is sealed is heard",
            Self::UnknownKey => "sealed under a key that this node does not have",
            Self::Forged => "forged, or changed on the way",
            Self::Replayed => "received already, or too old to tell",
            Self::ClockSkew => "by a clock that is too far from this host's",
            Self::SessionsFull => "of one session more than are remembered",
        }
    }

    /// Whether it happens in sound clusters too, and is not worth a warning.
    pub(super) const fn is_usual(self) -> bool {
        matches!(
            self,
            Self::Own | Self::Unproven | Self::Misaddressed | Self::Unexpected | Self::Replayed
        )
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Empty => Self::Empty,
            Refusal::Truncated => Self::Truncated,
            Refusal::Version => Self::Version,
            Refusal::OtherCluster => Self::OtherCluster,
        }
    }
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoKey => Self::Sealed,
            Refused::Plaintext => Self::Plaintext,
            Refused::UnknownKey => Self::UnknownKey,
            Refused::Truncated => Self::Truncated,
            Refused::Forged => Self::Forged,
            Refused::Replayed => Self::Replayed,
            Refused::Skewed(_) => Self::ClockSkew,
            Refused::SessionsFull => Self::SessionsFull,
        }
    }
}

impl Stats {
    pub(super) fn count(&mut self, cause: Cause) {
        let dropped = &mut self.dropped;
        *match cause {
            Cause::Empty => &mut dropped.empty,
            Cause::Truncated => &mut dropped.truncated,
            Cause::Version => &mut dropped.version,
            Cause::Sealed => &mut dropped.sealed,
            Cause::OtherCluster => &mut dropped.other_cluster,
            Cause::Oversized => &mut dropped.oversized,
            Cause::NotAdmitted => &mut dropped.not_admitted,
            Cause::Malformed => &mut dropped.malformed,
            Cause::Own => &mut dropped.own,
            Cause::Unproven => &mut dropped.unproven,
            Cause::Misaddressed => &mut dropped.misaddressed,
            Cause::Unexpected => &mut dropped.unexpected,
            Cause::Plaintext => &mut dropped.plaintext,
            Cause::UnknownKey => &mut dropped.unknown_key,
            Cause::Forged => &mut dropped.forged,
            Cause::Replayed => &mut dropped.replayed,
            Cause::ClockSkew => &mut dropped.clock_skew,
            Cause::SessionsFull => &mut dropped.sessions_full,
        } += 1;
    }
}
