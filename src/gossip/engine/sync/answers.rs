//! What comes back in a reconciliation: the parts of a listing, and pages of records.
//!
//! A part is taken only from the peer that was asked, and only under an id of one of the session's requests. When all parts of
//! the present answer have come, the next one is asked for, from where this one ended.

use std::net::SocketAddr;

use super::{super::verifying::Teller, Engine, JOINING_FOR, SESSION_FOR, TimerKey};
use crate::gossip::{
    Now,
    at_limit::Limit,
    stats::Cause,
    wire::{
        message::{Inventory, MemberItem, Page, Part},
        word::Word,
    },
};

impl Engine {
    /// Checks that a part belongs to the present answer of the present session, and notes it.
    fn take_part(&mut self, now: Now, from: SocketAddr, part: &Part) -> bool {
        if self.contacts.called(now.instant, part.session).is_some() {
            // They have overtaken the welcome.
            self.sync_all(now, from, part.session);
        }
        let Some(session) = &mut self.sync.session else {
            return false;
        };
        let since_first = |id: u64| id.wrapping_sub(session.first_id);
        if since_first(part.session) > since_first(session.id) || session.peer != from {
            return false;
        }
        let longest = if session.theirs.is_some() {
            SESSION_FOR
        } else {
            JOINING_FOR
        };
        if now.instant - session.begun > longest {
            // Whoever goes on and on keeps us from all others.
            self.refuse(now.instant, Limit::SyncTime, from);
            self.end_sync(now, false);
            return false;
        }
        if session.id == part.session && session.parts.contains(&part.index) && !session.listed {
            // What has come before is no progress.
            return true;
        }
        self.timers.set(
            TimerKey::SyncRetry,
            now.instant + self.config.request_timeout,
        );
        true
    }

    /// Counts a part of the listing; when the answer is complete, asks for the next one.
    fn part_done(&mut self, now: Now, part: Part) {
        let Some(session) = &mut self.sync.session else {
            return;
        };
        if session.id != part.session || session.listed || part.count == 0 {
            return self.pull_wanted(now);
        }
        if session.parts.insert(part.index) {
            session.tries = 0;
        }
        if session.parts.len() >= usize::from(part.count) {
            match part.next {
                // An answer that does not go on would go on for ever.
                Some(next) if session.after.as_ref() < Some(&next) => {
                    session.after = Some(next);
                    self.ask_listing(now);
                }
                _ => session.listed = true,
            }
        }
        self.pull_wanted(now);
    }

    /// The members of a part, and what the peer says of each beside its state.
    fn members_listed(
        &mut self,
        now: Now,
        mut teller: Teller,
        members: Vec<MemberItem>,
        words: &[Word],
    ) {
        teller.introduces = self.sync.takes_all();
        let words = words
            .iter()
            .copied()
            .chain(std::iter::repeat(Word::default()));
        for (member, word) in members.into_iter().zip(words) {
            self.member_listed(now, &teller, member, word);
        }
    }

    pub(in crate::gossip::engine) fn inventory_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        inventory: Inventory,
        (teller, words): (Teller, &[Word]),
    ) -> Result<(), Cause> {
        if !self.take_part(now, from, &inventory.part) {
            return Err(Cause::Unexpected);
        }
        self.members_listed(now, teller, inventory.members, words);
        for item in inventory.records {
            self.record_listed(now, item);
        }
        self.part_done(now, inventory.part);
        Ok(())
    }

    pub(in crate::gossip::engine) fn page_received(
        &mut self,
        now: Now,
        from: SocketAddr,
        page: Page<'_>,
        (teller, words): (Teller, &[Word]),
    ) -> Result<(), Cause> {
        if !self.take_part(now, from, &page.part) {
            return Err(Cause::Unexpected);
        }
        self.members_listed(now, teller, page.members, words);
        self.items_received(now, from, page.items);
        self.part_done(now, page.part);
        Ok(())
    }
}
