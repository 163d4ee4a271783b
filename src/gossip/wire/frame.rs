//! The clear header before every body, and the start of the body.

use sha2::{Digest, Sha256};

/// The format that this build speaks.
pub(in crate::gossip) const FORMAT_VERSION: u8 = 1;
/// The key id of a body that is not sealed.
pub(in crate::gossip) const PLAINTEXT: u8 = 0;
/// Where it stands.
pub(in crate::gossip) const KEY_ID_AT: usize = 1;
/// Format version, key id, session id, nonce, cluster tag.
pub(in crate::gossip) const HEADER_BYTES: usize = 1 + 1 + 16 + 8 + 4;
/// What every body begins with: boot, fingerprint, kind.
pub(in crate::gossip) const PREAMBLE_BYTES: usize = 8 + 8 + 1;
/// Kept free in every datagram for the tag of an authenticated cipher, so that a cluster may turn
/// sealing on without any size changing.
pub(in crate::gossip) const SEAL_BYTES: usize = 16;
/// What a payload may take of a datagram of `max_datagram` bytes.
pub(in crate::gossip) const fn payload_budget(max_datagram: usize) -> usize {
    max_datagram - HEADER_BYTES - PREAMBLE_BYTES - SEAL_BYTES
}

/// Why a datagram was dropped before its payload was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Refusal {
    Empty,
    Truncated,
    Version,
    OtherCluster,
}

/// A cluster's name in four bytes: enough to tell clusters apart that share a network. It is not a
/// secret and keeps nobody out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct ClusterTag([u8; 4]);

impl ClusterTag {
    pub(in crate::gossip) fn of(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        Self([digest[0], digest[1], digest[2], digest[3]])
    }

    /// As it stands in a header.
    pub(in crate::gossip) const fn read(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }
}

/// What stands in the clear before every body, sealed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Header {
    /// Which key sealed the body; [`PLAINTEXT`] where none did.
    pub(in crate::gossip) key_id: u8,
    /// The sender's random id of this run.
    pub(in crate::gossip) session: [u8; 16],
    /// `max(last + 1, unix_ms << 20)`: never repeats within a session, and shows its age.
    pub(in crate::gossip) nonce: u64,
}

impl Header {
    pub(in crate::gossip) const fn is_sealed(&self) -> bool {
        self.key_id != PLAINTEXT
    }

    /// Tells this datagram from all others. Somebody who does not know the session cannot make the
    /// mark of another datagram of it.
    pub(in crate::gossip) fn mark(&self) -> u64 {
        mark(&self.session, self.nonce)
    }

    /// Reads it, and gives the body.
    pub(in crate::gossip) fn read(
        datagram: &[u8],
        cluster: ClusterTag,
    ) -> Result<(Self, &[u8]), Refusal> {
        let (&version, rest) = datagram.split_first().ok_or(Refusal::Empty)?;
        if version != FORMAT_VERSION {
            return Err(Refusal::Version);
        }
        let mut rest = Fields(rest);
        let [key_id] = rest.take()?;
        let session = rest.take()?;
        let nonce = u64::from_be_bytes(rest.take()?);
        if ClusterTag(rest.take()?) != cluster {
            return Err(Refusal::OtherCluster);
        }
        let header = Self {
            key_id,
            session,
            nonce,
        };
        Ok((header, rest.0))
    }
}

/// The mark of a datagram, see [`Header::mark`].
pub(in crate::gossip) fn mark(session: &[u8; 16], nonce: u64) -> u64 {
    let session = u128::from_be_bytes(*session);
    #[allow(clippy::cast_possible_truncation)] // both halves are used
    let (high, low) = ((session >> 64) as u64, session as u64);
    high ^ low.rotate_left(32) ^ nonce
}

/// What stands before every payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) struct Preamble {
    /// The sender's random id of this run.
    pub(in crate::gossip) session: [u8; 16],
    /// `max(last + 1, unix_ms << 20)`: never repeats within a session, and shows its age.
    pub(in crate::gossip) nonce: u64,
    /// The sender's boot.
    pub(in crate::gossip) boot: u64,
    /// The sender's table fingerprint. In a cookie with an echo, the mark of the datagram that is
    /// challenged: a cookie has to fit where nothing larger may be sent, and no build compares the
    /// fingerprint of one.
    pub(in crate::gossip) fingerprint: u64,
    /// What the payload is.
    pub(in crate::gossip) kind: u8,
}

impl Preamble {
    /// Writes header and body start; the payload follows.
    pub(in crate::gossip) fn write(&self, cluster: ClusterTag, out: &mut Vec<u8>) {
        out.push(FORMAT_VERSION);
        out.push(PLAINTEXT);
        out.extend_from_slice(&self.session);
        out.extend_from_slice(&self.nonce.to_be_bytes());
        out.extend_from_slice(&cluster.0);
        out.extend_from_slice(&self.boot.to_be_bytes());
        out.extend_from_slice(&self.fingerprint.to_be_bytes());
        out.push(self.kind);
    }

    /// Reads the start of a body that is not sealed, or no longer, and gives the payload.
    pub(in crate::gossip) fn of<'a>(
        header: &Header,
        body: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Refusal> {
        let mut rest = Fields(body);
        let boot = u64::from_be_bytes(rest.take()?);
        let fingerprint = u64::from_be_bytes(rest.take()?);
        let [kind] = rest.take()?;
        let preamble = Self {
            session: header.session,
            nonce: header.nonce,
            boot,
            fingerprint,
            kind,
        };
        Ok((preamble, rest.0))
    }

    /// Reads header and body start of a datagram that is not sealed, and gives the payload.
    #[cfg(test)]
    pub(in crate::gossip) fn read(
        datagram: &[u8],
        cluster: ClusterTag,
    ) -> Result<(Self, &[u8]), Refusal> {
        let (header, body) = Header::read(datagram, cluster)?;
        assert_eq!(header.key_id, PLAINTEXT, "sealed");
        Self::of(&header, body)
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Refusal::Truncated)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// The nonces of one session.
#[derive(Debug, Default)]
pub(in crate::gossip) struct Nonces {
    last: u64,
}

impl Nonces {
    pub(in crate::gossip) fn next(&mut self, unix_ms: u64) -> u64 {
        self.last = (self.last + 1).max(unix_ms << 20);
        self.last
    }

    /// The one that was given out last.
    pub(in crate::gossip) const fn last(&self) -> u64 {
        self.last
    }

    /// How many milliseconds they are ahead of the clock, which must have been set back then.
    pub(in crate::gossip) const fn ahead_ms(&self, unix_ms: u64) -> u64 {
        (self.last >> 20).saturating_sub(unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preamble() -> Preamble {
        Preamble {
            session: [7; 16],
            nonce: 9,
            boot: 11,
            fingerprint: 13,
            kind: 3,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let cluster = ClusterTag::of("shop");
        let mut datagram = Vec::new();
        preamble().write(cluster, &mut datagram);
        assert_eq!(datagram.len(), HEADER_BYTES + PREAMBLE_BYTES);
        datagram.push(42);
        assert_eq!(
            Preamble::read(&datagram, cluster),
            Ok((preamble(), &[42][..]))
        );
    }

    #[test]
    fn each_cause_of_refusal_is_told_apart() {
        let cluster = ClusterTag::of("shop");
        let mut datagram = Vec::new();
        preamble().write(cluster, &mut datagram);
        let read = |bytes: &[u8]| Preamble::read(bytes, cluster).unwrap_err();
        assert_eq!(read(&[]), Refusal::Empty);
        assert_eq!(read(&datagram[..datagram.len() - 1]), Refusal::Truncated);
        assert_eq!(read(&[9]), Refusal::Version);
        let other = Preamble::read(&datagram, ClusterTag::of("bank"));
        assert_eq!(other.unwrap_err(), Refusal::OtherCluster);
    }

    #[test]
    fn a_nonce_never_repeats_and_follows_the_clock() {
        let mut nonces = Nonces::default();
        let first = nonces.next(1_000);
        assert_eq!(first, 1_000 << 20);
        assert_eq!(nonces.next(1_000), first + 1);
        assert_eq!(nonces.next(5), first + 2, "a clock set back");
        assert_eq!([5, 1_000, 2_000].map(|ms| nonces.ahead_ms(ms)), [995, 0, 0]);
        assert_eq!(nonces.next(2_000), 2_000 << 20);
    }
}
