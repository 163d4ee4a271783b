//! How much a replica holds, and for how long.

use std::time::Duration;

/// The bounds of a replica. At a bound a record is refused, and the refusal says which bound it was;
/// one that takes no more room than the one that it replaces is taken at every bound.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long the records of a failed owner stay visible, in case it turns out to be alive.
    /// Default 50 ms, in which a rebirth can be announced on a LAN.
    pub failure_grace: Duration,
    /// How long the records of an owner that failed are kept out of sight. Default 10 minutes, as an
    /// empty list: whoever forgot an owner earlier would take an old state of it, from a peer that
    /// was cut off as well, for its present one.
    pub park_for: Duration,
    /// How long the records of an owner that never was live wait for it. Default 60 s.
    pub wait_for: Duration,
    /// How long an empty list is remembered. Default 10 minutes; after that the owner's repair
    /// (it writes again above what it hears) does what the memory did.
    pub forget_empty_after: Duration,
    /// Records per owner. Default 1,024. At the bound the oldest empty list makes room.
    pub records_per_owner: usize,
    /// Owners that never were live but whose records are kept. Default 1,024. At the bound a stranger's
    /// records are refused. Members that failed are not counted: there are never more of those than
    /// there were members.
    pub absent_owners: usize,
    /// What all records may cost, by [`Record::cost_bytes`](crate::table::Record::cost_bytes), which says what is counted. Default
    /// 256 MiB.
    pub table_bytes: usize,
    /// What the records of owners that never were live may cost. Default 8 MiB.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            failure_grace: Duration::from_millis(50),
            park_for: Duration::from_secs(600),
            wait_for: Duration::from_secs(60),
            forget_empty_after: Duration::from_secs(600),
            records_per_owner: 1_024,
            absent_owners: 1_024,
            table_bytes: 256 << 20,
            waiting_bytes: 8 << 20,
        }
    }
}

/// The bound at which a record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`Limits::records_per_owner`].
    RecordsPerOwner,
    /// [`Limits::absent_owners`].
    AbsentOwners,
    /// [`Limits::table_bytes`].
    TableBytes,
    /// [`Limits::waiting_bytes`].
    WaitingBytes,
}
