//! Step five, stream: relays a body, in either direction.
//!
//! A body is read strictly by its framing and relayed as it comes: the next piece is read only when
//! the sink has taken the last one, and no clock ends it. A long body of known length is spliced;
//! everything else goes through one buffer.

use std::io;

use crate::http::chunked::{ChunkedDecoder, Step};
use crate::http::framing::Framing;
use crate::http::malformed::Malformed;
use crate::metrics::counter::Meter;
use crate::net::buffer::{BODY_BUF, ReadBuf};
use crate::net::splice::{self, Side, Spliced};
use crate::net::stream::Stream;

/// Why a body was not relayed to its end.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// The source broke off, or its framing is wrong.
    Source(Malformed),
    /// The sink takes no more.
    Sink,
}

/// A body that is being relayed.
#[derive(Debug)]
pub(crate) struct Body {
    left: Left,
    /// What has been decoded and not been written yet.
    ready: Option<Step>,
    in_flight: bool,
    begun: bool,
    /// How many more bytes are copied until the body counts as large.
    small: u64,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunked(ChunkedDecoder),
    /// Until the source closes. `chunked` says that it is relayed in chunks, so that the sink's
    /// connection can stay; `ended` that the source has closed.
    Close {
        chunked: bool,
        ended: bool,
    },
}

impl Body {
    /// A body about to begin. `strip_framing` removes the chunked coding.
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

    /// Whether anything has been written, of the body or of the head before it.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether a write was begun that may have been taken only in part.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Relays `head` and what has been read already, without waiting.
    ///
    /// That completes most responses (`None`), and no future has to be set up. Otherwise it gives how
    /// many bytes of the head have been written, and `relay` continues from there.
    pub(crate) fn relay_now(
        &mut self,
        head: &[u8],
        input: &mut ReadBuf,
        to: &Stream,
        moved: Meter<'_>,
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
        moved.add(out as u64);
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

    /// Relays `head` and then the body to its end.
    ///
    /// `input` is what has been read of the source; bytes behind the body stay in it. `moved` counts
    /// the body's bytes, with the framing they are written in.
    pub(crate) async fn relay(
        &mut self,
        mut head: &[u8],
        from: &Stream,
        input: &mut ReadBuf,
        to: &Stream,
        moved: Meter<'_>,
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
            moved.add(step.emitted as u64);
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

    /// Counts what has been written, and enlarges the sink's buffer when the body proves large.
    fn count(&mut self, emitted: usize, to: &Stream) {
        if self.small > 0 {
            self.small = self.small.saturating_sub(emitted as u64);
            if self.small == 0 {
                to.grow_sndbuf();
            }
        }
    }

    /// Decodes what has come, and says how much of it to relay.
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

    /// Splices the rest of a long body of known length. Says whether the body is complete.
    async fn splice(
        &mut self,
        from: &Stream,
        to: &Stream,
        moved: Meter<'_>,
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
        moved.add(before - *left);
        match flow {
            Ok(Spliced::End) | Err(Side::Source) => Err(RelayError::Source(Malformed::Body)),
            Err(Side::Sink) => Err(RelayError::Sink),
            Ok(Spliced::Idle) => Ok(self.is_done()),
        }
    }
}

/// Writes the rest of a head and `count` bytes of `input`, with one system call if the head fits in
/// before them. The bytes stay in `input`.
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

/// Writes the rest of a head, and a piece of a body as a chunk unless it is empty.
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
