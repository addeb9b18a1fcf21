//! Answers that are wanted whole and at once: is this one, of the status and size it should have?

use std::io;

use crate::http::chunked::Chunked;
use crate::http::wire::{Framing, Head, number, wide};

/// What an answer must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) status: u64,
    /// The size of the body, if it matters.
    pub(crate) size: Option<u64>,
}

/// An answer that has arrived whole, and is what was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// The connection ends with it.
    pub(crate) last: bool,
}

impl Wanted {
    /// Judges what has arrived so far; nothing if there has to be more.
    pub(crate) fn judge(self, bytes: &[u8]) -> io::Result<Option<Arrived>> {
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = bytes.split_at(at + 4);
        let head = Head::new(head);
        let status = head.words().nth(1).and_then(number);
        if status != Some(self.status) {
            return Err(io::Error::other(format!(
                "answered {status:?} instead of {}",
                self.status
            )));
        }
        let got = wide(rest.len());
        let size = match head.framing()? {
            Framing::None => return Err(io::Error::other("an answer without a length")),
            Framing::Length(length) if got < length => return Ok(None),
            Framing::Length(length) if got == length => length,
            Framing::Length(_) => return Err(io::Error::other("more than the answer came")),
            Framing::Chunked => {
                let mut chunked = Chunked::new();
                let taken = chunked.feed(rest)?;
                if !chunked.done() {
                    return Ok(None);
                }
                if taken < rest.len() {
                    return Err(io::Error::other("more than the answer came"));
                }
                chunked.data
            }
        };
        if self.size.is_some_and(|wanted| wanted != size) {
            return Err(io::Error::other(format!("a body of {size} bytes")));
        }
        let last = head
            .field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        Ok(Some(Arrived { last }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        status: 200,
        size: Some(5),
    };
    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";

    #[test]
    fn only_whole_answers_count() {
        for answer in [PLAIN, CHUNKED] {
            for end in 0..answer.len() {
                let (part, _) = answer.split_at(end);
                assert_eq!(WANTED.judge(part).unwrap(), None, "{end}");
            }
            let whole = WANTED.judge(answer).unwrap();
            assert_eq!(whole, Some(Arrived { last: false }));
        }
    }

    #[test]
    fn the_last_of_a_connection() {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\nhello";
        let whole = WANTED.judge(answer).unwrap();
        assert_eq!(whole, Some(Arrived { last: true }));
    }

    #[test]
    fn wrong_answers() {
        for answer in [
            &b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\r\n",
            b"nonsense\r\n\r\n",
        ] {
            assert!(WANTED.judge(answer).is_err(), "{answer:?}");
        }
    }
}
