//! What was counted, and how much is held.

use super::Engine;
use crate::gossip::{Sizes, Stats};

impl Engine {
    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let (records, record_bytes) = self.replica.size();
        Stats {
            members: self.visible_members() + 1,
            suspects: self.members.suspects() - self.local_verdicts.len(),
            records,
            record_bytes,
            waiting_bytes: self.replica.waiting_bytes(),
            stale_instances: self.replica.stale(),
            absent_owners: self.replica.absent_owners(),
            known_members: self.members.len(),
            timers: self.timers.len(),
            news_pending: self.news.len(),
            local_health: self.local_health.score(),
            sessions: self.guard.sessions(),
            clocks_off: self.guard.clocks_off(),
            contacts_displaced: self.contacts.displaced(),
            large_datagrams: self.path_size.state(),
            candidates_dropped: self.candidates.dropped(),
            sizes: self.sizes(),
            ..self.stats
        }
    }

    fn sizes(&self) -> Sizes {
        let (assemblies, assembly_bytes) = self.assemblies.size();
        let (proven, parked) = self.proofs.size();
        let (contacts, calls) = self.contacts.size();
        let (candidates, unanswering) = self.candidates.size();
        Sizes {
            contacts,
            calls,
            proven,
            parked,
            sessions_heard: self.proofs.heard(),
            sent: self.sent.len(),
            applicants: self.applicants.len(),
            candidates,
            unanswering,
            suspicions: self.suspicions.len(),
            cases: self.cases.len(),
            inquiries: self.inquiries.len(),
            heard: self.heard.len(),
            swept: self.sweep.len(),
            local_verdicts: self.local_verdicts.len(),
            remove_down: self.remove_down.len(),
            foca_timers: self.foca_timers.len(),
            foca_updates: self.swim.updates_backlog(),
            changed_members: self.members.changed_len(),
            history: self.history.len(),
            boots: self.boots.len(),
            assemblies,
            assembly_bytes,
            wanted: self.sync.wanted(),
            waiting_owners: self.replica.waiting_owners(),
            table_deadlines: self.replica.deadlines(),
            refused: self.verification.refused(),
            log_topics: self.logs.len(),
            transmits: self.transmits.len(),
            seeds: self.seeds.len(),
        }
    }
}
