//! Room for what this build does not know yet.
//!
//! An extension is a tag and a length-prefixed value. Lists of them stand in every instance, record
//! and member, and at the end of every datagram. A build skips the tags that it does not know and
//! counts them; records keep them, because they are relayed as their owner wrote them. The tags of
//! members and of datagrams that this build knows are those of [`word`](super::word).

use super::codec::{Decode, Encode, Malformed, decode};

/// The extensions of one thing, encoded one after the other. Empty costs one byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub(in crate::gossip) struct Extensions(pub(in crate::gossip) Vec<u8>);

impl Extensions {
    /// How many there are that this build does not know: all, but where the signature of a record stands.
    pub(in crate::gossip) fn count_unknown(&self) -> Result<u64, Malformed> {
        count_unknown(&self.0)
    }
}

/// The same for extensions that run to the end of the datagram.
pub(in crate::gossip) fn count_unknown(bytes: &[u8]) -> Result<u64, Malformed> {
    Ok(find(bytes, None)?.1)
}

/// Whether an extension with this tag is among those that run to the end of the datagram, and how many
/// others there are.
pub(in crate::gossip) fn find(
    mut bytes: &[u8],
    wanted: Option<u32>,
) -> Result<(bool, u64), Malformed> {
    let (mut is_there, mut unknown) = (false, 0);
    while !bytes.is_empty() {
        let (tag, _value): (u32, Vec<u8>) = decode(&mut bytes)?;
        if wanted == Some(tag) {
            is_there = true;
        } else {
            unknown += 1;
        }
    }
    Ok((is_there, unknown))
}

#[cfg(test)]
mod tests {
    use super::{super::codec::encode, *};

    #[test]
    fn extensions_are_counted_and_a_cut_one_is_malformed() {
        let mut bytes = Vec::new();
        encode(&(7_u32, b"future".to_vec()), &mut bytes);
        encode(&(900_u32, Vec::<u8>::new()), &mut bytes);
        assert_eq!(count_unknown(&bytes), Ok(2));
        assert_eq!(count_unknown(&bytes[..3]), Err(Malformed));
        assert_eq!(count_unknown(&[]), Ok(0));
        assert_eq!(find(&bytes, Some(900)), Ok((true, 1)));
        assert_eq!(find(&bytes, Some(901)), Ok((false, 2)));
    }
}
