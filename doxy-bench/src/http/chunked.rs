//! Chunked transfer coding: encodes bodies, and counts the bytes of received ones.
//!
//! Pure. The decoder is strict: a proxy that breaks the framing must fail the run, not improve its
//! figures.

use std::io;

/// Appends `data` to `out` as one chunk.
pub(crate) fn push_chunk(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// The end of a chunked body.
pub(crate) const LAST: &[u8] = b"0\r\n\r\n";

/// Decodes a chunked body that arrives in pieces of any size.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes of data decoded so far.
    pub(crate) data: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the size of a chunk.
    Size {
        value: u64,
        digits: u8,
    },
    SizeEnd {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    Trailer,
    TrailerLine,
    LastLf,
    Done,
}

impl Chunked {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Size {
                value: 0,
                digits: 0,
            },
            data: 0,
        }
    }

    pub(crate) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes the beginning of `bytes`. Returns how many bytes belong to the body.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            match self.state {
                State::Done => break,
                State::Data { left } => {
                    let here = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(left);
                    self.data += here;
                    let taken = usize::try_from(here).unwrap_or(rest.len());
                    rest = rest.get(taken..).unwrap_or_default();
                    self.state = match left - here {
                        0 => State::DataCr,
                        left => State::Data { left },
                    };
                    continue;
                }
                _ => self.state = self.after(byte)?,
            }
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }

    /// The state after a byte that is not data.
    fn after(&self, byte: u8) -> io::Result<State> {
        Ok(match (self.state, byte) {
            (State::Size { value, digits }, b'\r') if digits > 0 => State::SizeEnd { value },
            (State::Size { value, digits }, _) if digits < 15 => {
                let digit = char::from(byte).to_digit(16).ok_or_else(broken)?;
                State::Size {
                    value: value * 16 + u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::SizeEnd { value: 0 }, b'\n') => State::Trailer,
            (State::SizeEnd { value }, b'\n') => State::Data { left: value },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size {
                value: 0,
                digits: 0,
            },
            (State::Trailer, b'\r') => State::LastLf,
            (State::Trailer, _) => State::TrailerLine,
            (State::TrailerLine, b'\n') => State::Trailer,
            (State::TrailerLine, _) => State::TrailerLine,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(broken()),
        })
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "broken chunked framing")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let mut body = Vec::new();
        push_chunk(&mut body, b"hello");
        push_chunk(&mut body, &[b'x'; 300]);
        body.extend_from_slice(LAST);
        body
    }

    #[test]
    fn frames() {
        let mut out = Vec::new();
        push_chunk(&mut out, &[b'x'; 18]);
        assert_eq!(out, b"12\r\nxxxxxxxxxxxxxxxxxx\r\n");
    }

    #[test]
    fn split_anywhere() {
        let body = body();
        for at in 0..=body.len() {
            let mut chunked = Chunked::new();
            let (one, two) = body.split_at(at);
            assert_eq!(chunked.feed(one).unwrap(), one.len());
            assert_eq!(chunked.done(), at == body.len());
            assert_eq!(chunked.feed(two).unwrap(), two.len());
            assert!(chunked.done(), "{at}");
            assert_eq!(chunked.data, 305);
        }
    }

    #[test]
    fn byte_by_byte() {
        let mut chunked = Chunked::new();
        for byte in body() {
            assert_eq!(chunked.feed(&[byte]).unwrap(), 1);
        }
        assert!(chunked.done());
        assert_eq!(chunked.data, 305);
    }

    #[test]
    fn what_follows_is_left() {
        let mut chunked = Chunked::new();
        let mut bytes = body();
        let len = bytes.len();
        bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        assert_eq!(chunked.feed(&bytes).unwrap(), len);
        assert_eq!(chunked.feed(b"x").unwrap(), 0);
    }

    #[test]
    fn trailers() {
        let mut chunked = Chunked::new();
        chunked.feed(b"0\r\nA: b\r\nC: d\r\n").unwrap();
        assert!(!chunked.done());
        chunked.feed(b"\r\n").unwrap();
        assert!(chunked.done());
    }

    #[test]
    fn broken_framing() {
        for bytes in [
            &b"\r\n"[..],
            b"5\n",
            b"x\r\n",
            b"5 \r\n",
            b"5\r\nhelloX",
            b"5\r\nhello\rX",
            b"0\r\n\rX",
            b"fffffffffffffffff\r\n",
        ] {
            let mut chunked = Chunked::new();
            assert!(chunked.feed(bytes).is_err(), "{bytes:?}");
        }
    }
}
