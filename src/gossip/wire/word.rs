//! What the sender of a datagram says of members beside their state: a word.
//!
//! A word has the capabilities of the member, as the member itself announced them, and, where the sender vouches for the
//! member, the start of the member's session id. It is an extension:
//!
//! | where | tag | value |
//! |---|---|---|
//! | of a membership update | [`MEMBER_TAG`] | one word |
//! | at the end of a page or an inventory | [`LISTING_TAG`] | one word for each listed member, in their order |
//! | at the end of a hello or a welcome | [`CAPABILITIES_TAG`] | the sender's own capabilities |
//!
//! An earlier build writes none of them and skips all.

use super::{
    codec::{Decode, Encode, Malformed, decode, encode},
    extensions::Extensions,
    padding,
};

/// The tag of a word, among the extensions of a membership update.
const MEMBER_TAG: u32 = 1;
/// The tag of the words of a listing, among the extensions of a datagram.
const LISTING_TAG: u32 = 1;
/// The tag of the sender's capabilities, among the extensions of a datagram.
const CAPABILITIES_TAG: u32 = 2;
/// What stands around the words of a listing: the tag, and the length of at most two bytes and a mark.
pub(in crate::gossip) const LISTING_BYTES: usize = 1 + 3;

/// What the capabilities take at the end of a datagram: tag, length, and this build's own.
pub(in crate::gossip) const CAPABILITIES_BYTES: usize = 3;

/// What a build can do, one bit for each ability. A bit that is not known is relayed as it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Capabilities(u32);

impl Capabilities {
    /// The build writes words, and vouches only for members that it has verified.
    pub(in crate::gossip) const VOUCHES: Self = Self(1);
    /// What this build can do.
    pub(in crate::gossip) const OURS: Self = Self::VOUCHES;

    /// Whether nothing is known of the build, as of one that announces nothing.
    pub(in crate::gossip) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the build has all of these abilities.
    #[cfg(test)]
    pub(in crate::gossip) const fn include(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// The start of a session id: by it a datagram is known to come from the process that answered, and not from somebody who
/// only writes that process's address over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub(in crate::gossip) struct SessionTag([u8; 4]);

impl SessionTag {
    pub(in crate::gossip) const fn of(session: &[u8; 16]) -> Self {
        let [a, b, c, d, ..] = *session;
        Self([a, b, c, d])
    }
}

/// What a sender says of a member beside its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Word {
    pub(in crate::gossip) capabilities: Capabilities,
    /// Present where the sender vouches for the member: the member has answered it, or two others vouch for it there.
    pub(in crate::gossip) vouch: Option<SessionTag>,
}

impl Word {
    /// How many bytes it takes in a listing.
    pub(in crate::gossip) fn size(&self) -> usize {
        let mut bytes = Vec::new();
        encode(self, &mut bytes);
        bytes.len()
    }

    /// As the extensions of a membership update; none where it says nothing.
    pub(in crate::gossip) fn extensions(&self) -> Extensions {
        let mut extensions = Vec::new();
        if *self != Self::default() {
            let mut value = Vec::new();
            encode(self, &mut value);
            encode(&(MEMBER_TAG, value), &mut extensions);
        }
        Extensions(extensions)
    }

    /// Reads it from the extensions of a membership update, and counts the others there.
    pub(in crate::gossip) fn of(extensions: &Extensions) -> Result<(Self, u64), Malformed> {
        let mut word = Self::default();
        let mut unknown = 0;
        let mut bytes = &extensions.0[..];
        while !bytes.is_empty() {
            let (tag, value): (u32, Vec<u8>) = decode(&mut bytes)?;
            if tag == MEMBER_TAG {
                // A later build may add to it.
                word = decode(&mut &value[..])?;
            } else {
                unknown += 1;
            }
        }
        Ok((word, unknown))
    }
}

/// What stands at the end of a datagram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::gossip) struct Trailer {
    /// One for each listed member, in their order; the last ones may be missing.
    pub(in crate::gossip) words: Vec<Word>,
    /// The sender's own.
    pub(in crate::gossip) capabilities: Capabilities,
    /// How many extensions this build does not know.
    pub(in crate::gossip) unknown: u64,
}

impl Trailer {
    pub(in crate::gossip) fn read(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let mut trailer = Self::default();
        while !bytes.is_empty() {
            let (tag, value): (u32, Vec<u8>) = decode(&mut bytes)?;
            let mut value = &value[..];
            match tag {
                LISTING_TAG => {
                    trailer.words.clear();
                    while !value.is_empty() {
                        trailer.words.push(decode(&mut value)?);
                    }
                }
                CAPABILITIES_TAG => trailer.capabilities = decode(&mut value)?,
                padding::TAG => {}
                _ => trailer.unknown += 1,
            }
        }
        Ok(trailer)
    }
}

/// Appends the words of a listing to a payload; nothing where there are none.
pub(in crate::gossip) fn write_listing(words: &[Word], payload: &mut Vec<u8>) {
    if words.is_empty() {
        return;
    }
    let mut value = Vec::new();
    for word in words {
        encode(word, &mut value);
    }
    encode(&(LISTING_TAG, value), payload);
}

/// Appends the sender's capabilities to a payload.
pub(in crate::gossip) fn write_capabilities(payload: &mut Vec<u8>) {
    let mut value = Vec::new();
    encode(&Capabilities::OURS, &mut value);
    encode(&(CAPABILITIES_TAG, value), payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vouch(n: u8) -> Word {
        Word {
            capabilities: Capabilities::OURS,
            vouch: Some(SessionTag::of(&[n; 16])),
        }
    }

    #[test]
    fn a_word_is_read_as_it_was_written_and_costs_nothing_where_it_says_nothing() {
        for word in [Word::default(), vouch(7)] {
            assert_eq!(Word::of(&word.extensions()), Ok((word, 0)));
        }
        assert_eq!(Word::default().extensions(), Extensions::default());
        assert_eq!(vouch(7).size(), 6);
    }

    #[test]
    fn what_a_later_build_adds_to_a_word_is_skipped() {
        let mut value = Vec::new();
        encode(&vouch(7), &mut value);
        value.extend_from_slice(b"more");
        let mut bytes = Vec::new();
        encode(&(900_u32, Vec::<u8>::new()), &mut bytes);
        encode(&(MEMBER_TAG, value), &mut bytes);
        assert_eq!(Word::of(&Extensions(bytes)), Ok((vouch(7), 1)));
    }

    #[test]
    fn a_trailer_has_the_words_the_capabilities_and_what_is_not_known() {
        let words = [vouch(1), Word::default(), vouch(2)];
        let mut bytes = Vec::new();
        write_listing(&words, &mut bytes);
        assert!(bytes.len() <= LISTING_BYTES + words.map(|word| word.size()).iter().sum::<usize>());
        let before = bytes.len();
        write_capabilities(&mut bytes);
        assert_eq!(bytes.len() - before, CAPABILITIES_BYTES);
        encode(&(900_u32, Vec::<u8>::new()), &mut bytes);
        let trailer = Trailer::read(&bytes).unwrap();
        assert_eq!(trailer.words, words);
        assert!(trailer.capabilities.include(Capabilities::VOUCHES));
        assert_eq!(trailer.unknown, 1);
        assert!(Trailer::read(&bytes[..bytes.len() - 1]).is_err());
        assert_eq!(Trailer::read(&[]), Ok(Trailer::default()));
    }
}
