//! Whom this node suspects by itself.
//!
//! Two things open a *case* about a member: its probe failed, or the operating system said that nothing listens at
//! its address. Then three things happen at once:
//!
//! - *buddy*: a suspect is told first and directly, and again after every `probe_timeout` as long as the suspicion
//!   stands. One that lives refutes, and its answer brings the refutation (Lifeguard, section 4.3);
//! - *confirmation*: [`ASKED`] others are asked whether they reach it, each by itself. Those who find it silent
//!   shorten the time that it has ([`Suspicion`](crate::gossip::suspicion::Suspicion)). Who has not answered within a
//!   round is made up for by somebody else, up to [`ROUNDS`] times; where nobody answers at all, it is this node that
//!   has reason to doubt itself, unless those that were asked fail themselves (see `hearing`). Who reaches it tells it, too, and as long as somebody does there is no verdict: the
//!   suspicion has its longest time once more, and is looked into anew after that;
//! - *evidence*: this node looks again itself. When its own pings and those of two others (of all others, where there
//!   are fewer that can be asked) are refused by the host of the member, and none is answered, it is down. ICMP messages alone, which
//!   anybody can forge, for any number of nodes, drop nobody: each of them waits for the answer that a living member
//!   gives (see `inquiries`).
//!
//! Bounds: one case about an address, [`MOST`] at a time; beyond them the suspicion stands without a case, and takes its
//! whole time. A case ends with the suspicion, or after [`ROUNDS`] rounds where there is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use foca::{Message, State};
use rand::RngExt;

use super::{Engine, TimerKey};
use crate::gossip::{
    Now,
    at_limit::Limit,
    identity::{PeerId, canonical},
    local_verdicts::Ground,
    stats::Cause,
    suspicion::CONFIRMATIONS,
    wire::{
        frame::Preamble,
        message::{self, Ask, Finding, Health, Outcome},
    },
};

/// How many members are asked at once: one more than has to answer.
const ASKED: usize = CONFIRMATIONS + 1;
/// How many have to be refused besides us before a member is down without further ado.
const REFUSED: usize = 2;
/// How often others are asked in place of those who have not answered, in times of `probe_timeout`. Longer than one
/// who is asked takes to find somebody silent.
const ROUND: u32 = 2;
/// How many rounds of asking there are.
const ROUNDS: u32 = 4;
/// So many cases tell their suspects once in `probe_timeout`: 200 a second. More cases tell them less often.
const CROWD: usize = 40;
/// How many cases there may be.
const MOST: usize = 256;

/// What is known of a member that this node suspects by itself.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) about: PeerId,
    token: u32,
    /// How many times of `probe_timeout` have passed.
    ticks: u32,
    pub(super) asked: BTreeSet<SocketAddr>,
    found: BTreeMap<SocketAddr, Outcome>,
    /// What our own pings found, where there was evidence.
    pub(super) own: Option<Outcome>,
    /// Whether the silence of those that were asked counts against ourselves.
    is_our_fault: bool,
}

impl Case {
    fn count(&self, outcome: Outcome) -> usize {
        let found = self.found.values();
        found.filter(|found| **found == outcome).count()
    }
}

impl Engine {
    /// Suspects a member, and says so.
    pub(super) fn accuse(&mut self, now: Now, id: PeerId) {
        let Some(peer) = self.members.get(id.addr).copied() else {
            return;
        };
        if peer.id != id || !peer.is_active() {
            return;
        }
        if self.local_verdicts.contains(id.addr) && self.is_lone(now, id.addr) {
            return; // nobody is there to be asked
        }
        if peer.health == Health::Alive {
            self.learn(now, id, peer.incarnation, Health::Suspect, true);
        }
        self.keep_in_touch(now);
        if let Some(suspicion) = self.suspicions.get_mut(&id.addr)
            && !std::mem::replace(&mut suspicion.is_ours, true)
        {
            // Evidence may have opened one before: who reached the member then is asked again.
            self.close_case(id.addr);
        }
        self.tell_suspect(now, &id);
        self.open_case(now, id);
    }

    /// The operating system says that nothing listens at an address to which this node has sent.
    ///
    /// It is evidence and never a verdict: the port is tried again, and others are asked to try it. The member
    /// is dropped when they agree.
    pub fn handle_unreachable(&mut self, now: Now, to: SocketAddr) {
        self.notice_pause(now);
        let to = canonical(to);
        self.seeds.port_closed(to);
        if self.has_left() || !self.config.detection.evidence {
            return;
        }
        let Some(id) = self.members.get(to).filter(|peer| peer.is_active()) else {
            return;
        };
        let id = id.id;
        self.stats.evidence += 1;
        let is_inquired = self.inquiry_refused(now, to);
        let is_swept = self.sweep_refused(now, to);
        if !is_inquired && !is_swept {
            self.look_into_refusal(now, id);
        }
    }

    pub(super) fn open_case(&mut self, now: Now, about: PeerId) {
        let known = self.cases.get(&about.addr);
        if known.is_some_and(|case| case.about == about) || !self.config.detection.confirm {
            return;
        }
        if known.is_none() && self.cases.len() >= MOST {
            return self.refuse(now.instant, Limit::Cases, about.addr);
        }
        let token = self.new_token();
        let case = Case {
            about,
            token,
            ticks: 0,
            asked: BTreeSet::new(),
            found: BTreeMap::new(),
            own: None,
            is_our_fault: false,
        };
        self.cases.insert(about.addr, case);
        self.ask_others(now, about.addr, ASKED);
        self.set_case_timer(now, about.addr);
    }

    /// A case goes on after `probe_timeout`, and later where there are many whose suspects are told then.
    fn set_case_timer(&mut self, now: Now, addr: SocketAddr) {
        let crowds = self.suspicions.len().min(self.cases.len());
        let crowds = u32::try_from(crowds.div_ceil(CROWD).max(1)).unwrap_or(u32::MAX);
        let tick = now.instant + self.config.probe_timeout * crowds;
        self.timers.set(TimerKey::Case(addr), tick);
    }

    /// Drawn, so that who was told one cannot guess the next.
    pub(super) fn new_token(&mut self) -> u32 {
        self.rng.random()
    }

    fn ask_others(&mut self, now: Now, addr: SocketAddr, count: usize) {
        let Some(case) = self.cases.get(&addr) else {
            return;
        };
        let (about, token) = (case.about.into(), case.token);
        for other in self.choose_witnesses(now, addr, count) {
            self.send(now, other, &message::Message::Ask(Ask { token, about }));
            if let Some(case) = self.cases.get_mut(&addr) {
                case.asked.insert(other);
            }
        }
    }

    /// Another `probe_timeout` is over: the suspect is told again, and after a round others are asked.
    pub(super) fn case_due(&mut self, now: Now, addr: SocketAddr) {
        let Some(case) = self.cases.get_mut(&addr) else {
            return;
        };
        case.ticks = case.ticks.saturating_add(1);
        let (about, ticks) = (case.about, case.ticks);
        let (rounds, is_round) = (ticks / ROUND, ticks.is_multiple_of(ROUND));
        let (asked, answered) = (case.asked.len(), case.found.len());
        let is_suspected = self
            .suspicions
            .get(&addr)
            .is_some_and(|suspicion| suspicion.id == about);
        if (!is_suspected && rounds >= ROUNDS) || !self.is_member(&about) {
            self.cases.remove(&addr);
            return;
        }
        if is_suspected {
            self.tell_suspect(now, &about);
        }
        if is_round && rounds == 1 && asked > 0 && answered == 0 {
            self.nobody_has_answered(now, addr);
        }
        self.reconsider_our_fault(now, addr);
        if is_round && rounds < ROUNDS {
            self.ask_for_missing(now, addr);
        }
        if self.cases.contains_key(&addr) {
            self.set_case_timer(now, addr);
        }
    }

    /// Asks others in place of those that have not answered.
    pub(super) fn ask_for_missing(&mut self, now: Now, addr: SocketAddr) {
        let answered = self.cases.get(&addr).map(|case| case.found.len());
        if let Some(answered) = answered.filter(|answered| *answered < CONFIRMATIONS) {
            self.ask_others(now, addr, CONFIRMATIONS - answered);
        }
    }

    /// A round is over, and nobody of those that were asked has answered. It is us who have reason to
    /// doubt ourselves, unless all of them are failing too; that is looked into.
    fn nobody_has_answered(&mut self, now: Now, addr: SocketAddr) {
        let Some(case) = self.cases.get(&addr) else {
            return;
        };
        let asked: Vec<_> = case.asked.iter().copied().collect();
        let sound = asked.iter().filter(|asked| self.is_witness(**asked));
        let sound: Vec<_> = sound.copied().collect();
        if sound.is_empty() {
            return;
        }
        self.feel_worse();
        if let Some(case) = self.cases.get_mut(&addr) {
            case.is_our_fault = true;
        }
        for asked in sound {
            self.member_failed(now, asked);
        }
    }

    /// Takes back what counts against ourselves, where those that did not answer turn out to be failing.
    fn reconsider_our_fault(&mut self, now: Now, addr: SocketAddr) {
        let Some(case) = self.cases.get(&addr).filter(|case| case.is_our_fault) else {
            return;
        };
        let is_ours = !case.found.is_empty() || case.asked.iter().any(|a| self.is_witness(*a));
        if is_ours || self.sweep.is_running() {
            return;
        }
        if let Some(case) = self.cases.get_mut(&addr) {
            case.is_our_fault = false;
        }
        self.local_health.improve();
        self.refresh_suspicions(now);
    }

    /// Some members can no longer be witnesses: what waited for them is judged anew.
    pub(super) fn witnesses_changed(&mut self, now: Now) {
        let open: Vec<_> = self.cases.keys().copied().collect();
        for addr in open {
            self.reconsider_our_fault(now, addr);
            self.judge_evidence(now, addr);
        }
        self.refresh_suspicions(now);
    }

    /// Tells a suspect that it is one.
    pub(super) fn tell_suspect(&mut self, now: Now, id: &PeerId) {
        if self.config.detection.buddy {
            self.demand_refutation(now, id);
        }
    }

    /// Tells a suspect that was heard that it is one: only a refutation ends the suspicion.
    pub(super) fn demand_refutation(&mut self, now: Now, id: &PeerId) {
        if let Some(accusation) = self.accusation(id) {
            // Zero is the number of no probe under way, and an answer is one all the same.
            self.send_swim_of_ours(now, *id, Message::Ping(0), vec![accusation]);
        }
    }

    fn accusation(&self, id: &PeerId) -> Option<foca::Member<PeerId>> {
        let suspicion = self.suspicions.get(&id.addr).filter(|s| s.id == *id)?;
        let incarnation = suspicion.incarnation;
        Some(foca::Member::new(suspicion.id, incarnation, State::Suspect))
    }

    /// What a packet to a suspect says of it.
    pub(super) fn accusation_of(&self, id: &PeerId) -> Vec<foca::Member<PeerId>> {
        let accusation = self.accusation(id).filter(|_| self.config.detection.buddy);
        accusation.into_iter().collect()
    }

    /// Somebody who was asked has looked.
    pub(super) fn finding_received(
        &mut self,
        now: Now,
        preamble: &Preamble,
        finding: Finding,
    ) -> Result<(), Cause> {
        if self.witness_found(now, preamble, finding) {
            return Ok(());
        }
        let members = &self.members;
        // A member may send from another address than the one that it advertises.
        let is_from = |asked: &SocketAddr| {
            let peer = members.get(*asked);
            peer.is_some_and(|peer| peer.id.boot == preamble.boot)
        };
        let case = self.cases.values_mut();
        let mut case = case.filter(|case| case.token == finding.token);
        let Some(case) = case.next() else {
            return Err(Cause::Unexpected);
        };
        let Some(by) = case.asked.iter().copied().find(is_from) else {
            return Err(Cause::Unexpected);
        };
        let addr = case.about.addr;
        let is_first = case.found.insert(by, finding.outcome).is_none();
        if finding.outcome != Outcome::Answers {
            // What we found was no fault of ours.
            let period = self.config.probe_period;
            self.local_health.network_works(now.instant, period);
            self.confirm_suspicion(now, addr, by);
        } else if is_first {
            self.reprieve(now, addr);
        }
        self.judge_evidence(now, addr);
        Ok(())
    }

    /// Our own pings have shown something.
    pub(super) fn own_finding(&mut self, now: Now, about: PeerId, outcome: Outcome) {
        let is_refused = outcome == Outcome::Refused;
        if is_refused {
            let period = self.config.probe_period;
            self.local_health.network_works(now.instant, period);
        } else if outcome == Outcome::Answers {
            self.reprieve(now, about.addr);
        }
        if self.note_own_finding(&about, outcome) {
            self.judge_evidence(now, about.addr);
        } else if is_refused && self.able_witnesses(about.addr) == 0 {
            // Nobody was there to be asked.
            self.drop_refused(now, about);
        }
        if is_refused {
            self.member_failed(now, about.addr);
            self.witnesses_changed(now);
        }
    }

    /// Notes in a case what our own pings have shown. Says whether there is one.
    pub(super) fn note_own_finding(&mut self, about: &PeerId, outcome: Outcome) -> bool {
        let case = self.cases.get_mut(&about.addr);
        let case = case.filter(|case| case.about == *about);
        case.is_some_and(|case| {
            // A host that was heard to refuse is not silent.
            if outcome != Outcome::Silent || case.own != Some(Outcome::Refused) {
                case.own = Some(outcome);
            }
            true
        })
    }

    fn judge_evidence(&mut self, now: Now, addr: SocketAddr) {
        let Some(case) = self.cases.get(&addr) else {
            return;
        };
        let enough = case.own == Some(Outcome::Refused)
            && case.count(Outcome::Answers) == 0
            && case.count(Outcome::Refused) >= self.able_witnesses(addr).min(REFUSED);
        if enough {
            let about = case.about;
            self.drop_refused(now, about);
        }
    }

    fn drop_refused(&mut self, now: Now, id: PeerId) {
        let Some(peer) = self.members.get(id.addr).copied() else {
            return;
        };
        if peer.id != id || !peer.is_active() || !self.feeds_foca() || !self.connected {
            return;
        }
        self.stats.refused += 1;
        tracing::debug!(target: "tidings::gossip", member = %id, "nothing listens there, for others neither");
        if peer.health == Health::Alive {
            self.learn(now, id, peer.incarnation, Health::Suspect, false);
        }
        if self.is_lone(now, id.addr) {
            return self.drop_locally(now, id, Ground::Refused);
        }
        self.declare_down(now, id, peer.incarnation);
    }

    /// A case is closed with what it was about.
    pub(super) fn close_case(&mut self, addr: SocketAddr) {
        if self.cases.remove(&addr).is_some() {
            self.timers.cancel(&TimerKey::Case(addr));
        }
    }
}
