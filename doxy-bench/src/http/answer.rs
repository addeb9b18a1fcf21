//! Checks whether an answer has arrived completely, with the status and the size that were
//! expected.
//!
//! It reads no socket: the caller collects the bytes.

use std::io;

use crate::http::chunked::Chunked;
use crate::http::wire::{Framing, Head, parse_number, to_u64};

/// The answer that a request must get.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) status: u64,
    /// The size of the body; `None` accepts any.
    pub(crate) size: Option<u64>,
}

/// A complete answer that is as expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Complete {
    /// The server closes the connection after it.
    pub(crate) last: bool,
}

impl Expected {
    /// Checks the bytes that have arrived so far. `None` means that the answer is incomplete.
    pub(crate) fn check(self, bytes: &[u8]) -> io::Result<Option<Complete>> {
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = bytes.split_at(at + 4);
        let head = Head::new(head);
        let status = head.words().nth(1).and_then(parse_number);
        if status != Some(self.status) {
            return Err(io::Error::other(format!(
                "the status is {status:?} instead of {}",
                self.status
            )));
        }
        let got = to_u64(rest.len());
        let size = match head.framing()? {
            Framing::None => return Err(io::Error::other("the answer has no length")),
            Framing::Length(length) if got < length => return Ok(None),
            Framing::Length(length) if got == length => length,
            Framing::Length(_) => {
                return Err(io::Error::other(
                    "bytes arrived after the end of the answer",
                ));
            }
            Framing::Chunked => {
                let mut chunked = Chunked::new();
                let taken = chunked.feed(rest)?;
                if !chunked.done() {
                    return Ok(None);
                }
                if taken < rest.len() {
                    return Err(io::Error::other(
                        "bytes arrived after the end of the answer",
                    ));
                }
                chunked.data
            }
        };
        if self.size.is_some_and(|wanted| wanted != size) {
            return Err(io::Error::other(format!("the body has {size} bytes")));
        }
        let last = head
            .field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
        Ok(Some(Complete { last }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const WANTED: Expected = Expected {
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
                assert_eq!(WANTED.check(part).unwrap(), None, "{end}");
            }
            let whole = WANTED.check(answer).unwrap();
            assert_eq!(whole, Some(Complete { last: false }));
        }
    }

    #[test]
    fn the_last_of_a_connection() {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\nhello";
        let whole = WANTED.check(answer).unwrap();
        assert_eq!(whole, Some(Complete { last: true }));
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
            assert!(WANTED.check(answer).is_err(), "{answer:?}");
        }
    }
}
