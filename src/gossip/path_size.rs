//! Whether datagrams of the largest size arrive.
//!
//! A path can carry small datagrams and lose large ones without a word: an MTU black hole (RFC 2923, section 2.1). A host
//! behind one joins and sees members, and misses what large datagrams carry. So a node sends a ping padded to the largest
//! size to one member soon after it has joined, and then every few minutes. A padded pong ends the trial. Without one, the
//! trial repeats the padded ping, and beside it asks
//!
//! - by a padded ping for a small answer: it arrives where only the way back loses large datagrams;
//! - by a small ping for a small answer: it arrives where the member lives at all.
//!
//! [`LOST_TRIALS`] trials in a row that lost what is large and nothing else, with as many members as there are, make the
//! verdict. Random loss does not: at a loss of 30 % each way a trial loses all large pings for one in 57, three in a row
//! do for one in 180,000.
//!
//! An older build answers a padded ping with a small pong. That proves the way there, and says nothing about the way back.
//!
//! Bounds: one trial at a time, of [`ROUNDS`] rounds; [`LOST_TRIALS`] members are remembered.

use std::net::SocketAddr;

use super::identity::PeerId;

/// How often what is not answered is sent.
const ROUNDS: u8 = 6;
/// How many trials in a row have to lose what is large.
pub(super) const LOST_TRIALS: usize = 3;

/// Whether datagrams of the largest size arrive, at this node and from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LargeDatagrams {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// The last trial arrived.
    Arrive,
    /// They get lost, while small ones arrive.
    Lost,
}

/// Which way loses what is large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From this node. Whether the other way loses it too is not known.
    Out,
    /// To this node.
    In,
}

/// The questions of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Padded, and the answer is to be, too.
    LargeBoth,
    /// Padded, for a small answer.
    LargeOut,
    Small,
}

impl Question {
    const ALL: [Self; 3] = [Self::LargeBoth, Self::LargeOut, Self::Small];
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Send these to the member, each with its token.
    Ask(PeerId, Vec<(Question, u32)>),
    /// The trial is over, and says nothing: the member did not answer at all.
    NoAnswer,
    /// Large datagrams were lost; another trial decides.
    TryAnother,
    /// Large datagrams get lost.
    Lost(Way),
}

#[derive(Debug)]
struct Trial {
    peer: PeerId,
    /// By question.
    tokens: [u32; 3],
    answered: [bool; 3],
    rounds: u8,
}

/// The trials.
#[derive(Debug, Default)]
pub(super) struct PathSize {
    state: LargeDatagrams,
    trial: Option<Trial>,
    /// With whom trials were lost in a row, and which way.
    lost: Vec<(SocketAddr, Way)>,
}

impl PathSize {
    pub(super) const fn state(&self) -> LargeDatagrams {
        self.state
    }

    pub(super) const fn is_trying(&self) -> bool {
        self.trial.is_some()
    }

    /// With whom large datagrams were lost since they arrived last.
    pub(super) fn lost_with(&self) -> impl Iterator<Item = SocketAddr> {
        self.lost.iter().map(|(addr, _)| *addr)
    }

    /// Begins a trial.
    pub(super) fn begin(&mut self, peer: PeerId, tokens: [u32; 3]) {
        self.trial = Some(Trial {
            peer,
            tokens,
            answered: [false; 3],
            rounds: 0,
        });
    }

    /// The trial is given up.
    pub(super) fn give_up(&mut self) {
        self.trial = None;
    }

    /// The next round, or the end of the trial.
    pub(super) fn step(&mut self) -> Option<Step> {
        let trial = self.trial.as_mut()?;
        if trial.rounds < ROUNDS {
            let [_, is_out, is_alive] = trial.answered;
            // One question is enough where all is well, and the way matters only where the member lives.
            let asked = match (trial.rounds, is_alive, is_out) {
                (0, ..) | (_, true, true) => &[Question::LargeBoth][..],
                (_, false, _) => &[Question::LargeBoth, Question::Small],
                (_, true, false) => &[Question::LargeBoth, Question::LargeOut],
            };
            trial.rounds += 1;
            let token = |question: &Question| (*question, trial.tokens[*question as usize]);
            return Some(Step::Ask(trial.peer, asked.iter().map(token).collect()));
        }
        let way = match trial.answered {
            [_, true, _] => Some(Way::In),
            [_, _, true] => Some(Way::Out),
            _ => None,
        };
        let addr = trial.peer.addr;
        self.trial = None;
        let Some(way) = way else {
            return Some(Step::NoAnswer);
        };
        self.lost.push((addr, way));
        if self.lost.len() < LOST_TRIALS {
            return Some(Step::TryAnother);
        }
        self.lost.clear();
        self.state = LargeDatagrams::Lost;
        Some(Step::Lost(way))
    }

    /// Takes in a pong: whether its token is one of the trial's, and if the trial is over by it, what was believed before.
    pub(super) fn answered(
        &mut self,
        boot: u64,
        token: u32,
    ) -> Option<(Question, Option<LargeDatagrams>)> {
        let trial = self
            .trial
            .as_mut()
            .filter(|trial| trial.peer.boot == boot)?;
        let place = trial.tokens.iter().position(|known| *known == token)?;
        let question = Question::ALL[place];
        trial.answered[place] = true;
        if question != Question::LargeBoth {
            return Some((question, None));
        }
        // Padded, it has come both ways. Small, it is an older build's: that is all that one can say.
        self.trial = None;
        self.lost.clear();
        let before = std::mem::replace(&mut self.state, LargeDatagrams::Arrive);
        Some((question, Some(before)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> PeerId {
        PeerId::new(([10, 0, 0, 1], port).into(), 1_000, port.into())
    }

    /// One trial in which the member answers `answers`; how it ends.
    fn trial(path: &mut PathSize, port: u16, answers: &[Question]) -> Option<Step> {
        path.begin(peer(port), [1, 2, 3]);
        for _ in 0..ROUNDS {
            let Some(Step::Ask(to, asked)) = path.step() else {
                return None;
            };
            for (question, token) in asked {
                if answers.contains(&question) {
                    path.answered(to.boot, token).unwrap();
                }
            }
        }
        path.step()
    }

    #[test]
    fn one_large_answer_ends_a_trial() {
        let mut path = PathSize::default();
        assert_eq!(trial(&mut path, 1, &[Question::LargeBoth]), None);
        assert_eq!(path.state(), LargeDatagrams::Arrive);
        assert!(!path.is_trying());
    }

    #[test]
    fn three_lost_trials_in_a_row_are_a_verdict_that_names_the_way() {
        for (answers, way) in [
            (&[Question::Small][..], Way::Out),
            (&[Question::Small, Question::LargeOut], Way::In),
        ] {
            let mut path = PathSize::default();
            for port in 1..3 {
                assert_eq!(trial(&mut path, port, answers), Some(Step::TryAnother));
                assert_eq!(path.state(), LargeDatagrams::Unknown);
            }
            assert_eq!(trial(&mut path, 3, answers), Some(Step::Lost(way)));
            assert_eq!(path.state(), LargeDatagrams::Lost);
            assert_eq!(trial(&mut path, 1, &[Question::LargeBoth]), None);
            assert_eq!(path.state(), LargeDatagrams::Arrive);
        }
    }

    #[test]
    fn a_silent_member_says_nothing_about_sizes() {
        let mut path = PathSize::default();
        for port in 1..9 {
            assert_eq!(trial(&mut path, port, &[]), Some(Step::NoAnswer));
        }
        assert_eq!(path.state(), LargeDatagrams::Unknown);
    }

    #[test]
    fn what_arrives_once_begins_the_count_anew() {
        let mut path = PathSize::default();
        for port in 1..9 {
            let lost = trial(&mut path, port, &[Question::Small]);
            assert_eq!(lost, Some(Step::TryAnother));
            let lost = trial(&mut path, port, &[Question::Small]);
            assert_eq!(lost, Some(Step::TryAnother));
            assert_eq!(trial(&mut path, port, &[Question::LargeBoth]), None);
        }
    }

    #[test]
    fn an_answer_of_another_process_or_to_another_question_is_none() {
        let mut path = PathSize::default();
        path.begin(peer(1), [1, 2, 3]);
        assert_eq!(path.answered(peer(2).boot, 1), None);
        assert_eq!(path.answered(peer(1).boot, 4), None);
    }
}
