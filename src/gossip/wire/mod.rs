//! What goes over the wire.
//!
//! One datagram, of at most [`Config::max_datagram`](super::Config::max_datagram) bytes:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 1 | format version | 1 |
//! | 1 | key id | 0: the body is not sealed; else see [`security`](super::security) |
//! | 16 | session id | random, drawn when the sender started |
//! | 8 | nonce | `max(last + 1, unix_ms << 20)`, big-endian |
//! | 4 | cluster tag | the start of the SHA-256 of the cluster's name |
//! | 8 | boot | the sender's, big-endian |
//! | 8 | fingerprint | the sender's table, big-endian |
//! | 1 | kind | see [`message`] |
//! | .. | payload | bincode 2, standard configuration, see [`codec`] |
//! | .. | extensions | tag, length, value; to the end |
//!
//! Everything from the boot on is the body. Sealed, it is followed by a tag of 16 bytes over it and all that stands before
//! it; they are kept free where it is not.
//!
//! A reject ([`reject`]) is outside of that: its header is its receiver's own, and it is read before anything is opened.
//!
//! # Promises
//!
//! - No input makes a decoder panic, or allocate more than a fixed bound.
//! - No schema is recursive, and none has elements of no size.
//! - An unknown kind, extension or status is skipped and counted, and what surrounds it is used.

pub(super) mod codec;
pub(super) mod content;
pub(super) mod extensions;
pub(super) mod frame;
#[cfg(test)]
mod golden;
pub(super) mod message;
pub(super) mod padding;
pub(super) mod reject;
pub(super) mod swim;
pub(super) mod word;
