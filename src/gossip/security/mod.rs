//! Sealing: authenticated encryption of every datagram, when the cluster has a key. Bytes in, bytes out. And signed records,
//! for those who need more than a shared key.
//!
//! # How a datagram is sealed
//!
//! ```text
//! clear header, 30 bytes                          body                      tag
//! version | key id | session | nonce | cluster    boot, fingerprint, kind,  16 bytes
//!    1        1        16       8        4        payload
//! '------------ authenticated ------------'      '------ encrypted ------'
//! ```
//!
//! - **Cipher**: AES-256-GCM (NIST SP 800-38D), by the crate `aes-gcm`, or by AWS-LC with the feature
//!   `aws-lc-rs`.
//! - **Key**: HKDF-SHA256 (RFC 5869) of the [cluster's key](ClusterKey), with the sender's random 128-bit session id as
//!   the salt, and the cluster's name in the info. So every process has a key of its own for what it sends, and whoever
//!   has the cluster's key knows it from the header.
//! - **Nonce**: four zero bytes and the header's 64 bits, `max(last + 1, unix_ms << 20)`. It is counted and never
//!   random: under one key 2^32 random nonces would be too many (SP 800-38D, section 8.3), and one that repeats gives the
//!   key of the authentication away. It shows its age besides.
//!
//! # What it promises
//!
//! With [`Rollout::Require`], the default for a node that has a key:
//!
//! - Who does not have the key reads nothing of what nodes say but the header and the length, and cannot make up or
//!   change a bit of it: it is dropped before anything is decoded.
//! - **Each datagram counts once.** For each session the newest 64 nonces are kept. One that was received, and one that
//!   is too old to tell, is refused.
//! - **A session that is not known** is heard only if the nonce's time is within [`Security::clock_skew`] of this host's
//!   clock. So its window may be forgotten after that time, and what was captured is useless after it.
//! - **Who speaks is said inside.** Where a datagram comes from is not authenticated, so no process can be made to take another
//!   one's place by what it said itself, sent from elsewhere.
//! - **A window is made only after the first tag was right.** Nobody without the key makes this node remember anything.
//! - Keys are never shown and are wiped when they are dropped.
//!
//! # What it does not
//!
//! - **One key is one circle of trust.** Whoever has it can speak as anybody, and can open what was captured
//!   earlier: there is no forward secrecy, and there are no rights but those of [signed records](#signed-records). A key that
//!   leaked has to be [changed](Keyring).
//! - **Names of clusters are not secrets.** The header has four bytes of a hash of the name, for clusters that share a
//!   network. A node without a key hears only its own cluster's name, and everybody can say it.
//! - Addresses, sizes, times and the number of datagrams are seen by who sees the network. So is which
//!   of them come from one process: the session id is in the header.
//! - A datagram is not bound to its receiver. What is captured on its way to one node can be said to another one,
//!   once, within the skew where that does not know the session. It is what a member says to members, and where it
//!   matters whom it is said to, that is in the body. An address is proven by cookies, with a key or without.
//! - A node that has just started knows no session: for so long as the skew is, it can be told once more what was said to the process
//!   before it.
//!
//! # Clocks
//!
//! Only the first datagram of a session needs clocks that agree, to 30 seconds by default. Members that know each
//! other go on whatever their clocks do. A host whose clock is wrong from the start is heard by nobody: it stays alone,
//! `clock_skew` in [`Dropped`](crate::gossip::Dropped) counts at those whom it calls, and both sides
//! say so in the log (at `warn`, target `tidings::gossip`): its peers name it, and it learns from their answers that it is
//! the odd one. These are authentic, small and rare (four a second at most), and nothing else is done with
//! what comes from out of the skew. A clock that was set back leaves nonces of the future behind, which newcomers would not hear: as
//! soon as a peer agrees with the clock, the node goes on under another session id.
//!
//! # Bounds
//!
//! [`KEYS_MAX`] keys and as many that are about to go, twice [`max_members`](crate::gossip::Config::max_members) sessions of about 1,800 bytes, 16
//! addresses of clocks that are wrong. What a forged datagram costs is one derived key and one tag; with the session of
//! somebody who is known, one tag (measured by `cargo bench --bench sealing --features testing`).
//!
//! # Turning it on, and changing the key
//!
//! [`Rollout`] says how a cluster comes from plaintext to sealing, [`Keyring`] how it changes its key by hand, both without a
//! gap. A node can also follow a list of keys that its host reads
//! ([`follow_keys`](crate::gossip::Engine::follow_keys)), as `NodeBuilder::key_file` does: a new key opens at once, and
//! seals when all live members have shown that they hold it, or after 120 s; one that is gone opens for another 120 s.
//!
//! # Signed records
//!
//! Whoever holds the cluster's key can write any record in anybody's name, and declare anybody down. Against the first
//! of these, and not the second, a node can sign its records ([`Security::sign_with`]): Ed25519, one key pair for each node.
//! Each node demands what its own list says ([`Security::trusted`]): public keys by owner and by service. Both are off by
//! default, and independent of sealing.
//!
//! - The signature is part of the record: over cluster, owner, boot, service, sequence number and content. It is passed on
//!   and kept with it, byte for byte, also by nodes that demand nothing.
//! - What the list does not allow is refused wherever it comes from: the owner, somebody who passes it on, a page of a
//!   table, the last chunk of a large record. It is counted (`records_untrusted` in
//!   [`Stats`](crate::gossip::Stats)), said at `warn`, and not passed on. What was held before stays.
//! - Deregistering is signed as registering is. Who may say [goodbye](Trusted#who-may-say-goodbye) follows from the records that
//!   it takes away.
//! - There is no rule for members. Whoever holds the cluster's key **can still declare a node down**, and its instances are not
//!   seen until it has come back; again and again. And who is on the way of datagrams can drop them, without any key.
//! - A signature does not show its age. A record that was captured can be said again to who holds nothing newer of that owner and service, as
//!   long as that process lives; its owner hears of it and writes again above it.
//! - What a node was not told to demand it takes. A list protects the node that has it, and those that read from it.
//!
//! Most records that come are held already, and nothing is verified for those. The others cost some tens of microseconds each
//! if a rule names them (`cargo bench --bench signing --features testing`). No more than 2,000 a second are verified, 4,000 at
//! once; what comes beyond that is dropped, counted (`records_unverified`), and comes again: a flood of forged ones holds good ones
//! up for as long as it lasts. 98 bytes are added to each record.

mod cipher;
mod clocks;
#[cfg(feature = "testing")]
mod forging;
mod guard;
mod key;
mod keyring;
#[cfg(feature = "testing")]
pub mod measuring;
mod policy;
mod replay;
mod rollover;
mod sessions;
mod settings;
mod signing;
mod time;
mod trusted;

pub(in crate::gossip) use clocks::Odd;
#[cfg(feature = "testing")]
pub(in crate::gossip) use forging::Forger;
pub(in crate::gossip) use guard::{Body, Guard, Refused};
pub(in crate::gossip) use key::KeyName;
pub use key::{ClusterKey, KEY_BYTES, KeyError, KeyId};
pub use keyring::{KEYS_MAX, Keyring, KeyringError};
pub use policy::Rollout;
pub(in crate::gossip) use rollover::Advanced;
pub use settings::Security;
pub use signing::{PUBLIC_KEY_BYTES, PublicKey, PublicKeyError, SigningKey};
pub(in crate::gossip) use signing::{SIGNATURE_BYTES, Statement, encoded};
pub use trusted::Trusted;
pub(in crate::gossip) use trusted::Untrusted;
