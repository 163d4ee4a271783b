//! Seals what leaves, and opens what comes.

use std::net::SocketAddr;

use super::{
    ClusterKey, KeyId, Keyring, KeyringError, Rollout, Security,
    cipher::{Cipher, Forged, TAG_BYTES},
    clocks::{Clocks, Odd},
    key::KeyHash,
    sessions::{SessionId, Sessions, Standing},
    time::Skew,
};
use crate::gossip::{
    Instant, Now,
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
        self.keyring.add(key)
    }

    pub(in crate::gossip) fn promote_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.keyring.promote(key)
    }

    pub(in crate::gossip) fn remove_key(&mut self, key: &ClusterKey) -> Result<(), KeyringError> {
        self.keyring.remove(key)?;
        self.sessions.forget_key(key.hash());
        Ok(())
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
        let Some(key) = self.keyring.sealing().filter(|_| self.rollout.seals()) else {
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
