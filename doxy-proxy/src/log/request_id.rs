//! The number that doxy gives to each request. It ties an answer of doxy's own to its record.
//!
//! It is no secret and decides nothing. What a client calls its request is another thing.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The numbers of one socket's requests on one thread, from a random one on: those of other sockets,
/// threads and runs are others.
#[derive(Debug)]
pub(crate) struct RequestIds(AtomicU64);

/// The number of one request: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(u64);

impl RequestIds {
    pub(crate) fn next(&self) -> RequestId {
        RequestId(self.0.fetch_add(1, Relaxed))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        // The keys of this hash come from the kernel.
        Self(AtomicU64::new(RandomState::new().hash_one(())))
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
mod tests {
    use super::{RequestId, RequestIds};

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
        let (first, second) = (ids.next(), ids.next());
        assert_eq!(first.0.wrapping_add(1), second.0);
        // Two of 2^64 random numbers are near each other once in an age of the world.
        let distance = ids.clone().next().0.wrapping_sub(first.0);
        assert!(distance.min(distance.wrapping_neg()) > 1000);
    }
}
