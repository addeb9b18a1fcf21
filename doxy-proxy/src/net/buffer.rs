//! Bytes that have been read from a socket and not been consumed yet.
//!
//! A connection owns a buffer only while it has unread bytes. Each thread keeps a few free buffers
//! and hands out the last one returned first, while it is still in the processor's cache. Larger ones,
//! for the few heads that need one, are given back to the kernel at once.

use std::cell::RefCell;
use std::io;

use crate::net::block::Block;
use crate::net::stream::Stream;

/// A buffer for the head of a request, in bytes; most heads take a tenth of it.
pub(crate) const HEAD_BUF: usize = 8 * 1024;
/// A buffer for a response, or a piece of a body, in bytes. Measured: four times the size leaves the
/// processor's cache and costs a third more.
pub(crate) const BODY_BUF: usize = 64 * 1024;
/// Free bytes before what is read. A rewritten head may be longer than the original, and still stands
/// in one piece with the body behind it.
pub(crate) const HEADROOM: usize = 128;
/// The largest buffer, in bytes: 128 KiB for the longest head, and a page. Only what is used of it
/// takes memory.
pub(crate) const LARGEST_BUF: usize = 132 * 1024;
/// How many free buffers of each size a thread keeps.
const KEPT: usize = 16;

thread_local! {
    static SPARE: RefCell<[Vec<Block>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Bytes that have been read and not been consumed. Without any, it owns no memory.
#[derive(Debug, Default)]
pub(crate) struct ReadBuf {
    bytes: Block,
    start: usize,
    end: usize,
}

impl ReadBuf {
    /// A buffer of bytes that did not come from a socket: the first `end` of the block.
    pub(crate) fn from_block(bytes: Block, end: usize) -> Self {
        let end = end.min(bytes.len());
        Self {
            bytes,
            start: 0,
            end,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The bytes that have not been consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The same bytes, to be changed in place.
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Marks bytes as consumed.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
        if self.is_empty() {
            self.release();
        }
    }

    /// Puts bytes before the unread ones, if enough consumed bytes have left room there.
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

    /// Whether the last read filled the buffer. Then the socket may hold more.
    pub(crate) fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Waits for bytes and reads once, as much as fits; 0 bytes mean the end of the stream.
    ///
    /// `size` is that of a new buffer, in bytes. A full buffer is replaced by the largest one; when
    /// that is full too, this is an error.
    pub(crate) async fn fill(&mut self, from: &Stream, size: usize) -> io::Result<usize> {
        loop {
            // An empty buffer owns no memory while it waits.
            from.readable().await?;
            if let Some(read) = self.try_fill(from, size, Stream::try_read)? {
                return Ok(read);
            }
        }
    }

    /// Reads what came on a new connection before it is watched, if anything did.
    pub(crate) fn fill_new(&mut self, from: &Stream, size: usize) -> io::Result<()> {
        self.try_fill(from, size, Stream::try_read_new)?;
        Ok(())
    }

    fn try_fill(
        &mut self,
        from: &Stream,
        size: usize,
        read: fn(&Stream, &mut [u8]) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<usize>> {
        if self.bytes.is_empty() {
            self.bytes = take(size);
            (self.start, self.end) = (HEADROOM, HEADROOM);
        } else if self.is_full() {
            if self.start > HEADROOM {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            } else {
                self.enlarge()?;
            }
        }
        let room = self.bytes.get_mut(self.end..).unwrap_or_default();
        let read = read(from, room);
        if let Ok(Some(read)) = read {
            self.end += read;
        }
        if self.is_empty() {
            self.release();
        }
        read
    }

    fn enlarge(&mut self) -> io::Result<()> {
        let unread = self.unread().len();
        if unread + HEADROOM >= LARGEST_BUF {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut larger = Block::new(LARGEST_BUF);
        if let Some(room) = larger.get_mut(HEADROOM..HEADROOM + unread) {
            room.copy_from_slice(self.unread());
        }
        keep(std::mem::replace(&mut self.bytes, larger));
        (self.start, self.end) = (HEADROOM, HEADROOM + unread);
        Ok(())
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

/// A buffer of this size, with undefined contents.
fn take(size: usize) -> Block {
    let spare = SPARE.with_borrow_mut(|[small, large]| match size {
        HEAD_BUF => small.pop(),
        BODY_BUF => large.pop(),
        _ => None,
    });
    spare.unwrap_or_else(|| Block::new(size))
}

fn keep(buffer: Block) {
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
        let socket = Stream::from(UnixStream::from_std(one)?);
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
