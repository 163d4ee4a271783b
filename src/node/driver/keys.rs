//! What the driver does with the files of keys.

use super::super::key_watch::KeyWatch;
use super::Driver;
use crate::gossip::security::ClusterKey;

impl Driver {
    /// The keys are read again while the node runs, if there is a file among their sources.
    pub(in crate::node) fn following_keys(mut self, keys: Option<KeyWatch>) -> Self {
        self.keys = keys;
        self
    }

    /// Begins to read the files, if it is time.
    pub(super) fn look_for_keys(&mut self) {
        if let Some(keys) = &mut self.keys
            && self.leave_by.is_none()
        {
            keys.begin(self.engine.unknown_keys());
        }
    }

    /// The files have been read; nothing where they cannot be used.
    pub(super) fn follow_keys(&mut self, keys: Option<Vec<ClusterKey>>) {
        let Some(list) = keys else {
            return;
        };
        let followed = self.engine.follow_keys(self.clock.now(), list);
        if let (Err(error), Some(keys)) = (followed, &mut self.keys) {
            keys.warn(self.advertised, &error);
        }
    }
}
