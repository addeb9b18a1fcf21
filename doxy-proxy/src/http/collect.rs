//! A request's body as the policy sees it, and the memory that collected bodies take together.
//!
//! One body is bounded by its own limit. The budget bounds all of them: as many clients as may
//! connect could each send most of a body and then stop.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::http::body::Body;
use crate::http::framing::Framing;
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::stream::Stream;

/// The most that all collected bodies take together, in bytes; or one body, if its limit is larger.
const BUDGET: usize = 64 << 20;

/// What is known of a request's body. The policy judges by it, and it is what will be forwarded.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// Nobody has asked for it: it streams from the client.
    Unread,
    /// All of it has been read, and is forwarded from here.
    Collected(CollectedBody),
    /// It could not be read. The reason is for the client.
    Unreadable(
        #[cfg_attr(
            not(feature = "script"),
            expect(dead_code, reason = "only a script's denial quotes it")
        )]
        Cow<'static, str>,
    ),
}

impl RequestBody {
    /// The length of what is still to be read from the client, if it is known.
    pub(crate) fn unread(&self, framing: Framing) -> Option<usize> {
        match self {
            Self::Unread => framing.length(),
            Self::Collected(_) => Some(0),
            Self::Unreadable(_) => None,
        }
    }
}

/// What all collected bodies take, in bytes. A clone is the same budget.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyBudget(Arc<AtomicUsize>);

/// A body that has been read from its client, without its framing. It counts until it is dropped.
#[derive(Debug)]
pub(crate) struct CollectedBody {
    bytes: Vec<u8>,
    budget: BodyBudget,
    counted: usize,
}

impl BodyBudget {
    /// An empty body.
    pub(crate) fn body(&self) -> CollectedBody {
        CollectedBody {
            bytes: Vec::new(),
            budget: self.clone(),
            counted: 0,
        }
    }
}

impl CollectedBody {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a piece, unless the budget is spent. `limit` is that of one body, in bytes.
    pub(crate) fn push(&mut self, piece: &[u8], limit: usize) -> bool {
        let budget = BUDGET.max(limit);
        let before = self.budget.0.fetch_add(piece.len(), Relaxed);
        self.counted += piece.len();
        if before.saturating_add(piece.len()) > budget {
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    /// Takes the bytes out. They count until this is dropped.
    pub(crate) fn take(&mut self) -> ReadBuf {
        let bytes = std::mem::take(&mut self.bytes);
        let length = bytes.len();
        ReadBuf::from_block(bytes.into(), length)
    }
}

/// Why a body could not be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CollectError {
    /// It is longer than the limit.
    TooLarge,
    /// Other bodies have spent the budget.
    OverBudget,
    /// It ended early, or its framing is wrong.
    Broken,
    /// It did not come in time.
    TimedOut,
}

/// Reads a body to its end, and removes its framing. What `input` holds behind the body stays there.
pub(crate) async fn collect(
    framing: Framing,
    from: &Stream,
    input: &mut ReadBuf,
    budget: &BodyBudget,
    limit: usize,
) -> Result<CollectedBody, CollectError> {
    if matches!(framing, Framing::Length(length) if length > limit as u64) {
        return Err(CollectError::TooLarge);
    }
    let mut collected = budget.body();
    let mut body = Body::new(framing, true);
    loop {
        let step = body.advance(input).map_err(|_| CollectError::Broken)?;
        if collected.bytes().len() + step.emitted > limit {
            return Err(CollectError::TooLarge);
        }
        let piece = input.unread().get(..step.emitted).unwrap_or_default();
        if !collected.push(piece, limit) {
            return Err(CollectError::OverBudget);
        }
        input.consume(step.consumed);
        if body.is_done() {
            return Ok(collected);
        }
        if !matches!(input.fill(from, BODY_BUF).await, Ok(1..)) {
            return Err(CollectError::Broken);
        }
    }
}

impl Drop for CollectedBody {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.counted, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{BUDGET, BodyBudget, CollectedBody};

    #[test]
    fn bodies_share_the_budget_and_give_it_back() {
        let budget = BodyBudget::default();
        let piece = vec![0; BUDGET / 4];
        let mut bodies: Vec<_> = (0..4).map(|_| budget.body()).collect();
        for body in &mut bodies {
            assert!(body.push(&piece, 1));
        }
        let mut late = budget.body();
        assert!(!late.push(b"x", 1));
        assert_eq!(late.bytes(), b"");
        drop(late);
        // Bytes that were taken out still exist, so they still count.
        let taken = bodies.first_mut().map(CollectedBody::take);
        assert!(!budget.body().push(b"x", 1));
        drop((bodies, taken));
        assert!(budget.body().push(&vec![0; BUDGET], 1));
        // One body may always be as large as its own limit.
        assert!(budget.body().push(&vec![0; BUDGET + 1], BUDGET + 1));
    }
}
