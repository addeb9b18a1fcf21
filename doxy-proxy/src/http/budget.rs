//! Bodies that are held while they are judged, and the memory that they may take up together.
//!
//! One body is bounded by its own limit; but as many clients as may connect could each send one and
//! then stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most that all held bodies take up, in bytes, or one body if that may be larger.
const MOST: usize = 64 << 20;

/// What all held bodies take up, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyBudget(Arc<AtomicUsize>);

/// A body, as far as it has been read. Dropped, it makes room for others.
#[derive(Debug)]
pub(crate) struct CollectedBody {
    bytes: Vec<u8>,
    all: BodyBudget,
    counted: usize,
}

impl BodyBudget {
    /// An empty body.
    pub(crate) fn body(&self) -> CollectedBody {
        CollectedBody {
            bytes: Vec::new(),
            all: self.clone(),
            counted: 0,
        }
    }
}

impl CollectedBody {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a piece, if there is room. `largest` is the limit of one body.
    pub(crate) fn push(&mut self, piece: &[u8], largest: usize) -> bool {
        let most = MOST.max(largest);
        let before = self.all.0.fetch_add(piece.len(), Relaxed);
        self.counted += piece.len();
        if before.saturating_add(piece.len()) > most {
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    /// Takes the bytes out. They are still counted, until this is dropped.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for CollectedBody {
    fn drop(&mut self) {
        self.all.0.fetch_sub(self.counted, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyBudget, MOST};

    #[test]
    fn bodies_share_the_room_and_give_it_back() {
        let held = BodyBudget::default();
        let piece = vec![0; MOST / 4];
        let mut bodies: Vec<_> = (0..4).map(|_| held.body()).collect();
        for body in &mut bodies {
            assert!(body.push(&piece, 1));
        }
        let mut late = held.body();
        assert!(!late.push(b"x", 1));
        assert_eq!(late.bytes(), b"");
        drop(late);
        // What has been taken out is still somewhere.
        let taken = bodies.first_mut().map(super::CollectedBody::take);
        assert!(!held.body().push(b"x", 1));
        drop((bodies, taken));
        assert!(held.body().push(&vec![0; MOST], 1));
        // One body may always be as large as one may be.
        assert!(held.body().push(&vec![0; MOST + 1], MOST + 1));
    }
}
