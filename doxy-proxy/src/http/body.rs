//! Step five, stream: a body on its way, in either direction.
//!
//! It is read strictly by its framing and passed on as it comes: the next piece is asked for only
//! when the other side has taken the last, and no clock ends it. What is long and of known length
//! is spliced; the rest goes through one buffer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::http::chunked::{ChunkedDecoder, Step};
use crate::http::framing::Framing;
use crate::http::malformed::Malformed;
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::splice::{self, Side, Spliced};
use crate::net::stream::Stream;

/// Why a body could not be passed on to its end.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// The side it comes from broke off, or its framing is wrong.
    Source(Malformed),
    /// The side it goes to takes no more.
    Sink,
}

/// A body, as far as it has been passed on.
#[derive(Debug)]
pub(crate) struct Body {
    left: Left,
    /// What has been read of it, and is yet to be passed on.
    ready: Option<Step>,
    in_flight: bool,
    begun: bool,
    /// So much may yet be copied until it counts as large.
    small: u64,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunked(ChunkedDecoder),
    /// Until the connection ends. Whether it is passed on in chunks, so that the other one can
    /// stay, and whether its end has come.
    Close {
        chunked: bool,
        ended: bool,
    },
}

impl Body {
    /// A body about to begin. With `strip_framing` it is not chunked, though it was read so.
    pub(crate) fn new(framing: Framing, strip_framing: bool) -> Self {
        let left = match framing {
            Framing::None => Left::Length(0),
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunked(ChunkedDecoder::new(strip_framing)),
            Framing::Close => Left::Close {
                chunked: !strip_framing,
                ended: false,
            },
        };
        Self {
            left,
            ready: None,
            in_flight: false,
            begun: false,
            small: BODY_BUF as u64 * 4,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match &self.left {
            Left::Length(left) => *left == 0,
            Left::Chunked(chunks) => chunks.is_done(),
            Left::Close { ended, .. } => *ended,
        }
    }

    /// Has anything been written, be it of the head before it?
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Has a piece of it been given to the other side, and perhaps not been taken whole?
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Passes on what has been read already, and `head` before it, as far as that goes without waiting.
    ///
    /// Most answers are done with then, and nothing is set up that would wait. If not, it says how
    /// much of the head has been written; `relay` goes on from there.
    pub(crate) fn relay_now(
        &mut self,
        head: &[u8],
        input: &mut ReadBuf,
        to: &Stream,
        moved: &AtomicU64,
    ) -> Result<Option<usize>, RelayError> {
        if let Left::Close { chunked: true, .. } = self.left {
            return Ok(Some(0));
        }
        let step = self.advance(input).map_err(RelayError::Source)?;
        let together = step.emitted > 0 && input.prepend(head);
        let bytes = if together {
            input.unread().get(..head.len() + step.emitted)
        } else {
            Some(head)
        };
        let tried = to.try_write(bytes.unwrap_or_default());
        if together {
            input.consume(head.len());
        }
        let written = tried.map_err(|_| RelayError::Sink)?;
        self.begun |= written > 0;
        let out = written.saturating_sub(head.len());
        moved.fetch_add(out as u64, Relaxed);
        if out < step.emitted {
            input.consume(out);
            self.ready = Some(Step {
                consumed: step.consumed - out,
                emitted: step.emitted - out,
            });
        } else {
            input.consume(step.consumed);
            self.count(out, to);
            if self.is_done() && written >= head.len() {
                return Ok(None);
            }
        }
        Ok(Some(written.min(head.len())))
    }

    /// Passes the body on to its end, and `head` before it, in one piece with its beginning.
    ///
    /// `input` is what has been read of the source; what lies in it behind the body stays there.
    /// `moved` counts the body's bytes, with the framing they are written in.
    pub(crate) async fn relay(
        &mut self,
        mut head: &[u8],
        from: &Stream,
        input: &mut ReadBuf,
        to: &Stream,
        moved: &AtomicU64,
    ) -> Result<(), RelayError> {
        loop {
            // Gives other connections a turn when this one is always ready.
            tokio::task::consume_budget().await;
            let step = match self.ready.take() {
                Some(step) => step,
                None => self.advance(input).map_err(RelayError::Source)?,
            };
            self.in_flight = true;
            let written = if let Left::Close { chunked: true, .. } = self.left {
                let bytes = input.unread().get(..step.emitted).unwrap_or_default();
                Box::pin(write_chunk(to, head, bytes)).await
            } else {
                write(to, head, input, step.emitted).await
            };
            written.map_err(|_| RelayError::Sink)?;
            (self.in_flight, self.begun) = (false, true);
            self.count(step.emitted, to);
            head = &[];
            moved.fetch_add(step.emitted as u64, Relaxed);
            input.consume(step.consumed);
            if self.is_done() {
                return Ok(());
            }
            if input.is_empty() && self.splice(from, to, moved).await? {
                return Ok(());
            }
            match (input.fill(from, BODY_BUF).await, &mut self.left) {
                (Ok(0), Left::Close { chunked, ended }) => {
                    *ended = true;
                    let last: &[u8] = if *chunked { b"0\r\n\r\n" } else { b"" };
                    return to.write_all(last).await.map_err(|_| RelayError::Sink);
                }
                (Ok(0) | Err(_), _) => return Err(RelayError::Source(Malformed::Body)),
                (Ok(_), _) => {}
            }
        }
    }

    /// Counts what has been written, until that is so much that the other side is worth more room.
    fn count(&mut self, emitted: usize, to: &Stream) {
        if self.small > 0 {
            self.small = self.small.saturating_sub(emitted as u64);
            if self.small == 0 {
                to.grow_sndbuf();
            }
        }
    }

    /// Reads what has come, and says how much of it is to be passed on.
    pub(crate) fn advance(&mut self, input: &mut ReadBuf) -> Result<Step, Malformed> {
        let here = input.unread().len();
        let consumed = match &mut self.left {
            Left::Chunked(chunks) => return chunks.advance(input.unread_mut()),
            Left::Length(left) => {
                let consumed = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= consumed as u64;
                consumed
            }
            Left::Close { .. } => here,
        };
        Ok(Step {
            consumed,
            emitted: consumed,
        })
    }

    /// Moves what is left without looking at it, where that is worth it and its length is known.
    /// Says whether that was all.
    async fn splice(
        &mut self,
        from: &Stream,
        to: &Stream,
        moved: &AtomicU64,
    ) -> Result<bool, RelayError> {
        let Left::Length(left) = &mut self.left else {
            return Ok(false);
        };
        if *left < BODY_BUF as u64 {
            return Ok(false);
        }
        let before = *left;
        self.in_flight = true;
        let flow = Box::pin(splice::splice_some(from, to, left)).await;
        self.in_flight = false;
        moved.fetch_add(before - *left, Relaxed);
        match flow {
            Ok(Spliced::End) | Err(Side::Source) => Err(RelayError::Source(Malformed::Body)),
            Err(Side::Sink) => Err(RelayError::Sink),
            Ok(Spliced::Idle) => Ok(self.is_done()),
        }
    }
}

/// Writes a head, if there is one left, and so many bytes of what has been read: in one piece, where
/// the head fits in before them. The bytes stay where they are.
async fn write(to: &Stream, head: &[u8], input: &mut ReadBuf, count: usize) -> io::Result<()> {
    if !head.is_empty() && count > 0 && input.prepend(head) {
        let all = head.len() + count;
        let written = to
            .write_all(input.unread().get(..all).unwrap_or_default())
            .await;
        input.consume(head.len());
        return written;
    }
    let bytes = input.unread().get(..count).unwrap_or_default();
    to.write_both(head, bytes).await
}

/// Writes a head, if there is one left, and a piece of a body as a chunk, if there is any of it.
async fn write_chunk(to: &Stream, head: &[u8], bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return to.write_all(head).await;
    }
    let mut before = head.to_vec();
    before.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    to.write_both(&before, bytes).await?;
    to.write_all(b"\r\n").await
}

#[cfg(test)]
mod tests;
