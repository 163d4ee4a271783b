/// How much a node holds of what others can make grow, now. The bounds are in `docs/limits.md`; a size that only ever
/// grows is a leak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Addresses of seeds and of lost peers that are being called.
    pub contacts: usize,
    /// Hellos that have not been answered.
    pub calls: usize,
    /// Addresses that have proven themselves lately.
    pub proven: usize,
    /// Datagrams that wait for the proof of their senders.
    pub parked: usize,
    /// Live members whose sessions are known.
    pub sessions_heard: usize,
    /// Datagrams of the last seconds by which this node knows what a peer challenges.
    pub sent: usize,
    /// Processes whose advertised addresses were called and are let in when they answer.
    pub applicants: usize,
    /// Processes that others name and that are not verified.
    pub candidates: usize,
    /// Those of the last ten minutes that did not answer.
    pub unanswering: usize,
    /// Suspected members whose time is running.
    pub suspicions: usize,
    /// Suspected members about whom others are asked.
    pub cases: usize,
    /// Members that are being looked at, for this node or for others.
    pub inquiries: usize,
    /// Members of which it is known when they were heard last.
    pub heard: usize,
    /// Members that a sweep has still to look at, or is looking at.
    pub swept: usize,
    /// Members that this node has dropped for itself alone, because it hears nobody.
    pub local_verdicts: usize,
    /// Dead members that are to be forgotten some time.
    pub remove_down: usize,
    /// Timers of foca's.
    pub foca_timers: usize,
    /// Updates of the membership that foca still tells.
    pub foca_updates: usize,
    /// Addresses whose member changed and was not taken by [`Engine::poll_member`](super::Engine::poll_member) yet.
    pub changed_members: usize,
    /// Earlier values of this node's fingerprint.
    pub history: usize,
    /// Addresses on which there were other identities in the last seconds.
    pub boots: usize,
    /// Large records that are being put together.
    pub assemblies: usize,
    /// The room that they take, in bytes.
    pub assembly_bytes: usize,
    /// Records that the reconciliation under way wants.
    pub wanted: usize,
    /// Owners that never were members and of whom something is held.
    pub waiting_owners: usize,
    /// Owners and empty lists that are to be forgotten some time.
    pub table_deadlines: usize,
    /// Hashes of records that were refused because they are not signed as they should be.
    pub refused: usize,
    /// What is logged about at most once in ten seconds.
    pub log_topics: usize,
    /// Datagrams that were not taken by [`Engine::poll_transmit`](super::Engine::poll_transmit) yet.
    pub transmits: usize,
    /// Addresses of seeds of which it is known what became of calls.
    pub seeds: usize,
}

impl Sizes {
    /// All of them, by name.
    pub const fn each(&self) -> [(&'static str, usize); 30] {
        [
            ("contacts", self.contacts),
            ("calls", self.calls),
            ("proven", self.proven),
            ("parked", self.parked),
            ("sessions_heard", self.sessions_heard),
            ("sent", self.sent),
            ("applicants", self.applicants),
            ("candidates", self.candidates),
            ("unanswering", self.unanswering),
            ("suspicions", self.suspicions),
            ("cases", self.cases),
            ("inquiries", self.inquiries),
            ("heard", self.heard),
            ("swept", self.swept),
            ("local_verdicts", self.local_verdicts),
            ("remove_down", self.remove_down),
            ("foca_timers", self.foca_timers),
            ("foca_updates", self.foca_updates),
            ("changed_members", self.changed_members),
            ("history", self.history),
            ("boots", self.boots),
            ("assemblies", self.assemblies),
            ("assembly_bytes", self.assembly_bytes),
            ("wanted", self.wanted),
            ("waiting_owners", self.waiting_owners),
            ("table_deadlines", self.table_deadlines),
            ("refused", self.refused),
            ("log_topics", self.log_topics),
            ("transmits", self.transmits),
            ("seeds", self.seeds),
        ]
    }
}
