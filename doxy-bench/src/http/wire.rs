//! A connection with HTTP/1.1 on it, for the stand-in engine and the load driver.
//!
//! It is cheap, because its cost adds to that of the proxy. It does not validate HTTP.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::http::chunked::{Chunked, LAST, push_chunk};

/// The size of one write: dockerd and the docker CLI copy in pieces of this size.
pub(crate) const WRITE_SIZE: usize = 32 * 1024;
/// The size of one read where throughput matters.
pub(crate) const READ_SIZE: usize = 256 * 1024;
/// The longest head that is accepted.
const HEAD: usize = 64 * 1024;

/// A buffer that is aligned to a page.
///
/// The kernel keeps the data of a socket in whole pages. Some processors (Zen 4) copy from there
/// four times slower to an address that lies a few bytes after the beginning of a page, where
/// allocators put large buffers. That would look like a cost of the socket.
#[derive(Debug)]
#[repr(align(4096))]
struct Pages<const SIZE: usize>([u8; SIZE]);

static FILL: Pages<WRITE_SIZE> = Pages([b'x'; WRITE_SIZE]);

thread_local! {
    /// One buffer for all connections, so that a thousand idle ones need no memory here.
    static SCRATCH: RefCell<Box<Pages<READ_SIZE>>> = RefCell::new(Box::new(Pages([0; READ_SIZE])));
}

/// The head of a request or an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    line: &'a [u8],
    fields: &'a [u8],
}

impl<'a> Head<'a> {
    /// `head` includes the blank line.
    pub(crate) fn new(head: &'a [u8]) -> Self {
        let end = head.iter().position(|&byte| byte == b'\n');
        let (line, fields) = head.split_at(end.map_or(head.len(), |end| end + 1));
        Self {
            line: line.trim_ascii_end(),
            fields,
        }
    }

    /// The words of the first line.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.line.split(|&byte| byte == b' ')
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields
            .split(|&byte| byte == b'\n')
            .find_map(|line| {
                let (key, value) = line.split_at_checked(name.len())?;
                let value = value.strip_prefix(b":")?;
                key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
            })
            .map(<[u8]>::trim_ascii)
    }

    pub(crate) fn framing(&self) -> io::Result<Framing> {
        if self
            .field("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        {
            return Ok(Framing::Chunked);
        }
        match self.field("content-length") {
            None => Ok(Framing::None),
            Some(length) => parse_number(length)
                .map(Framing::Length)
                .ok_or_else(|| io::Error::other("Content-Length is not a number")),
        }
    }
}

/// How the end of a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// Parses a decimal number.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A connection, with the bytes that were read past the end of a message.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    held: Vec<u8>,
}

impl Wire {
    pub(crate) const fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            held: Vec::new(),
        }
    }

    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self::new(UnixStream::connect(socket).await?))
    }

    /// Reads the next head and returns what `read` makes of it; `None` at the end of the stream.
    pub(crate) async fn head<T>(
        &mut self,
        read: impl FnOnce(Head<'_>) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let mut seen = 0;
        loop {
            let unseen = self.held.get(seen..).unwrap_or_default();
            if let Some(at) = unseen.windows(4).position(|four| four == b"\r\n\r\n") {
                let end = seen + at + 4;
                let made = read(Head::new(self.held.get(..end).unwrap_or_default()))?;
                self.held.drain(..end);
                return Ok(Some(made));
            }
            if self.held.len() > HEAD {
                return Err(io::Error::other("the head is too long"));
            }
            seen = self.held.len().saturating_sub(3);
            self.held.reserve(4096);
            if self.stream.read_buf(&mut self.held).await? == 0 {
                return match self.held.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    /// Reads at most `max` bytes and passes them to `take`, which returns how many it consumed. The
    /// rest is kept. Returns that number, or 0 at the end of the stream.
    pub(crate) async fn take(
        &mut self,
        max: usize,
        mut take: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        tokio::task::consume_budget().await;
        if !self.held.is_empty() {
            let most = self.held.len().min(max);
            let taken = take(self.held.get(..most).unwrap_or_default())?;
            self.held.drain(..taken);
            return Ok(taken);
        }
        loop {
            self.stream.readable().await?;
            let step: io::Result<usize> = SCRATCH.with_borrow_mut(|scratch| {
                let most = READ_SIZE.min(max);
                let room = scratch.0.get_mut(..most).unwrap_or_default();
                let read = self.stream.try_read(room)?;
                let bytes = room.get(..read).unwrap_or_default();
                if bytes.is_empty() {
                    return Ok(0);
                }
                let taken = take(bytes)?;
                self.held
                    .extend_from_slice(bytes.get(taken..).unwrap_or_default());
                Ok(taken)
            });
            match step {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                step => return step,
            }
        }
    }

    /// Reads and discards at most `max` bytes. Returns how many, or 0 at the end of the stream.
    pub(crate) async fn some(&mut self, max: usize) -> io::Result<usize> {
        self.take(max, |bytes| Ok(bytes.len())).await
    }

    /// Reads and discards exactly `size` bytes.
    pub(crate) async fn exactly(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(READ_SIZE).min(READ_SIZE);
            match self.some(most).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= to_u64(read),
            }
        }
        Ok(())
    }

    /// Reads a body to its end. Returns its size.
    pub(crate) async fn body(&mut self, framing: Framing) -> io::Result<u64> {
        match framing {
            Framing::None => Ok(0),
            Framing::Length(length) => self.exactly(length).await.map(|()| length),
            Framing::Chunked => {
                let mut chunked = Chunked::new();
                while !chunked.done() {
                    if self.take(READ_SIZE, |bytes| chunked.feed(bytes)).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Ok(chunked.data)
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes `size` bytes of padding.
    pub(crate) async fn fill(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let here = usize::try_from(left).unwrap_or(WRITE_SIZE).min(WRITE_SIZE);
            self.write(FILL.0.get(..here).unwrap_or_default()).await?;
            left -= to_u64(here);
        }
        Ok(())
    }

    /// Writes a chunked body with `size` bytes of padding, one write per chunk.
    pub(crate) async fn fill_chunked(&mut self, mut left: u64) -> io::Result<()> {
        let mut frame = Vec::new();
        push_chunk(&mut frame, &FILL.0);
        while left >= to_u64(WRITE_SIZE) {
            self.write(&frame).await?;
            left -= to_u64(WRITE_SIZE);
        }
        let rest = usize::try_from(left).unwrap_or_default();
        frame.clear();
        if rest > 0 {
            push_chunk(&mut frame, FILL.0.get(..rest).unwrap_or_default());
        }
        frame.extend_from_slice(LAST);
        self.write(&frame).await
    }

    /// Shuts down the writing side; the reading side stays open.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

/// Converts a size to `u64`.
pub(crate) fn to_u64(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = Head::new(b"GET /x?n=1 HTTP/1.1\r\nHost: d\r\nContent-length:  12 \r\n\r\n");
        assert_eq!(head.words().nth(1), Some(&b"/x?n=1"[..]));
        assert_eq!(head.field("host"), Some(&b"d"[..]));
        assert_eq!(head.field("hos"), None);
        assert_eq!(head.field("content-type"), None);
        assert_eq!(head.framing().unwrap(), Framing::Length(12));
    }

    #[test]
    fn framings() {
        for (fields, expected) in [
            ("", Some(Framing::None)),
            ("Transfer-Encoding: chunked\r\n", Some(Framing::Chunked)),
            ("Content-Length: 0\r\n", Some(Framing::Length(0))),
            ("Content-Length: x\r\n", None),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(Head::new(head.as_bytes()).framing().ok(), expected);
        }
    }

    #[tokio::test]
    async fn a_head_and_a_body_in_pieces() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut here, mut there) = (Wire::new(here), Wire::new(there));
        let write = async {
            for piece in [
                &b"HTTP/1.1 200 OK\r\n\r"[..],
                b"\n3\r\nab",
                b"c\r\n0\r\n\r\nrest",
            ] {
                there.write(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            there.end().await.unwrap();
        };
        let read = async {
            assert!(here.head(|_| Ok(())).await.unwrap().is_some());
            assert_eq!(here.body(Framing::Chunked).await.unwrap(), 3);
            here.exactly(4).await.unwrap();
            assert_eq!(here.some(1).await.unwrap(), 0);
        };
        tokio::join!(write, read);
    }

    #[tokio::test]
    async fn fillings_are_as_long_as_they_are_said_to_be() {
        for size in [0, 1, 32_768, 100_000] {
            let (here, there) = UnixStream::pair().unwrap();
            let (mut here, mut there) = (Wire::new(here), Wire::new(there));
            let write = async {
                there.fill(size).await.unwrap();
                there.fill_chunked(size).await.unwrap();
            };
            let read = async {
                here.exactly(size).await.unwrap();
                assert_eq!(here.body(Framing::Chunked).await.unwrap(), size);
            };
            tokio::join!(write, read);
        }
    }
}
