//! Reconciliation, asking: finding out what a peer has that we lack, and getting it.
//!
//! Every datagram carries its sender's fingerprint. Equal to ours, or to one that ours was in the
//! last seconds: nothing to do. Otherwise, if the difference lasts, we send the sums of our buckets
//! to that peer; it lists what it holds in those that differ; we pull what we lack. A joiner, whose
//! table is empty, skips the comparison and pulls everything. The peer keeps no state: each request
//! says where its answer is to begin, and is repeated when parts of the answer are missing.
//!
//! Requests and their answers are larger than what leads to them, so they go only where somebody has proven to hear us: a peer that has
//! not is called first, and its welcome proves it to us as our hello does us to it. An answer names its request by an id that is random
//! for each session, so nothing that was said to others, or before, is taken for one.
//!
//! Bounds: one session of our own at a time, one a second on average and [`SESSIONS_AT_ONCE`] in a
//! row, because a peer may have missed the same things as we did. When nothing came of a session,
//! the next follows 200 ms later, the pause doubling to ten seconds until something is learned, by whatever means. So
//! what a burst of changes left out is mended at once, and steady change cannot keep anybody
//! reconciling. [`wanted::WINDOW`] records are asked for at a time; a session ends after [`MOST_TRIES`]
//! requests in a row without progress, and after [`SESSION_FOR`] whatever comes ([`JOINING_FOR`] for a joiner's first one).
//! It wants [`wanted::MOST_WANTED`] records at most; a later one gets the rest.

mod answers;
mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use rand::RngExt;

use super::{Engine, TimerKey, standing::Life};
use crate::gossip::{
    Instant, Now,
    budget::Budget,
    wire::{
        frame::Preamble,
        message::{Cursor, Digest, Message, Pull, RecordKey},
    },
};

/// How many requests in a row may remain without progress.
const MOST_TRIES: u8 = 5;
/// How many sessions may follow each other closely.
pub(super) const SESSIONS_AT_ONCE: u32 = 8;
/// How long a session takes at most.
const SESSION_FOR: Duration = Duration::from_secs(120);
/// How long a joiner's first one does: 256 MiB at 16 pages a round trip of 300 ms take as long.
const JOINING_FOR: Duration = Duration::from_secs(3_600);
/// The pause after a session of which nothing came, when something came of the one before.
const IDLE_PAUSE: Duration = Duration::from_millis(200);
/// How long a look is put off at most while news comes in.
const PUT_OFF_MAX: Duration = Duration::from_secs(1);
/// What is known of differences, and the session under way.
#[derive(Debug)]
pub(super) struct Sync {
    session: Option<Session>,
    /// The latest peer whose fingerprint was none of ours.
    differing: Option<(SocketAddr, u64)>,
    /// When there was none before.
    differing_since: Instant,
    /// When we last learned something new, by whatever means.
    learned_at: Instant,
    not_before: Instant,
    /// The pause after the next session of which nothing comes.
    idle_pause: Duration,
    budget: Budget,
    /// Whether some peer's whole table has been taken over since we started.
    has_table: bool,
}

impl Sync {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            session: None,
            differing: None,
            differing_since: Instant::ZERO,
            learned_at: Instant::ZERO,
            not_before: Instant::ZERO,
            idle_pause: IDLE_PAUSE,
            budget: Budget::new(1, SESSIONS_AT_ONCE, now),
            has_table: false,
        }
    }

    /// Takes the table for complete.
    #[cfg(feature = "testing")]
    pub(super) fn assume_table(&mut self) {
        self.has_table = true;
    }

    /// Whether this node is still a joiner.
    pub(super) const fn needs_table(&self) -> bool {
        !self.has_table
    }

    /// The id of the last request.
    #[cfg(test)]
    pub(super) fn request(&self) -> Option<u64> {
        self.session.as_ref().map(|session| session.id)
    }

    /// Whom we reconcile with at present.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.session.as_ref().map(|session| session.peer)
    }

    /// Whether the session under way takes over a peer's whole table.
    pub(super) fn takes_all(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.theirs.is_none())
    }

    /// How many records the session under way wants.
    pub(super) fn wanted(&self) -> usize {
        self.session
            .as_ref()
            .map_or(0, |session| session.wanted.len())
    }

    /// Whether the first pages are wanted of whoever is called now.
    pub(super) const fn wants_pages(&self) -> bool {
        !self.has_table && self.session.is_none()
    }
}

#[derive(Debug)]
struct Session {
    begun: Instant,
    /// The ids of its requests, the first and the present one: random, and counted on from there.
    first_id: u64,
    id: u64,
    peer: SocketAddr,
    /// Whether the peer is called before it is asked: it has not proven its address, or did not answer.
    calls: bool,
    /// The fingerprint that differed; none when everything is wanted, as a joiner does.
    theirs: Option<u64>,
    /// Where the listing goes on.
    after: Option<Cursor>,
    /// Which parts of the present answer have come.
    parts: BTreeSet<u8>,
    listed: bool,
    /// What we lack, and whether it has been asked for.
    wanted: BTreeMap<RecordKey, bool>,
    tries: u8,
    /// Whether anything came of it.
    moved: bool,
    /// How often the peer has named somebody whom its word alone does not make a member.
    withheld: u32,
}

impl Engine {
    /// Compares a peer's fingerprint with ours.
    pub(super) fn compare_fingerprint(&mut self, now: Now, from: SocketAddr, preamble: &Preamble) {
        let theirs = preamble.fingerprint;
        let ours = self.fingerprint();
        self.note_fingerprints(now, from, theirs, ours);
        if self.history.contains(theirs) {
            if self.sync.differing.is_some_and(|(peer, _)| peer == from) {
                self.sync.differing = None;
                self.timers.cancel(&TimerKey::SyncStart);
            }
            return;
        }
        // What its sender has overtaken says what its table was, and who sees datagrams can say it again to others, or from
        // elsewhere: each would be a reconciliation of which nothing comes, and put off the next one.
        let is_anothers = self
            .members
            .get(from)
            .is_some_and(|peer| peer.id.boot != preamble.boot);
        if is_anothers || !self.guard.is_newest(&preamble.session, preamble.nonce) {
            return;
        }
        if self.sync.differing.replace((from, theirs)).is_none() {
            self.sync.differing_since = now.instant;
        }
        if self.sync.session.is_none() && self.timers.deadline(&TimerKey::SyncStart).is_none() {
            let delay = self.config.sync_delay;
            let jitter = delay.mul_f64(self.rng.random_range(0.0..1.0));
            let at = (now.instant + delay + jitter).max(self.sync.not_before);
            self.timers.set(TimerKey::SyncStart, at);
        }
    }

    /// A difference has lasted, or has gone in the meantime. While news still comes in, what is
    /// missing is most likely among it, so the look is put off; but not for long.
    pub(super) fn sync_start_due(&mut self, now: Now) {
        let delay = self.config.sync_delay;
        let lasted = now.instant - self.sync.differing_since;
        if now.instant - self.sync.learned_at < delay && lasted < PUT_OFF_MAX {
            let again = self.jittered(delay);
            self.timers.set(TimerKey::SyncStart, now.instant + again);
            return;
        }
        if !self.sync.budget.take(now.instant) {
            let wait = self.sync.budget.wait(now.instant);
            self.timers.set(TimerKey::SyncStart, now.instant + wait);
            return;
        }
        let Some((peer, theirs)) = self.sync.differing.take() else {
            return;
        };
        let settled = self.history.contains(theirs);
        if settled || self.sync.session.is_some() || self.life != Life::Running {
            return;
        }
        self.begin_sync(now, peer, Some(theirs));
    }

    /// Takes over a peer's whole table, unless one has been taken over already. The first pages
    /// come unasked with the welcome, under the `token` of the hello; if they do not, they are asked for.
    pub(super) fn sync_all(&mut self, now: Now, peer: SocketAddr, token: u64) {
        if self.sync.wants_pages() {
            self.open_session(now.instant, peer, None, token);
            self.timers.set(
                TimerKey::SyncRetry,
                now.instant + self.config.request_timeout,
            );
        }
    }

    fn begin_sync(&mut self, now: Now, peer: SocketAddr, theirs: Option<u64>) {
        let first_id = self.rng.random();
        self.open_session(now.instant, peer, theirs, first_id);
        self.ask_listing(now);
    }

    fn open_session(&mut self, now: Instant, peer: SocketAddr, theirs: Option<u64>, first_id: u64) {
        self.stats.syncs += 1;
        tracing::debug!(target: "tidings::gossip", %peer, everything = theirs.is_none(), "reconciling");
        self.sync.session = Some(Session {
            begun: now,
            first_id,
            id: first_id,
            peer,
            calls: false,
            theirs,
            after: None,
            parts: BTreeSet::new(),
            listed: false,
            wanted: BTreeMap::new(),
            tries: 0,
            moved: false,
            withheld: 0,
        });
    }

    /// Asks for the listing, from where it stands; or calls the peer, and asks when it has answered.
    fn ask_listing(&mut self, now: Now) {
        self.timers.set(
            TimerKey::SyncRetry,
            now.instant + self.config.request_timeout,
        );
        let buckets = self.buckets().map(Into::into);
        let Some(session) = &self.sync.session else {
            return;
        };
        let peer = session.peer;
        let is_heard = self.has_proof(now, peer);
        let Some(session) = &mut self.sync.session else {
            return;
        };
        session.calls |= !is_heard;
        if session.calls {
            self.say_hello(now, peer, 0);
            return;
        }
        // Each request has an id of its own, so that late parts of an earlier answer are known.
        session.id = session.id.wrapping_add(1);
        session.parts.clear();
        let (peer, id, after) = (session.peer, session.id, session.after.clone());
        let request = if session.theirs.is_none() {
            Message::Pull(Pull::All { session: id, after })
        } else {
            Message::Digest(Box::new(Digest {
                session: id,
                buckets,
                after,
            }))
        };
        self.send(now, peer, &request);
    }

    /// A process has proven that it hears us at this address. If that is the peer's it is asked, unless
    /// its table, of which it speaks now, is ours: the fingerprint that differed may have been forged.
    pub(super) fn sync_proven(&mut self, now: Now, addr: SocketAddr, theirs: u64) {
        let session = self.sync.session.as_mut();
        let Some(session) = session.filter(|session| session.calls && session.peer == addr) else {
            return;
        };
        session.calls = false;
        if session.theirs.is_some() && self.history.contains(theirs) {
            self.end_sync(now, false);
        } else {
            self.ask_listing(now);
        }
    }

    /// Something that was asked for has not come in time.
    pub(super) fn sync_retry_due(&mut self, now: Now) {
        let Some(session) = &mut self.sync.session else {
            return;
        };
        session.tries += 1;
        if session.tries > MOST_TRIES || self.life != Life::Running {
            return self.end_sync(now, false);
        }
        for asked in session.wanted.values_mut() {
            *asked = false;
        }
        let is_in_doubt = session.tries == MOST_TRIES / 2;
        if session.listed {
            self.timers.set(
                TimerKey::SyncRetry,
                now.instant + self.config.request_timeout,
            );
        } else {
            // Where nothing came at all, what we proved may have ended there.
            session.calls |= session.parts.is_empty();
            self.ask_listing(now);
        }
        self.pull_wanted(now);
        if is_in_doubt {
            self.doubt_path(now);
        }
    }

    /// Something new came in. Where that is so there may be more, and the pause after earlier sessions that
    /// brought nothing was about another state of things.
    pub(super) fn sync_moved(&mut self, now: Now) {
        self.sync.learned_at = now.instant;
        self.sync.idle_pause = IDLE_PAUSE;
        let soon = now.instant + IDLE_PAUSE;
        if self.sync.not_before > soon {
            self.sync.not_before = soon;
            if self.timers.deadline(&TimerKey::SyncStart).is_some() {
                self.timers.set_earlier(TimerKey::SyncStart, soon);
            }
        }
        if let Some(session) = &mut self.sync.session {
            session.moved = true;
        }
    }

    /// Another peer, whose table may be the same, may vouch for whom this one names.
    pub(super) const fn sync_withholds(&mut self) {
        if let Some(session) = &mut self.sync.session {
            session.withheld = session.withheld.saturating_add(1);
        }
    }

    fn end_sync(&mut self, now: Now, complete: bool) {
        let Some(session) = self.sync.session.take() else {
            return;
        };
        self.timers.cancel(&TimerKey::SyncRetry);
        if complete {
            self.unsure_until = Instant::ZERO;
        }
        match session.theirs {
            None => self.sync.has_table |= complete,
            Some(theirs) => {
                if complete && !session.moved && session.withheld == 0 {
                    // There is nothing to get from whoever shows this; it is behind us.
                    self.history.note(now.instant, theirs);
                }
                self.pause_sync(now, session.moved);
            }
        }
        tracing::debug!(
            target: "tidings::gossip",
            peer = %session.peer, complete, moved = session.moved, "reconciled"
        );
        if self.sync.needs_table()
            && let Some(other) = self.members.choose(1, &mut self.rng).pop()
        {
            self.begin_sync(now, other, None);
        }
    }

    /// The next difference is looked into without a pause.
    pub(super) fn sync_at_once(&mut self, now: Instant) {
        self.sync.not_before = now;
        self.sync.idle_pause = IDLE_PAUSE;
    }

    /// Puts off the next session.
    fn pause_sync(&mut self, now: Now, moved: bool) {
        let pause = if moved {
            self.config.sync_interval
        } else {
            let pause = self.sync.idle_pause;
            self.sync.idle_pause = (pause * 2).min(self.config.sync_interval_max);
            pause
        };
        self.sync.not_before = now.instant + self.jittered(pause);
    }
}
