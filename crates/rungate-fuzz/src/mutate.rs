//! Changes inputs in the ways that break readers: bits, numbers, words of the format, pieces cut, doubled and moved.

use std::ops::Range;

/// Numbers from a seed: the same for the same seed on every machine (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> Option<&'a T> {
        from.get(self.below(from.len())).copied()
    }

    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length);
        // Short pieces more often than long ones.
        let most = 1 << self.below(9);
        start..(start + 1 + self.below(most)).min(length)
    }
}

/// Numbers at the edges of types, as text.
const NUMBERS: [&[u8]; 16] = [
    b"0",
    b"-0",
    b"-1",
    b"1",
    b"127",
    b"128",
    b"255",
    b"65536",
    b"2147483648",
    b"4294967295",
    b"4294967296",
    b"9007199254740993",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e400",
];
/// Bytes that mean something to one of the readers.
const BYTES: &[u8] = b"\0\n\r\t \"\\{}[]:,-+.eE/=;0\x7f\x80\xc3\xed\xf0\xff";

/// Changes an input once or a few times. `others` are inputs to take pieces from, `words` those of the format.
pub fn mutate(
    random: &mut Random,
    input: &[u8],
    others: &[&[u8]],
    words: &[&[u8]],
    max_bytes: usize,
) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        step(random, &mut bytes, others, words);
        bytes.truncate(max_bytes);
    }
    bytes
}

fn step(random: &mut Random, bytes: &mut Vec<u8>, others: &[&[u8]], words: &[&[u8]]) {
    let at = random.below(bytes.len() + 1);
    let range = random.range(bytes.len());
    match random.below(12) {
        0 if !bytes.is_empty() => bytes[range.start] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[range.start] = random.byte(),
        2 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
        3 | 4 => insert(bytes, at, random.pick(words).unwrap_or(b"")),
        5 => insert(bytes, at, random.pick(&NUMBERS).unwrap_or(b"")),
        6 => replace_number(random, bytes, range.start),
        7 => drop(bytes.drain(range)),
        8 => {
            let copy = bytes[range].to_vec();
            (0..=random.below(3)).for_each(|_| insert(bytes, at, &copy));
        }
        9 => bytes.truncate(at),
        10 => {
            let moved: Vec<u8> = bytes.drain(range).collect();
            let to = random.below(bytes.len() + 1);
            insert(bytes, to, &moved);
        }
        _ => {
            let other = random.pick(others).unwrap_or(b"");
            let piece = &other[random.range(other.len())];
            insert(bytes, at, piece);
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Puts another number in the place of the first behind `from`.
fn replace_number(random: &mut Random, bytes: &mut Vec<u8>, from: usize) {
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|offset| from + offset) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = random.pick(&NUMBERS).unwrap_or(b"");
    bytes.splice(start..start + length, number.iter().copied());
}

/// The words of a dictionary: one a line, in quotes, with `\xNN`, `\"` and `\\`.
pub fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let quoted = |line: &str| Some(unescape(line.trim().strip_prefix('"')?.strip_suffix('"')?));
    dictionary.lines().filter_map(quoted).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match (byte, behind) {
            (b'\\', [b'x', digits @ ..]) if digits.len() >= 2 => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits[..2]).unwrap(), 16).unwrap());
                &digits[2..]
            }
            (b'\\', [escaped, behind @ ..]) => {
                bytes.push(*escaped);
                behind
            }
            _ => {
                bytes.push(byte);
                behind
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_another_seed_others() {
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..64).map(|_| mutate(&mut random, b"one 1", &[b"two"], &[b"word"], 64)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        assert!(run(3).iter().all(|bytes| bytes.len() <= 64));
    }

    #[test]
    fn a_dictionary_is_read_as_libfuzzer_reads_it() {
        assert_eq!(words("# words\n\"a\\x0a\\\"\\\\\"\nno word\n"), [b"a\n\"\\"]);
    }
}
