//! A reject: the answer in the clear to a hello that its receiver cannot use.
//!
//! ```text
//! header of the hello, as it came                      body
//! version | key id 0 | session | nonce | cluster tag   boot 0 | fingerprint 0 | kind 64 | reason
//!    1         1         16       8         4             8         8            1         1
//! ```
//!
//! The cluster tag is the caller's, so that a caller of another cluster reads the reject. Session and nonce say which
//! datagram is answered: a sender that has seen none of the caller's datagrams cannot forge a reject. Nothing else
//! authenticates a reject. It is a hint for the log.
//!
//! A build that does not know rejects finds an unknown kind in the clear. It counts the datagram and drops it, or drops it
//! because it hears only what is sealed.

use super::frame::{ClusterTag, FORMAT_VERSION, HEADER_BYTES, PLAINTEXT, PREAMBLE_BYTES};

/// The size of a reject in bytes, smaller than every hello.
pub(in crate::gossip) const REJECT_BYTES: usize = HEADER_BYTES + PREAMBLE_BYTES + 1;
/// The kind. Rejects stand outside of the kinds that members exchange.
const KIND: u8 = 64;
const KIND_AT: usize = HEADER_BYTES + PREAMBLE_BYTES - 1;
const REASON_AT: usize = KIND_AT + 1;
const SESSION_AT: usize = 2;
const NONCE_AT: usize = SESSION_AT + 16;
const TAG_AT: usize = NONCE_AT + 8;

/// Why a hello was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Reason {
    /// The hello was sealed, and the receiver does not have the key.
    OtherKey,
    /// The hello was sealed, and the receiver has no key at all.
    NoKey,
    /// The hello was in the clear, and the receiver hears only what is sealed.
    Unsealed,
    /// The hello carries another cluster's tag.
    OtherCluster,
    /// A reason of a later build.
    Unknown,
}

impl Reason {
    const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::OtherKey => 1,
            Self::NoKey => 2,
            Self::Unsealed => 3,
            Self::OtherCluster => 4,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            1 => Self::OtherKey,
            2 => Self::NoKey,
            3 => Self::Unsealed,
            4 => Self::OtherCluster,
            _ => Self::Unknown,
        }
    }
}

/// A reject, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Reject {
    /// The session and the nonce of the datagram that it answers.
    pub(in crate::gossip) session: [u8; 16],
    pub(in crate::gossip) nonce: u64,
    pub(in crate::gossip) cluster: ClusterTag,
    pub(in crate::gossip) reason: Reason,
}

impl Reject {
    /// The reject of `datagram`; nothing if that has no whole header.
    pub(in crate::gossip) fn answer(datagram: &[u8], reason: Reason) -> Option<Vec<u8>> {
        let header = datagram.get(SESSION_AT..HEADER_BYTES)?;
        let mut out = Vec::with_capacity(REJECT_BYTES);
        out.extend_from_slice(&[FORMAT_VERSION, PLAINTEXT]);
        out.extend_from_slice(header);
        out.resize(KIND_AT, 0);
        out.extend_from_slice(&[KIND, reason.code()]);
        Some(out)
    }

    /// Reads a datagram that is a reject. A later build may append to it.
    pub(in crate::gossip) fn read(datagram: &[u8]) -> Option<Self> {
        let is_reject = datagram.len() >= REJECT_BYTES
            && datagram[..SESSION_AT] == [FORMAT_VERSION, PLAINTEXT]
            && datagram[KIND_AT] == KIND;
        if !is_reject {
            return None;
        }
        Some(Self {
            session: datagram[SESSION_AT..NONCE_AT].try_into().ok()?,
            nonce: u64::from_be_bytes(datagram[NONCE_AT..TAG_AT].try_into().ok()?),
            cluster: ClusterTag::read(datagram[TAG_AT..HEADER_BYTES].try_into().ok()?),
            reason: Reason::of(datagram[REASON_AT]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reject_names_the_datagram_that_it_answers() {
        let hello: Vec<u8> = (0..200).collect();
        let reject = Reject::answer(&hello, Reason::OtherCluster).unwrap();
        assert_eq!(reject.len(), REJECT_BYTES);
        let read = Reject::read(&reject).unwrap();
        assert_eq!(read.session[..], hello[2..18]);
        assert_eq!(read.nonce.to_be_bytes()[..], hello[18..26]);
        assert_eq!(
            (read.cluster, read.reason),
            (ClusterTag::read([26, 27, 28, 29]), Reason::OtherCluster)
        );
    }

    #[test]
    fn a_cut_datagram_has_no_reject_and_is_none() {
        let reject = Reject::answer(&[7; 99], Reason::NoKey).unwrap();
        for end in 0..HEADER_BYTES {
            assert_eq!(Reject::answer(&reject[..end], Reason::NoKey), None);
        }
        for end in 0..REJECT_BYTES {
            assert_eq!(Reject::read(&reject[..end]), None);
        }
    }

    #[test]
    fn a_reason_of_a_later_build_is_unknown() {
        let mut reject = Reject::answer(&[7; 99], Reason::NoKey).unwrap();
        reject[REASON_AT] = 99;
        reject.extend_from_slice(b"more");
        assert_eq!(Reject::read(&reject).unwrap().reason, Reason::Unknown);
    }
}
