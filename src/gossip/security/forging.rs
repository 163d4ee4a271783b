//! For whoever tests a node that has a key as one who has it too: opens what others sealed, and seals whatever it likes.

use super::{ClusterKey, cipher::Cipher};
use crate::gossip::wire::frame::{ClusterTag, HEADER_BYTES, Header, KEY_ID_AT};

/// Somebody who has the cluster's key and keeps to nothing else.
#[derive(Debug)]
pub(in crate::gossip) struct Forger {
    key: ClusterKey,
    cluster: String,
}

impl Forger {
    pub(in crate::gossip) fn new(key: ClusterKey, cluster: &str) -> Self {
        Self {
            key,
            cluster: cluster.to_owned(),
        }
    }

    /// Takes the seal off: what is left is header and body, as if they had never been sealed, but for the key id.
    /// Nothing if this key did not seal it.
    pub(in crate::gossip) fn open(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (header, _) = Header::read(datagram, ClusterTag::of(&self.cluster)).ok()?;
        let (head, sealed) = datagram.split_at(HEADER_BYTES);
        let (body, tag) = sealed.split_last_chunk()?;
        let mut opened = body.to_vec();
        self.cipher(&header)
            .open(header.nonce, head, &mut opened, tag)
            .ok()?;
        Some([head, &opened[..]].concat())
    }

    /// Seals a datagram under the session and the nonce that its header names. One that is shorter than a header stays
    /// as it is.
    pub(in crate::gossip) fn seal(&self, datagram: &mut Vec<u8>) {
        let Ok((mut header, _)) = Header::read(datagram, ClusterTag::of(&self.cluster)) else {
            return;
        };
        header.key_id = self.key.id().value();
        datagram[KEY_ID_AT] = header.key_id;
        let (head, body) = datagram.split_at_mut(HEADER_BYTES);
        let tag = self.cipher(&header).seal(header.nonce, head, body);
        datagram.extend_from_slice(&tag);
    }

    fn cipher(&self, header: &Header) -> Cipher {
        Cipher::new(&self.key.of_session(&header.session, &self.cluster))
    }
}
