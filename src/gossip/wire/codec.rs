//! The one file that knows bincode.
//!
//! The payload encoding is *bincode 2's standard configuration*: little-endian, variable-length
//! integers (a value below 251 takes one byte; 251, 252 and 253 announce 2, 4 and 8 bytes), lengths
//! before sequences and strings, a number before an enum's fields. bincode itself is unmaintained
//! since December 2025 (RUSTSEC-2025-0141) and its 3.0.0 is an empty tombstone, hence `=2.0.1`. The
//! golden vectors in `golden.rs` pin the bytes and decode each with `wincode` too, which writes the
//! same format: replacing bincode means replacing this file.

use bincode::config;
pub(in crate::gossip) use bincode::{BorrowDecode, Decode, Encode};

/// What a decoder may allocate for what it reads, in bytes. Without a limit nine bytes can ask for
/// 2^40. A record of 64 KiB parses into less than this however it is cut into strings.
const DECODE_LIMIT_BYTES: usize = 4 << 20;

/// The bytes are not what the schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not follow the schema")]
pub(in crate::gossip) struct Malformed;

/// Appends the encoding of `value` to `out`.
pub(in crate::gossip) fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, out, config::standard())
        .expect("writing to a vector cannot fail, and no schema has an unencodable type");
}

/// Takes one value from the front of `bytes`.
pub(in crate::gossip) fn decode<T: Decode<()>>(bytes: &mut &[u8]) -> Result<T, Malformed> {
    let config = config::standard().with_limit::<DECODE_LIMIT_BYTES>();
    let (value, read) = bincode::decode_from_slice(bytes, config).map_err(|_| Malformed)?;
    *bytes = &bytes[read..];
    Ok(value)
}

/// The same for a value that refers to the bytes.
pub(in crate::gossip) fn decode_borrowed<'a, T: BorrowDecode<'a, ()>>(
    bytes: &mut &'a [u8],
) -> Result<T, Malformed> {
    let config = config::standard().with_limit::<DECODE_LIMIT_BYTES>();
    let (value, read) = bincode::borrow_decode_from_slice(bytes, config).map_err(|_| Malformed)?;
    *bytes = &bytes[read..];
    Ok(value)
}

/// Takes one value that must be all of `bytes`.
pub(in crate::gossip) fn decode_whole<T: Decode<()>>(mut bytes: &[u8]) -> Result<T, Malformed> {
    let value = decode(&mut bytes)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_bytes_that_ask_for_a_terabyte_are_refused() {
        let mut bytes = vec![253];
        bytes.extend_from_slice(&(1_u64 << 40).to_le_bytes());
        assert_eq!(decode_whole::<Vec<u8>>(&bytes), Err(Malformed));
        assert_eq!(decode_whole::<String>(&bytes), Err(Malformed));
        assert_eq!(
            decode_whole::<Vec<(String, String)>>(&bytes),
            Err(Malformed)
        );
    }

    #[test]
    fn trailing_bytes_are_refused_where_the_whole_is_asked_for() {
        assert_eq!(decode_whole::<u8>(&[1]), Ok(1));
        assert_eq!(decode_whole::<u8>(&[1, 2]), Err(Malformed));
    }
}
