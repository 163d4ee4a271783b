//! Seals what leaves, and opens what comes.

use std::net::SocketAddr;

use super::{
    Advanced, ClusterKey, KeyId, KeyName, Keyring, KeyringError, Rollout, Security,
    cipher::{Cipher, Forged, TAG_BYTES},
    clocks::{Clocks, Odd},
    key::KeyHash,
    rollover::Rollover,
    sessions::{SessionId, Sessions, Standing},
    time::Skew,
};
use crate::gossip::{
    Instant, Now,
    identity::PeerId,
    wire::frame::{HEADER_BYTES, Header, KEY_ID_AT, PREAMBLE_BYTES, SEAL_BYTES},
};

const _: () = assert!(TAG_BYTES == SEAL_BYTES);

/// How many sessions are known for each member that there may be: its present one, and that of a process before it.
const SESSIONS_PER_MEMBER: usize = 2;

/// Stands between an engine and the wire.
#[derive(Debug)]
pub(in crate::gossip) struct Guard {
    keyring: Keyring,
    rollout: Rollout,
    skew: Skew,
    cluster: String,
    sealer: Option<Box<Sealer>>,
    rollover: Rollover,
    /// The key that opened the newest datagram.
    opened_with: Option<KeyHash>,
    sessions: Sessions,
    clocks: Clocks,
}

/// The cipher of what we send.
struct Sealer {
    session: SessionId,
    key: KeyHash,
    cipher: Cipher,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

/// Where the body of a datagram is that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Body {
    /// Where it stood: it was not sealed.
    AsItWas,
    /// Opened, in what was given to hold it.
    Opened,
}

/// Why a datagram may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Refused {
    /// It is sealed, and this node has no key.
    NoKey,
    /// It is in the clear, and this node hears nothing that is.
    Plaintext,
    /// It is sealed under a key that this node does not have.
    UnknownKey,
    Truncated,
    /// Its tag is wrong.
    Forged,
    /// It was received already, or is too old to tell.
    Replayed,
    /// Its session is not known, and its time is out of the skew. With what that says, where its tag was looked
    /// at and is right.
    Skewed(Option<Odd>),
    /// It is authentic, and no more sessions can be kept.
    SessionsFull,
}

impl Guard {
    pub(in crate::gossip) fn new(
        security: &Security,
        cluster: &str,
        max_members: usize,
        now: Instant,
    ) -> Self {
        Self {
            keyring: security.keyring.clone(),
            rollout: security.rollout,
            skew: Skew::new(security.clock_skew),
            cluster: cluster.to_owned(),
            sealer: None,
            rollover: Rollover::default(),
            opened_with: None,
            sessions: Sessions::new(max_members.saturating_mul(SESSIONS_PER_MEMBER).max(1)),
            clocks: Clocks::new(now),
        }
    }

    pub(in crate::gossip) const fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    pub(in crate::gossip) const fn rollout(&self) -> Rollout {
        self.rollout
    }

    pub(in crate::gossip) const fn set_rollout(&mut self, rollout: Rollout) {
        self.rollout = rollout;
    }

    pub(in crate::gossip) fn add_key(&mut self, key: ClusterKey) -> Result<(), KeyringError> {
        self.rollover.keep(&key);
        self.keyring.add(key)
    }

    pub(in crate::gossip) fn promote_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.keyring.promote(key)?;
        self.rollover.keep(key);
        self.rollover.cancel();
        Ok(())
    }

    pub(in crate::gossip) fn remove_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.keyring.remove(key)?;
        self.rollover.overruled(&self.keyring);
        self.sessions.forget_key(key.hash());
        Ok(())
    }

    /// Takes in the list of keys as it is now, and says whether it has changed.
    pub(in crate::gossip) fn follow(
        &mut self,
        now: Instant,
        list: Vec<ClusterKey>,
    ) -> Result<bool, KeyringError> {
        if self.keyring.is_empty() {
            return Err(KeyringError::Empty);
        }
        self.rollover.follow(now, list, &mut self.keyring)
    }

    /// Does what is due of a change of the key, where `live` are the other members.
    pub(in crate::gossip) fn advance_rollover<'a>(
        &mut self,
        now: Instant,
        live: impl Iterator<Item = &'a PeerId>,
    ) -> Advanced {
        let advanced = self.rollover.advance(now, live, &mut self.keyring);
        for hash in &advanced.hashes {
            self.sessions.forget_key(*hash);
        }
        advanced
    }

    /// When a change of the key is to be looked at next.
    pub(in crate::gossip) fn rollover_due(&self, now: Instant) -> Option<Instant> {
        self.rollover.next_due(now)
    }

    /// The key that is to seal, and which of the `live` members are asked for it now.
    pub(in crate::gossip) fn ask_for_key<'a>(
        &mut self,
        now: Instant,
        live: impl Iterator<Item = &'a PeerId>,
    ) -> Option<(KeyName, Vec<SocketAddr>)> {
        let name = self.rollover.asks_for().filter(|_| self.rollout.seals())?;
        Some((name, self.rollover.ask(now, live)))
    }

    /// A live member has shown that it holds a key.
    pub(in crate::gossip) fn key_shown(&mut self, member: &PeerId, key: KeyName) {
        self.rollover.shown(member, key);
    }

    /// A live member's datagram was opened just now: it holds that key.
    pub(in crate::gossip) fn sealed_by(&mut self, member: &PeerId) {
        if let Some(hash) = self.opened_with
            && self.rollover.asks_for() == Some(hash.name())
        {
            self.rollover.shown(member, hash.name());
        }
    }

    /// Whether this node opens what is sealed with a key.
    pub(in crate::gossip) fn holds_key(&self, name: KeyName) -> bool {
        self.keyring.keys().any(|key| key.hash().name() == name)
    }

    /// Nobody answers: the next key of the list, if there are several, seals the next calls.
    pub(in crate::gossip) fn try_next_key(&mut self) {
        self.rollover.try_next(&self.keyring);
    }

    /// There is no member, and somebody's datagram was opened: it is answered under its own key.
    pub(in crate::gossip) fn adopt_key(&mut self, now: Instant) {
        if let Some(hash) = self.opened_with {
            self.rollover.adopt(now, hash, &mut self.keyring);
        }
    }

    /// There is a member, where there was none.
    pub(in crate::gossip) fn rollover_joined(&mut self, now: Instant) {
        self.rollover.joined(now, &self.keyring);
    }

    /// Whether what is sent is sealed.
    pub(in crate::gossip) const fn seals(&self) -> bool {
        !self.keyring.is_empty() && self.rollout.seals()
    }

    /// Whether what is sent in the clear may be answered by what is sealed.
    pub(in crate::gossip) const fn hears_more_than_it_seals(&self) -> bool {
        !self.keyring.is_empty() && !self.rollout.seals()
    }

    /// Whether nothing that its sender said later was heard before it. Of what is in the clear, that is not known.
    pub(in crate::gossip) fn is_newest(&self, session: &SessionId, nonce: u64) -> bool {
        self.sessions.is_newest(session, nonce)
    }

    /// How many sessions are known.
    pub(in crate::gossip) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many addresses had a clock out of the skew, when they were heard last.
    pub(in crate::gossip) fn clocks_off(&self) -> usize {
        self.clocks.off()
    }

    /// Whether somebody who was heard lately agrees with our clock, as it is set now.
    pub(in crate::gossip) fn is_clock_agreed(&self, now: Now) -> bool {
        self.clocks.is_agreed(now)
    }

    /// Seals a datagram in place, if this node seals.
    pub(in crate::gossip) fn seal(
        &mut self,
        session: SessionId,
        nonce: u64,
        datagram: &mut Vec<u8>,
    ) {
        let sealing = self.rollover.sealing(&self.keyring);
        let Some(key) = sealing.filter(|_| self.rollout.seals()) else {
            return;
        };
        let sealer = match self.sealer.take() {
            Some(sealer) if sealer.session == session && sealer.key == key.hash() => sealer,
            _ => Box::new(Sealer {
                session,
                key: key.hash(),
                cipher: Cipher::new(&key.of_session(&session, &self.cluster)),
            }),
        };
        datagram[KEY_ID_AT] = key.id().value();
        let (header, body) = datagram.split_at_mut(HEADER_BYTES);
        let tag = sealer.cipher.seal(nonce, header, body);
        datagram.extend_from_slice(&tag);
        self.sealer = Some(sealer);
    }

    /// Opens a datagram into `body`, or says that it may be used as it is.
    ///
    /// What costs little is looked at first, and nothing is remembered of a datagram before its tag was right.
    pub(in crate::gossip) fn open(
        &mut self,
        now: Now,
        from: SocketAddr,
        header: &Header,
        datagram: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<Body, Refused> {
        let Some(id) = KeyId::read(header.key_id) else {
            let heard = self.keyring.is_empty() || self.rollout.hears_the_clear();
            return if heard {
                Ok(Body::AsItWas)
            } else {
                Err(Refused::Plaintext)
            };
        };
        if self.keyring.is_empty() {
            return Err(Refused::NoKey);
        }
        if self.keyring.named(id).next().is_none() {
            return Err(Refused::UnknownKey);
        }
        if datagram.len() < HEADER_BYTES + PREAMBLE_BYTES + TAG_BYTES {
            return Err(Refused::Truncated);
        }
        let Header { session, nonce, .. } = *header;
        let standing = self.sessions.standing(now, self.skew, &session, nonce);
        match standing {
            Standing::Replayed => return Err(Refused::Replayed),
            Standing::Skewed(ahead_ms) => {
                // Never used; but an authentic one tells of a clock that is wrong.
                let is_authentic = self.clocks.may_try(now.instant)
                    && self.try_keys(header, id, datagram, body).is_ok();
                body.clear();
                let sighted = || self.clocks.sighted(now, from, session, ahead_ms);
                return Err(Refused::Skewed(is_authentic.then(sighted)));
            }
            Standing::Known | Standing::New => {}
        }
        let opened_by = self
            .try_keys(header, id, datagram, body)
            .map_err(|Forged| Refused::Forged)?;
        let kept = || self.sessions.cipher(&session).map(|(hash, _)| hash);
        self.opened_with = opened_by.as_ref().map(|(hash, _)| *hash).or_else(kept);
        self.sessions
            .record(now, self.skew, session, nonce, opened_by)
            .map_err(|_| Refused::SessionsFull)?;
        if self.skew.offset_ms(now.unix_ms, nonce).is_none() {
            self.clocks.agreed(now, from);
        }
        Ok(Body::Opened)
    }

    /// Opens into `body` with the session's cipher, or else with those of the other keys of that id. Gives the cipher
    /// that did it, unless it was the session's.
    fn try_keys(
        &self,
        header: &Header,
        id: KeyId,
        datagram: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<Option<(KeyHash, Cipher)>, Forged> {
        let (head, sealed) = datagram.split_at(HEADER_BYTES);
        let (sealed, tag) = sealed.split_last_chunk().ok_or(Forged)?;
        let mut opens = |cipher: &Cipher| {
            body.clear();
            body.extend_from_slice(sealed);
            cipher.open(header.nonce, head, body, tag).is_ok()
        };
        let kept = self.sessions.cipher(&header.session);
        let is_kept = |key: &&ClusterKey| kept.is_some_and(|(hash, _)| hash == key.hash());
        if let Some((_, cipher)) = kept
            && self.keyring.named(id).any(|key| is_kept(&key))
            && opens(cipher)
        {
            return Ok(None);
        }
        for key in self.keyring.named(id).filter(|key| !is_kept(key)) {
            let cipher = Cipher::new(&key.of_session(&header.session, &self.cluster));
            if opens(&cipher) {
                return Ok(Some((key.hash(), cipher)));
            }
        }
        Err(Forged)
    }
}

#[cfg(test)]
mod tests;
