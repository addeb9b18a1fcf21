//! Bytes that have been read from a socket and not been used yet.
//!
//! A connection holds memory only while it has bytes: the buffer is taken when there is something
//! to read, and goes back to a few that are kept when all of it is used. Those are used again
//! last one first, while they still are in the processor's cache.

use std::cell::RefCell;
use std::io;

use crate::net::stream::Stream;

/// Room for the head of a request; most are a tenth of it.
pub(crate) const HEAD_BUF: usize = 8 * 1024;
/// Room for an answer, or a piece of a body. Measured: four times as much leaves the processor's
/// cache and costs a third more.
pub(crate) const BODY_BUF: usize = 64 * 1024;
/// Room that is left before what is read: a head that is written anew may be longer than it was, and
/// still stands in one piece with the body behind it.
pub(crate) const HEADROOM: usize = 128;
/// How many of each size are kept for the next who needs one.
const KEPT: usize = 16;

thread_local! {
    static SPARE: RefCell<[Vec<Vec<u8>>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// What has been read and not been used. Without bytes it owns no memory.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReadBuf {
    /// Bytes that have been read already, as if from a socket.
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        let end = bytes.len();
        Self {
            bytes,
            start: 0,
            end,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What has not been used.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to be changed in place.
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// So many bytes have been used.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
        if self.is_empty() {
            self.release();
        }
    }

    /// Puts bytes before those that have not been used, if there is room where used ones were.
    pub(crate) fn prepend(&mut self, bytes: &[u8]) -> bool {
        let Some(start) = self.start.checked_sub(bytes.len()) else {
            return false;
        };
        let Some(room) = self.bytes.get_mut(start..self.start) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.start = start;
        true
    }

    /// Did the last read take as much as there was room for? Then there may be more.
    pub(crate) fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Waits for bytes and reads what is there: once, and not more than fits.
    ///
    /// `size` is that of a new buffer; one in use that is full is doubled. Nought bytes are the
    /// end of the socket.
    pub(crate) async fn fill(&mut self, from: &Stream, size: usize) -> io::Result<usize> {
        loop {
            // An empty one waits without memory.
            from.readable().await?;
            if let Some(read) = self.try_fill(from, size)? {
                return Ok(read);
            }
        }
    }

    fn try_fill(&mut self, from: &Stream, size: usize) -> io::Result<Option<usize>> {
        if self.bytes.is_empty() {
            self.bytes = take(size);
            (self.start, self.end) = (HEADROOM, HEADROOM);
        } else if self.is_full() {
            if self.start > HEADROOM {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.bytes.resize(self.bytes.len() * 2, 0);
            }
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read = from.try_read(room);
        if let Ok(Some(read)) = read {
            self.end += read;
        }
        if self.is_empty() {
            self.release();
        }
        read
    }

    fn release(&mut self) {
        (self.start, self.end) = (0, 0);
        keep(std::mem::take(&mut self.bytes));
    }
}

impl Drop for ReadBuf {
    fn drop(&mut self) {
        self.release();
    }
}

/// A buffer of this size, of zeroes or of what was in it before.
fn take(size: usize) -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(|[small, large]| match size {
        HEAD_BUF => small.pop(),
        BODY_BUF => large.pop(),
        _ => None,
    });
    spare.unwrap_or_else(|| vec![0; size])
}

fn keep(buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|[small, large]| {
        let spare = match buffer.len() {
            HEAD_BUF => small,
            BODY_BUF => large,
            _ => return,
        };
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};

    use tokio::net::UnixStream;

    use super::{HEAD_BUF, HEADROOM, ReadBuf, Stream};

    async fn filled(bytes: &[u8]) -> io::Result<(ReadBuf, Stream)> {
        let (mut other, one) = std::os::unix::net::UnixStream::pair()?;
        other.write_all(bytes)?;
        one.set_nonblocking(true)?;
        let socket = Stream::Unix(UnixStream::from_std(one)?);
        let mut input = ReadBuf::default();
        input.fill(&socket, HEAD_BUF).await?;
        Ok((input, socket))
    }

    #[tokio::test]
    async fn what_fits_before_the_unread_bytes_is_one_piece_with_them() -> io::Result<()> {
        let (mut input, _) = filled(b"HEADbody").await?;
        input.consume(4);
        let longest = vec![b'x'; HEADROOM + 4];
        assert!(!input.prepend(&[&longest[..], b"x"].concat()));
        assert_eq!(input.unread(), b"body");
        assert!(input.prepend(&longest));
        assert_eq!(input.unread(), [&longest[..], b"body"].concat());
        input.consume(longest.len() + 1);
        assert_eq!(input.unread(), b"ody");
        Ok(())
    }

    #[tokio::test]
    async fn a_buffer_is_full_when_there_was_more_than_room() -> io::Result<()> {
        let (input, _) = filled(&[7; 2 * HEAD_BUF]).await?;
        assert!(input.is_full());
        let (mut input, socket) = filled(&[7; HEAD_BUF - HEADROOM - 1]).await?;
        assert!(!input.is_full());
        // The other end is closed: that is no byte more.
        assert_eq!(input.fill(&socket, HEAD_BUF).await?, 0);
        assert!(!input.is_full());
        Ok(())
    }
}
