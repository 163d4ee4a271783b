//! The keys that a node holds, in order.

use super::key::{ClusterKey, KeyId};

/// How many keys a ring holds at most. A change of the key needs two.
pub const KEYS_MAX: usize = 8;

/// The keys of a node: the first seals what it sends, all of them open what it hears. At most [`KEYS_MAX`].
///
/// A cluster changes its key in three rounds, each of which is over at every node before the next begins: the new key is
/// [added](Self::add), then [promoted](Self::promote), then the old one is [removed](Self::remove). A node that
/// has no key (the ring is empty) speaks in the clear; it gets its first one when it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring(Vec<ClusterKey>);

impl Keyring {
    /// A ring without a key.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// A ring of these keys, of which the first seals. One that is there twice counts once.
    pub fn of(keys: impl IntoIterator<Item = ClusterKey>) -> Result<Self, KeyringError> {
        let mut ring = Self::empty();
        for key in keys {
            ring.insert(key, KEYS_MAX)?;
        }
        Ok(ring)
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, the one that seals first.
    pub fn keys(&self) -> impl Iterator<Item = &ClusterKey> {
        self.0.iter()
    }

    /// What names the keys, the one that seals first. Two can have the same.
    pub fn ids(&self) -> Vec<KeyId> {
        self.0.iter().map(ClusterKey::id).collect()
    }

    /// From now on `key` opens too. One that does already is `Ok`.
    pub fn add(&mut self, key: ClusterKey) -> Result<(), KeyringError> {
        if self.is_empty() {
            return Err(KeyringError::Empty);
        }
        self.insert(key, KEYS_MAX)
    }

    /// From now on `key`, which is in the ring, seals.
    pub fn promote(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        let at = self.position(key)?;
        self.0[..=at].rotate_right(1);
        Ok(())
    }

    /// From now on `key` does not open any more, and is wiped with its last clone.
    pub fn remove(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        match (self.position(key)?, self.0.len()) {
            (0, 1) => Err(KeyringError::Last { id: key.id() }),
            (0, _) => Err(KeyringError::Seals { id: key.id() }),
            (at, _) => {
                self.0.remove(at);
                Ok(())
            }
        }
    }

    pub(super) fn sealing(&self) -> Option<&ClusterKey> {
        self.0.first()
    }

    pub(super) fn named(&self, id: KeyId) -> impl Iterator<Item = &ClusterKey> {
        self.0.iter().filter(move |key| key.id() == id)
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, key: &ClusterKey) -> bool {
        self.0.contains(key)
    }

    pub(super) fn into_keys(self) -> Vec<ClusterKey> {
        self.0
    }

    /// Puts a key behind the others, if there are fewer than `most`.
    pub(super) fn insert(&mut self, key: ClusterKey, most: usize) -> Result<(), KeyringError> {
        if self.0.contains(&key) {
            return Ok(());
        }
        if self.0.len() >= most {
            return Err(KeyringError::Full);
        }
        self.0.push(key);
        Ok(())
    }

    fn position(&self, key: &ClusterKey) -> Result<usize, KeyringError> {
        let at = self.0.iter().position(|other| other == key);
        at.ok_or(KeyringError::Unknown { id: key.id() })
    }
}

/// Why a ring of keys was not changed. It is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The node began without a key, and speaks in the clear.
    #[error(
        "this node was started without a key: start it with one, and with `Rollout::AcceptBoth` while others have none"
    )]
    Empty,
    /// There are [`KEYS_MAX`] already.
    #[error("the ring has {KEYS_MAX} keys already: remove one that nobody seals with any more")]
    Full,
    /// The key is not in the ring.
    #[error("no key of that content (its id is {id}) is in the ring: add it first")]
    Unknown {
        /// What names the key.
        id: KeyId,
    },
    /// The key seals what this node sends.
    #[error("key {id} seals what this node sends: promote another one first")]
    Seals {
        /// What names the key.
        id: KeyId,
    },
    /// The key is the only one.
    #[error("key {id} is the only one: without it this node would hear nobody")]
    Last {
        /// What names the key.
        id: KeyId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> ClusterKey {
        ClusterKey::from_bytes([byte; 32])
    }

    fn ids<const N: usize>(bytes: [u8; N]) -> Vec<KeyId> {
        bytes.map(|byte| key(byte).id()).to_vec()
    }

    #[test]
    fn a_key_is_changed_by_adding_promoting_and_removing() {
        let mut ring = Keyring::of([key(1)]).unwrap();
        ring.add(key(2)).unwrap();
        assert_eq!(ring.ids(), ids([1, 2]), "the new one only opens");
        ring.promote(&key(2)).unwrap();
        assert_eq!(ring.ids(), ids([2, 1]));
        ring.remove(&key(1)).unwrap();
        assert_eq!(ring.ids(), ids([2]));
    }

    #[test]
    fn what_changes_nothing_is_no_error() {
        let mut ring = Keyring::of([key(1), key(2), key(1)]).unwrap();
        ring.add(key(2)).unwrap();
        ring.promote(&key(1)).unwrap();
        assert_eq!(ring.ids(), ids([1, 2]));
    }

    #[test]
    fn promoting_keeps_the_order_of_the_others() {
        let mut ring = Keyring::of([key(1), key(2), key(3)]).unwrap();
        ring.promote(&key(3)).unwrap();
        assert_eq!(ring.ids(), ids([3, 1, 2]));
    }

    #[test]
    fn each_refusal_names_its_cause_and_leaves_the_ring_as_it_was() {
        let mut ring = Keyring::of([key(1), key(2)]).unwrap();
        let id = |byte| key(byte).id();
        assert_eq!(ring.remove(&key(1)), Err(KeyringError::Seals { id: id(1) }));
        assert_eq!(
            ring.remove(&key(3)),
            Err(KeyringError::Unknown { id: id(3) })
        );
        assert_eq!(
            ring.promote(&key(3)),
            Err(KeyringError::Unknown { id: id(3) })
        );
        assert_eq!(ring.ids(), ids([1, 2]));
        ring.remove(&key(2)).unwrap();
        assert_eq!(ring.remove(&key(1)), Err(KeyringError::Last { id: id(1) }));
        assert_eq!(Keyring::empty().add(key(1)), Err(KeyringError::Empty));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut ring = Keyring::of((1..=8).map(key)).unwrap();
        assert_eq!(ring.add(key(9)), Err(KeyringError::Full));
        assert_eq!(ring.add(key(8)), Ok(()));
        assert_eq!(ring.ids().len(), KEYS_MAX);
        assert_eq!(Keyring::of((1..=9).map(key)), Err(KeyringError::Full));
    }
}
