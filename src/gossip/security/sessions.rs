//! The sessions that were heard: for each a replay window, and its cipher.
//!
//! Bounds: a number of sessions that is given in. Each costs some 1,800 bytes: 1,100 the cipher, 512 the window, the rest
//! its place in the map. At the bound those are forgotten first whose datagrams could not be said again anyhow,
//! because their clocks' time is out of the skew; if there are none, the newcomer is refused.

use std::collections::BTreeMap;

use super::{
    cipher::Cipher,
    key::KeyHash,
    replay::Window,
    time::{Skew, time_ms},
};
use crate::gossip::{Instant, Now};

/// The random id that a sender drew when it started.
pub(in crate::gossip) type SessionId = [u8; 16];

/// The share of the sessions that is forgotten together, at most: the search looks at all of them.
const FORGOTTEN_TOGETHER: usize = 8;
/// The least time between two searches.
const SEARCH_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Sessions {
    known: BTreeMap<SessionId, Session>,
    most: usize,
    searched: Option<Instant>,
    /// Above every nonce of a session that was forgotten. It matters only after a clock was set back.
    floor: u64,
}

struct Session {
    window: Window,
    /// Of the key that opened the newest datagram. None after that key was removed.
    cipher: Option<(KeyHash, Box<Cipher>)>,
    used: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.window.fmt(f)
    }
}

/// What a datagram's session and nonce say of it, before its tag was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Of a session that is known, and new.
    Known,
    /// Of one that is not, from within the skew.
    New,
    /// It was received already, or is too old to tell.
    Replayed,
    /// Of a session that is not known, by a clock that is so many milliseconds ahead of ours.
    Skewed(i64),
}

/// There is no room for another session, and none that may be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Sessions {
    pub(super) const fn new(most: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            most,
            searched: None,
            floor: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn standing(&self, now: Now, skew: Skew, id: &SessionId, nonce: u64) -> Standing {
        match self.known.get(id) {
            Some(session) if session.window.admits(nonce) => Standing::Known,
            Some(_) => Standing::Replayed,
            None => match skew.offset_ms(now.unix_ms, nonce) {
                Some(offset_ms) => Standing::Skewed(offset_ms),
                None if nonce < self.floor => Standing::Replayed,
                None => Standing::New,
            },
        }
    }

    /// The cipher that opened the session's newest datagram, and the hash of its key.
    pub(super) fn cipher(&self, id: &SessionId) -> Option<(KeyHash, &Cipher)> {
        let (key, cipher) = self.known.get(id)?.cipher.as_ref()?;
        Some((*key, cipher))
    }

    /// Takes in a datagram that was authentic. `opened_by` is the cipher, where it was not the session's.
    pub(super) fn record(
        &mut self,
        now: Now,
        skew: Skew,
        id: SessionId,
        nonce: u64,
        opened_by: Option<(KeyHash, Cipher)>,
    ) -> Result<(), Full> {
        if !self.known.contains_key(&id) {
            self.make_room(now, skew)?;
        }
        let session = self.known.entry(id).or_insert_with(|| Session {
            window: Window::above(skew.oldest(now.unix_ms).max(self.floor)),
            cipher: None,
            used: now.instant,
        });
        session.used = now.instant;
        session.window.record(nonce, skew.nonces());
        if let Some((key, cipher)) = opened_by
            && session.window.newest() == nonce
        {
            session.cipher = Some((key, Box::new(cipher)));
        }
        Ok(())
    }

    /// Whether nothing later of this session was received.
    pub(super) fn is_newest(&self, id: &SessionId, nonce: u64) -> bool {
        let session = self.known.get(id);
        session.is_none_or(|session| session.window.newest() <= nonce)
    }

    /// Forgets the ciphers of a key. The windows stay: the sessions go on under another one.
    pub(super) fn forget_key(&mut self, key: KeyHash) {
        for session in self.known.values_mut() {
            session.cipher.take_if(|(hash, _)| *hash == key);
        }
    }

    fn make_room(&mut self, now: Now, skew: Skew) -> Result<(), Full> {
        if self.known.len() < self.most {
            return Ok(());
        }
        if self
            .searched
            .is_some_and(|searched| now.instant - searched < SEARCH_EVERY)
        {
            return Err(Full);
        }
        self.searched = Some(now.instant);
        let is_over = |session: &Session| {
            let said = time_ms(session.window.newest());
            said.saturating_add(skew.ms()) < now.unix_ms
                && now.instant - session.used > skew.duration()
        };
        let over = self.known.iter().filter(|(_, session)| is_over(session));
        let mut over: Vec<_> = over.map(|(id, s)| (s.window.newest(), *id)).collect();
        over.sort_unstable();
        over.truncate((self.most / FORGOTTEN_TOGETHER).max(1));
        let (newest, _) = *over.last().ok_or(Full)?;
        for (_, id) in over {
            self.known.remove(&id);
        }
        self.floor = self.floor.max(newest.saturating_add(1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const UNIX_MS: u64 = 1_800_000_000_000;

    fn skew() -> Skew {
        Skew::new(Duration::from_secs(30))
    }

    fn at(s: u64) -> Now {
        Now {
            instant: Instant::from_origin(Duration::from_secs(s)),
            unix_ms: UNIX_MS + s * 1_000,
        }
    }

    fn nonce(now: Now) -> u64 {
        now.unix_ms << 20
    }

    fn session(n: usize) -> SessionId {
        (n as u128).to_be_bytes()
    }

    fn record(sessions: &mut Sessions, now: Now, n: usize) -> Result<(), Full> {
        sessions.record(now, skew(), session(n), nonce(now), None)
    }

    #[test]
    fn a_session_is_first_heard_within_the_skew_and_then_whatever_its_clock_says() {
        let mut sessions = Sessions::new(8);
        let standing = |sessions: &Sessions, s: u64| {
            sessions.standing(at(100), skew(), &session(1), nonce(at(s)))
        };
        assert_eq!(standing(&sessions, 69), Standing::Skewed(-31_000));
        assert_eq!(standing(&sessions, 131), Standing::Skewed(31_000));
        assert_eq!(
            [70, 130].map(|s| standing(&sessions, s)),
            [Standing::New; 2]
        );
        record(&mut sessions, at(100), 1).unwrap();
        assert_eq!(standing(&sessions, 4_000), Standing::Known);
        assert_eq!(standing(&sessions, 100), Standing::Replayed);
        assert_eq!(standing(&sessions, 71), Standing::Known, "overtaken");
        let before = standing(&sessions, 69);
        assert_eq!(before, Standing::Replayed, "what was said before we came");
    }

    #[test]
    fn the_number_is_bounded_and_nothing_is_forgotten_before_its_time() {
        let mut sessions = Sessions::new(64);
        for n in 0..64 {
            record(&mut sessions, at(0), n).unwrap();
        }
        assert_eq!(record(&mut sessions, at(30), 64), Err(Full));
        assert_eq!(sessions.len(), 64);
        assert_eq!(record(&mut sessions, at(31), 64), Ok(()));
        assert_eq!(sessions.len(), 64 - 8 + 1, "an eighth went together");
        let said_again = sessions.standing(at(31), skew(), &session(0), nonce(at(0)));
        assert_eq!(said_again, Standing::Skewed(-31_000));
    }

    #[test]
    fn the_oldest_are_forgotten_first_and_those_in_use_never() {
        let mut sessions = Sessions::new(64);
        for n in 0..64 {
            record(&mut sessions, at(n as u64), n).unwrap();
        }
        // One that sends all the time, by a clock that stands.
        let standing_clock = nonce(at(0)) + 1;
        sessions
            .record(at(90), skew(), session(0), standing_clock, None)
            .unwrap();
        record(&mut sessions, at(95), 64).unwrap();
        let known = |n| sessions.known.contains_key(&session(n));
        assert!(known(0) && (1..=8).all(|n| !known(n)) && (9..=64).all(known));
    }

    #[test]
    fn a_search_that_finds_nothing_is_not_repeated_for_a_second() {
        let mut sessions = Sessions::new(8);
        for n in 0..8 {
            record(&mut sessions, at(0), n).unwrap();
        }
        let ms = |ms: u64| Now {
            instant: Instant::from_origin(Duration::from_millis(ms)),
            unix_ms: UNIX_MS + ms,
        };
        assert_eq!(record(&mut sessions, ms(29_500), 8), Err(Full));
        assert_eq!(record(&mut sessions, ms(30_400), 8), Err(Full));
        assert_eq!(record(&mut sessions, ms(30_500), 8), Ok(()));
    }

    #[test]
    fn what_was_forgotten_cannot_be_said_again_after_a_clock_was_set_back() {
        let mut sessions = Sessions::new(1);
        record(&mut sessions, at(0), 1).unwrap();
        record(&mut sessions, at(60), 2).unwrap();
        let set_back = Now {
            instant: at(61).instant,
            ..at(1)
        };
        let standing = |nonce| sessions.standing(set_back, skew(), &session(1), nonce);
        assert_eq!(standing(nonce(at(0))), Standing::Replayed);
        assert_eq!(standing(nonce(at(1))), Standing::New);
    }
}
