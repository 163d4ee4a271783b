//! A set of small numbers.

/// A set of small numbers, one bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// Puts a number in; whether it was not there.
    pub fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a number out; whether it was there.
    pub fn remove(&mut self, number: usize) -> bool {
        let was_there = self.contains(number);
        if was_there {
            self.words[number / 64] &= !(1 << (number % 64));
            self.len -= 1;
        }
        was_there
    }

    /// Whether a number is in it.
    pub fn contains(&self, number: usize) -> bool {
        let word = self.words.get(number / 64);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are in `other` too.
    pub fn common(&self, other: &Self) -> usize {
        let pairs = self.words.iter().zip(&other.words);
        pairs
            .map(|(one, other)| (one & other).count_ones() as usize)
            .sum()
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(index, word)| {
            let bits = (0..64).filter(move |bit| word & (1 << bit) != 0);
            bits.map(move |bit| index * 64 + bit)
        })
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<T: IntoIterator<Item = usize>>(numbers: T) -> Self {
        let mut bits = Self::default();
        for number in numbers {
            bits.insert(number);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_not_taken_out() {
        let mut bits: Bits = [3, 64, 200].into_iter().collect();
        assert!(!bits.insert(64) && bits.remove(3) && !bits.remove(3) && !bits.remove(1_000));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [64, 200]);
        assert_eq!(bits.common(&[64, 65].into_iter().collect()), 1);
        assert_eq!(
            (bits.len(), bits.is_empty(), bits.contains(200)),
            (2, false, true)
        );
    }
}
