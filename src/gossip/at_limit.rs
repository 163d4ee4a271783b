use crate::table::Bound;

/// Times that something was refused at a limit, by limit. `docs/limits.md` says what each of them is and what becomes
/// of what was refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtLimit {
    /// Strangers, where as many members are known as may be ([`Config::max_members`](super::Config::max_members)).
    pub members: u64,
    /// Processes that others name and that are not verified, where too many are kept already, or too many of one teller.
    pub candidates: u64,
    /// Strangers and further identities on known addresses, where more came than are let in in a second
    /// ([`Config::boot_rate`](super::Config::boot_rate)), or more on one address.
    pub boots: u64,
    /// Records ([`Limits::records_per_owner`](crate::table::Limits::records_per_owner)).
    pub records_per_owner: u64,
    /// Records of owners that are not members ([`Limits::absent_owners`](crate::table::Limits::absent_owners)).
    pub absent_owners: u64,
    /// Records ([`Limits::table_bytes`](crate::table::Limits::table_bytes)).
    pub table_bytes: u64,
    /// Records of owners that are not members ([`Limits::waiting_bytes`](crate::table::Limits::waiting_bytes)).
    pub waiting_bytes: u64,
    /// Records that were taken in and are not passed on, because too many wait for that.
    pub news: u64,
    /// Notices of large records that are not looked into, because too many are being put together.
    pub assemblies: u64,
    /// Records that a reconciliation does not ask for, because it asks for too many already.
    pub wanted: u64,
    /// Reconciliations that were ended because they took too long.
    pub sync_time: u64,
    /// Datagrams of addresses that are not proven and did not wait for the proof, because too many do.
    pub parked: u64,
    /// Hellos from other addresses than their senders advertise, because too many of these wait for an
    /// answer.
    pub applicants: u64,
    /// Suspicions about which nobody else is asked, because that is done about too many.
    pub cases: u64,
    /// Members that this node does not look at, though it was asked to, because it looks at too many.
    pub inquiries: u64,
    /// Answers to requests for the table ([`Config::page_rate`](super::Config::page_rate)).
    pub pages: u64,
    /// Calls and suspicions that somebody's word about members would have caused.
    pub hearsay: u64,
    /// Datagrams that were not sent, because too many wait to be.
    pub transmits: u64,
    /// Hellos that cannot be used and were not answered with a reject, because too many were.
    pub rejects: u64,
}

/// A limit at which something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    Members,
    Candidates,
    Boots,
    RecordsPerOwner,
    AbsentOwners,
    TableBytes,
    WaitingBytes,
    News,
    Assemblies,
    Wanted,
    SyncTime,
    Parked,
    Applicants,
    Cases,
    Inquiries,
    Pages,
    Hearsay,
    Transmits,
    Rejects,
}

impl Limit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Candidates => "processes that are not verified",
            Self::Boots => "new processes in a second",
            Self::RecordsPerOwner => "records of one owner",
            Self::AbsentOwners => "owners that are not members",
            Self::TableBytes => "bytes in the table",
            Self::WaitingBytes => "bytes of owners that are not members",
            Self::News => "records that are to be passed on",
            Self::Assemblies => "large records that are being put together",
            Self::Wanted => "records wanted of a reconciliation",
            Self::SyncTime => "time of a reconciliation",
            Self::Parked => "datagrams that wait for a proof of address",
            Self::Applicants => "processes whose advertised addresses have not answered",
            Self::Cases => "suspects that others are asked about",
            Self::Inquiries => "members that are being looked at",
            Self::Pages => "pages in a second",
            Self::Hearsay => "calls on others' word in a second",
            Self::Transmits => "datagrams to send",
            Self::Rejects => "rejects in a second",
        }
    }
}

impl From<Bound> for Limit {
    fn from(bound: Bound) -> Self {
        match bound {
            Bound::RecordsPerOwner => Self::RecordsPerOwner,
            Bound::AbsentOwners => Self::AbsentOwners,
            Bound::TableBytes => Self::TableBytes,
            Bound::WaitingBytes => Self::WaitingBytes,
        }
    }
}

impl AtLimit {
    pub(super) const fn count(&mut self, limit: Limit) {
        *match limit {
            Limit::Members => &mut self.members,
            Limit::Candidates => &mut self.candidates,
            Limit::Boots => &mut self.boots,
            Limit::RecordsPerOwner => &mut self.records_per_owner,
            Limit::AbsentOwners => &mut self.absent_owners,
            Limit::TableBytes => &mut self.table_bytes,
            Limit::WaitingBytes => &mut self.waiting_bytes,
            Limit::News => &mut self.news,
            Limit::Assemblies => &mut self.assemblies,
            Limit::Wanted => &mut self.wanted,
            Limit::SyncTime => &mut self.sync_time,
            Limit::Parked => &mut self.parked,
            Limit::Applicants => &mut self.applicants,
            Limit::Cases => &mut self.cases,
            Limit::Inquiries => &mut self.inquiries,
            Limit::Pages => &mut self.pages,
            Limit::Hearsay => &mut self.hearsay,
            Limit::Transmits => &mut self.transmits,
            Limit::Rejects => &mut self.rejects,
        } += 1;
    }
}
