//! For whoever tests what a node makes of a snapshot that nobody sound has written: an entry point of a fuzzer.

use super::MEMBERS_MAX;
use super::format::Snapshot;

/// The cluster whose snapshots are read.
const CLUSTER: &str = "fuzzed";

/// A snapshot's file. Takes any bytes, and does not panic; what is read and written again is read as the same.
pub fn read_snapshot(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::from_json(bytes, CLUSTER) else {
        return;
    };
    assert!(snapshot.members.len() <= MEMBERS_MAX);
    let written = snapshot
        .to_json(CLUSTER)
        .expect("it was small enough to read");
    let again = Snapshot::from_json(&written, CLUSTER).expect("we understand ourselves");
    assert_eq!(again.members, snapshot.members);
    assert_eq!(again.instances, snapshot.instances);
    assert_eq!(again.unconfirmed.len(), snapshot.unconfirmed.len());
    let written_again = again.to_json(CLUSTER).expect("as small as before");
    assert_eq!(written_again, written);
}
