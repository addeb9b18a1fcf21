//! Bytes that have been read from a socket and not been used yet.
//!
//! A connection holds memory only while it has bytes: the buffer is taken when there is something
//! to read, and goes back to a few that are kept when all of it is used. Those are used again
//! last one first, while they still are in the processor's cache.

use std::cell::RefCell;
use std::io;

use crate::socket::Socket;

/// Room for the head of a request; most are a tenth of it.
pub(crate) const SMALL: usize = 8 * 1024;
/// Room for an answer, or a piece of a body. Measured: four times as much leaves the processor's
/// cache and costs a third more.
pub(crate) const LARGE: usize = 64 * 1024;
/// How many of each size are kept for the next who needs one.
const KEPT: usize = 16;

thread_local! {
    static SPARE: RefCell<[Vec<Vec<u8>>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// What has been read and not been used. Without bytes it owns no memory.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Bytes that have been read already, as if from a socket.
    pub(crate) fn holding(bytes: Vec<u8>) -> Self {
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

    /// Waits for bytes and reads what is there: once, and not more than fits.
    ///
    /// `size` is that of a new buffer; one in use that is full is doubled. Nought bytes are the
    /// end of the socket.
    pub(crate) async fn fill(&mut self, from: &Socket, size: usize) -> io::Result<usize> {
        loop {
            // An empty one waits without memory.
            if let Some(read) = self.try_fill(from, size)? {
                return Ok(read);
            }
            from.readable().await?;
        }
    }

    fn try_fill(&mut self, from: &Socket, size: usize) -> io::Result<Option<usize>> {
        if self.bytes.is_empty() {
            self.bytes = take(size);
        } else if self.end == self.bytes.len() {
            if self.start > 0 {
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

impl Drop for Input {
    fn drop(&mut self) {
        self.release();
    }
}

/// A buffer of this size, of zeroes or of what was in it before.
fn take(size: usize) -> Vec<u8> {
    let spare = SPARE.with_borrow_mut(|[small, large]| match size {
        SMALL => small.pop(),
        LARGE => large.pop(),
        _ => None,
    });
    spare.unwrap_or_else(|| vec![0; size])
}

fn keep(buffer: Vec<u8>) {
    SPARE.with_borrow_mut(|[small, large]| {
        let spare = match buffer.len() {
            SMALL => small,
            LARGE => large,
            _ => return,
        };
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}
