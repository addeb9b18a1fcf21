//! The number that doxy gives to each request. It ties an answer of doxy's own to its record.
//!
//! It is no secret and decides nothing. What a client calls its request is another thing. It must not tell
//! a client how many requests others make, so numbers that follow each other look unrelated.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The numbers of one socket's requests on one thread, from a random one on: those of other sockets,
/// threads and runs are others.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// How many there were, and the random one.
    count: AtomicU64,
    mix: Mix,
}

/// A map of all numbers onto all numbers, each to another. Two random factors make it, so who sees some
/// of the results cannot tell at a glance what is between them. It is no cipher.
#[derive(Debug, Clone, Copy)]
struct Mix([u64; 2]);

/// The one of this process: with one for each socket, two could have the same number.
static MIX: LazyLock<Mix> = LazyLock::new(Mix::random);

/// The number of one request: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestIds {
    pub(crate) fn next(&self) -> RequestId {
        RequestId(self.mix.of(self.count.fetch_add(1, Relaxed)))
    }
}

impl Mix {
    fn random() -> Self {
        // Odd, so that no bit is lost.
        Self([random() | 1, random() | 1])
    }

    fn of(self, number: u64) -> u64 {
        let Self([first, second]) = self;
        // A product says nothing of its high bits in its low ones.
        let once = number.wrapping_mul(first);
        let twice = (once ^ once >> 32).wrapping_mul(second);
        twice ^ twice >> 32
    }
}

/// The keys of this hash come from the kernel.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

impl Default for RequestIds {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(random()),
            mix: *MIX,
        }
    }
}

/// A clone has numbers of its own.
impl Clone for RequestIds {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl RequestId {
    /// Without a loop, as every answer of doxy's own has them.
    pub(crate) fn digits(self) -> [u8; 16] {
        let [high, low] = [self.0 >> 32, self.0 & 0xFFFF_FFFF].map(|half| {
            // Each half byte moves into a byte of its own.
            let pairs = (half | half << 16) & 0x0000_FFFF_0000_FFFF;
            let bytes = (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF;
            let nibbles = (bytes | bytes << 4) & 0x0F0F_0F0F_0F0F_0F0F;
            // One in each byte that is ten or more.
            let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
            nibbles + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)
        });
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashSet;

    use super::{Mix, RequestId, RequestIds, random};

    #[test]
    fn digits_are_hexadecimal() {
        let mut numbers = vec![
            0,
            9,
            10,
            0x0123_4567_89AB_CDEF,
            0xFEDC_BA98_7654_3210,
            u64::MAX,
        ];
        numbers.extend((0..64).map(|bit| 1 << bit));
        for number in numbers {
            let digits = RequestId(number).digits();
            assert_eq!(str::from_utf8(&digits), Ok(&*RequestId(number).to_string()));
        }
    }

    #[test]
    fn each_request_has_another_number() {
        let ids = RequestIds::default();
        let others = [RequestIds::default(), ids.clone()];
        let mut seen = HashSet::new();
        for _ in 0..20_000 {
            for ids in [&ids, &others[0], &others[1]] {
                assert!(seen.insert(ids.next().0));
            }
        }
    }

    /// Undone step by step it is the number again, so no two numbers have the same result.
    #[test]
    fn a_mix_loses_nothing() {
        // By Newton's method, which doubles the bits that are right.
        let inverse = |factor: u64| {
            (0..6).fold(factor, |inverse, _| {
                let error = 2_u64.wrapping_sub(factor.wrapping_mul(inverse));
                inverse.wrapping_mul(error)
            })
        };
        for _ in 0..100 {
            let mix = Mix::random();
            let Mix([first, second]) = mix;
            let numbers = [0, 1, u64::MAX].into_iter();
            for number in numbers.chain((0..100).map(|_| random())) {
                let mixed = mix.of(number);
                let once = (mixed ^ mixed >> 32).wrapping_mul(inverse(second));
                let undone = (once ^ once >> 32).wrapping_mul(inverse(first));
                assert_eq!(undone, number, "{mix:?}");
            }
        }
    }

    /// Who makes requests at both ends of a minute learns nothing of those between.
    #[test]
    fn numbers_tell_no_count() {
        let ids = RequestIds::default();
        let numbers: Vec<_> = (0..10_000).map(|_| ids.next().0).collect();
        let pairs = || numbers.iter().zip(&numbers[1..]);
        let steps: HashSet<_> = pairs().map(|(a, b)| b.wrapping_sub(*a)).collect();
        assert!(steps.len() > 9_900, "{}", steps.len());
        let up = pairs().filter(|(a, b)| a < b).count();
        assert!((3_000..7_000).contains(&up), "{up}");
    }
}
