//! One that has stepped back asks whether its address is free again.
//!
//! It asks a few members what they know of its address, every [`RETRY`], and looks [`ANSWERS_FOR`] later at what was said.
//! That one of them knows nobody there proves little: it may have come a moment ago, or lie. So the address is free when
//! [`AGREEING`] say so and nobody says that somebody lives there. Where fewer answer (there may be only one other member)
//! the same has to come out twice in a row.
//!
//! Bounds: [`MOST`] answers are kept from one look to the next.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::{
    Engine, TimerKey,
    standing::{ASKED, Life},
};
use crate::gossip::{Now, identity::PeerId, wire::message::Health};

/// How often others are asked.
pub(super) const RETRY: Duration = Duration::from_secs(30);
/// How long their answers are waited for.
const ANSWERS_FOR: Duration = Duration::from_secs(1);
/// How many have to say that the address is free.
const AGREEING: usize = 2;
/// How many answers are kept.
const MOST: usize = 16;

/// What was said of our address since the last look.
#[derive(Debug, Default)]
pub(super) struct Vacancy {
    /// Who knows nobody there, or only a dead one.
    free: BTreeSet<SocketAddr>,
    /// Whether somebody knows a live one.
    is_taken: bool,
    /// What came out of the look before.
    was_free: bool,
    /// The highest dead identity that was heard of.
    highest: Option<PeerId>,
    /// Whether answers are being waited for.
    is_asking: bool,
}

impl Vacancy {
    fn heard(&mut self, from: SocketAddr, is_free: bool) {
        self.is_taken |= !is_free;
        if is_free && self.free.len() < MOST {
            self.free.insert(from);
        }
    }

    /// Whether the address is free, by all that was said since the last look.
    fn look(&mut self) -> bool {
        let agreeing = self.free.len();
        let seems_free = agreeing > 0 && !self.is_taken;
        let before = std::mem::replace(&mut self.was_free, seems_free);
        self.free.clear();
        self.is_taken = false;
        seems_free && (agreeing >= AGREEING || before)
    }
}

impl Engine {
    /// A peer that was called says whom it knows on our address; while we have stepped back.
    pub(super) fn vacancy_heard(
        &mut self,
        now: Now,
        from: SocketAddr,
        known: Option<(PeerId, Health)>,
    ) {
        let Some((known, health)) = known else {
            return self.vacancy.heard(from, true);
        };
        let is_rival = known != self.me;
        if is_rival && (!known.supersedes(&self.me) || known.is_from_the_future(now.unix_ms)) {
            return;
        }
        if health == Health::Down {
            self.vacancy.heard(from, true);
            let highest = self.vacancy.highest.filter(|best| best.supersedes(&known));
            self.vacancy.highest = highest.or(Some(known));
        } else if is_rival {
            self.vacancy.heard(from, false);
        }
        // Who holds our own identity alive has not missed us yet, and says nothing of anybody else.
    }

    /// We have stepped back just now.
    pub(super) fn watch_vacancy(&mut self, now: Now) {
        self.vacancy = Vacancy::default();
        self.timers.set(TimerKey::Rebirth, now.instant + RETRY);
    }

    /// Others are to be asked, or have had their time to answer.
    pub(super) fn vacancy_due(&mut self, now: Now) {
        let is_asking = !self.vacancy.is_asking;
        self.vacancy.is_asking = is_asking;
        if is_asking {
            for addr in self.members.choose(ASKED, &mut self.rng) {
                self.say_hello(now, addr, 0);
            }
        } else if self.vacancy.look() {
            return self.take_free_address(now);
        }
        let pause = if is_asking { ANSWERS_FOR } else { RETRY };
        self.timers.set(TimerKey::Rebirth, now.instant + pause);
    }

    /// Takes an identity above all that was heard of on our address.
    fn take_free_address(&mut self, now: Now) {
        let known = self.vacancy.highest.take().unwrap_or(self.me);
        debug_assert_eq!(self.life, Life::SteppedBack);
        self.begin_again(now, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn an_address_is_free_when_two_say_so_or_one_says_it_twice() {
        let mut vacancy = Vacancy::default();
        assert!(!vacancy.look(), "nobody has answered");
        vacancy.heard(addr(1), true);
        vacancy.heard(addr(1), true);
        assert!(!vacancy.look());
        vacancy.heard(addr(1), true);
        assert!(vacancy.look());

        let mut vacancy = Vacancy::default();
        vacancy.heard(addr(1), true);
        vacancy.heard(addr(2), true);
        assert!(vacancy.look());
    }

    #[test]
    fn one_that_knows_a_live_process_there_outweighs_all_others() {
        let mut vacancy = Vacancy::default();
        vacancy.heard(addr(1), true);
        assert!(!vacancy.look());
        for port in 1..=3 {
            vacancy.heard(addr(port), true);
        }
        vacancy.heard(addr(4), false);
        assert!(!vacancy.look());
        vacancy.heard(addr(1), true);
        assert!(!vacancy.look(), "it begins anew");
    }

    #[test]
    fn no_more_answers_are_kept_than_are_of_use() {
        let mut vacancy = Vacancy::default();
        for port in 1..1_000 {
            vacancy.heard(addr(port), true);
        }
        assert_eq!(vacancy.free.len(), MOST);
    }
}
