//! Pings and pongs that are as large as the largest datagram.
//!
//! The padding is an extension behind the message, so a build that does not know it skips it and answers with a small pong.
//! Its value begins with a byte that says how large the answer shall be; zeros follow.

use super::{
    codec::{Malformed, decode, decode_borrowed, encode},
    message::{Ping, kind},
};

/// The tag of the extension.
pub(in crate::gossip) const TAG: u32 = 16;
/// Tag and length take this much: one byte, and three for a length from 251 to 65,535.
const OVERHEAD_BYTES: usize = 1 + 3;
/// The least value whose length takes three bytes.
const VALUE_MIN: usize = 251;

/// How large the answer to a padded ping shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gossip) enum Answer {
    Small,
    /// As large as the ping.
    Large,
}

/// Appends padding, so that `payload` takes `bytes`. Where there is no room for padding nothing is appended.
pub(in crate::gossip) fn append(payload: &mut Vec<u8>, bytes: usize, answer: Answer) {
    let room = bytes.saturating_sub(payload.len() + OVERHEAD_BYTES);
    if room < VALUE_MIN {
        return;
    }
    let mut value = vec![0; room];
    value[0] = u8::from(answer == Answer::Large);
    encode(&TAG, payload);
    encode(&value, payload);
}

/// Which answer a padded ping asks for; nothing where the payload is none.
pub(in crate::gossip) fn asked(kind: u8, mut payload: &[u8]) -> Option<Answer> {
    if kind != kind::PING || payload.len() < VALUE_MIN {
        return None;
    }
    let bytes = &mut payload;
    decode::<Ping>(bytes).ok()?;
    while !bytes.is_empty() {
        let (tag, value) = extension(bytes).ok()?;
        if tag == TAG {
            return match value.first() {
                Some(1) => Some(Answer::Large),
                _ => Some(Answer::Small),
            };
        }
    }
    None
}

fn extension<'a>(bytes: &mut &'a [u8]) -> Result<(u32, &'a [u8]), Malformed> {
    decode_borrowed(bytes)
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Message, Pong},
        *,
    };

    fn ping() -> Vec<u8> {
        let mut payload = Vec::new();
        let ping = Ping {
            token: u32::MAX,
            to: [9; 4],
        };
        Message::Ping(ping).write(&mut payload);
        payload
    }

    #[test]
    fn a_padded_ping_has_the_size_and_says_which_answer_it_wants() {
        for bytes in [1_137, 1_200, 9_000, 65_000] {
            for answer in [Answer::Small, Answer::Large] {
                let mut payload = ping();
                append(&mut payload, bytes, answer);
                assert_eq!(payload.len(), bytes);
                assert_eq!(asked(kind::PING, &payload), Some(answer));
                assert!(matches!(
                    Message::read(kind::PING, &payload),
                    Ok((Message::Ping(_), 0))
                ));
            }
        }
    }

    #[test]
    fn a_padded_pong_asks_for_nothing() {
        let mut payload = Vec::new();
        Message::Pong(Pong { token: 1 }).write(&mut payload);
        append(&mut payload, 1_137, Answer::Small);
        assert_eq!(payload.len(), 1_137);
        assert_eq!(asked(kind::PONG, &payload), None);
    }

    #[test]
    fn what_is_not_padded_asks_for_nothing() {
        let mut payload = ping();
        assert_eq!(asked(kind::PING, &payload), None);
        append(&mut payload, 100, Answer::Large);
        assert_eq!(payload, ping(), "no room");
        payload.extend_from_slice(&[255; 1_000]);
        assert_eq!(asked(kind::PING, &payload), None, "malformed");
    }
}
