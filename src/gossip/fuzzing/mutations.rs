//! What a fuzzer's bytes say, and what they change in a datagram.

/// Bytes that are read as choices. When they are at their end, all choices are the first one.
#[derive(Debug)]
pub(super) struct Choices<'a>(&'a [u8]);

/// The most bytes that one mutation brings along.
const BROUGHT_MAX: usize = 64;

impl<'a> Choices<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn are_at_their_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn byte(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    pub(super) const fn number(&mut self) -> usize {
        u16::from_be_bytes([self.byte(), self.byte()]) as usize
    }

    /// One of them.
    pub(super) fn pick<'b, T>(&mut self, from: &'b [T]) -> &'b T {
        &from[usize::from(self.byte()) % from.len()]
    }

    /// So many bytes, or those that are left.
    pub(super) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Changes `bytes` in up to three places, with pieces of `others`.
    pub(super) fn mutate(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        for _ in 0..self.byte() % 4 {
            let at = self.number() % (bytes.len() + 1);
            match self.byte() % 8 {
                0 | 1 => {
                    let value = self.byte();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = value;
                    }
                }
                2 => {
                    let length = usize::from(self.byte()) % BROUGHT_MAX;
                    let brought = self.bytes(length).iter().copied();
                    bytes.splice(at..at, brought);
                }
                3 => {
                    let end = (at + usize::from(self.byte())).min(bytes.len());
                    bytes.drain(at..end);
                }
                4 => bytes.truncate(at),
                5 => {
                    // The longest number there is, as a count or a length.
                    let end = (at + 1).min(bytes.len());
                    bytes.splice(at..end, [253].into_iter().chain([0xff; 8]));
                }
                6 => {
                    let end = (at + 8).min(bytes.len());
                    bytes[at..end].fill(if self.byte().is_multiple_of(2) {
                        0
                    } else {
                        0xff
                    });
                }
                _ => {
                    let other = self.pick(others);
                    let from = self.number() % (other.len() + 1);
                    let length = usize::from(self.byte());
                    let piece = &other[from..(from + length).min(other.len())];
                    let end = (at + piece.len()).min(bytes.len());
                    bytes.splice(at..end, piece.iter().copied());
                }
            }
        }
    }
}
