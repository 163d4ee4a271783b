//! Processes that others name and that are not verified: candidates.
//!
//! A candidate is no member. It is kept here and nowhere else, so it weighs nothing: nobody gossips to it, probes it,
//! counts it or asks it about others, and nobody is told of it. It is pinged, [`PINGS`] times at most, [`PING_GAP`] apart. Once
//! it answers, or two members vouch for it, it is handed over to become a member.
//!
//! Pings leave at a pace, and each *teller*, the member that named the candidate first, gets its turn: 5,000 names of one
//! teller do not keep one name of another waiting, and some pings are kept for tellers that have had none lately. One without an answer is remembered for [`REMEMBERED_FOR`], so that what
//! goes on naming it does not bring it back; what vouches for it still counts meanwhile. One that nobody names any more is
//! forgotten after [`FORGOTTEN_AFTER`].
//!
//! Bounds: [`MOST`] candidates, [`MOST_PER_TELLER`] of one teller. At the first bound the teller that has named most makes
//! room for one that has named fewer. [`MOST_REMEMBERED`] are remembered; the oldest makes room.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use super::{
    Instant,
    budget::Budget,
    identity::PeerId,
    verified::{Added, Vouch, Vouches},
    wire::{
        message::Health,
        word::{Capabilities, SessionTag},
    },
};
use crate::table::Owner;

/// How often a candidate is pinged.
const PINGS: u8 = 3;
/// The time between two pings of one. Longer than any round trip.
const PING_GAP: Duration = Duration::from_secs(1);
/// How many pings may leave in a second.
const PING_RATE: u32 = 16;
/// How many at once: a cluster of a hundred that starts is validated without waiting.
const PING_BURST: u32 = 128;
/// How many more in a second, for tellers none of whose names was pinged within [`RECENT`].
const RESERVE_RATE: u32 = 4;
/// How many of them at once.
const RESERVE_BURST: u32 = 8;
/// How long a teller has had its turn lately.
const RECENT: Duration = Duration::from_secs(1);
/// How many candidates are kept.
pub(super) const MOST: usize = 4_096;
/// How many that one teller has named first.
const MOST_PER_TELLER: usize = 1_024;
/// In how many tellers' turns one may be pinged.
const MOST_TELLERS: usize = 3;
/// How long one is kept after it was named last.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(20);
/// How long one that has not answered is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// How many of them are remembered.
const MOST_REMEMBERED: usize = 16_384;

/// What is said of a process that is no member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) id: PeerId,
    pub(super) incarnation: u16,
    pub(super) health: Health,
    /// Who says so.
    pub(super) teller: SocketAddr,
    /// Present where the teller vouches for the process, and its word counts.
    pub(super) vouch: Option<Vouch>,
    /// Whether that word alone suffices.
    pub(super) suffices: bool,
    pub(super) capabilities: Capabilities,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It says nothing new.
    Nothing,
    /// It is kept; perhaps it is to be pinged.
    Kept,
    /// There is no room for it.
    NoRoom,
    /// The process is verified: two vouch for this session of it, or one whose word suffices.
    Confirmed(SessionTag),
}

/// A process that is not verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) id: PeerId,
    pub(super) incarnation: u16,
    pub(super) health: Health,
    pub(super) capabilities: Capabilities,
    vouches: Vouches,
    tellers: [Option<SocketAddr>; MOST_TELLERS],
    token: u32,
    pings: u8,
    /// When its last ping has had its time.
    waits_until: Option<Instant>,
    named: Instant,
}

/// Those that a teller has named.
#[derive(Debug, Default)]
struct Turn {
    queue: VecDeque<Owner>,
    /// How many it has named first.
    held: usize,
    /// When one was pinged last.
    last: Option<Instant>,
}

impl Turn {
    /// Whether none of its names was pinged lately.
    fn is_quiet(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now - last >= RECENT)
    }
}

#[derive(Debug)]
pub(super) struct Candidates {
    held: BTreeMap<Owner, Candidate>,
    turns: BTreeMap<SocketAddr, Turn>,
    /// Whose turn was last.
    last: Option<SocketAddr>,
    /// Those that were pinged, by the time at which that ping has had its own, with its token.
    waiting: BTreeSet<(Instant, Owner, u32)>,
    /// Which processes were pinged, by the token of their pings; for as long as they are waited for.
    tokens: BTreeMap<u32, Owner>,
    budget: Budget,
    reserve: Budget,
    /// Those that have not answered: until when they are remembered, and who vouched for them.
    remembered: BTreeMap<Owner, (Instant, Vouches)>,
    /// The same by time.
    ends: BTreeSet<(Instant, Owner)>,
    dropped: u64,
}

impl Candidates {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            held: BTreeMap::new(),
            turns: BTreeMap::new(),
            last: None,
            waiting: BTreeSet::new(),
            tokens: BTreeMap::new(),
            budget: Budget::new(PING_RATE, PING_BURST, now),
            reserve: Budget::new(RESERVE_RATE, RESERVE_BURST, now),
            remembered: BTreeMap::new(),
            ends: BTreeSet::new(),
            dropped: 0,
        }
    }

    /// Takes in what is said of a process. `token` is for its pings, if it is new.
    pub(super) fn heard(&mut self, now: Instant, said: &Said, token: u32) -> Heard {
        let owner = said.id.owner();
        self.forget_remembered(now);
        if let Some((_, vouches)) = self.remembered.get_mut(&owner) {
            let heard = add_vouch(vouches, said);
            if matches!(heard, Heard::Confirmed(_)) {
                self.forgive(owner);
            }
            return heard;
        }
        if let Some(candidate) = self.held.get_mut(&owner) {
            candidate.named = now;
            if candidate.capabilities.is_empty() {
                candidate.capabilities = said.capabilities;
            }
            if said.id.supersedes(&candidate.id) {
                (candidate.id, candidate.incarnation) = (said.id, said.incarnation);
                candidate.health = said.health;
            } else if said.id == candidate.id && said.incarnation > candidate.incarnation {
                candidate.incarnation = said.incarnation;
                candidate.health = said.health;
            }
            let heard = add_vouch(&mut candidate.vouches, said);
            if matches!(heard, Heard::Confirmed(_)) {
                self.take(owner);
            } else {
                self.enqueue_again(owner, said.teller);
            }
            return heard;
        }
        let mut vouches = Vouches::default();
        if let confirmed @ Heard::Confirmed(_) = add_vouch(&mut vouches, said) {
            return confirmed;
        }
        if !self.make_room(said.teller) {
            return Heard::NoRoom;
        }
        let candidate = Candidate {
            id: said.id,
            incarnation: said.incarnation,
            health: said.health,
            capabilities: said.capabilities,
            vouches,
            tellers: [Some(said.teller), None, None],
            token,
            pings: 0,
            waits_until: None,
            named: now,
        };
        self.held.insert(owner, candidate);
        let turn = self.turns.entry(said.teller).or_default();
        turn.held += 1;
        turn.queue.push_back(owner);
        Heard::Kept
    }

    /// Another teller has named one: it may be pinged in that teller's turn, too.
    fn enqueue_again(&mut self, owner: Owner, teller: SocketAddr) {
        let Some(candidate) = self.held.get_mut(&owner) else {
            return;
        };
        if candidate.tellers.contains(&Some(teller)) {
            return;
        }
        if let Some(free) = candidate.tellers.iter_mut().find(|t| t.is_none()) {
            *free = Some(teller);
            let turn = self.turns.entry(teller).or_default();
            if turn.queue.len() < MOST_PER_TELLER {
                turn.queue.push_back(owner);
            }
        }
    }

    /// Makes room for one more of this teller's. Says whether there is room.
    fn make_room(&mut self, teller: SocketAddr) -> bool {
        let held = self.turns.get(&teller).map_or(0, |turn| turn.held);
        if held >= MOST_PER_TELLER {
            return false;
        }
        if self.held.len() < MOST {
            return true;
        }
        let most = self.turns.iter().max_by_key(|(_, turn)| turn.held);
        let Some((most, _)) = most.filter(|(_, turn)| turn.held > held + 1) else {
            return false;
        };
        let most = *most;
        let last = self.held.iter().rev();
        let mut last = last.filter(|(_, candidate)| candidate.tellers[0] == Some(most));
        let Some(owner) = last.next().map(|(owner, _)| *owner) else {
            return false;
        };
        self.dropped += 1;
        self.take(owner).is_some()
    }

    /// The next one to ping, if there may be a ping now: its identity and its token.
    pub(super) fn next_ping(&mut self, now: Instant) -> Option<(PeerId, u32)> {
        self.end_waits(now);
        let next = self.next_in_turn(now, |_| true)?;
        let (teller, owner) = if self.budget.take(now) {
            next
        } else {
            let next = self.next_in_turn(now, |turn| turn.is_quiet(now))?;
            self.reserve.take(now).then_some(next)?
        };
        let turn = self.turns.get_mut(&teller)?;
        turn.queue.pop_front();
        turn.last = Some(now);
        self.last = Some(teller);
        let candidate = self.held.get_mut(&owner)?;
        candidate.pings += 1;
        let until = now + PING_GAP;
        candidate.waits_until = Some(until);
        self.waiting.insert((until, owner, candidate.token));
        self.tokens.insert(candidate.token, owner);
        Some((candidate.id, candidate.token))
    }

    /// When there is something to do, if anything is.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let wait = self.waiting.first().map(|(until, ..)| *until);
        let ping = self.next_in_turn(now, |_| true).is_some();
        let ping = ping.then(|| now + self.budget.wait(now));
        let quiet = self.next_in_turn(now, |turn| turn.is_quiet(now)).is_some();
        let quiet = quiet.then(|| now + self.reserve.wait(now));
        [wait, ping, quiet].into_iter().flatten().min()
    }

    /// Those whose last ping has had its time are pinged again in their turn, or have not answered.
    fn end_waits(&mut self, now: Instant) {
        while let Some((until, owner, token)) = self.waiting.first().copied()
            && until <= now
        {
            self.waiting.pop_first();
            let candidate = self.held.get_mut(&owner);
            let Some(candidate) = candidate.filter(|candidate| candidate.token == token) else {
                self.tokens.remove(&token);
                continue;
            };
            candidate.waits_until = None;
            if candidate.pings < PINGS {
                if let Some(teller) = candidate.tellers[0] {
                    self.turns.entry(teller).or_default().queue.push_back(owner);
                }
            } else if let Some(candidate) = self.take(owner) {
                self.tokens.remove(&token);
                self.dropped += 1;
                self.remember(now, &candidate);
            }
        }
    }

    /// Whose turn it is, and the first in it. What is no longer to be pinged goes from its place.
    fn next_in_turn(
        &mut self,
        now: Instant,
        may: impl Fn(&Turn) -> bool,
    ) -> Option<(SocketAddr, Owner)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let mut cursor = self.last;
        for _ in 0..self.turns.len() {
            let after = cursor.map_or(Unbounded, Excluded);
            let next = self.turns.range((after, Unbounded)).next();
            let teller = *next.or_else(|| self.turns.iter().next())?.0;
            cursor = Some(teller);
            if !self.turns.get(&teller).is_some_and(&may) {
                continue;
            }
            while let Some(owner) = self.turns.get(&teller)?.queue.front().copied() {
                match self.held.get(&owner) {
                    Some(candidate) if candidate.is_forgotten(now) => {
                        self.dropped += 1;
                        self.take(owner);
                    }
                    Some(candidate) if candidate.waits_until.is_none() => {
                        return Some((teller, owner));
                    }
                    _ => {}
                }
                // Taking it may have ended the turn.
                self.turns.entry(teller).or_default().queue.pop_front();
            }
            self.end_turn(teller);
        }
        None
    }

    fn end_turn(&mut self, teller: SocketAddr) {
        let turn = self.turns.get(&teller);
        if turn.is_some_and(|turn| turn.held == 0 && turn.queue.is_empty()) {
            self.turns.remove(&teller);
        }
    }

    /// Which process has answered with this token.
    pub(super) fn answered(&self, token: u32, boot: u64) -> Option<Owner> {
        let owner = *self.tokens.get(&token)?;
        (owner.boot == boot).then_some(owner)
    }

    /// The process is none any more: it is verified.
    pub(super) fn take(&mut self, owner: Owner) -> Option<Candidate> {
        let candidate = self.held.remove(&owner)?;
        if candidate.waits_until.is_none() {
            self.tokens.remove(&candidate.token);
        }
        if let Some(teller) = candidate.tellers[0]
            && let Some(turn) = self.turns.get_mut(&teller)
        {
            turn.held -= 1;
            if turn.queue.len() > 2 * MOST_PER_TELLER {
                let held = &self.held;
                turn.queue.retain(|owner| held.contains_key(owner));
            }
        }
        Some(candidate)
    }

    fn remember(&mut self, now: Instant, candidate: &Candidate) {
        let (owner, until) = (candidate.id.owner(), now + REMEMBERED_FOR);
        self.remembered.insert(owner, (until, candidate.vouches));
        self.ends.insert((until, owner));
        if self.remembered.len() > MOST_REMEMBERED
            && let Some((_, oldest)) = self.ends.pop_first()
        {
            self.remembered.remove(&oldest);
        }
    }

    fn forget_remembered(&mut self, now: Instant) {
        while let Some((until, owner)) = self.ends.first().copied()
            && until <= now
        {
            self.ends.pop_first();
            self.remembered.remove(&owner);
        }
    }

    /// A process that had not answered is there: it has shown that itself.
    pub(super) fn forgive(&mut self, owner: Owner) {
        if let Some((until, _)) = self.remembered.remove(&owner) {
            self.ends.remove(&(until, owner));
        }
    }

    /// How many there are, and how many are remembered.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.held.len(), self.remembered.len())
    }

    /// How many were dropped: without an answer, forgotten, or in favour of another.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Candidate {
    /// Whether nobody names it any more.
    fn is_forgotten(&self, now: Instant) -> bool {
        now - self.named >= FORGOTTEN_AFTER
    }
}

/// Adds a word to those that there are.
fn add_vouch(vouches: &mut Vouches, said: &Said) -> Heard {
    let Some(new) = said.vouch else {
        return Heard::Nothing;
    };
    if said.suffices {
        return Heard::Confirmed(new.session);
    }
    match vouches.add(new) {
        Added::Nothing => Heard::Nothing,
        Added::New => Heard::Kept,
        Added::Agreed(session) => Heard::Confirmed(session),
    }
}

#[cfg(test)]
mod tests;
