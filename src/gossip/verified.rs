//! How each member is known to be there.
//!
//! An address that others name may be anybody's, or nobody's. A member is *verified*, and there are three grades:
//!
//! - *answered*: it has answered this node itself;
//! - *confirmed*: two members, whose words count here, vouch for it;
//! - *introduced*: one introducer has named it: the member from which a joiner takes over its first table, or the only
//!   one that has ever answered this node.
//!
//! A node vouches to others for what it has verified by the first two, never for what it was told by one. So what one
//! insider makes up is vouched for by that insider alone, and nobody takes it for a member.
//!
//! The word of a member counts if it comes from that member: from its address, in the session that answered, or in the one
//! that those who vouch for it have named. A stranger who writes a member's address over its datagrams does not know that.
//!
//! Bounds: one entry for each known member.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{
    identity::PeerId,
    wire::word::{Capabilities, SessionTag, Word},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Introduced,
    Confirmed,
    Answered,
}

/// A word that counts: who gave it, and of which session of the member it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vouch {
    pub(super) by: SocketAddr,
    pub(super) session: SessionTag,
}

/// What a vouch adds to those that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    Nothing,
    New,
    /// Two vouch for this session.
    Agreed(SessionTag),
}

/// Who vouches for a process. Two that name one session confirm it. Two are kept: one that names a wrong session does not
/// keep the others from agreeing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Vouches([Option<Vouch>; 2]);

impl Vouches {
    pub(super) fn add(&mut self, new: Vouch) -> Added {
        let others = self.0.iter().flatten();
        let mut others = others.filter(|known| known.by != new.by);
        if others.any(|known| known.session == new.session) {
            return Added::Agreed(new.session);
        }
        if self.0.contains(&Some(new)) {
            return Added::Nothing;
        }
        let [first, second] = &mut self.0;
        let takes_first = first.is_none_or(|first| first.by == new.by);
        *(if takes_first { first } else { second }) = Some(new);
        Added::New
    }
}

#[derive(Debug, Clone, Copy)]
struct Known {
    boot: u64,
    grade: Grade,
    /// Which session is the member's, where that is known.
    session: Option<SessionTag>,
    /// Who vouches for one that was introduced.
    vouches: Vouches,
    capabilities: Capabilities,
}

/// How often members have answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Answers {
    #[default]
    None,
    Sole(SocketAddr),
    Several,
}

#[derive(Debug, Default)]
pub(super) struct Verified {
    known: BTreeMap<SocketAddr, Known>,
    answers: Answers,
}

impl Verified {
    /// The process has answered.
    pub(super) fn answered(&mut self, id: &PeerId, session: SessionTag) {
        self.answers = match self.answers {
            Answers::None => Answers::Sole(id.addr),
            Answers::Sole(addr) if addr == id.addr => self.answers,
            _ => Answers::Several,
        };
        let known = self.entry(id);
        known.grade = Grade::Answered;
        known.session = Some(session);
    }

    /// Two members vouch for this session of the process.
    pub(super) fn confirmed(&mut self, id: &PeerId, session: SessionTag) {
        let known = self.entry(id);
        if known.grade == Grade::Introduced {
            known.grade = Grade::Confirmed;
            known.session = Some(session);
        }
    }

    /// An introducer has named the process, and perhaps vouches for it.
    pub(super) fn introduced(&mut self, id: &PeerId, vouch: Option<Vouch>) {
        let known = self.entry(id);
        if let Some(vouch) = vouch
            && known.session.is_none()
        {
            known.vouches.add(vouch);
            known.session = Some(vouch.session);
        }
    }

    /// A word about a member that is known already. One alone names no session by which others would be believed.
    pub(super) fn heard(&mut self, id: &PeerId, vouch: Vouch) {
        let known = self.known.get(&id.addr);
        if known.is_some_and(|known| known.boot != id.boot) {
            return;
        }
        let known = self.entry(id);
        if known.grade == Grade::Introduced
            && let Added::Agreed(session) = known.vouches.add(vouch)
        {
            self.confirmed(id, session);
        }
    }

    /// What the build of a process can do, as others relay it: for one that has announced nothing here.
    pub(super) fn relayed(&mut self, id: &PeerId, capabilities: Capabilities) {
        let known = self.known.get(&id.addr);
        if known.is_some_and(|known| known.capabilities.is_empty()) {
            self.announced(id, capabilities);
        }
    }

    /// What the build of a process can do, as it has announced itself.
    pub(super) fn announced(&mut self, id: &PeerId, capabilities: Capabilities) {
        if let Some(known) = self.known.get_mut(&id.addr)
            && known.boot == id.boot
            && !capabilities.is_empty()
        {
            known.capabilities = capabilities;
        }
    }

    fn entry(&mut self, id: &PeerId) -> &mut Known {
        let fresh = Known {
            boot: id.boot,
            grade: Grade::Introduced,
            session: None,
            vouches: Vouches::default(),
            capabilities: Capabilities::default(),
        };
        let known = self.known.entry(id.addr).or_insert(fresh);
        if known.boot != id.boot {
            *known = fresh;
        }
        known
    }

    /// Nothing is remembered of an address.
    pub(super) fn forget(&mut self, addr: SocketAddr) {
        self.known.remove(&addr);
    }

    /// Whether a datagram from this address, of this boot and session, is the member's.
    pub(super) fn speaks(&self, addr: SocketAddr, boot: u64, session: &[u8; 16]) -> bool {
        self.known.get(&addr).is_some_and(|known| {
            known.boot == boot && known.session == Some(SessionTag::of(session))
        })
    }

    /// Whether one word of this member suffices: no other has ever answered.
    pub(super) fn is_sole(&self, addr: SocketAddr) -> bool {
        self.answers == Answers::Sole(addr)
    }

    /// What is said to others of a member beside its state.
    pub(super) fn word(&self, id: &PeerId) -> Word {
        let known = self.known.get(&id.addr);
        let Some(known) = known.filter(|known| known.boot == id.boot) else {
            return Word::default();
        };
        let vouches = known.grade > Grade::Introduced;
        Word {
            capabilities: known.capabilities,
            vouch: known.session.filter(|_| vouches),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn id(port: u16, boot: u64) -> PeerId {
        PeerId {
            addr: addr(port),
            boot,
            renewal: 0,
        }
    }

    const fn tag(n: u8) -> SessionTag {
        SessionTag::of(&[n; 16])
    }

    fn vouch(by: u16, session: u8) -> Vouch {
        Vouch {
            by: addr(by),
            session: tag(session),
        }
    }

    #[test]
    fn an_introduced_member_is_vouched_for_once_another_confirms_it() {
        let mut verified = Verified::default();
        verified.introduced(&id(9, 1), Some(vouch(1, 7)));
        assert_eq!(verified.word(&id(9, 1)).vouch, None);
        verified.heard(&id(9, 1), vouch(1, 7));
        assert_eq!(verified.word(&id(9, 1)).vouch, None, "it is the same one");
        verified.heard(&id(9, 1), vouch(2, 7));
        assert_eq!(verified.word(&id(9, 1)).vouch, Some(tag(7)));
        assert_eq!(verified.word(&id(9, 2)).vouch, None, "another process");
    }

    #[test]
    fn one_that_two_vouch_for_is_vouched_for_in_its_session() {
        let mut verified = Verified::default();
        verified.confirmed(&id(9, 1), tag(7));
        assert_eq!(verified.word(&id(9, 1)).vouch, Some(tag(7)));
        assert!(verified.speaks(addr(9), 1, &[7; 16]));
    }

    #[test]
    fn one_that_answered_speaks_in_that_session_and_no_other() {
        let mut verified = Verified::default();
        verified.answered(&id(9, 1), tag(7));
        assert!(verified.speaks(addr(9), 1, &[7; 16]));
        assert!(!verified.speaks(addr(9), 1, &[8; 16]));
        assert!(!verified.speaks(addr(9), 2, &[7; 16]));
        assert!(!verified.speaks(addr(8), 1, &[7; 16]));
        assert_eq!(verified.word(&id(9, 1)).vouch, Some(tag(7)));
    }

    #[test]
    fn one_that_names_a_wrong_session_keeps_no_others_from_agreeing() {
        let mut verified = Verified::default();
        verified.introduced(&id(9, 1), None);
        for (by, session) in [(1, 8), (2, 7), (1, 6)] {
            verified.heard(&id(9, 1), vouch(by, session));
            assert_eq!(verified.word(&id(9, 1)).vouch, None);
            assert!(!verified.speaks(addr(9), 1, &[session; 16]));
        }
        verified.heard(&id(9, 1), vouch(3, 7));
        assert_eq!(verified.word(&id(9, 1)).vouch, Some(tag(7)));
        assert!(verified.speaks(addr(9), 1, &[7; 16]));
    }

    #[test]
    fn one_word_suffices_only_of_a_member_that_alone_has_ever_answered() {
        let mut verified = Verified::default();
        assert!(!verified.is_sole(addr(1)));
        verified.answered(&id(1, 1), tag(1));
        assert!(verified.is_sole(addr(1)));
        assert!(!verified.is_sole(addr(2)));
        verified.answered(&id(2, 1), tag(2));
        verified.forget(addr(2));
        assert!(!verified.is_sole(addr(1)));
    }

    #[test]
    fn what_a_build_can_do_is_relayed_for_the_process_that_announced_it() {
        let mut verified = Verified::default();
        verified.answered(&id(9, 1), tag(7));
        verified.announced(&id(9, 1), Capabilities::OURS);
        verified.announced(&id(9, 1), Capabilities::default());
        assert_eq!(verified.word(&id(9, 1)).capabilities, Capabilities::OURS);
        verified.answered(&id(9, 2), tag(8));
        assert!(verified.word(&id(9, 2)).capabilities.is_empty());
        assert_eq!(verified.len(), 1);
    }
}
