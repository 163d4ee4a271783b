//! Whether another process has this node's address: what others hold and find, and what follows.
//!
//! A claim that a later identity is on our address proves nothing: anybody may make it. A claim
//! begins one *check*, which looks in two steps:
//!
//! 1. A few members are called, and each says in its welcome what it holds on our address. The
//!    welcome answers a random token, so nobody else can give it. Where nobody holds an identity
//!    above ours, the claim was false, and nothing follows.
//! 2. Where somebody does, a few members are asked to ping that identity (the *rival*) at our
//!    address, and this node calls its own address itself. A witness reaches the rival, or its ping
//!    arrives here, or nobody answers it.
//!
//! A rival that two witnesses have reached is another process; so is one that answers this node at
//! its own address. A rival that nobody reaches is an earlier life of this node, or was invented;
//! others hold it all the same, so this node has to take an identity above it. Two members have
//! to say so, or one whose word a witness confirms. Where there is one other member, one is enough.
//!
//! Bounds: one check at a time, [`ROUNDS`] rounds long; [`CALLED`] members are called and [`ASKED`]
//! asked in each, and whoever made the claim is called too. A check of which nothing comes is
//! followed by a pause of [`PAUSE`], which doubles to [`PAUSE_MAX`]. One claim waits meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use super::{Instant, identity::PeerId, wire::message::Health};

/// How many members are called in a round.
pub(super) const CALLED: usize = 3;
/// How many witnesses are asked in a round.
pub(super) const ASKED: usize = 3;
/// How many rounds there are.
const ROUNDS: u8 = 3;
/// How many members have to agree, where there are so many.
const AGREEING: usize = 2;
/// The least pause between two checks.
const PAUSE: Duration = Duration::from_secs(1);
/// The most that the pause grows to.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// After so long without a check the pause is short again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// What a witness found at our address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The rival answered it.
    Rival,
    /// Its ping for the rival arrived here.
    Us,
    /// Nobody answered.
    Nobody,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too little is known yet.
    Wait,
    /// Nobody holds an identity above ours.
    FalseClaim,
    /// Some members hold a rival, and it did not come out whether it is there.
    Undecided,
    /// No rival is at our address, and others hold this identity.
    TakeOver {
        /// The highest one.
        rival: PeerId,
        /// Whether they hold it alive.
        is_alive: bool,
    },
    /// Another process is at our address.
    Reached {
        /// Who.
        rival: PeerId,
        /// Whether witnesses have reached this node there, too.
        are_we_too: bool,
    },
}

/// What becomes of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is looked into now.
    Begin,
    /// It is looked into at this time.
    At(Instant),
    /// A check is under way.
    Busy,
}

#[derive(Debug)]
struct Check {
    token: u32,
    rounds: u8,
    called: BTreeSet<SocketAddr>,
    /// What each of those who answered holds on our address, where it is above ours.
    held: BTreeMap<SocketAddr, Option<(PeerId, Health)>>,
    asked: BTreeSet<SocketAddr>,
    looks: BTreeMap<SocketAddr, Look>,
    /// The identity that witnesses are asked about.
    rival: Option<PeerId>,
    /// Whether another process has answered this node at its own address.
    is_met: bool,
}

/// The check under way, and the pace of checks.
#[derive(Debug, Default)]
pub(super) struct AddressCheck {
    check: Option<Check>,
    pause: Duration,
    ended: Option<Instant>,
    /// A claim that came too soon, or during a check, and who made it.
    waiting: Option<SocketAddr>,
    /// Whether the last introducer that answered does not let this node in, because another process
    /// holds the address.
    is_shut_out: bool,
    /// How often another process has answered at our address since.
    met_outside: u8,
}

impl AddressCheck {
    /// An introducer lets this node in, or does not because another process holds the address. Says
    /// whether this node has to look at its own address.
    pub(super) fn introduced(&mut self, is_shut_out: bool) -> bool {
        self.is_shut_out = is_shut_out;
        if !is_shut_out {
            self.met_outside = 0;
        }
        is_shut_out
    }

    /// Another process has answered this node at its own address. Says whether it is certain by
    /// that: no introducer lets this node in, and the other one has answered [`AGREEING`] times.
    pub(super) fn met_at_own_address(&mut self) -> bool {
        if let Some(check) = &mut self.check {
            check.is_met = true;
        }
        if self.is_shut_out {
            self.met_outside = self.met_outside.saturating_add(1);
        }
        self.is_shut_out && usize::from(self.met_outside) >= AGREEING
    }

    /// Somebody claims that another identity has our address.
    pub(super) fn claimed(&mut self, now: Instant, by: SocketAddr) -> Next {
        if self.check.is_some() {
            self.waiting = Some(by);
            return Next::Busy;
        }
        let ended = self.ended.filter(|ended| now - *ended < FORGIVEN_AFTER);
        if ended.is_none() {
            self.pause = Duration::ZERO;
        }
        let earliest = ended.map_or(now, |ended| ended + self.pause.max(PAUSE));
        if earliest <= now {
            return Next::Begin;
        }
        self.waiting = Some(by);
        Next::At(earliest)
    }

    /// When the claim that waits is looked into, if one does and no check is under way.
    pub(super) fn next_begin(&self, now: Instant) -> Option<Instant> {
        self.waiting.filter(|_| self.check.is_none())?;
        let ended = self.ended.map(|ended| ended + self.pause.max(PAUSE));
        Some(ended.map_or(now, |at| at.max(now)))
    }

    /// The claim that has waited, if it is time for it.
    pub(super) fn waited(&mut self) -> Option<SocketAddr> {
        self.check.is_none().then(|| self.waiting.take()).flatten()
    }

    /// Begins a check, whose questions bear `token`.
    pub(super) fn begin(&mut self, token: u32) {
        self.waiting = None;
        self.check = Some(Check {
            token,
            rounds: 0,
            called: BTreeSet::new(),
            held: BTreeMap::new(),
            asked: BTreeSet::new(),
            looks: BTreeMap::new(),
            rival: None,
            is_met: false,
        });
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.check.is_some()
    }

    /// Ends the check. Where nothing came of it the next one is further off.
    pub(super) fn end(&mut self, now: Instant, came_to_something: bool) {
        self.check = None;
        self.ended = Some(now);
        self.pause = if came_to_something {
            PAUSE
        } else {
            (self.pause * 2).clamp(PAUSE, PAUSE_MAX)
        };
    }

    /// Notes that a member is called. Says whether its answer is still missing.
    pub(super) fn call(&mut self, addr: SocketAddr) -> bool {
        let Some(check) = &mut self.check else {
            return false;
        };
        check.called.insert(addr);
        !check.held.contains_key(&addr)
    }

    /// Notes that a member is asked to look. Says whether its answer is still missing.
    pub(super) fn ask(&mut self, addr: SocketAddr) -> bool {
        let Some(check) = &mut self.check else {
            return false;
        };
        check.asked.insert(addr);
        !check.looks.contains_key(&addr)
    }

    /// How many have said what they hold, and how many what they found.
    pub(super) fn answers(&self) -> (usize, usize) {
        let check = self.check.as_ref();
        check.map_or((0, 0), |check| (check.held.len(), check.looks.len()))
    }

    /// What witnesses are asked: the token of the question, and about whom.
    pub(super) fn question(&self) -> Option<(u32, PeerId)> {
        let check = self.check.as_ref()?;
        Some((check.token, check.rival?))
    }

    /// Those who have been asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = SocketAddr> {
        let check = self.check.iter();
        check.flat_map(|check| check.asked.iter().copied())
    }

    /// Somebody who was called says which identity above ours it holds on our address. Says whether
    /// witnesses have to be asked about another one than before.
    pub(super) fn answered(&mut self, by: SocketAddr, held: Option<(PeerId, Health)>) -> bool {
        let Some(check) = self.check.as_mut() else {
            return false;
        };
        // Whoever answers without having been called for this check answers another call of ours.
        check.called.insert(by);
        check.held.insert(by, held);
        let higher = held.filter(|(id, _)| check.rival.is_none_or(|rival| id.supersedes(&rival)));
        let Some((rival, _)) = higher else {
            return false;
        };
        check.rival = Some(rival);
        check.asked.clear();
        check.looks.clear();
        true
    }

    /// A witness has looked.
    pub(super) fn looked(&mut self, by: SocketAddr, look: Look) {
        let Some(check) = self
            .check
            .as_mut()
            .filter(|check| check.asked.contains(&by))
        else {
            return;
        };
        let known = check.looks.entry(by).or_insert(look);
        if look == Look::Rival {
            *known = look;
        }
    }

    /// A round is over. Says whether there is another one.
    pub(super) fn next_round(&mut self) -> bool {
        let Some(check) = &mut self.check else {
            return false;
        };
        check.rounds += 1;
        check.rounds < ROUNDS
    }

    /// What follows, for a node that is `me` and has `others` live members. At the end of a round
    /// (`is_over`) those who have not answered are not waited for.
    pub(super) fn judge(&self, me: &PeerId, others: usize, is_over: bool) -> Verdict {
        let Some(check) = &self.check else {
            return Verdict::FalseClaim;
        };
        let enough = others.clamp(1, AGREEING);
        let holders = check
            .held
            .iter()
            .filter_map(|(by, held)| Some((*by, (*held)?)));
        let holders: BTreeMap<_, _> = holders
            .filter(|(_, (id, _))| id.addr == me.addr && id.supersedes(me))
            .collect();
        let Some(rival) = holders
            .values()
            .map(|(id, _)| *id)
            .max_by_key(|id| (id.boot, id.renewal))
        else {
            return check.without_holder(enough, is_over);
        };
        let is_alive = holders.values().any(|(_, health)| *health != Health::Down);
        let take_over = Verdict::TakeOver { rival, is_alive };
        let agree = holders.len() >= enough;
        // Nobody else bears our boot, and nobody lives there whom all hold dead.
        if others == 0 || agree && (!is_alive || rival.boot == me.boot) {
            return take_over;
        }
        let count = |look: Look| check.looks.values().filter(|found| **found == look).count();
        let (reached, are_here) = (count(Look::Rival), count(Look::Us));
        if agree && are_here >= enough && reached == 0 {
            return take_over;
        }
        let is_complete = !check.asked.is_empty() && check.looks.len() >= check.asked.len();
        if !is_over && !is_complete {
            return Verdict::Wait;
        }
        if reached >= enough || check.is_met {
            let are_we_too = are_here > 0;
            return Verdict::Reached { rival, are_we_too };
        }
        let missed = are_here + count(Look::Nobody);
        let confirms =
            |(by, look): (&SocketAddr, &Look)| *look != Look::Rival && !holders.contains_key(by);
        let is_confirmed = agree || check.looks.iter().any(confirms);
        let is_last = is_over && check.is_last();
        // The answers of those who have reached it may be lost.
        let is_clear = if reached == 0 {
            are_here > 0 || missed >= enough || is_last
        } else {
            is_last && missed > reached
        };
        if is_confirmed && is_clear {
            return take_over;
        }
        if is_last {
            Verdict::Undecided
        } else {
            Verdict::Wait
        }
    }
}

impl Check {
    const fn is_last(&self) -> bool {
        self.rounds + 1 >= ROUNDS
    }

    fn without_holder(&self, enough: usize, is_over: bool) -> Verdict {
        let all_answered = self.held.len() >= self.called.len();
        if all_answered || is_over && (self.held.len() >= enough || self.is_last()) {
            Verdict::FalseClaim
        } else {
            Verdict::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PeerId = id(10, 0);

    const fn id(boot: u64, renewal: u32) -> PeerId {
        PeerId {
            addr: SocketAddr::V4(std::net::SocketAddrV4::new(
                std::net::Ipv4Addr::LOCALHOST,
                1,
            )),
            boot: boot << 20,
            renewal,
        }
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn at(s: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(s))
    }

    const ALIVE: Option<(PeerId, Health)> = Some((id(20, 0), Health::Alive));

    /// A check in which these members have been called, and asked.
    fn check(held: &[Option<(PeerId, Health)>], looks: &[Look]) -> AddressCheck {
        let mut check = AddressCheck::default();
        check.begin(1);
        for (port, held) in (2..).zip(held) {
            check.call(addr(port));
            check.answered(addr(port), *held);
        }
        for (port, look) in (3..).zip(looks) {
            check.ask(addr(port));
            check.looked(addr(port), *look);
        }
        check
    }

    #[test]
    fn a_claim_that_nobody_who_was_called_shares_is_false() {
        assert_eq!(
            check(&[None, None], &[]).judge(&ME, 4, false),
            Verdict::FalseClaim
        );
        let mut check = check(&[None], &[]);
        check.call(addr(9));
        assert_eq!(check.judge(&ME, 4, false), Verdict::Wait);
    }

    #[test]
    fn a_rival_is_real_when_two_witnesses_reach_it_or_the_only_one_there_is() {
        use Look::{Nobody, Rival, Us};
        let verdict =
            |looks: &[Look], others| check(&[ALIVE, ALIVE], looks).judge(&ME, others, false);
        let rival = id(20, 0);
        let reached = |are_we_too| Verdict::Reached { rival, are_we_too };
        assert_eq!(verdict(&[Rival, Rival, Nobody], 4), reached(false));
        assert_eq!(verdict(&[Rival, Rival, Us], 4), reached(true));
        assert_eq!(verdict(&[Rival], 1), reached(false));
        assert_eq!(
            verdict(&[Rival, Nobody, Nobody], 4),
            Verdict::Wait,
            "one may lie"
        );
    }

    #[test]
    fn a_rival_that_two_hold_and_nobody_reaches_is_taken_over() {
        use Look::{Nobody, Us};
        let rival = id(20, 0);
        let take_over = |is_alive| Verdict::TakeOver { rival, is_alive };
        assert_eq!(
            check(&[ALIVE, ALIVE], &[Us, Us]).judge(&ME, 4, false),
            take_over(true)
        );
        assert_eq!(
            check(&[ALIVE, ALIVE], &[Nobody, Nobody]).judge(&ME, 4, false),
            take_over(true)
        );
        assert_eq!(
            check(&[ALIVE, ALIVE], &[]).judge(&ME, 4, false),
            Verdict::Wait
        );
        let dead = Some((rival, Health::Down));
        assert_eq!(
            check(&[dead, dead], &[]).judge(&ME, 4, false),
            take_over(false)
        );
    }

    #[test]
    fn the_word_of_one_holder_needs_a_witness_that_is_not_the_holder() {
        let mut alone = check(&[ALIVE, None], &[]);
        alone.ask(addr(2));
        alone.looked(addr(2), Look::Nobody);
        assert_eq!(alone.judge(&ME, 4, true), Verdict::Wait);
        alone.ask(addr(3));
        alone.looked(addr(3), Look::Us);
        let rival = id(20, 0);
        let is_alive = true;
        assert_eq!(
            alone.judge(&ME, 4, true),
            Verdict::TakeOver { rival, is_alive }
        );
    }

    #[test]
    fn checks_of_which_nothing_comes_are_ever_further_apart() {
        let mut check = AddressCheck::default();
        assert_eq!(check.claimed(at(0), addr(2)), Next::Begin);
        check.begin(1);
        assert_eq!(check.claimed(at(0), addr(2)), Next::Busy);
        let mut now = 0;
        for pause in [1, 2, 4, 8, 10, 10] {
            check.end(at(now), false);
            assert_eq!(check.claimed(at(now), addr(2)), Next::At(at(now + pause)));
            assert_eq!(check.next_begin(at(now)), Some(at(now + pause)));
            now += pause;
            assert_eq!(check.waited(), Some(addr(2)));
            assert_eq!(check.claimed(at(now), addr(2)), Next::Begin);
            check.begin(1);
        }
        check.end(at(now), false);
        assert_eq!(check.claimed(at(now + 60), addr(2)), Next::Begin);
        check.end(at(now + 60), false);
        assert_eq!(check.next_begin(at(now + 60)), None, "nobody waits");
    }
}
