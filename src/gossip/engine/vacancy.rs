//! A node that has stepped back asks whether its address is free again.
//!
//! It asks a few members what they know of its address, 1 s after it has stepped back, then after
//! ever longer pauses up to [`PAUSE_MAX`], so that a mistake costs seconds. It calls its own address, too: another process
//! that answers there has it. [`ANSWERS_FOR`] later it looks at what was said.
//!
//! That a member knows nobody else there proves little: it may have come a moment ago, or lie. So the address is free when
//! [`AGREEING`] say so and nobody says that another process lives there. Where fewer answer (there may be only one other member)
//! the same has to come out twice in a row.
//!
//! Where nobody has answered at all for [`SILENT_ROUNDS`] in a row, nobody is left who could say so. The node takes part again
//! then, under an identity that replaces nobody's. If it was only cut off, it learns of a rival that still lives, and steps back once
//! more; a pause that has grown stays long then.
//!
//! Bounds: [`MOST`] answers are kept from one look to the next.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::{
    Engine, TimerKey,
    standing::{ASKED, Life},
};
use crate::gossip::{Instant, Now, identity::PeerId, wire::message::Health};

/// The first pause before others are asked.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// For so long after a return the pause stays as it was.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// How long their answers are waited for.
const ANSWERS_FOR: Duration = Duration::from_secs(1);
/// How many have to say that the address is free.
const AGREEING: usize = 2;
/// After so many rounds without an answer the node takes part again.
const SILENT_ROUNDS: u8 = 3;
/// How many answers are kept.
const MOST: usize = 16;

/// What was said of our address since the last look.
#[derive(Debug, Default)]
pub(super) struct Vacancy {
    /// Those who know nobody else there, or only a dead one.
    free: BTreeSet<SocketAddr>,
    /// Whether somebody knows a live one.
    is_taken: bool,
    /// What came out of the look before.
    was_free: bool,
    /// How many rounds in a row nobody has answered.
    silent: u8,
    /// The highest dead identity that was heard of.
    highest: Option<PeerId>,
    /// Whether answers are being waited for.
    is_asking: bool,
    /// The pause before the next round.
    pause: Duration,
    /// When the node took part again last.
    returned: Option<Instant>,
}

/// What a look has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Free,
    /// Nobody has answered for some rounds.
    Silence,
}

impl Vacancy {
    fn heard(&mut self, from: SocketAddr, is_free: bool) {
        self.is_taken |= !is_free;
        if is_free && self.free.len() < MOST {
            self.free.insert(from);
        }
    }

    /// What follows from all that was said since the last look.
    fn look(&mut self) -> Shown {
        let agreeing = self.free.len();
        let is_silent = agreeing == 0 && !self.is_taken;
        self.silent = if is_silent { self.silent + 1 } else { 0 };
        let seems_free = agreeing > 0 && !self.is_taken;
        let before = std::mem::replace(&mut self.was_free, seems_free);
        self.free.clear();
        self.is_taken = false;
        if seems_free && (agreeing >= AGREEING || before) {
            Shown::Free
        } else if self.silent >= SILENT_ROUNDS {
            Shown::Silence
        } else {
            Shown::Nothing
        }
    }

    /// Begins anew. The pause goes on to grow where the node has returned a moment ago.
    fn begin(&mut self, now: Instant) -> Duration {
        let is_recent = |at: Instant| now - at < FORGIVEN_AFTER;
        let pause = if self.returned.is_some_and(is_recent) {
            self.pause
        } else {
            PAUSE
        };
        *self = Self {
            pause,
            returned: self.returned,
            ..Self::default()
        };
        self.next_pause()
    }

    /// The pause before the next round; each is longer than the one before.
    fn next_pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        pause
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
        if known.is_from_the_future(now.unix_ms) {
            return;
        }
        // Whoever holds our own identity knows of no rival.
        let is_free = health == Health::Down || known == self.me;
        self.vacancy.heard(from, is_free);
        if health == Health::Down {
            let highest = self.vacancy.highest.filter(|best| best.supersedes(&known));
            self.vacancy.highest = highest.or(Some(known));
        }
    }

    /// Another process has answered at our address.
    pub(super) fn vacancy_taken(&mut self, from: SocketAddr) {
        self.vacancy.heard(from, false);
    }

    /// We have stepped back just now.
    pub(super) fn watch_vacancy(&mut self, now: Now) {
        let pause = self.vacancy.begin(now.instant);
        self.timers.set(TimerKey::Rebirth, now.instant + pause);
    }

    /// Others are to be asked, or have had their time to answer.
    pub(super) fn vacancy_due(&mut self, now: Now) {
        let is_asking = !self.vacancy.is_asking;
        self.vacancy.is_asking = is_asking;
        let mut pause = ANSWERS_FOR;
        if is_asking {
            for addr in self.members.choose(ASKED, &mut self.rng) {
                self.say_hello(now, addr, 0);
            }
            let own = self.me.addr;
            self.call(now, own, 0, None);
        } else {
            match self.vacancy.look() {
                Shown::Free => return self.take_free_address(now),
                Shown::Silence => {
                    self.vacancy.returned = Some(now.instant);
                    return self.resume_in_silence(now);
                }
                Shown::Nothing => pause = self.vacancy.next_pause(),
            }
        }
        self.timers.set(TimerKey::Rebirth, now.instant + pause);
    }

    /// Takes an identity above all that was heard of on our address.
    fn take_free_address(&mut self, now: Now) {
        let known = self.vacancy.highest.take().unwrap_or(self.me);
        debug_assert_eq!(self.life, Life::SteppedBack);
        self.vacancy.returned = Some(now.instant);
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
        assert_eq!(vacancy.look(), Shown::Nothing, "nobody has answered");
        vacancy.heard(addr(1), true);
        vacancy.heard(addr(1), true);
        assert_eq!(vacancy.look(), Shown::Nothing);
        vacancy.heard(addr(1), true);
        assert_eq!(vacancy.look(), Shown::Free);

        let mut vacancy = Vacancy::default();
        vacancy.heard(addr(1), true);
        vacancy.heard(addr(2), true);
        assert_eq!(vacancy.look(), Shown::Free);
    }

    #[test]
    fn one_that_knows_a_live_process_there_outweighs_all_others() {
        let mut vacancy = Vacancy::default();
        vacancy.heard(addr(1), true);
        assert_eq!(vacancy.look(), Shown::Nothing);
        for port in 1..=3 {
            vacancy.heard(addr(port), true);
        }
        vacancy.heard(addr(4), false);
        assert_eq!(vacancy.look(), Shown::Nothing);
        vacancy.heard(addr(1), true);
        assert_eq!(vacancy.look(), Shown::Nothing, "it begins anew");
    }

    #[test]
    fn a_node_that_nobody_answers_for_three_rounds_in_a_row_returns() {
        let mut vacancy = Vacancy::default();
        assert_eq!(vacancy.look(), Shown::Nothing);
        assert_eq!(vacancy.look(), Shown::Nothing);
        vacancy.heard(addr(1), false);
        assert_eq!(vacancy.look(), Shown::Nothing, "somebody has answered");
        assert_eq!(vacancy.look(), Shown::Nothing);
        assert_eq!(vacancy.look(), Shown::Nothing);
        assert_eq!(vacancy.look(), Shown::Silence);
    }

    #[test]
    fn pauses_grow_from_one_second_to_thirty_and_stay_long_after_a_short_return() {
        let mut vacancy = Vacancy::default();
        let at = |s| Instant::from_origin(Duration::from_secs(s));
        let mut pauses = vec![vacancy.begin(at(0)).as_secs()];
        pauses.extend((0..6).map(|_| vacancy.next_pause().as_secs()));
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        vacancy.returned = Some(at(100));
        assert_eq!(vacancy.begin(at(110)).as_secs(), 30);
        assert_eq!(vacancy.begin(at(200)).as_secs(), 1);
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
