//! A request's body as the policy sees it: read whole, up to a limit, in memory that is shared between
//! peers. It is read for a policy alone; every other body streams.

use std::borrow::Cow;

use crate::http::body::Body;
use crate::http::framing::Framing;
use crate::net::block::Block;
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::stream::Stream;
use crate::shares::memory::{Held, Memory};
use crate::shares::sharer::Sharer;

/// What a body of unknown length begins with, in bytes.
const FIRST: usize = 16 << 10;

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

/// A body that has been read from its client, without its framing.
#[derive(Debug)]
pub(crate) struct CollectedBody {
    bytes: Block,
    length: usize,
    /// It counts until this is dropped. None for what nobody has sent.
    held: Option<Held>,
}

/// How much longer a policy may make a body, in bytes.
#[cfg(feature = "script")]
const MAX_ADDED: usize = 64 << 10;

impl CollectedBody {
    /// An empty body with room for what is held.
    fn new(held: Held) -> Self {
        Self {
            bytes: Block::new(held.bytes()),
            length: 0,
            held: Some(held),
        }
    }

    /// A body that nobody has sent. It counts nowhere.
    #[cfg(feature = "script")]
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self {
            length: bytes.len(),
            bytes: bytes.into(),
            held: None,
        }
    }

    /// The body that a policy has made of this one. It counts as this one does. None if it is too much
    /// longer, or if there is no memory for it.
    #[cfg(feature = "script")]
    pub(crate) fn replaced(self, by: Vec<u8>) -> Option<Self> {
        let added = by.len().saturating_sub(self.bytes.len());
        let mut held = self.held;
        let fits = added <= MAX_ADDED
            && held
                .as_mut()
                .is_none_or(|held| added == 0 || held.grow(added, by.len()));
        fits.then(|| Self {
            held,
            ..Self::of(by)
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Appends a piece, unless there is no memory for it. `limit` is that of one body, in bytes.
    fn push(&mut self, piece: &[u8], limit: usize) -> bool {
        let length = self.length + piece.len();
        if length > self.bytes.len() {
            let size = length.max(self.bytes.len() * 2).min(limit);
            if size < length || !self.grow(size - self.bytes.len(), limit) {
                return false;
            }
            let mut larger = Block::new(size);
            if let Some(start) = larger.get_mut(..self.length) {
                start.copy_from_slice(self.bytes());
            }
            self.bytes = larger;
        }
        let Some(room) = self.bytes.get_mut(self.length..length) else {
            return false;
        };
        room.copy_from_slice(piece);
        self.length = length;
        true
    }

    fn grow(&mut self, bytes: usize, limit: usize) -> bool {
        let held = self.held.as_mut();
        held.is_some_and(|held| held.grow(bytes, limit))
    }

    /// Takes the bytes out. They count until this is dropped.
    pub(crate) fn take(&mut self) -> ReadBuf {
        ReadBuf::from_block(std::mem::take(&mut self.bytes), self.length)
    }
}

/// Why a body could not be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CollectError {
    /// It is longer than the limit.
    TooLarge,
    /// There is no memory for it, and its peer holds its share.
    NoMemory,
    /// It ended early, or its framing is wrong.
    Broken,
    /// It did not come in time.
    TimedOut,
}

/// Reads a body to its end, and removes its framing. What `input` holds behind the body stays there.
///
/// All the memory that the body can take is held before any of it is read, if its length is known.
pub(crate) async fn collect(
    framing: Framing,
    from: &Stream,
    input: &mut ReadBuf,
    (memory, sharer): (&Memory, Sharer),
    limit: usize,
) -> Result<CollectedBody, CollectError> {
    let first = match framing {
        Framing::Length(length) if length > limit as u64 => return Err(CollectError::TooLarge),
        Framing::Length(length) => usize::try_from(length).unwrap_or(limit),
        _ => FIRST.min(limit),
    };
    let held = memory.hold(sharer, first, limit).await;
    let mut collected = CollectedBody::new(held.ok_or(CollectError::NoMemory)?);
    let mut body = Body::new(framing, true);
    loop {
        let step = body.advance(input).map_err(|_| CollectError::Broken)?;
        if collected.length + step.emitted > limit {
            return Err(CollectError::TooLarge);
        }
        let piece = input.unread().get(..step.emitted).unwrap_or_default();
        if !collected.push(piece, limit) {
            return Err(CollectError::NoMemory);
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

#[cfg(test)]
mod tests {
    use super::{CollectedBody, FIRST, Memory};
    use crate::net::peer::Identity;
    use crate::shares::sharer::Sharer;

    #[tokio::test]
    async fn a_body_grows_up_to_its_limit_and_is_held_until_it_is_gone() {
        let memory = Memory::default();
        let limit = 3 * FIRST;
        let sharer = Sharer {
            socket: 0,
            identity: Identity::Unknown,
        };
        let held = memory.hold(sharer, FIRST, limit).await;
        let Some(mut body) = held.map(CollectedBody::new) else {
            return assert_eq!(1, 2, "no memory");
        };
        let mut all = Vec::new();
        for byte in 0..3 {
            let piece = vec![byte; FIRST];
            assert!(body.push(&piece, limit));
            all.extend(piece);
            assert_eq!(body.bytes(), all);
        }
        assert!(!body.push(b"x", limit));
        assert_eq!(body.take().unread(), all);
        assert_eq!(body.held.map(|held| held.bytes()), Some(limit));
    }
}
