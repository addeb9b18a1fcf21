//! Step five, stream: a body on its way, in either direction.
//!
//! It is read strictly by its framing and passed on as it comes: the next piece is asked for only
//! when the other side has taken the last, and no clock ends it. What is long and of known length
//! is spliced; the rest goes through one buffer.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Malformed;
use crate::http::chunks::{Chunks, Step};
use crate::http::held::HeldBody;
use crate::net::buffer::{Input, LARGE};
use crate::net::pipe::{self, Flow, Side};
use crate::net::socket::Socket;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By its length, in bytes.
    Length(u64),
    /// By the chunked transfer coding.
    Chunked,
    /// By the end of the connection. Only an answer's can be.
    Close,
}

impl Framing {
    /// How long the body is, if its head tells and a buffer could hold it.
    pub(crate) fn length(self) -> Option<usize> {
        match self {
            Self::None => Some(0),
            Self::Length(length) => usize::try_from(length).ok(),
            Self::Chunked | Self::Close => None,
        }
    }
}

/// Why a body could not be passed on to its end.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The side it comes from broke off, or its framing is wrong.
    Source(Malformed),
    /// The side it goes to takes no more.
    Sink,
}

/// Why a body could not be read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    TooLarge,
    /// Others take up all the room that there is for bodies.
    NoRoom,
    Broken,
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
    Chunked(Chunks),
    /// Until the connection ends. Whether it is passed on in chunks, so that the other one can
    /// stay, and whether its end has come.
    Close {
        chunked: bool,
        ended: bool,
    },
}

impl Body {
    /// A body about to begin. Written `bare` it is not chunked, though it was read so.
    pub(crate) fn new(framing: Framing, bare: bool) -> Self {
        let left = match framing {
            Framing::None => Left::Length(0),
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunked(Chunks::new(bare)),
            Framing::Close => Left::Close {
                chunked: !bare,
                ended: false,
            },
        };
        Self {
            left,
            ready: None,
            in_flight: false,
            begun: false,
            small: LARGE as u64 * 4,
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
        input: &mut Input,
        to: &Socket,
        moved: &AtomicU64,
    ) -> Result<Option<usize>, Cut> {
        if let Left::Close { chunked: true, .. } = self.left {
            return Ok(Some(0));
        }
        let step = self.advance(input).map_err(Cut::Source)?;
        let together = step.out > 0 && input.prepend(head);
        let bytes = if together {
            input.unread().get(..head.len() + step.out)
        } else {
            Some(head)
        };
        let tried = to.try_write(bytes.unwrap_or_default());
        if together {
            input.consume(head.len());
        }
        let written = tried.map_err(|_| Cut::Sink)?;
        self.begun |= written > 0;
        let out = written.saturating_sub(head.len());
        moved.fetch_add(out as u64, Relaxed);
        if out < step.out {
            input.consume(out);
            self.ready = Some(Step {
                used: step.used - out,
                out: step.out - out,
            });
        } else {
            input.consume(step.used);
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
        from: &Socket,
        input: &mut Input,
        to: &Socket,
        moved: &AtomicU64,
    ) -> Result<(), Cut> {
        loop {
            // Gives other connections a turn when this one is always ready.
            tokio::task::consume_budget().await;
            let step = match self.ready.take() {
                Some(step) => step,
                None => self.advance(input).map_err(Cut::Source)?,
            };
            self.in_flight = true;
            let written = if let Left::Close { chunked: true, .. } = self.left {
                let bytes = input.unread().get(..step.out).unwrap_or_default();
                Box::pin(write_chunk(to, head, bytes)).await
            } else {
                write(to, head, input, step.out).await
            };
            written.map_err(|_| Cut::Sink)?;
            (self.in_flight, self.begun) = (false, true);
            self.count(step.out, to);
            head = &[];
            moved.fetch_add(step.out as u64, Relaxed);
            input.consume(step.used);
            if self.is_done() {
                return Ok(());
            }
            if input.is_empty() && self.splice(from, to, moved).await? {
                return Ok(());
            }
            match (input.fill(from, LARGE).await, &mut self.left) {
                (Ok(0), Left::Close { chunked, ended }) => {
                    *ended = true;
                    let last: &[u8] = if *chunked { b"0\r\n\r\n" } else { b"" };
                    return to.write_all(last).await.map_err(|_| Cut::Sink);
                }
                (Ok(0) | Err(_), _) => return Err(Cut::Source(Malformed::Body)),
                (Ok(_), _) => {}
            }
        }
    }

    /// Counts what has been written, until that is so much that the other side is worth more room.
    fn count(&mut self, out: usize, to: &Socket) {
        if self.small > 0 {
            self.small = self.small.saturating_sub(out as u64);
            if self.small == 0 {
                to.widen();
            }
        }
    }

    /// Reads the body to its end into `held` instead of passing it on, without its framing: make it
    /// `bare`.
    pub(crate) async fn read(
        &mut self,
        from: &Socket,
        input: &mut Input,
        held: &mut HeldBody,
        most: usize,
    ) -> Result<(), Unread> {
        if matches!(self.left, Left::Length(left) if left > most as u64) {
            return Err(Unread::TooLarge);
        }
        loop {
            let step = self.advance(input).map_err(|_| Unread::Broken)?;
            if held.bytes().len() + step.out > most {
                return Err(Unread::TooLarge);
            }
            let piece = input.unread().get(..step.out).unwrap_or_default();
            if !held.push(piece, most) {
                return Err(Unread::NoRoom);
            }
            input.consume(step.used);
            if self.is_done() {
                return Ok(());
            }
            if !matches!(input.fill(from, LARGE).await, Ok(1..)) {
                return Err(Unread::Broken);
            }
        }
    }

    /// Reads what has come, and says how much of it is to be passed on.
    fn advance(&mut self, input: &mut Input) -> Result<Step, Malformed> {
        let here = input.unread().len();
        let used = match &mut self.left {
            Left::Chunked(chunks) => return chunks.advance(input.unread_mut()),
            Left::Length(left) => {
                let used = usize::try_from(*left).map_or(here, |left| left.min(here));
                *left -= used as u64;
                used
            }
            Left::Close { .. } => here,
        };
        Ok(Step { used, out: used })
    }

    /// Moves what is left without looking at it, where that is worth it and its length is known.
    /// Says whether that was all.
    async fn splice(&mut self, from: &Socket, to: &Socket, moved: &AtomicU64) -> Result<bool, Cut> {
        let Left::Length(left) = &mut self.left else {
            return Ok(false);
        };
        if *left < LARGE as u64 {
            return Ok(false);
        }
        let before = *left;
        self.in_flight = true;
        let flow = Box::pin(pipe::flow(from, to, left)).await;
        self.in_flight = false;
        moved.fetch_add(before - *left, Relaxed);
        match flow {
            Ok(Flow::End) | Err(Side::Source) => Err(Cut::Source(Malformed::Body)),
            Err(Side::Sink) => Err(Cut::Sink),
            Ok(Flow::Still) => Ok(self.is_done()),
        }
    }
}

/// Writes a head, if there is one left, and so many bytes of what has been read: in one piece, where
/// the head fits in before them. The bytes stay where they are.
async fn write(to: &Socket, head: &[u8], input: &mut Input, count: usize) -> io::Result<()> {
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
async fn write_chunk(to: &Socket, head: &[u8], bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return to.write_all(head).await;
    }
    let mut before = head.to_vec();
    before.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    to.write_both(&before, bytes).await?;
    to.write_all(b"\r\n").await
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write as _};
    use std::os::unix::net::UnixStream as StdStream;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use rustix::net::sockopt::set_socket_send_buffer_size;
    use tokio::net::UnixStream;

    use super::{Body, Framing};
    use crate::net::buffer::{Input, LARGE};
    use crate::net::socket::Socket;

    fn socket(stream: StdStream) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        Ok(Socket::Unix(UnixStream::from_std(stream)?))
    }

    /// Passes a head and a body on to a socket that takes next to nothing at a time, and gives what
    /// came out at its other end, and how much of a body it is said to have been.
    async fn passed_on(
        head: &[u8],
        framing: Framing,
        body: Vec<u8>,
        first: usize,
    ) -> io::Result<(Vec<u8>, u64)> {
        let (mut engine, from) = StdStream::pair()?;
        let (mut client, to) = StdStream::pair()?;
        set_socket_send_buffer_size(&to, 1)?;
        let (from, to) = (socket(from)?, socket(to)?);
        let mut input = Input::default();
        // What has come with the head of the answer, of which there is none here.
        let (at_once, later) = body.split_at(first.min(body.len()));
        engine.write_all(at_once)?;
        if !at_once.is_empty() {
            input.fill(&from, LARGE).await?;
        }
        let later = later.to_vec();
        let sender = thread::spawn(move || engine.write_all(&later));
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            client.read_to_end(&mut got).map(|_| got)
        });
        let moved = AtomicU64::new(0);
        let mut passed = Body::new(framing, false);
        let now = passed.relay_now(head, &mut input, &to, &moved);
        if let Some(written) = now.map_err(|cut| io::Error::other(format!("{cut:?}")))? {
            let rest = head.get(written..).unwrap_or_default();
            let relayed = passed.relay(rest, &from, &mut input, &to, &moved).await;
            relayed.map_err(|cut| io::Error::other(format!("{cut:?}")))?;
        }
        assert!(passed.is_done() && passed.has_begun() && input.is_empty());
        drop(to);
        let ended = || io::Error::other("a thread has panicked");
        sender.join().map_err(|_| ended())??;
        Ok((reader.join().map_err(|_| ended())??, moved.into_inner()))
    }

    #[tokio::test]
    async fn whatever_the_other_side_takes_at_a_time() -> io::Result<()> {
        for head in [&b"HEAD\r\n\r\n"[..], &[b'h'; 5_000]] {
            for size in [0, 1, 100, 4_000, 9_000, 60_000, 200_000] {
                for first in [0, size / 2, size] {
                    let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                    let framing = Framing::Length(size as u64);
                    let (got, moved) = passed_on(head, framing, body.clone(), first).await?;
                    assert!(got == [head, &body].concat(), "{size} {first}");
                    assert_eq!(moved, size as u64);

                    let mut chunked = Vec::new();
                    for chunk in body.chunks(777) {
                        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                        chunked.extend(chunk);
                        chunked.extend(b"\r\n");
                    }
                    chunked.extend(b"0\r\n\r\n");
                    let (got, moved) =
                        passed_on(head, Framing::Chunked, chunked.clone(), first).await?;
                    assert!(got == [head, &chunked].concat(), "{size} {first}");
                    assert_eq!(moved, chunked.len() as u64);
                }
            }
        }
        Ok(())
    }
}
