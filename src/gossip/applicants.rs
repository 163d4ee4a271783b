//! Processes that ask to be let in, and whose advertised addresses have not answered yet.
//!
//! A hello whose cookie is good shows that its sender hears what is sent to where the hello came from.
//! Where that is not the address which the sender advertises, the advertised one is called, and the
//! hello waits for the answer. The answer counts when it comes from the session of the hello: another
//! process may listen there, this node itself for one, where the address is a loopback one.
//!
//! A hello that comes again while the address is silent is refused at once, and the address is called
//! again: how often is up to the applicant.
//!
//! Bounds: [`MOST`] applicants, for [`KEPT_FOR`] after the last call of each; what is new waits.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use super::{
    Instant,
    identity::PeerId,
    wire::{frame::Preamble, message::Hello},
};

/// How many applicants there may be.
const MOST: usize = 256;
/// How long one is remembered after its address was called, or has answered.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// How long the address has to answer before a second hello is refused.
const PATIENCE: Duration = Duration::from_millis(500);

/// The random id of a sender's run.
type Session = [u8; 16];

/// A hello that waits, as it came.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) from: SocketAddr,
    pub(super) preamble: Preamble,
    pub(super) hello: Hello,
    pub(super) size: usize,
}

/// What becomes of a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The address is to be called. Says whether the hello waits, or is refused meanwhile.
    Call { waits: bool },
    /// The address has been called a moment ago.
    Wait,
    /// There are too many applicants.
    Full,
}

#[derive(Debug)]
struct Applicant {
    boot: u64,
    /// The token of the last call.
    token: Option<u64>,
    since: Instant,
    /// When it was called last, or has answered.
    touched: Instant,
    has_answered: bool,
    waiting: Option<Waiting>,
}

#[derive(Debug, Default)]
pub(super) struct Applicants(BTreeMap<(SocketAddr, Session), Applicant>);

impl Applicants {
    /// A process says hello from elsewhere than it advertises.
    pub(super) fn apply(&mut self, now: Instant, waiting: Waiting) -> Turn {
        self.0
            .retain(|_, applicant| now - applicant.touched <= KEPT_FOR);
        let id = PeerId::from(waiting.hello.me);
        let key = (id.addr, waiting.preamble.session);
        let is_full = self.0.len() >= MOST;
        let Some(known) = self.0.get_mut(&key) else {
            if is_full {
                return Turn::Full;
            }
            let applicant = Applicant {
                boot: id.boot,
                token: None,
                since: now,
                touched: now,
                has_answered: false,
                waiting: Some(waiting),
            };
            self.0.insert(key, applicant);
            return Turn::Call { waits: true };
        };
        if now - known.since < PATIENCE {
            known.waiting = Some(waiting);
            return Turn::Wait;
        }
        known.waiting = None;
        known.touched = now;
        Turn::Call { waits: false }
    }

    /// The address of an applicant was called with this token.
    pub(super) fn called(&mut self, addr: SocketAddr, session: Session, token: u64) {
        if let Some(applicant) = self.0.get_mut(&(addr, session)) {
            applicant.token = Some(token);
        }
    }

    /// An address has answered the call with this token. Nothing if that was no applicant's; otherwise
    /// whether it was the applicant that answered, with the hello that waits.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        host: &PeerId,
        session: Session,
        token: u64,
    ) -> Option<(bool, Option<Waiting>)> {
        let mut applicants = self.0.iter_mut();
        let ((addr, of), applicant) =
            applicants.find(|(_, applicant)| applicant.token == Some(token))?;
        applicant.token = None;
        let is_it = *addr == host.addr && *of == session && applicant.boot == host.boot;
        if is_it {
            applicant.has_answered = true;
            applicant.touched = now;
        }
        Some((is_it, applicant.waiting.take().filter(|_| is_it)))
    }

    /// Whether the advertised address of this process has answered lately.
    pub(super) fn has_answered(&self, now: Instant, id: &PeerId, session: &Session) -> bool {
        self.0.get(&(id.addr, *session)).is_some_and(|applicant| {
            applicant.has_answered
                && applicant.boot == id.boot
                && now - applicant.touched <= KEPT_FOR
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gossip::wire::message::kind;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn at(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    const fn id(addr: SocketAddr) -> PeerId {
        PeerId {
            addr,
            boot: 7,
            renewal: 0,
        }
    }

    fn hello(port: u16, session: Session) -> Waiting {
        Waiting {
            from: addr(port + 20),
            preamble: Preamble {
                session,
                nonce: 1,
                boot: 7,
                fingerprint: 0,
                kind: kind::HELLO,
            },
            hello: Hello {
                token: 1,
                cookie: 5,
                me: id(addr(port)).into(),
                to: addr(1),
                known: None,
                joining: true,
                padding: Vec::new(),
            },
            size: 143,
        }
    }

    const SESSION: Session = [1; 16];
    const OTHER: Session = [2; 16];

    #[test]
    fn a_hello_waits_for_the_answer_of_its_own_session() {
        let mut applicants = Applicants::default();
        let turn = applicants.apply(at(0), hello(1, SESSION));
        assert_eq!(turn, Turn::Call { waits: true });
        applicants.called(addr(1), SESSION, 9);
        assert!(
            applicants
                .answered(at(1), &id(addr(1)), SESSION, 8)
                .is_none()
        );
        let (is_it, waiting) = applicants
            .answered(at(1), &id(addr(1)), SESSION, 9)
            .unwrap();
        assert!(is_it && waiting.is_some());
        assert!(applicants.has_answered(at(2), &id(addr(1)), &SESSION));
        assert!(!applicants.has_answered(at(2), &id(addr(1)), &OTHER));
        assert!(!applicants.has_answered(at(10_002), &id(addr(1)), &SESSION));
    }

    #[test]
    fn another_process_at_the_address_answers_for_nobody() {
        let mut applicants = Applicants::default();
        applicants.apply(at(0), hello(1, SESSION));
        applicants.called(addr(1), SESSION, 9);
        let (is_it, waiting) = applicants.answered(at(1), &id(addr(1)), OTHER, 9).unwrap();
        assert!(!is_it && waiting.is_none());
        assert!(!applicants.has_answered(at(2), &id(addr(1)), &SESSION));
    }

    #[test]
    fn one_that_comes_again_is_refused_while_its_address_is_silent() {
        let mut applicants = Applicants::default();
        applicants.apply(at(0), hello(1, SESSION));
        assert_eq!(applicants.apply(at(499), hello(1, SESSION)), Turn::Wait);
        let turn = applicants.apply(at(1_000), hello(1, SESSION));
        assert_eq!(turn, Turn::Call { waits: false });
        // A later answer counts for the next hello.
        applicants.called(addr(1), SESSION, 9);
        applicants.answered(at(1_001), &id(addr(1)), SESSION, 9);
        assert!(applicants.has_answered(at(2_000), &id(addr(1)), &SESSION));
    }

    #[test]
    fn the_number_of_applicants_is_bounded_and_they_are_forgotten() {
        let mut applicants = Applicants::default();
        for port in 0..1_000 {
            applicants.apply(at(0), hello(port, SESSION));
        }
        assert_eq!(applicants.len(), MOST);
        assert_eq!(applicants.apply(at(0), hello(999, SESSION)), Turn::Full);
        applicants.apply(at(10_001), hello(1, SESSION));
        assert_eq!(applicants.len(), 1);
    }
}
